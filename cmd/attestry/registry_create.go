package main

import (
	"context"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

type registryCreateCmd struct {
	Schema string `arg:"" placeholder:"SCHEMA.yaml" help:"The registry's schema; - is standard input."`
}

func (*registryCreateCmd) Help() string {
	return `A schema names the columns that hold a record's key and subject, and up to 16 attributes that can be proved:

    registry: titles
    key: parcel_id
    subject: owner_id
    attributes:
      - {name: assessed_value, type: int, unit: USD}
      - {name: sale_date, type: date}
      - {name: area, column: 建筑面积, type: decimal, scale: 2, optional: true}

The types are int, decimal, date, bool and text.

Examples:

    attestry registry create titles.yaml`
}

type registryCreateResult struct {
	Registry   string `json:"registry"`
	Attributes int    `json:"attributes"`
}

func (c *registryCreateCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	document, err := env.ReadFile(c.Schema)
	if err != nil {
		return err
	}
	schema, err := statement.ParseSchema(document)
	if err != nil {
		return fmt.Errorf("%s: %w", cli.FileName(c.Schema), err)
	}
	return g.with(func(w *workspace.Workspace) error {
		if err := w.CreateRegistry(ctx, schema); err != nil {
			return err
		}
		if env.JSON {
			return env.PrintJSON(registryCreateResult{schema.Registry, len(schema.Attributes)})
		}
		return env.Print("registry %s: %s", schema.Registry, cli.Plural(len(schema.Attributes), "attribute"))
	})
}
