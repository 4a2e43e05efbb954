package prover

import (
	"errors"
	"slices"

	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

// ByRecord names a record by its key, whatever the request names it by: see [Agency.Candidates].
const ByRecord = "record"

// maxCandidates bounds how many records of one fact are told one by one.
const maxCandidates = 100

// Candidates gives the records that could answer a request, or the named facts of it: all
// that are what it names and ties, whether they satisfy its conditions or not. It looks them
// up, so what it gives is for the agency's own eyes. A key that has no record is among
// them. Where there are over 100 for a fact, their subjects stand for them, or the
// names that [Agency.Touched] gives. It fails as [Agency.Prepare] does.
func (a *Agency) Candidates(r *statement.Request, only ...string) (out []Touched, err error) {
	names, err := factsToProve(r, only)
	if err != nil {
		return nil, err
	}
	n := narrowing{agency: a, request: r, values: map[string][]string{}}
	for _, name := range names {
		if err := n.add(name); err != nil {
			return nil, err
		}
	}
	for c := n.next(); c != nil; c = n.next() {
		if err := n.narrow(c); err != nil {
			return nil, err
		}
	}
	seen := map[Touched]bool{}
	for _, c := range n.facts {
		for _, t := range c.touched {
			if !seen[t] {
				seen[t], out = true, append(out, t)
			}
		}
	}
	return out, nil
}

// narrowing finds which records the facts of a request can be about, going from what it
// names along its ties, in either direction.
type narrowing struct {
	agency  *Agency
	request *statement.Request
	facts   []*candidates
	values  map[string][]string // that tied outputs can have, by their class
}

// candidates are the records that a fact can be about.
type candidates struct {
	naming
	name    string
	asked   statement.FactRequest
	store   *registry.Store
	epoch   uint64
	done    bool // touched are records, and not what the request names
	touched []Touched
}

// add takes up a fact, which can be about any record so far.
func (n *narrowing) add(name string) (err error) {
	c := &candidates{name: name, asked: n.request.NamedFacts()[name]}
	if c.naming, err = n.agency.naming(c.asked.Registry); err != nil {
		return err
	}
	_, epoch, err := n.agency.epoch(c.asked)
	if err != nil {
		return err
	}
	c.epoch = uint64(epoch.Number)
	if c.store, err = n.agency.Registry(c.asked.Registry); err != nil {
		return err
	}
	for _, field := range []string{statement.FieldKey, statement.FieldSubject} {
		if text, named := n.request.OutputText(name, field); named {
			n.values[n.request.OutputClass(name, field)] = []string{text}
		}
	}
	c.touched = c.naming.touched(n.agency, n.request, name)
	n.facts = append(n.facts, c)
	return nil
}

// known gives what the key and the subject of a fact can be; nil: anything.
func (n *narrowing) known(c *candidates) (keys, subjects []string) {
	return n.values[n.request.OutputClass(c.name, statement.FieldKey)], n.values[n.request.OutputClass(c.name, statement.FieldSubject)]
}

// next gives a fact whose records can be found now; nil: there is none.
func (n *narrowing) next() *candidates {
	for _, c := range n.facts {
		if keys, subjects := n.known(c); !c.done && (keys != nil || subjects != nil) {
			return c
		}
	}
	return nil
}

// narrow finds the records of a fact, and what they say of the facts that are tied to it.
func (n *narrowing) narrow(c *candidates) error {
	c.done = true
	keys, subjects := n.known(c)
	records, all, err := c.records(keys, subjects)
	if err != nil {
		return err
	}
	if !all {
		if keys == nil && len(subjects) <= maxCandidates {
			c.bySubjects(subjects)
		}
		return nil
	}
	found, owners := []string{}, []string{}
	for _, r := range records {
		found, owners = append(found, r.Key), append(owners, r.Subject)
	}
	if keys == nil {
		keys = found
	}
	n.learn(c.name, statement.FieldKey, keys)
	n.learn(c.name, statement.FieldSubject, owners)
	c.touched = nil
	return n.agency.touch(c, keys)
}

// learn says what an output can be, where nothing said so before.
func (n *narrowing) learn(fact, field string, texts []string) {
	class := n.request.OutputClass(fact, field)
	if n.values[class] == nil {
		n.values[class] = append([]string{}, slices.Compact(slices.Sorted(slices.Values(texts)))...) // none is not nil
	}
}

// records gives the records of keys or, where nothing is known of those, of subjects, and
// whether that is all: not where there are too many.
func (c *candidates) records(keys, subjects []string) (records []*registry.Record, all bool, err error) {
	if len(keys) > maxCandidates || len(subjects) > maxCandidates {
		return nil, false, nil
	}
	for _, key := range keys {
		r, err := c.store.Get(c.epoch, key)
		if errors.Is(err, registry.ErrNoRecord) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		records = append(records, r)
	}
	if keys != nil {
		return records, true, nil
	}
	for _, subject := range subjects {
		err := c.store.BySubject(c.epoch, subject, func(r *registry.Record) (bool, error) {
			records = append(records, r)
			return len(records) <= maxCandidates, nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	return records, len(records) <= maxCandidates, nil
}

// bySubjects has subjects stand for their records, which are too many.
func (c *candidates) bySubjects(subjects []string) {
	c.touched = nil
	for _, s := range subjects {
		c.touched = append(c.touched, Touched{c.source, statement.FieldSubject, hashedName(c.schema.HashSubject, s)})
	}
}

// touch adds the records of a fact's keys: in a registry that derives, those that they
// are computed from.
func (a *Agency) touch(c *candidates, keys []string) error {
	err := a.touchBy(c, c.source, c.by, keys)
	if err == nil && c.joined != nil {
		err = a.touchBy(c, c.joined.Registry, c.joined.By, keys)
	}
	return err
}

// touchBy adds the records of a registry that texts name by their key, their subject, or
// the attribute that a derived registry groups by, which stands for them.
func (a *Agency) touchBy(c *candidates, registryName, by string, texts []string) error {
	of, err := a.naming(registryName)
	if err != nil {
		return err
	}
	if by == statement.FieldSubject {
		if texts, by, err = a.ownedKeys(registryName, texts); err != nil {
			return err
		}
	}
	hash := of.schema.HashKey
	switch by {
	case statement.FieldSubject: // their records are too many
		hash = of.schema.HashSubject
	case statement.FieldKey:
		by = ByRecord
	default:
		hash = c.schema.HashKey // of the group
	}
	for _, text := range texts {
		c.touched = append(c.touched, Touched{registryName, by, hashedName(hash, text)})
	}
	return nil
}

// ownedKeys gives the keys of the records that subjects have at a registry's latest epoch,
// or the subjects again where there are too many.
func (a *Agency) ownedKeys(name string, subjects []string) (texts []string, by string, err error) {
	_, epoch, _, err := a.Ledger.LatestEpoch(name)
	if err != nil {
		return nil, "", err
	}
	s, err := a.Registry(name)
	if err != nil {
		return nil, "", err
	}
	of := &candidates{store: s, epoch: uint64(epoch.Number)}
	records, all, err := of.records(nil, subjects)
	if err != nil || !all {
		return subjects, statement.FieldSubject, err
	}
	for _, r := range records {
		texts = append(texts, r.Key)
	}
	return texts, statement.FieldKey, nil
}
