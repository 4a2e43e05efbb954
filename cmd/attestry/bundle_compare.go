package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/verifier"
)

type bundleCompareCmd struct {
	Files []string `arg:"" name:"files" placeholder:"FILE" help:"Bundles, and signed checkpoints as a log serves and exports them."`
	Trust string   `env:"ATTESTRY_TRUST" required:"" placeholder:"TRUST.json" help:"What you pin: the logs' keys."`
}

func (*bundleCompareCmd) Help() string {
	return `Puts what people were shown of a log side by side. Two checkpoints of one size with different roots, both signed by the log, prove that it shows two histories (a split view): the exit code is 1, and the files are evidence. Checkpoints of different sizes need the log to compare them: attestry verify BUNDLE --log EXPORT_DIR.

Examples:

    attestry bundle compare mine.json theirs.json --trust trust.json
    attestry bundle compare bundle.json export/checkpoint --trust trust.json`
}

// bundleCompareResult is what bundle compare says in JSON.
type bundleCompareResult struct {
	OK          bool                 `json:"ok"`
	Checkpoints int                  `json:"checkpoints"`
	SplitViews  []verifier.SplitView `json:"split_views"`
}

func (c *bundleCompareCmd) Run(env *cli.Env) error {
	trust, err := verifycmd.ReadTrust(env, c.Trust)
	if err != nil {
		return err
	}
	var shown []verifier.Shown
	result := bundleCompareResult{}
	for _, name := range c.Files {
		s, err := readShown(env, name)
		if err != nil {
			return err
		}
		shown = append(shown, s)
		result.Checkpoints += len(s.Checkpoints)
	}
	if result.SplitViews, err = verifier.SplitViews(trust, shown...); err != nil {
		return err
	}
	result.OK = len(result.SplitViews) == 0
	if err := result.print(env); err != nil || result.OK {
		return err
	}
	return cli.Refuse(errors.New("the log shows two histories"))
}

func (r bundleCompareResult) print(env *cli.Env) error {
	if env.JSON {
		return env.PrintJSON(r)
	}
	for _, s := range r.SplitViews {
		if err := env.Print("%s", s); err != nil {
			return err
		}
	}
	if !r.OK {
		return nil
	}
	return env.Print("%s: no two of one size differ", cli.Plural(r.Checkpoints, "checkpoint"))
}

// readShown reads the checkpoints of a bundle, or one alone.
func readShown(env *cli.Env, name string) (s verifier.Shown, err error) {
	data, err := env.ReadFile(name)
	if err != nil {
		return s, err
	}
	s.Name = cli.FileName(name)
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		s.Checkpoints = [][]byte{data}
		if _, err := ledger.ReadCheckpoint(data); err != nil {
			return s, fmt.Errorf("%s is neither a bundle nor a checkpoint: %w", s.Name, err)
		}
		return s, nil
	}
	b, err := verifier.ParseBundle(data)
	if err != nil {
		return s, fmt.Errorf("%s: %w", s.Name, err)
	}
	s.Checkpoints, err = b.Checkpoints()
	return s, err
}
