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
// flag names, else in the variable, else as the command prints them. None is no error.
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
	if g.AtRestKey != "" {
		content, err = readKeyFile(g.AtRestKey)
		return content, g.AtRestKey, err
	}
	if text := os.Getenv(keyVariable); text != "" {
		return []byte(text), keyVariable, nil
	}
	if command := os.Getenv(keyCommandVariable); command != "" {
		content, err = runKeyCommand(command)
		return content, keyCommandVariable, err
	}
	return nil, "", nil
}

func readKeyFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--at-rest-key: %w", err)
	}
	defer f.Close()
	return readKeyFrom(f, name)
}

func readKeyFrom(r io.Reader, name string) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxKeyBytes+1))
	if err == nil && len(content) > maxKeyBytes {
		err = fmt.Errorf("%s: %w: over %d bytes", name, atrest.ErrBadIdentity, maxKeyBytes)
	}
	return content, err
}

// runKeyCommand runs a program with its arguments, which stand between spaces: no shell
// looks at them. What it says to stderr is shown.
func runKeyCommand(command string) ([]byte, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, fmt.Errorf("%s is blank", keyCommandVariable)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", keyCommandVariable, err)
	}
	content, err := readKeyFrom(out, keyCommandVariable)
	if err != nil {
		_ = cmd.Process.Kill() // it prints without end
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("%s: %s: %w", keyCommandVariable, words[0], ended)
	}
	if err == nil && len(bytes.TrimSpace(content)) == 0 {
		err = fmt.Errorf("%s: %s printed no key", keyCommandVariable, words[0])
	}
	return content, err
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
