package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/verifier"
)

// Names of the files that an answer is saved in when it could not be written.
const (
	savedBundle   = "bundle.json"
	savedOpenings = "openings.json"
)

// outputs are where an answer goes. They are made ready before anything is proved:
// what is logged stays logged, and a pledge without its bundle cannot be released.
// openings and pledge are nil where they are not asked for.
type outputs struct{ bundle, openings, pledge *cli.Output }

var errSamePlace = errors.New("the bundle and the openings go to the same place: whoever verifies must not get the openings")

// prepareOutputs refuses, and finds out, what would keep the files from being written.
func (c *proveCmd) prepareOutputs(env *cli.Env) (*outputs, error) {
	if c.Openings != "" && filepath.Clean(c.Openings) == filepath.Clean(c.Out) {
		return nil, errSamePlace
	}
	err := cli.Distinct(
		[]cli.Named{
			{What: "the request", File: c.Request}, {What: "the record", File: c.Record}, {What: "the holder's key", File: c.Holder},
			{What: "the trust file of " + trustVariable, File: os.Getenv(trustVariable)},
		},
		[]cli.Named{{What: "the bundle", File: c.Out}, {What: "the openings", File: c.Openings}, {What: "the pledge", File: c.Pledge}},
	)
	if err != nil {
		return nil, err
	}
	o := &outputs{}
	if c.Openings != "" {
		if o.openings, err = env.Prepare(c.Openings, 0o600); err != nil {
			return nil, err
		}
	}
	if o.bundle, err = env.Prepare(c.Out, 0o644); err != nil {
		o.discard()
		return nil, err
	}
	if c.Pledge != "" {
		if o.pledge, err = env.Prepare(c.Pledge, 0o644); err != nil {
			o.discard()
			return nil, err
		}
	}
	return o, nil
}

func (o *outputs) discard() {
	o.bundle.Discard()
	o.openings.Discard()
	o.pledge.Discard()
}

// write writes all files or none: the openings first, because a bundle without
// them looks finished and is not, and a holder's pledge last, because it can be
// appended from then on.
func (o *outputs) write(a *prover.Answer) error {
	bundle, err := a.Bundle.Marshal()
	if err != nil {
		return err
	}
	openings, err := a.Openings.Marshal()
	if err != nil {
		return err
	}
	bundle, openings = append(bundle, '\n'), append(openings, '\n')
	pledge := append(bytes.Clone(a.Bundle.Facts[0].Proofs[0].Entry), '\n')
	var written []*cli.Output
	for _, file := range []struct {
		to   *cli.Output
		data []byte
	}{{o.openings, openings}, {o.bundle, bundle}, {o.pledge, pledge}} {
		if file.to == nil {
			continue
		}
		if err := file.to.Write(file.data); err != nil {
			for _, w := range written {
				err = errors.Join(err, w.Remove())
			}
			return lost(a.Bundle, bundle, openings, err)
		}
		written = append(written, file.to)
	}
	return nil
}

// lost says of an answer that could not be written what is in the ledger all the
// same, and what to do. Another answer to the same request is as good, but not where
// this one pledges a record: it is saved.
func lost(b *verifier.Bundle, bundle, openings []byte, cause error) error {
	entries, err := loggedBy(b)
	if err != nil {
		return errors.Join(cause, err)
	}
	cause = fmt.Errorf("the answer was not written: %w", cause)
	if len(entries) == 0 { // a holder's, which is nowhere else
		return cause
	}
	cause = fmt.Errorf("%w; its proofs are in the ledger all the same (%s)", cause, strings.Join(entries, ", "))
	if _, err := pledgesOf(b, ""); errors.Is(err, errNoPledge) {
		return cli.Hint(cause, "the request can be answered again")
	}
	dir, err := save(bundle, openings)
	if err != nil {
		return fmt.Errorf("%w; the record is pledged, and the bundle that releases it could not be saved: %w", cause, err)
	}
	return cli.Hint(cause, "the record is pledged, so that the request cannot be answered again: bundle and openings are saved in %s, move them from there", dir)
}

// loggedBy names the entries of a bundle's proofs, as far as they are logged.
func loggedBy(b *verifier.Bundle) (entries []string, err error) {
	for _, f := range b.Facts {
		for _, p := range f.Proofs {
			if p.Inclusion == "" {
				continue
			}
			inclusion, err := ledger.ParseInclusion([]byte(p.Inclusion))
			if err != nil {
				return nil, err
			}
			entries = append(entries, fmt.Sprintf("entry %d", inclusion.Index))
		}
	}
	return entries, nil
}

// save puts an answer into a new directory that only its owner can read.
func save(bundle, openings []byte) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "attestry-answer-*"); err != nil {
		return "", err
	}
	env := &cli.Env{}
	return dir, errors.Join(
		env.WriteFile(filepath.Join(dir, savedBundle), bundle, 0o600),
		env.WriteFile(filepath.Join(dir, savedOpenings), openings, 0o600),
	)
}
