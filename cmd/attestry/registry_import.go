package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/workspace"
)

type registryImportCmd struct {
	Name      string `arg:"" placeholder:"NAME" help:"The registry."`
	File      string `arg:"" placeholder:"FILE" help:"CSV with a header, or NDJSON, by its ending; - is standard input."`
	Deletions bool   `name:"allow-deletions" help:"Take a file that deletes more than half of the registry."`
	Changes   bool   `help:"The file has only what changes: its column _change says put or delete for each row."`
	Replace   bool   `help:"With --changes: drop an earlier import that was not committed."`
	Format    string `enum:",csv,ndjson" default:"" placeholder:"csv|ndjson" help:"The file's format, where its ending does not say it."`
}

func (*registryImportCmd) Help() string {
	return `The file is the whole registry as it is now: records that it lacks are deleted, those that it has with other values are updated. Either all of the file is good, or nothing changes. What was imported counts from the next commit on. A file that lacks more than half of the records of a registry of 10 or more is taken for one that was cut off, and refused, unless --allow-deletions says that it is meant.

With --changes the file has only the records that change, so that importing it takes no longer for a registry of ten million. Its column _change says put (insert, or update) or delete for each of them; of a record to delete only the key is needed. A record to delete that the last epoch does not have is refused, and so is a file of changes while an earlier import waits for its commit: commit that one, or drop it with --replace.

A file may have more columns than the schema names. Values and column names may be in any script.

Examples:

    attestry registry import titles titles.csv
    zcat titles.ndjson.gz | attestry registry import titles -
    attestry registry import titles today.csv --changes`
}

// importResult is what import says in JSON.
type importResult struct {
	Registry string `json:"registry"`
	registry.Counts
}

func (c *registryImportCmd) Run(ctx context.Context, env *cli.Env, g *globals) error {
	file, size, err := env.Open(c.File)
	if err != nil {
		return err
	}
	err = g.with(func(w *workspace.Workspace) error {
		s, err := w.Registry(c.Name)
		if err != nil {
			return err
		}
		counts, err := importInto(ctx, env, s, file, size, c)
		if err != nil {
			return err
		}
		return c.print(env, counts)
	})
	return errors.Join(err, file.Close())
}

func importInto(ctx context.Context, env *cli.Env, s *registry.Store, file io.Reader, size int64, c *registryImportCmd) (registry.Counts, error) {
	r := bufio.NewReader(file)
	format, err := formatOf(c.File, c.Format, r)
	if err != nil {
		return registry.Counts{}, err
	}
	bar := env.Progress("import " + c.Name)
	defer bar.End()
	opts := registry.ImportOptions{
		Format: format, Changes: c.Changes, Replace: c.Replace,
		Progress: func(bytes int64, _ int) { bar.Update(bytes, size) },
	}
	if !c.Changes && !c.Deletions {
		opts.Accept = fewDeletions
	}
	counts, err := s.ImportWith(ctx, r, opts)
	if errors.Is(err, registry.ErrStaged) {
		return counts, cli.Hint(fmt.Errorf("%s: %w (nothing was changed)", cli.FileName(c.File), err), "attestry registry commit %s first, or drop it with --replace", c.Name)
	}
	if errors.Is(err, errManyDeletions) {
		return counts, cli.Hint(fmt.Errorf("%s: %w (nothing was changed)", cli.FileName(c.File), err), "is the file cut off? say --allow-deletions if it is the whole registry")
	}
	if err != nil {
		err = cli.Interrupted(fmt.Errorf("%s: %w (nothing was changed)", cli.FileName(c.File), err), "nothing was changed")
	}
	return counts, err
}

// errManyDeletions says that a file looks cut off.
var errManyDeletions = errors.New("the file lacks more than half of the registry")

// fewDeletions refuses a file that looks cut off.
func fewDeletions(n registry.Counts) error {
	if !n.LooksCutOff() {
		return nil
	}
	return fmt.Errorf("%w: %s: %s inserted, %s updated, %s deleted, %s unchanged", errManyDeletions,
		cli.Plural(n.Rows, "row"), cli.Count(n.Inserted), cli.Count(n.Updated), cli.Count(n.Deleted), cli.Count(n.Unchanged))
}

// formatOf gives a file's format: the one that was said, else the one of the ending.
// Standard input has none, and NDJSON begins with a brace.
func formatOf(name, said string, r *bufio.Reader) (registry.Format, error) {
	if said != "" {
		return registry.FormatOf("." + said)
	}
	if name != cli.Dash {
		f, err := registry.FormatOf(name)
		if err != nil {
			err = cli.Hint(err, "or say --format csv or --format ndjson")
		}
		return f, err
	}
	start, _ := r.Peek(64) // an error comes again when the file is read
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\ufeff")), " \t\r\n")
	if bytes.HasPrefix(start, []byte("{")) {
		return registry.NDJSON, nil
	}
	return registry.CSV, nil
}

func (c *registryImportCmd) print(env *cli.Env, n registry.Counts) error {
	if env.JSON {
		return env.PrintJSON(importResult{c.Name, n})
	}
	env.Note("staged: attestry registry commit %s makes it the next epoch", c.Name)
	return env.Print("registry %s: %s: %s inserted, %s updated, %s deleted, %s unchanged", c.Name, cli.Plural(n.Rows, "row"),
		cli.Count(n.Inserted), cli.Count(n.Updated), cli.Count(n.Deleted), cli.Count(n.Unchanged))
}
