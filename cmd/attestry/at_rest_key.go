package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"filippo.io/age"
	"golang.org/x/term"

	"github.com/attestry/attestry/internal/atrest"
)

// Where the key of an encrypted workspace comes from, if no flag names its file.
const (
	keyVariable        = "ATTESTRY_AT_REST_KEY"         // the key itself
	keyCommandVariable = "ATTESTRY_AT_REST_KEY_COMMAND" // a program that prints it, and its arguments
)

// maxKeyBytes bounds what a file or command gives as a key.
const maxKeyBytes = 1 << 20

// unlock gives the age identities that open an encrypted workspace: of the file that the
// flag names, else of what the configuration names, else in the variable, else as the
// command prints them. None is no error.
func (g *globals) unlock() ([]age.Identity, error) {
	content, from, err := g.keyContent()
	if err != nil || content == nil {
		return nil, err
	}
	identities, err := atrest.ReadIdentities(content, askPassphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return identities, nil
}

func (g *globals) keyContent() (content []byte, from string, err error) {
	c := g.configured
	switch command := strings.Fields(os.Getenv(keyCommandVariable)); {
	case g.AtRestKey != "":
		return readKeyFile("--at-rest-key", g.AtRestKey)
	case c.File != "":
		return readKeyFile("at_rest.file", c.File)
	case c.Env != "" && os.Getenv(c.Env) == "":
		return nil, "", fmt.Errorf("at_rest.env: the variable %s is not set", c.Env)
	case c.Env != "":
		return []byte(os.Getenv(c.Env)), c.Env, nil
	case len(c.Command) > 0:
		return runKeyCommand("at_rest.command", c.Command)
	case os.Getenv(keyVariable) != "":
		return []byte(os.Getenv(keyVariable)), keyVariable, nil
	case len(command) > 0:
		return runKeyCommand(keyCommandVariable, command)
	}
	return nil, "", nil
}

func readKeyFile(from, name string) ([]byte, string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", from, err)
	}
	defer f.Close()
	content, err := readKeyFrom(f, name)
	return content, name, err
}

func readKeyFrom(r io.Reader, name string) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxKeyBytes+1))
	if err == nil && len(content) > maxKeyBytes {
		err = fmt.Errorf("%s: %w: over %d bytes", name, atrest.ErrBadIdentity, maxKeyBytes)
	}
	return content, err
}

// runKeyCommand runs a program with its arguments; no shell looks at them. What it says to
// stderr is shown.
func runKeyCommand(from string, words []string) (content []byte, _ string, err error) {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", from, err)
	}
	content, err = readKeyFrom(out, from)
	if err != nil {
		_ = cmd.Process.Kill() // it prints without end
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("%s: %s: %w", from, words[0], ended)
	}
	if err == nil && len(bytes.TrimSpace(content)) == 0 {
		err = fmt.Errorf("%s: %s printed no key", from, words[0])
	}
	return content, from, err
}

// errNoTerminal says that a passphrase is wanted where nobody can be asked.
var errNoTerminal = errors.New("the key is encrypted with a passphrase, and there is no terminal to ask for it")

// askPassphrase asks whoever sits at the terminal, whatever the standard streams are.
func askPassphrase() (string, error) { return ask("Passphrase of the at-rest key: ") }

func ask(prompt string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", errNoTerminal
	}
	defer tty.Close()
	_, _ = fmt.Fprint(tty, prompt)
	phrase, err := term.ReadPassword(int(tty.Fd()))
	_, _ = fmt.Fprintln(tty)
	return string(phrase), err
}
