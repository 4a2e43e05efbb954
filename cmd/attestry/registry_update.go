package main

import (
	"context"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

type registryUpdateCmd struct {
	Schema string `arg:"" placeholder:"SCHEMA.yaml" help:"The schema that replaces the registry's; - is standard input."`
}

func (*registryUpdateCmd) Help() string {
	return `Publishes another schema for the same records: other source columns or units, other scopes, a column of former keys, more derived registries. What the records' leaves hold stays as it is: key and subject, the attributes with their types and domains, and the derived registries that there are. Proofs of past epochs stay valid under the schema that those had. New derived registries come with the next commit.

Examples:

    attestry registry update titles.yaml
    attestry registry commit titles`
}

func (c *registryUpdateCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	schema, err := readSchema(env, c.Schema)
	if err != nil {
		return err
	}
	return g.with(func(w *workspace.Workspace) error {
		if err := w.UpdateRegistry(ctx, schema); err != nil {
			return err
		}
		return printSchema(env, schema)
	})
}
