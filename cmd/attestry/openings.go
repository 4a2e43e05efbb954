package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"

	"github.com/attestry/attestry/client"
	"github.com/attestry/attestry/internal/cli"
)

type openingsCmds struct {
	Open openingsOpenCmd `cmd:"" help:"Decrypt the openings that a server sealed to you."`
}

func (*openingsCmds) Help() string {
	return `A server gives the openings of an answer to nobody in the clear: it encrypts them with age to the recipient that the request names (request new --key or --seal-to).

Examples:

    attestry openings open openings.age --key bank.key -o openings.json`
}

type openingsOpenCmd struct {
	Sealed string `arg:"" placeholder:"OPENINGS.age" help:"The sealed openings; - is standard input."`
	Key    string `required:"" placeholder:"FILE" help:"The file of the identity that they are sealed to, as request new --key or age-keygen wrote it."`
	Out    string `short:"o" default:"-" placeholder:"OPENINGS.json" help:"Where to write the openings (mode 0600)."`
}

func (*openingsOpenCmd) Help() string {
	return `Decrypts openings, and checks that they are such. The program age does the same: age -d -i FILE.

Examples:

    attestry openings open openings.age --key bank.key -o openings.json`
}

func (c *openingsOpenCmd) Run(env *cli.Env) error {
	err := cli.Distinct([]cli.Named{{What: "the sealed openings", File: c.Sealed}, {What: "the key", File: c.Key}}, []cli.Named{{What: "the openings", File: c.Out}})
	if err != nil {
		return err
	}
	identities, err := readIdentities(env, c.Key)
	if err != nil {
		return err
	}
	sealed, err := env.ReadFile(c.Sealed)
	if err != nil {
		return err
	}
	plain, err := client.Unseal(sealed, identities...)
	if err != nil {
		return fmt.Errorf("%s: %w", cli.FileName(c.Sealed), err)
	}
	if err := env.WriteFile(c.Out, plain, 0o600); err != nil || c.Out == cli.Dash {
		return err
	}
	return env.Print("openings in %s", c.Out)
}

// sealingKey is the file of a bank's identity: as age-keygen writes it, so that age reads
// it, too.
const sealingKey = "# Openings are sealed to this key: keep it, and keep it to yourself.\n# public key: %s\n%s\n"

// makeSealingKey gives the recipient of an identity's file, which is made where there is
// none. made tells that it was.
func makeSealingKey(env *cli.Env, name string) (recipient string, made bool, err error) {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		identities, err := readIdentities(env, name)
		if err != nil {
			return "", false, err
		}
		identity, ok := identities[0].(*age.X25519Identity)
		if !ok || len(identities) > 1 {
			return "", false, fmt.Errorf("%s holds not one X25519 identity alone: name the recipient with --seal-to", name)
		}
		return identity.Recipient().String(), false, nil
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", false, err
	}
	recipient = identity.Recipient().String()
	return recipient, true, env.WriteFile(name, fmt.Appendf(nil, sealingKey, recipient, identity), 0o600)
}

func readIdentities(env *cli.Env, name string) ([]age.Identity, error) {
	document, err := env.ReadFile(name)
	if err != nil {
		return nil, err
	}
	identities, err := age.ParseIdentities(strings.NewReader(string(document)))
	if err != nil {
		return nil, fmt.Errorf("%s is no file of age identities, AGE-SECRET-KEY-1…", cli.FileName(name)) // never what is in it
	}
	return identities, nil
}
