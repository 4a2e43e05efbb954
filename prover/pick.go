package prover

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

// errHolder refuses a record that only its holder can prove about.
var errHolder = fmt.Errorf("%w: %w: the record has a holder, whose secret only the holder has", ErrNotProvable, errUnfit)

// selection tells which records of a registry satisfy a fact by itself.
type selection struct {
	store    *registry.Store
	registry string
	epoch    uint64
	schema   *statement.Schema
	want     []statement.Predicate // the fact's predicates, and that reveals have a value
	matcher  *statement.Matcher
}

func newSelection(s *registry.Store, epoch uint64, c *statement.CompiledFact) (selection, error) {
	sel := selection{store: s, registry: c.Request.Registry, epoch: epoch, schema: c.Schema}
	sel.want = append(sel.want, c.Predicates...)
	for _, o := range c.Outputs {
		if name, ok := o.Attribute(); ok {
			sel.want = append(sel.want, statement.Predicate{Attribute: name, Op: statement.OpIsNotNull})
		}
	}
	var err error
	sel.matcher, err = statement.NewMatcher(c.Schema, sel.want)
	return sel, err
}

// byKey gives the record of a key if it satisfies the fact. Otherwise it fails with
// [ErrFalse], naming the conditions that fail and the record's key, for the
// agency's own eyes; never a value. See [AskerError] for what an asker is told.
func (sel *selection) byKey(key string, subject *string) (*registry.Record, error) {
	r, err := sel.store.Get(sel.epoch, key)
	if errors.Is(err, registry.ErrNoRecord) {
		return nil, fmt.Errorf("%w: registry %s has no record with the key %q in epoch %d", ErrFalse, sel.registry, key, sel.epoch)
	}
	if err != nil {
		return nil, err
	}
	same, err := sel.hasSubject(r, subject)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, fmt.Errorf("%w: record %q has another subject than the request names", ErrFalse, key)
	}
	failing, err := sel.failing(r)
	if err != nil {
		return nil, err
	}
	if len(failing) > 0 {
		return nil, fmt.Errorf("%w: record %q fails %s", ErrFalse, key, quoteAll(failing))
	}
	return r, nil
}

func (sel *selection) hasSubject(r *registry.Record, subject *string) (bool, error) {
	if subject == nil {
		return true, nil
	}
	want, err := sel.schema.HashSubject(*subject)
	if err != nil {
		return false, err
	}
	got, err := sel.schema.HashSubject(r.Subject)
	return got == want && want != statement.Null(), err
}

// failing lists the conditions that a record does not satisfy.
func (sel *selection) failing(r *registry.Record) (failing []statement.Predicate, err error) {
	for _, p := range sel.want {
		holds, err := p.Holds(sel.schema, r.Values)
		if err != nil {
			return nil, err
		}
		if !holds {
			failing = append(failing, p)
		}
	}
	return failing, nil
}

// satisfies tells whether a record can answer: it meets the conditions, and no
// holder but the agency is needed to prove it.
func (sel *selection) satisfies(r *registry.Record) (bool, error) {
	miss, err := sel.matcher.Match(r.Values)
	return err == nil && miss < 0 && r.Holder.IsZero(), err
}

func quoteAll(ps []statement.Predicate) string {
	quoted := make([]string, len(ps))
	for i, p := range ps {
		quoted[i] = fmt.Sprintf("%q", p)
	}
	return strings.Join(quoted, " and ")
}

// among draws one of the records that each gives: one pass, keeping the n-th that
// satisfies with probability 1/n.
func (sel *selection) among(each func(func(*registry.Record) (bool, error)) error, bySubject bool) (*registry.Record, error) {
	var chosen, last *registry.Record
	var seen, satisfying int64
	err := each(func(r *registry.Record) (bool, error) {
		seen, last = seen+1, r
		satisfies, err := sel.satisfies(r)
		if err != nil || !satisfies {
			return true, err
		}
		satisfying++
		draw, err := rand.Int(rand.Reader, big.NewInt(satisfying))
		if err == nil && draw.Sign() == 0 {
			chosen = r
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if chosen == nil {
		return nil, sel.none(seen, last, bySubject)
	}
	return chosen, nil
}

// none explains why no record answers.
func (sel *selection) none(seen int64, last *registry.Record, bySubject bool) error {
	who := "registry " + sel.registry
	if bySubject {
		who = "the subject"
	}
	switch seen {
	case 0:
		return fmt.Errorf("%w: %s has no record in epoch %d", ErrFalse, who, sel.epoch)
	case 1:
		failing, err := sel.failing(last)
		if err != nil {
			return err
		}
		if len(failing) == 0 { // it satisfies, and has a holder
			return errHolder
		}
		return fmt.Errorf("%w: %s has one record, %q, and it fails %s", ErrFalse, who, last.Key, quoteAll(failing))
	}
	return fmt.Errorf("%w: %s has %d records in epoch %d, and none satisfies %s", ErrFalse, who, seen, sel.epoch, quoteAll(sel.want))
}
