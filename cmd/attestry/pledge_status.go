package main

import (
	"bytes"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/workspace"
)

type pledgeStatusCmd struct {
	Bundle string `arg:"" placeholder:"BUNDLE.json" help:"The bundle with the pledge; - is standard input."`
	Fact   string `placeholder:"NAME" help:"Which fact's pledge, where the bundle has several (all of them)."`
}

func (*pledgeStatusCmd) Help() string {
	return `Says of each pledge of the bundle whether it is live in the ledger of the workspace, and by which entry it was released if not.

Examples:

    attestry pledge status bundle.json
    attestry pledge status bundle.json --json`
}

// pledgeState is what pledge status says of one pledge in JSON.
type pledgeState struct {
	Fact       string  `json:"fact"`
	Registry   string  `json:"registry"`
	Pledge     uint64  `json:"pledge"` // index of its entry
	State      string  `json:"state"`  // live or released
	ReleasedBy *uint64 `json:"released_by,omitempty"`
	// Forced says that the recovery key of the scope released it, and Reason why.
	Forced bool   `json:"forced,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (c *pledgeStatusCmd) Run(env *cli.Env, g *globals) error {
	bundle, err := verifycmd.ReadBundle(env, c.Bundle)
	if err != nil {
		return err
	}
	pledges, err := pledgesOf(bundle, c.Fact)
	if err != nil {
		return err
	}
	states := []pledgeState{}
	err = g.with(func(w *workspace.Workspace) error {
		for _, p := range pledges {
			s, err := stateOf(w, p)
			if err != nil {
				return err
			}
			states = append(states, s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(states)
	}
	for _, s := range states {
		text := s.State
		if s.ReleasedBy != nil {
			text = fmt.Sprintf("released by entry %d", *s.ReleasedBy)
		}
		if s.Forced {
			text = fmt.Sprintf("released by force by entry %d: %s", *s.ReleasedBy, cli.Plain(s.Reason))
		}
		if err := env.Print("%s: pledge of entry %d in %s: %s", s.Fact, s.Pledge, s.Registry, text); err != nil {
			return err
		}
	}
	return nil
}

func stateOf(w *workspace.Workspace, p pledge) (pledgeState, error) {
	s := pledgeState{Fact: p.fact.Name, Registry: p.entry.Public.Registry, Pledge: p.index}
	data, err := w.Ledger.Entry(p.index)
	if err != nil {
		return s, err
	}
	if !bytes.Equal(data, p.fact.Proofs[0].Entry) {
		return s, fmt.Errorf("entry %d of this ledger is another one: the bundle is of another log", p.index)
	}
	if s.State, s.ReleasedBy, err = pledgeLife(w, p.index); err != nil || s.ReleasedBy == nil {
		return s, err
	}
	s.Reason, s.Forced, err = forcedBy(w, *s.ReleasedBy)
	return s, err
}

// pledgeLife tells whether a pledge is live, and what released it if not.
func pledgeLife(w *workspace.Workspace, index uint64) (state string, releasedBy *uint64, err error) {
	status, err := w.Ledger.Pledge(index)
	if err == nil && !status.Live {
		return "released", &status.Released, nil
	}
	return "live", nil, err
}

// forcedBy gives the reason of the release of an entry, if it is a forced one.
func forcedBy(w *workspace.Workspace, index uint64) (reason string, forced bool, err error) {
	data, err := w.Ledger.Entry(index)
	if err != nil {
		return "", false, err
	}
	entry, err := ledger.ParseEntry(data)
	if err != nil {
		return "", false, err
	}
	if e, ok := entry.(*ledger.ForcedReleaseEntry); ok {
		return e.Reason, true, nil
	}
	return "", false, nil
}
