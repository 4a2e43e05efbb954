package prover

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

// fact is one fact of a request on its way to its proofs.
type fact struct {
	name     string
	asked    statement.FactRequest
	compiled *statement.CompiledFact
	anchors  anchors
	circuit  *Circuit
	scope    statement.Element // 0 where nothing is pledged
	selection

	// what the search found: a record with its opening, or the opening of a gap
	record *registry.Record
	opened *registry.Opening
	gap    *registry.AbsentOpening
	gapKey string

	scans int // of the whole registry, in this search
}

// maxScans bounds how often a search goes through a whole registry for one fact: a
// request whose facts do not narrow each other down would otherwise have every
// combination tried.
const maxScans = 100

// values are the keys and subjects found so far, by "fact.key" and "fact.subject".
type values map[string]string

// errUnfit marks a candidate that this agency cannot prove about: another may do.
var errUnfit = errors.New("this agency cannot prove about it")

// wanted gives the text that a fact's key or subject must be, by the request's words
// or the value of another fact proved here; nil where it is free. A value of a fact
// that another agency proves is named in the request (see tiedHere), since the agencies
// do not tell each other.
func (v values) wanted(r *statement.Request, f *fact, field string, ref *statement.Ref) (*string, error) {
	if ref == nil {
		return nil, nil
	}
	if text, ok := v[ref.From]; ok {
		return &text, nil
	}
	if text, named := r.OutputText(f.name, field); named {
		return &text, nil
	}
	return nil, fmt.Errorf("%w: the %s of fact %s is taken from %s, which is not proved here and which the request does not name", ErrNotProvable, field, f.name, ref.From)
}

// tiedHere refuses to prove some facts of a request where a value that the request
// does not name ties one of them to a fact that somebody else proves: each would seal
// it with randomness of their own, and the tie could never verify.
func tiedHere(r *statement.Request, names []string) error {
	facts := r.NamedFacts()
	for _, name := range r.FactNames() {
		for field, ref := range map[string]*statement.Ref{statement.FieldKey: facts[name].Key, statement.FieldSubject: facts[name].Subject} {
			if ref == nil || ref.From == "" {
				continue
			}
			from, _, _ := strings.Cut(ref.From, ".")
			if _, named := r.OutputText(name, field); named || slices.Contains(names, name) == slices.Contains(names, from) {
				continue
			}
			return fmt.Errorf("%w: the %s of fact %s is taken from %s, which the request does not name: they must be proved together", ErrNotProvable, field, name, ref.From)
		}
	}
	return nil
}

// inOrder puts facts behind those that they take values from. Facts that take values
// from each other, though never in a circle of values, have no such order.
func inOrder(facts []*fact) ([]*fact, error) {
	var out []*fact
	placed := map[string]bool{}
	here := func(name string) bool {
		return slices.ContainsFunc(facts, func(f *fact) bool { return f.name == name })
	}
	ready := func(f *fact) bool {
		for _, ref := range []*statement.Ref{f.asked.Key, f.asked.Subject} {
			if ref != nil && ref.From != "" {
				if name, _, _ := strings.Cut(ref.From, "."); here(name) && !placed[name] {
					return false
				}
			}
		}
		return !placed[f.name]
	}
	for range facts {
		if i := slices.IndexFunc(facts, ready); i >= 0 {
			out = append(out, facts[i])
			placed[facts[i].name] = true
		}
	}
	if len(out) != len(facts) {
		return nil, fmt.Errorf("%w: facts take values from each other: let one of them take both", ErrNotProvable)
	}
	return out, nil
}

// search finds records that satisfy all facts together, drawing at random wherever
// there is a choice. It fails with [ErrFalse] or [ErrPledged].
func (a *Agency) search(ctx context.Context, r *statement.Request, facts []*fact, found values) error {
	if len(facts) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f, rest := facts[0], facts[1:]
	key, err := found.wanted(r, f, statement.FieldKey, f.asked.Key)
	if err != nil {
		return err
	}
	subject, err := found.wanted(r, f, statement.FieldSubject, f.asked.Subject)
	if err != nil {
		return err
	}
	if f.asked.Absent {
		if err := f.findGap(*key); err != nil {
			return err
		}
		found[f.name+"."+statement.FieldKey] = *key
		return a.search(ctx, r, rest, found)
	}
	return a.searchRecords(ctx, r, f, rest, found, key, subject)
}

func (a *Agency) searchRecords(ctx context.Context, r *statement.Request, f *fact, rest []*fact, found values, key, subject *string) error {
	candidates, err := f.candidates(key, subject, len(rest) == 0 && f.asked.Once == "")
	if err != nil {
		return err
	}
	var refusal error
	for _, candidate := range candidates {
		refusal = a.try(ctx, r, f, rest, found, candidate)
		if !errors.Is(refusal, ErrFalse) && !errors.Is(refusal, ErrPledged) && !errors.Is(refusal, errUnfit) {
			return refusal // nil, or no matter of this candidate
		}
	}
	if len(candidates) == 1 {
		return refusal
	}
	return fmt.Errorf("%w: of the %d records that satisfy fact %s none satisfies the rest of the request (the last one: %w)", ErrFalse, len(candidates), f.name, refusal)
}

// try takes one candidate and goes on with the other facts.
func (a *Agency) try(ctx context.Context, r *statement.Request, f *fact, rest []*fact, found values, key string) (err error) {
	if f.record, err = f.store.Get(f.epoch, key); err != nil {
		return err
	}
	if !f.record.Holder.IsZero() {
		return errHolder
	}
	if f.opened, err = f.store.Open(f.epoch, f.record); err != nil {
		return err
	}
	if err := a.unpledged(f, found); err != nil {
		return err
	}
	found[f.name+"."+statement.FieldKey] = f.record.Key
	found[f.name+"."+statement.FieldSubject] = f.record.Subject
	if err := a.search(ctx, r, rest, found); err != nil {
		delete(found, f.taken())
		return err
	}
	return nil
}

// taken names the mark that a pledge leaves on its record among the values found.
func (f *fact) taken() string {
	nullifier := statement.Element(statement.Nullifier(f.opened.Serial.Fr(), f.scope.Fr()))
	return "pledged " + f.asked.Registry + " " + nullifier.String()
}

// unpledged refuses a record that a live pledge holds in the fact's scope, or that
// another fact of the request pledges. The ledger decides again when the pledge is
// appended.
func (a *Agency) unpledged(f *fact, found values) error {
	if f.scope.IsZero() {
		return nil
	}
	if _, ok := found[f.taken()]; ok {
		return fmt.Errorf("%w by another fact of the request", ErrPledged)
	}
	nullifier := statement.Nullifier(f.opened.Serial.Fr(), f.scope.Fr())
	index, err := a.Ledger.LivePledge(f.asked.Registry, f.scope, statement.Element(nullifier))
	if errors.Is(err, store.ErrNotFound) {
		found[f.taken()] = ""
		return nil
	}
	if err != nil {
		return err
	}
	return &PledgedError{index}
}

func (f *fact) findGap(key string) (err error) {
	if key == "" { // an empty subject, say, of the record that it is taken from
		return fmt.Errorf("%w: %w: fact %s takes its key from a value that is empty", ErrNotProvable, errUnfit, f.name)
	}
	f.gapKey = key
	f.gap, err = f.store.OpenAbsent(f.epoch, key)
	if errors.Is(err, registry.ErrRecordExists) {
		return fmt.Errorf("%w: registry %s has a record with the key %q in epoch %d", ErrFalse, f.asked.Registry, key, f.epoch)
	}
	return err
}

// candidates gives the keys of the records that satisfy a fact by itself, in
// random order. Where any one will do, it gives one, drawn uniformly.
func (f *fact) candidates(key, subject *string, one bool) ([]string, error) {
	if key != nil {
		r, err := f.byKey(*key, subject)
		if err != nil {
			return nil, err
		}
		return []string{r.Key}, nil
	}
	each := func(fn func(*registry.Record) (bool, error)) error { return f.store.Scan(f.epoch, fn) }
	if subject == nil {
		if f.scans++; f.scans > maxScans {
			return nil, fmt.Errorf("%w: no records were found that satisfy fact %s and the others together, in %d tries: name a subject or a key, or tie the facts", ErrNotProvable, f.name, maxScans)
		}
	} else {
		each = func(fn func(*registry.Record) (bool, error)) error {
			return f.store.BySubject(f.epoch, *subject, fn)
		}
	}
	if one {
		r, err := f.among(each, subject != nil)
		if err != nil {
			return nil, err
		}
		return []string{r.Key}, nil
	}
	return f.all(each, subject != nil)
}

// all gives the keys of all records that satisfy the fact, in random order.
func (f *fact) all(each func(func(*registry.Record) (bool, error)) error, bySubject bool) ([]string, error) {
	var keys []string
	var seen int64
	var last *registry.Record
	err := each(func(r *registry.Record) (bool, error) {
		seen, last = seen+1, r
		satisfies, err := f.satisfies(r)
		if satisfies {
			keys = append(keys, r.Key)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, f.none(seen, last, bySubject)
	}
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails: it ends the program instead
	rand.New(rand.NewChaCha8(seed)).Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys, nil
}
