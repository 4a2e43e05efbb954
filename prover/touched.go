package prover

import (
	"errors"
	"fmt"
	"slices"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
)

// Touched is a name by which a request asks for records: whatever it learns, it learns of
// records that have it.
type Touched struct {
	// Registry has the records: where a registry derives, the one that it derives from.
	Registry string
	// By is how they are named: [statement.FieldKey], [statement.FieldSubject], or one
	// of the following.
	By string
	// Name is what names them, as the registry normalises it, hashed; empty for any record.
	Name string
}

// Ways of naming records, beside their keys and subjects.
const (
	// ByTie: they are tied, over however many other facts, to what is named elsewhere.
	ByTie = "tie"
	// ByGroup: they are those of a group of a derived registry that an attribute forms.
	ByGroup = "group"
	// ByNothing: any record could answer.
	ByNothing = ""
)

// Touched gives the names by which a request, or the named facts of it, asks for
// records, each once. It goes by what the request says and by schemas, which are public,
// and looks at no record: neither what it gives nor the time that it takes tells anything
// of one. So where a record has two names, and the request says one, the other is not
// among them. It fails with [statement.ErrBadRequest] and [ErrNoRegistry].
func (a *Agency) Touched(r *statement.Request, only ...string) ([]Touched, error) {
	var out []Touched
	for name, asked := range r.NamedFacts() {
		if len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		naming, err := a.naming(asked.Registry)
		if err != nil {
			return nil, err
		}
		for _, t := range naming.touched(a, r, name) {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// naming is how the records of a registry are named by the present schema. A former one
// may have spelt keys in another way: a question about an earlier epoch is none about
// another record.
type naming struct {
	schema *statement.Schema // of the registry that is asked for
	source string            // that has the records
	by     string            // how a key names records of the source
	joined *statement.Join   // records of another registry that belong to a group
}

func (a *Agency) naming(registry string) (n naming, err error) {
	if n.source, err = a.Ledger.Source(registry); err != nil {
		return n, fmt.Errorf("%w: %q: %w", ErrNoRegistry, registry, err)
	}
	_, entry, err := a.Ledger.Schema(registry)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: %q", ErrNoRegistry, registry)
	}
	if err != nil {
		return n, err
	}
	var ok bool
	if n.schema, ok = entry.Schema.Of(registry); !ok {
		return n, fmt.Errorf("%w: %q, which the present schema of %s does not define", ErrNoRegistry, registry, n.source)
	}
	n.by = statement.FieldKey
	if d, ok := entry.Schema.Definition(registry); ok {
		n.joined = d.Join
		if n.by = d.GroupBy; n.by != statement.FieldKey && n.by != statement.FieldSubject {
			n.by = ByGroup + " " + d.GroupBy
		}
	}
	return n, nil
}

// touched gives the names of what one fact asks for.
func (n naming) touched(a *Agency, r *statement.Request, fact string) (out []Touched) {
	key, keyed := r.OutputText(fact, statement.FieldKey)
	if keyed {
		name := hashedName(n.schema.HashKey, key)
		out = append(out, Touched{n.source, n.by, name})
		if n.joined != nil {
			out = append(out, Touched{n.joined.Registry, n.joined.By, name})
		}
	}
	if subject, ok := r.OutputText(fact, statement.FieldSubject); ok {
		name := hashedName(n.schema.HashSubject, subject)
		out = append(out, Touched{n.source, statement.FieldSubject, name})
		if n.joined != nil && !keyed {
			out = append(out, Touched{n.joined.Registry, ByTie, n.source + " " + statement.FieldSubject + " " + name})
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, t := range n.tied(a, r, fact) {
		out = append(out, Touched{n.source, t.By, t.Name})
		if n.joined != nil {
			out = append(out, Touched{n.joined.Registry, t.By, t.Name})
		}
	}
	return out
}

// tied names what a fact asks for that names nothing itself: by each name that it is
// tied to, or any record.
func (n naming) tied(a *Agency, r *statement.Request, fact string) (out []Touched) {
	for _, anchor := range r.Anchors(fact) {
		registry, name := r.NamedFacts()[anchor.Fact].Registry, anchor.Text
		if elsewhere, err := a.naming(registry); err == nil {
			hash := elsewhere.schema.HashKey
			if anchor.Field == statement.FieldSubject {
				hash = elsewhere.schema.HashSubject
			}
			name = hashedName(hash, name)
		}
		out = append(out, Touched{By: ByTie, Name: registry + " " + anchor.Field + " " + name})
	}
	if len(out) == 0 {
		return []Touched{{By: ByNothing}}
	}
	return out
}

// hashedName gives one name to all spellings of a text. One that no record can have is
// its own.
func hashedName(hash func(string) (fr.Element, error), text string) string {
	e, err := hash(text)
	if err != nil {
		return text
	}
	return statement.Element(e).String()
}
