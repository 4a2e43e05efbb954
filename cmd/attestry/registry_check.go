package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type registryCheckCmd struct {
	Name   string `arg:"" placeholder:"NAME" help:"The registry."`
	File   string `arg:"" placeholder:"FILE" help:"CSV with a header, or NDJSON, by its ending; - is standard input."`
	Format string `enum:",csv,ndjson" default:"" placeholder:"csv|ndjson" help:"The file's format, where its ending does not say it."`
}

func (*registryCheckCmd) Help() string {
	return `Rebuilds the whole tree from the file and the registry's secrets, and compares it with what was committed: does this file, all of it and nothing else, give the root of the latest epoch? A proof cannot say so; who has the data can. The exit code is 1 when it does not.

Examples:

    attestry registry check titles titles.csv`
}

// checkResult is what check says in JSON.
type checkResult struct {
	OK       bool              `json:"ok"`
	Registry string            `json:"registry"`
	Epoch    uint64            `json:"epoch"`
	Root     statement.Element `json:"root"`
	Problem  string            `json:"problem,omitempty"`
}

func (c *registryCheckCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	file, _, err := env.Open(c.File)
	if err != nil {
		return err
	}
	err = g.with(func(w *workspace.Workspace) error {
		s, err := w.Registry(c.Name)
		if err != nil {
			return err
		}
		r := bufio.NewReader(file)
		format, err := formatOf(c.File, c.Format, r)
		if err != nil {
			return err
		}
		return c.print(env, s, s.Check(ctx, r, format, w.Registry))
	})
	return errors.Join(err, file.Close())
}

func (c *registryCheckCmd) print(env *cli.Env, s *registry.Store, found error) error {
	if found != nil && !errors.Is(found, registry.ErrMismatch) {
		return found
	}
	latest, _ := s.Latest()
	r := checkResult{OK: found == nil, Registry: c.Name, Epoch: latest.Number, Root: latest.Root}
	if found != nil {
		r.Problem = found.Error()
	}
	if env.JSON {
		return errors.Join(env.PrintJSON(r), cli.Refuse(found))
	}
	if found != nil {
		return cli.Refuse(found)
	}
	return env.Print("registry %s: the file gives the root of epoch %d, %s", c.Name, r.Epoch, elementText(r.Root))
}
