package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"filippo.io/age"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
)

type holderCmds struct {
	Keygen holderKeygenCmd `cmd:"" help:"Make a holder's key."`
}

func (*holderCmds) Help() string {
	return `A holder proves facts about their own record, on their own machine. The agency puts the holder's tag into the record; from then on nobody without the holder's secret can prove about it, the agency included.

Examples:

    attestry holder keygen -o holder.key`
}

// holderFormat is the format member of a holder's key file.
const holderFormat = "attestry/holder-key/v1"

var errHolderKey = errors.New("not a holder's key")

// holderKey is a holder's key file: the secret that proofs need, and the age
// identity that record files are sealed to. Both are private.
type holderKey struct {
	Format   string            `json:"format"`
	Secret   statement.Element `json:"secret"`
	Identity string            `json:"identity"`
}

// holderPublic is what the holder tells the agency.
type holderPublic struct {
	Tag       statement.Element `json:"tag"`
	Recipient string            `json:"recipient"`
}

func newHolderKey() (*holderKey, holderPublic, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, holderPublic{}, err
	}
	k := &holderKey{Format: holderFormat, Secret: statement.RandomElement(), Identity: identity.String()}
	return k, holderPublic{Tag: k.tag(), Recipient: identity.Recipient().String()}, nil
}

func (k *holderKey) tag() statement.Element {
	return statement.Element(statement.HolderTag(k.Secret.Fr()))
}

func readHolderKey(env *cli.Env, name string) (*holderKey, *age.X25519Identity, error) {
	document, err := env.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	k := &holderKey{}
	if err := canon.Unmarshal(document, k); err != nil || k.Format != holderFormat {
		return nil, nil, fmt.Errorf("%w: %s", errHolderKey, cli.FileName(name)) // never what is in it
	}
	identity, err := age.ParseX25519Identity(k.Identity)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s", errHolderKey, cli.FileName(name))
	}
	return k, identity, nil
}

type holderKeygenCmd struct {
	Out string `short:"o" required:"" placeholder:"HOLDER.key" help:"Where to write the key (mode 0600)."`
}

func (*holderKeygenCmd) Help() string {
	return `Writes a new key and prints what to give the agency: the tag, which goes into the column that the schema names as holder, and the recipient, to which record open seals the record. Whoever loses the key can prove nothing any more until the agency commits another tag; whoever steals it can prove in the holder's place.

Examples:

    attestry holder keygen -o holder.key
    attestry holder keygen -o holder.key --json`
}

func (c *holderKeygenCmd) Run(env *cli.Env) error {
	if _, err := os.Lstat(c.Out); c.Out != cli.Dash && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: a key that is written over is lost", c.Out)
	}
	key, public, err := newHolderKey()
	if err != nil {
		return err
	}
	document, err := json.Marshal(key)
	if err != nil {
		return err
	}
	if err := env.WriteFile(c.Out, append(document, '\n'), 0o600); err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(public)
	}
	return errors.Join(env.Print("tag %s", public.Tag), env.Print("recipient %s", public.Recipient))
}
