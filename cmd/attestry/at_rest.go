package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server/budget"
	rules "github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/workspace"
)

type atRestCmds struct {
	Keygen atRestKeygenCmd `cmd:"" help:"Make a key that opens an encrypted workspace."`
	Enable atRestEnableCmd `cmd:"" help:"Encrypt a workspace that is in the clear."`
	Rewrap atRestRewrapCmd `cmd:"" help:"Say anew whose keys open the workspace."`
	Rotate atRestRotateCmd `cmd:"" help:"Encrypt everything anew under a new data key."`
	Status atRestStatusCmd `cmd:"" help:"Show how the workspace is encrypted, and whose keys open it."`
}

func (*atRestCmds) Help() string {
	return `Records, secrets and signing keys of a workspace can be encrypted where they are stored: under a random data key, which is kept in the workspace, encrypted with age to the recipients who may open it. Commands that open such a workspace need the key of one of them: from the file that --at-rest-key names, from the variable ATTESTRY_AT_REST_KEY, or as the command prints it that ATTESTRY_AT_REST_KEY_COMMAND names. Without it, or if it is lost, nobody reads the workspace: name an escrow as a further recipient, and keep its key elsewhere.

Examples:

    attestry at-rest keygen -o at-rest.key --recipient at-rest.pub
    attestry init --encrypt-to at-rest.pub --encrypt-to escrow.pub --at-rest-key at-rest.key
    attestry at-rest status --at-rest-key at-rest.key`
}

// recipientFlag is whom data keys are encrypted to.
type recipientFlag struct {
	EncryptTo []string `placeholder:"RECIPIENT" sep:"none" help:"Whose key opens the workspace: an age recipient, or a file of some. May be given several times; one must be the key's at hand."`
}

// recipients reads what was named.
func (f *recipientFlag) recipients(env *cli.Env) (all []string, err error) {
	for _, named := range f.EncryptTo {
		content := []byte(named)
		if !strings.HasPrefix(named, "age1") {
			if content, err = env.ReadFile(named); err != nil {
				return nil, fmt.Errorf("--encrypt-to: %w", err)
			}
		}
		some, err := atrest.ReadRecipients(content)
		if err != nil {
			return nil, fmt.Errorf("--encrypt-to %.24s: %w", named, err)
		}
		all = append(all, some...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

type atRestKeygenCmd struct {
	Out        string `short:"o" required:"" placeholder:"AT-REST.key" help:"Where to write the key (mode 0600)."`
	Recipient  string `placeholder:"AT-REST.pub" help:"Where to write the recipient, which is long. Default: it is printed."`
	X25519     bool   `name:"x25519" help:"Make a key of X25519 alone, whose recipient is short, but which a quantum computer would break."`
	Passphrase bool   `help:"Ask for a passphrase, with which the file is encrypted."`
}

func (*atRestKeygenCmd) Help() string {
	return `Writes a new age identity and gives its recipient, which --encrypt-to takes. The key belongs on the machine that runs the workspace, readable by its user alone, or into whatever keeps secrets there; an escrow's key belongs anywhere else. age-keygen makes keys of the same form, and age opens keys/data.age with them.

A key with a passphrase can be used by a person at a terminal, and by no server.

Examples:

    attestry at-rest keygen -o at-rest.key --recipient at-rest.pub
    attestry at-rest keygen --passphrase -o escrow.key --recipient escrow.pub`
}

// atRestKeygenResult is what at-rest keygen says in JSON.
type atRestKeygenResult struct {
	Recipient string `json:"recipient"`
}

func (c *atRestKeygenCmd) Run(env *cli.Env) error {
	if _, err := os.Lstat(c.Out); c.Out != cli.Dash && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: a key that is written over is lost", c.Out)
	}
	err := cli.Distinct(nil, []cli.Named{{What: "-o", File: c.Out}, {What: "--recipient", File: c.Recipient}})
	if err != nil {
		return err
	}
	phrase, err := c.passphrase()
	if err != nil {
		return err
	}
	file, recipient, err := atrest.NewIdentity(c.X25519, phrase)
	if err != nil {
		return err
	}
	if err := env.WriteFile(c.Out, file, 0o600); err != nil {
		return err
	}
	switch {
	case c.Recipient != "":
		return env.WriteFile(c.Recipient, []byte(recipient+"\n"), 0o644)
	case env.JSON:
		return env.PrintJSON(atRestKeygenResult{recipient})
	}
	return env.Print("%s", recipient)
}

func (c *atRestKeygenCmd) passphrase() (string, error) {
	if !c.Passphrase {
		return "", nil
	}
	phrase, err := ask("Passphrase: ")
	if err != nil {
		return "", err
	}
	again, err := ask("The same again: ")
	switch {
	case err != nil:
		return "", err
	case phrase != again:
		return "", errors.New("the passphrases differ")
	case phrase == "":
		return "", errors.New("the passphrase is empty")
	}
	return phrase, nil
}

type atRestEnableCmd struct{ recipientFlag }

func (*atRestEnableCmd) Help() string {
	return `Writes every registry anew, encrypted, and the signing keys too. If it is interrupted, everything still opens with the key, and the same command without --encrypt-to goes on. What was in the clear may still be in unused blocks of the disk, in its snapshots and in backups; for the signing keys there is key rotate.

Examples:

    attestry at-rest enable --encrypt-to at-rest.pub --encrypt-to escrow.pub --at-rest-key at-rest.key`
}

// atRestResult is what enable, rewrap and rotate say in JSON.
type atRestResult struct {
	Key        string   `json:"key"`
	Recipients []string `json:"recipients"`
}

func (c *atRestEnableCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	recipients, err := c.recipients(env)
	if err != nil {
		return err
	}
	return g.with(func(w *workspace.Workspace) error {
		err := w.Encrypt(ctx, recipients, g.unlock, encrypting(env), rules.Reseal, budget.Reseal)
		if err != nil {
			return cli.Interrupted(hintOpen(err), "at-rest enable goes on where it was")
		}
		return showAtRest(env, w)
	})
}

func encrypting(env *cli.Env) func(string) {
	return func(what string) { env.Note("encrypting %s", what) }
}

type atRestRewrapCmd struct{ recipientFlag }

func (*atRestRewrapCmd) Help() string {
	return `The data key stays; it is encrypted to these recipients, all of them and no others. To replace a key, put the new one into the key file beside the old one, rewrap, and take the old one out. Whoever had a key before and a copy of keys/data.age can still read what they have, and what is written under the same data key: after a theft, rotate.

Examples:

    attestry at-rest rewrap --encrypt-to new.pub --encrypt-to escrow.pub --at-rest-key at-rest.key`
}

func (c *atRestRewrapCmd) Run(env *cli.Env, g *globals) error {
	recipients, err := c.recipients(env)
	if err != nil {
		return err
	}
	return g.with(func(w *workspace.Workspace) error {
		if err := w.Rewrap(recipients); err != nil {
			return hintOpen(err)
		}
		return showAtRest(env, w)
	})
}

type atRestRotateCmd struct{}

func (*atRestRotateCmd) Help() string {
	return `Draws a new data key and writes everything anew under it. Until all is, the workspace opens with either; then the old data key is gone. If it is interrupted, the same command goes on. Needs room for the largest registry a second time.

Examples:

    attestry at-rest rotate --at-rest-key at-rest.key`
}

func (c *atRestRotateCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		if err := w.RotateDataKey(ctx, encrypting(env), rules.Reseal, budget.Reseal); err != nil {
			return cli.Interrupted(err, "at-rest rotate goes on where it was")
		}
		return showAtRest(env, w)
	})
}

func showAtRest(env *cli.Env, w *workspace.Workspace) error {
	s, err := w.AtRestStatus()
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(atRestResult{s.Key, s.Recipients})
	}
	return env.Print("encrypted under data key %s, for %s", s.Key, cli.Plural(len(s.Recipients), "recipient"))
}

type atRestStatusCmd struct{}

func (*atRestStatusCmd) Help() string {
	return `Opens the workspace and every registry with the key at hand, and shows whose keys would do. Exit code 1: something is not encrypted under the present data key. Run it with the escrow's key, too, now and then.

Examples:

    attestry at-rest status --at-rest-key at-rest.key
    attestry at-rest status --at-rest-key escrow.key --json`
}

// atRestStatusResult is what at-rest status says in JSON.
type atRestStatusResult struct {
	Encrypted  bool              `json:"encrypted"`
	Key        string            `json:"key"`
	Recipients []string          `json:"recipients"`
	Finished   bool              `json:"finished"`
	Registries map[string]string `json:"registries"` // the data key of each
}

func (c *atRestStatusCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		s, err := w.AtRestStatus()
		if errors.Is(err, workspace.ErrNotEncrypted) {
			if env.JSON {
				err = errors.Join(env.PrintJSON(atRestStatusResult{Recipients: []string{}, Finished: true, Registries: map[string]string{}}), err)
			}
			return cli.Refuse(cli.Hint(err, "attestry at-rest enable encrypts it"))
		}
		if err != nil {
			return err
		}
		if err := c.print(env, s); err != nil {
			return err
		}
		if s.Changing {
			return cli.Refuse(cli.Hint(workspace.ErrUnfinished, "attestry at-rest rotate (or enable) goes on"))
		}
		return nil
	})
}

func (c *atRestStatusCmd) print(env *cli.Env, s *workspace.AtRestStatus) error {
	if env.JSON {
		return env.PrintJSON(atRestStatusResult{true, s.Key, s.Recipients, !s.Changing, s.Registries})
	}
	err := env.Print("data key %s", s.Key)
	for _, r := range s.Recipients {
		err = errors.Join(err, env.Print("recipient %s", r))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Registries)) {
		err = errors.Join(err, env.Print("registry %s: %s", name, s.Registries[name]))
	}
	return err
}
