package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/internal/countydata"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

// countyRequest has eight conditions, two of them of attribute against attribute: as
// many as one proof holds.
const countyRequest = `
registry: lucas-titles
where:
  - assessed_value >= 50000 && living_area >= 900 && year_built >= 1900
  - garage in ["attached", "detached"] && !(wall in ["stone"])
  - sale_date < date("1998-12-01")
  - sale_price * 100 <= assessed_value * 150
  - bedrooms <= rooms
reveal: [year_built]
audience: bank-a
`

// county is a workspace with the county's titles as its first epoch, and what is proved
// about them.
type county struct {
	w *workspace.Workspace
	// copied is a copy of the workspace, which no process has open.
	copied  string
	request *statement.Request
	// Two statements: one about a parcel, with a nullifier as a pledge has one, and one
	// about a key that no parcel has.
	present, absent circuits.Input
}

// theCounty makes the workspace, once a run.
func (b *bench) theCounty(ctx context.Context) (*county, error) {
	if b.county != nil {
		return b.county, nil
	}
	dir, c := b.path("county"), &county{copied: b.path("county-copied")}
	if err := makeCounty(ctx, dir); err != nil {
		return nil, err
	}
	if err := copyTree(c.copied, dir); err != nil {
		return nil, err
	}
	var err error
	if c.w, err = workspace.Open(dir); err != nil {
		return nil, err
	}
	b.county = c
	if c.request, err = filledRequest(countyRequest); err != nil {
		return nil, err
	}
	store, err := c.w.Registry(c.request.Registry)
	if err != nil {
		return nil, err
	}
	if c.present, err = presentInput(store, c.request); err != nil {
		return nil, err
	}
	c.absent, err = absentInput(store, "no such parcel")
	return c, err
}

// makeCounty makes a workspace with the county's titles.
func makeCounty(ctx context.Context, dir string) error {
	if err := workspace.Init(ctx, dir, workspace.InitOptions{}); err != nil {
		return err
	}
	w, err := workspace.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(fillCounty(ctx, w), w.Close())
}

func fillCounty(ctx context.Context, w *workspace.Workspace) error {
	schema, err := statement.ParseSchema(countydata.TitlesSchema())
	if err != nil {
		return err
	}
	if err := w.CreateRegistry(ctx, schema); err != nil {
		return err
	}
	s, err := w.Registry(schema.Registry)
	if err != nil {
		return err
	}
	rows, err := countydata.Titles()
	if err != nil {
		return err
	}
	if _, err := s.Import(ctx, rows, registry.CSV, nil); err != nil {
		return err
	}
	_, err = w.Commit(ctx, schema.Registry, nil)
	return err
}

func filledRequest(document string) (*statement.Request, error) {
	r, err := statement.ParseRequest([]byte(document))
	if err != nil {
		return nil, err
	}
	return r, r.Fill(rand.Reader)
}

// presentInput makes the request's statement about the first record that satisfies it.
func presentInput(s *registry.Store, r *statement.Request) (circuits.Input, error) {
	fact, err := r.CompileFact(r.FactNames()[0], s.Schema())
	if err != nil {
		return nil, err
	}
	questions, err := fact.Questions()
	if err != nil {
		return nil, err
	}
	layout, err := questions[0].Layout(s.Schema())
	if err != nil {
		return nil, err
	}
	epoch, record, err := firstMatch(s, fact.Predicates)
	if err != nil {
		return nil, err
	}
	opened, err := s.Open(epoch.Number, record)
	if err != nil {
		return nil, err
	}
	in := &circuits.PresentInput{
		P: statement.RandomElement().Fr(), Root: epoch.Root.Fr(), Scope: statement.RandomElement().Fr(),
		Layout: layout, Context: statement.RandomElement().Fr(), Blind: statement.RandomElement().Fr(),
		Leaf: opened.Leaf, Path: opened.Path, Serial: opened.Serial.Fr(),
	}
	for i := range in.OutputRandomness {
		in.OutputRandomness[i] = statement.RandomElement().Fr()
	}
	return in, nil
}

func firstMatch(s *registry.Store, predicates []statement.Predicate) (epoch registry.Epoch, found *registry.Record, err error) {
	epoch, ok := s.Latest()
	if !ok {
		return epoch, nil, errors.New("the registry has no epoch")
	}
	matcher, err := statement.NewMatcher(s.Schema(), predicates)
	if err != nil {
		return epoch, nil, err
	}
	err = s.Scan(epoch.Number, func(r *registry.Record) (bool, error) {
		miss, err := matcher.Match(r.Values)
		if err == nil && miss < 0 {
			found = r
		}
		return found == nil, err
	})
	if err == nil && found == nil {
		err = errors.New("no record satisfies the request")
	}
	return epoch, found, err
}

func absentInput(s *registry.Store, key string) (circuits.Input, error) {
	epoch, _ := s.Latest()
	opened, err := s.OpenAbsent(epoch.Number, key)
	if err != nil {
		return nil, err
	}
	return &circuits.AbsentInput{
		P: statement.RandomElement().Fr(), Root: epoch.Root.Fr(),
		Context: statement.RandomElement().Fr(), Blind: statement.RandomElement().Fr(),
		Key: opened.Key, Randomness: statement.RandomElement().Fr(),
		Low: opened.Low, Next: opened.Next, LinkBlinding: opened.LinkBlinding, Path: opened.Path,
	}, nil
}

// copyTree copies a directory with the modes of its files, which a workspace insists on.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), info.Mode())
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, info.Mode())
	})
}
