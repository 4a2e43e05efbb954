package prover

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// grant is a grant that a fact names, with the index of its entry.
type grant struct {
	index    uint64
	document *statement.Grant
}

// CheckGrants tells whether grants allow a request, or the named facts of it, now: it
// fails with [ErrNoGrant] where a fact names none that counts, and with
// [statement.ErrNotGranted] where one does not cover it. It looks at no record, so that
// the asker may be told what it says.
func (a *Agency) CheckGrants(r *statement.Request, only ...string) error {
	return a.checkGrants(r, only, true)
}

// CheckNamedGrants is CheckGrants but for facts that name no grant, which it passes over.
func (a *Agency) CheckNamedGrants(r *statement.Request, only ...string) error {
	return a.checkGrants(r, only, false)
}

func (a *Agency) checkGrants(r *statement.Request, only []string, each bool) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if len(only) == 0 {
		only = r.FactNames()
	}
	for _, name := range only {
		asked, ok := r.NamedFacts()[name]
		if !ok {
			return fmt.Errorf("%w: it has no fact %q", statement.ErrBadRequest, name)
		}
		schema, err := a.schemaOf(asked)
		if err != nil {
			return err
		}
		compiled, err := r.CompileFact(name, schema)
		if err != nil {
			return err
		}
		found, err := a.granted(r, compiled, time.Now())
		if err == nil && found == nil && each {
			err = fmt.Errorf("%w: fact %s names none", ErrNoGrant, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// schemaOf gives the schema that a fact compiles against.
func (a *Agency) schemaOf(asked statement.FactRequest) (*statement.Schema, error) {
	_, epoch, err := a.epoch(asked)
	if err != nil {
		return nil, err
	}
	_, entry, err := a.Ledger.SchemaByIdentity(epoch.Schema)
	if err != nil {
		return nil, err
	}
	return (&anchors{schemaEntry: entry}).about(asked.Registry)
}

// granted gives the grant that a fact names, if it allows it at an instant; nil where
// the fact names none.
func (a *Agency) granted(r *statement.Request, c *statement.CompiledFact, at time.Time) (*grant, error) {
	g, err := a.namedGrant(r, c.Name)
	if err != nil || g == nil {
		return nil, err
	}
	if err := a.grantStands(g.index, math.MaxUint64); err != nil {
		return nil, err
	}
	if err := g.document.CountsAt(at); err != nil {
		return nil, err
	}
	return g, g.document.Covers(r.Asked(c))
}

// namedGrant gives the grant that a fact names, whatever has become of it; nil where
// the fact names none.
func (a *Agency) namedGrant(r *statement.Request, fact string) (*grant, error) {
	named := r.GrantOf(fact)
	if named == nil {
		return nil, nil
	}
	g := &grant{index: uint64(*named)}
	entry, _, err := a.Ledger.Grant(g.index)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("%w: entry %d", ErrNoGrant, g.index)
	case err != nil:
		return nil, err
	case a.Grant == nil:
		return nil, fmt.Errorf("%w: this agency keeps none", ErrNoGrant)
	}
	if g.document, err = a.Grant(g.index); err != nil {
		return nil, err
	}
	digest, err := g.document.Digest()
	if err == nil && digest != entry.Grant {
		err = fmt.Errorf("%w: entry %d is of another document than the one kept for it", ErrNoGrant, g.index)
	}
	return g, err
}

// grantStands fails with [ErrNoGrant] where a grant does not count for the entry of an
// index.
func (a *Agency) grantStands(index, before uint64) error {
	_, status, err := a.Ledger.Grant(index)
	switch {
	case err != nil:
		return err
	case status.Void != nil:
		return fmt.Errorf("%w: entry %d: %w", ErrNoGrant, index, status.Void)
	case status.Revoked != nil && *status.Revoked < before:
		return fmt.Errorf("%w: entry %d was revoked by entry %d", ErrNoGrant, index, *status.Revoked)
	}
	return nil
}

// stillGranted fails with [ErrNoGrant] where a grant was revoked before the entry of an
// index: it keeps back the bundle of logged proofs that a revocation has overtaken.
func (a *Agency) stillGranted(facts []*loggable, before uint64) error {
	for _, f := range facts {
		if f.anchors.grant == nil {
			continue
		}
		if err := a.grantStands(f.anchors.grant.index, before); err != nil {
			return err
		}
	}
	return nil
}

// showGrant gives what a bundle shows of a grant.
func (a *Agency) showGrant(g *grant, checkpoint []byte) (*verifier.Granted, error) {
	logged, err := a.logged(g.index, checkpoint)
	return &verifier.Granted{Document: g.document, Logged: logged}, err
}
