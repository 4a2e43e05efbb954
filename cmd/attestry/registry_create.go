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

A schema may define registries that are computed from its own at every commit, grouped by key, subject or a text attribute, and joined with another registry:

    derived:
      - registry: owners
        group_by: subject
        attributes:
          - {name: parcels, type: int, compute: count}
          - {name: total_value, type: int, compute: sum, of: assessed_value}
      - registry: encumbered
        group_by: key
        join: {registry: liens, by: key}
        attributes:
          - {name: assessed_value, type: int, compute: copy, of: assessed_value}
          - {name: lien_total, type: int, compute: sum, of: lien_total, from: liens, default: 0}

They compute count, sum, min, max and copy, and are asked about like any registry, but never pledged.

Examples:

    attestry registry create titles.yaml`
}

type registryCreateResult struct {
	Registry   string `json:"registry"`
	Attributes int    `json:"attributes"`
	// Derived names the registries that derive from it.
	Derived []string `json:"derived,omitempty"`
}

func (c *registryCreateCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	schema, err := readSchema(env, c.Schema)
	if err != nil {
		return err
	}
	return g.with(func(w *workspace.Workspace) error {
		if err := w.CreateRegistry(ctx, schema); err != nil {
			return err
		}
		return printSchema(env, schema)
	})
}

func readSchema(env *cli.Env, file string) (*statement.Schema, error) {
	document, err := env.ReadFile(file)
	if err != nil {
		return nil, err
	}
	schema, err := statement.ParseSchema(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cli.FileName(file), err)
	}
	return schema, nil
}

func printSchema(env *cli.Env, schema *statement.Schema) error {
	r := registryCreateResult{Registry: schema.Registry, Attributes: len(schema.Attributes)}
	for _, d := range schema.Derived {
		r.Derived = append(r.Derived, d.Registry)
	}
	if env.JSON {
		return env.PrintJSON(r)
	}
	for _, name := range r.Derived {
		env.Note("registry %s will derive from it, with its next commit", name)
	}
	return env.Print("registry %s: %s", schema.Registry, cli.Plural(r.Attributes, "attribute"))
}
