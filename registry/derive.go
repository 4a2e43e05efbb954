package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// bucketMembers is a derived registry's index of positions by group element, but where it
// is grouped by key. It keeps the groups of every epoch.
var bucketMembers = []byte("members")

// Derivation is what an epoch commits beside the registry itself.
type Derivation struct {
	Roots map[string]statement.Element // of the derived registries, by name
	Joins map[string]uint64            // the epochs of the registries that they join
}

// joined is a registry that a derived one joins, at one epoch.
type joined struct {
	store *Store
	epoch uint64
}

// derivedEpoch is an epoch of a derived registry that is written but not yet known
// to be the source's.
type derivedEpoch struct {
	store *Store
	own   state
	epoch Epoch
}

// derive brings all derived registries to an epoch of their source, which is
// written in the same transaction.
func (s *Store) derive(a *attempt, tx *bbolt.Tx) ([]derivedEpoch, *Derivation, error) {
	if len(s.schema.Derived) == 0 {
		return nil, nil, nil
	}
	all := &Derivation{Roots: map[string]statement.Element{}, Joins: map[string]uint64{}}
	others := map[string]joined{}
	for _, name := range s.schema.Joins() {
		j, err := a.join(name)
		if err != nil {
			return nil, nil, err
		}
		others[name], all.Joins[name] = j, j.epoch
	}
	var epochs []derivedEpoch
	for _, definition := range s.schema.Derived {
		d := s.newDeriver(definition, tx, a.next.Number)
		d.meter = a.meter
		e, err := d.run(a.ctx, others)
		if err != nil {
			return nil, nil, fmt.Errorf("derive registry %s: %w", definition.Registry, err)
		}
		epochs = append(epochs, derivedEpoch{d.store, d.own, e})
		all.Roots[definition.Registry] = e.Root
	}
	return epochs, all, nil
}

// deriver computes one derived registry at one epoch of its source.
type deriver struct {
	definition statement.Derived
	source     *Store // what it derives from
	store      *Store // the derived registry
	tx, own    state  // of the source and of the derived registry
	epoch      uint64
	meter      *meter
	other      joined               // the joined registry, if there is one
	otherTx    state                // while it is open
	keys       everyKey             // of the source
	otherKeys  everyKey             // of the joined registry
	live       *keyList             // of the derived registry
	affected   map[treeKey]struct{} // groups to compute anew
	joining    []posting            // the records that are in another group than before
}

func (s *Store) newDeriver(definition statement.Derived, tx *bbolt.Tx, epoch uint64) *deriver {
	d := &deriver{
		definition: definition, source: s, store: s.derived[definition.Registry], tx: s.in(tx), epoch: epoch,
		affected: map[treeKey]struct{}{},
	}
	d.own = d.store.in(tx)
	d.keys, d.live = d.tx.everyKey(), d.own.list(bucketKeys)
	return d
}

// run derives, with the joined registry open at its epoch, if there is one.
func (d *deriver) run(ctx context.Context, others map[string]joined) (e Epoch, err error) {
	if d.definition.Join == nil {
		return d.commit(ctx)
	}
	err = d.with(others[d.definition.Join.Registry], func() error {
		e, err = d.commit(ctx)
		return err
	})
	return e, err
}

// with calls fn while the joined registry is open at its epoch.
func (d *deriver) with(other joined, fn func() error) error {
	d.other = other
	if err := d.source.schema.CheckJoins(other.store.schema); err != nil {
		return err
	}
	return other.store.view(other.epoch, func(tx state, _ Epoch) error {
		d.otherTx, d.otherKeys = tx, tx.everyKey()
		return fn()
	})
}

// commit computes the groups that may have changed, and makes the epoch's tree.
func (d *deriver) commit(ctx context.Context) (Epoch, error) {
	last, err := lastEpoch(d.own)
	if err != nil {
		return Epoch{}, err
	}
	if err := d.collect(last); err != nil {
		return Epoch{}, err
	}
	groups := make([]treeKey, 0, len(d.affected))
	for group := range d.affected {
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b treeKey) int { return bytes.Compare(a[:], b[:]) })
	for i, group := range groups {
		if i%progressRows == 0 && ctx.Err() != nil {
			return Epoch{}, ctx.Err()
		}
		if err := d.stage(group); err != nil {
			return Epoch{}, err
		}
	}
	c := newCommitter(d.store, d.own, last)
	c.epoch, c.meter = d.epoch, d.meter
	one := &parts{ctx: ctx, to: d.own, limit: math.MaxInt} // the source's transaction has no parts
	e, err := c.make(ctx, one)
	return e, errors.Join(err, emptyStaging(d.own))
}

// collect gathers the groups of every record that changed since the last epoch of
// the derived registry, in the source and in the joined registry.
func (d *deriver) collect(last *Epoch) error {
	var from, otherFrom uint64
	if last != nil {
		from = last.Number
		source, err := epochOf(d.tx, from)
		if err != nil {
			return err
		}
		if d.joins() && source.Derivation != nil {
			otherFrom = source.Derivation.Joins[d.definition.Join.Registry]
		}
	}
	records := d.tx.versions(bucketRecords)
	err := changedSince(d.tx, from, d.epoch, func(position uint32) error { return d.touch(records, position, from) })
	if err == nil {
		err = d.own.postings(bucketMembers).add(d.joining)
	}
	if err != nil || !d.joins() {
		return err
	}
	return changedSince(d.otherTx, otherFrom, d.other.epoch, func(position uint32) error { return d.touchOther(position, otherFrom) })
}

// touch notes the groups that a record of the source was in and is in.
func (d *deriver) touch(records *versions, position uint32, from uint64) error {
	var before treeKey
	for _, epoch := range []uint64{from, d.epoch} {
		r, err := d.source.recordAt(records, position, epoch)
		if errors.Is(err, ErrNoRecord) {
			continue
		}
		if err != nil {
			return err
		}
		group, in, err := d.groupOf(r)
		if err != nil {
			return err
		}
		if !in {
			continue
		}
		d.affected[group] = struct{}{}
		if epoch == d.epoch && group != before && d.definition.GroupBy != statement.FieldKey {
			d.joining = append(d.joining, posting{group, position})
		}
		before = group
	}
	return nil
}

// joins tells whether another registry is joined.
func (d *deriver) joins() bool { return d.definition.Join != nil }

// touchOther notes the groups that a record of the joined registry belonged and
// belongs to. A group without a record of the source stays empty.
func (d *deriver) touchOther(position uint32, from uint64) error {
	s := d.other.store
	records := d.otherTx.versions(bucketRecords)
	for _, epoch := range []uint64{from, d.other.epoch} {
		r, err := s.recordAt(records, position, epoch)
		if errors.Is(err, ErrNoRecord) {
			continue
		}
		if err != nil {
			return err
		}
		e, err := s.schema.HashKey(r.Key)
		if d.definition.Join.By == statement.FieldSubject {
			e, err = s.schema.HashSubject(r.Subject)
		}
		if err != nil {
			return err
		}
		if null := statement.Null(); e != null {
			d.affected[treeKeyOf(e)] = struct{}{}
		}
	}
	return nil
}

// groupOf gives the group of a record of the source; in is false where it has none.
func (d *deriver) groupOf(r *Record) (group treeKey, in bool, err error) {
	text := d.groupText(r)
	if text == "" {
		return treeKey{}, false, nil
	}
	e, err := d.store.schema.HashKey(text)
	return treeKeyOf(e), err == nil, err
}

// groupText gives the canonical text of a record's group, empty where it has none.
func (d *deriver) groupText(r *Record) string {
	switch d.definition.GroupBy {
	case statement.FieldKey:
		return r.Key
	case statement.FieldSubject:
		return r.Subject
	}
	return r.Values[d.source.schema.Index(d.definition.GroupBy)].Text
}

// stage compares a group's record with that of the last epoch.
func (d *deriver) stage(group treeKey) error {
	content, err := d.content(group)
	if err != nil {
		return err
	}
	var old []byte
	position, live, err := d.live.get(group)
	if err != nil {
		return err
	}
	if live {
		var found bool
		old, _, found, err = d.own.versions(bucketRecords).at(recordKey(position, lastVersion))
		if err == nil && !found {
			err = fmt.Errorf("%w: a live key without a record", ErrCorrupt)
		}
		if err != nil {
			return err
		}
	}
	if bytes.Equal(old, content) { // or neither is there
		return nil
	}
	change := stagedChange{kind: changePut, key: group, content: content}
	if content == nil {
		change.kind = changeDelete
	}
	return d.own.putStagedChange(change)
}

// content computes a group's record; it is nil where the group is empty.
func (d *deriver) content(group treeKey) ([]byte, error) {
	own, err := d.members(group)
	if err != nil || len(own) == 0 {
		return nil, err
	}
	var others []*Record
	if d.joins() {
		if others, err = d.matches(group); err != nil {
			return nil, err
		}
	}
	r := &Record{Key: d.groupText(own[0]), Values: make([]statement.Value, len(d.definition.Attributes))}
	if d.definition.GroupBy == statement.FieldKey {
		r.Subject, r.Holder = own[0].Subject, own[0].Holder
	}
	for i, a := range d.definition.Attributes {
		schema, records := d.source.schema, own
		if a.From != "" {
			schema, records = d.other.store.schema, others
		}
		if r.Values[i], err = compute(a, schema, records); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", a.Name, err)
		}
	}
	return appendContent(nil, d.store.schema, r), nil
}

// members gives the source's records of a group at the epoch.
func (d *deriver) members(group treeKey) (found []*Record, err error) {
	records := d.tx.versions(bucketRecords)
	take := func(position uint32) error {
		r, err := d.source.recordAt(records, position, d.epoch)
		if errors.Is(err, ErrNoRecord) {
			return nil
		}
		if err != nil {
			return err
		}
		is, in, err := d.groupOf(r)
		if in && is == group { // the index keeps the groups of every epoch
			found = append(found, r)
		}
		return err
	}
	if d.definition.GroupBy == statement.FieldKey {
		return found, atKey(d.keys, group, take)
	}
	return found, eachPosition(d.own.postings(bucketMembers), group, take)
}

// matches gives the joined registry's records of a group.
func (d *deriver) matches(group treeKey) (found []*Record, err error) {
	s := d.other.store
	records := d.otherTx.versions(bucketRecords)
	take := func(position uint32) error {
		r, err := s.recordAt(records, position, d.other.epoch)
		if errors.Is(err, ErrNoRecord) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.definition.Join.By == statement.FieldSubject {
			e, err := s.schema.HashSubject(r.Subject)
			if err != nil || treeKeyOf(e) != group { // as in members
				return err
			}
		}
		found = append(found, r)
		return nil
	}
	if d.definition.Join.By == statement.FieldKey {
		return found, atKey(d.otherKeys, group, take)
	}
	return found, eachPosition(d.otherTx.postings(bucketSubjects), group, take)
}

// atKey calls fn with the position of a key, if the registry ever had it.
func atKey(keys everyKey, key treeKey, fn func(uint32) error) error {
	position, err := keys.position(key)
	if errors.Is(err, ErrNoRecord) {
		return nil
	}
	if err != nil {
		return err
	}
	return fn(position)
}

// eachPosition calls fn with the positions that an index has under an element.
func eachPosition(index *postings, element treeKey, fn func(uint32) error) error {
	positions, err := index.all(element)
	if err != nil {
		return err
	}
	for _, position := range positions {
		if err := fn(position); err != nil {
			return err
		}
	}
	return nil
}

// compute gives the value of one attribute of a group.
func compute(a statement.DerivedAttribute, schema *statement.Schema, records []*Record) (statement.Value, error) {
	if a.Compute == statement.Count {
		return statement.Value{Int: int64(len(records))}, nil
	}
	i := schema.Index(a.Of)
	var values []statement.Value
	for _, r := range records {
		if !r.Values[i].Absent {
			values = append(values, r.Values[i])
		}
	}
	if len(values) == 0 {
		return lacking(a, schema)
	}
	switch a.Compute {
	case statement.Min:
		return slices.MinFunc(values, byInt), nil
	case statement.Max:
		return slices.MaxFunc(values, byInt), nil
	case statement.Sum:
		return sum(values)
	}
	if len(values) > 1 {
		return statement.Value{}, fmt.Errorf("%w: a copy of one of several records", ErrCorrupt)
	}
	return values[0], nil
}

// lacking gives the value where there is nothing to compute it from.
func lacking(a statement.DerivedAttribute, schema *statement.Schema) (statement.Value, error) {
	if a.Default == nil {
		return statement.Value{Absent: true}, nil
	}
	return schema.ParseValue(a.Attribute(), *a.Default)
}

func byInt(a, b statement.Value) int { return cmp.Compare(a.Int, b.Int) }

func sum(values []statement.Value) (statement.Value, error) {
	total := new(big.Int)
	for _, v := range values {
		total.Add(total, big.NewInt(v.Int))
	}
	if !total.IsInt64() {
		return statement.Value{}, fmt.Errorf("%w: a sum beyond 64 bits", statement.ErrBadValue)
	}
	return statement.Value{Int: total.Int64()}, nil
}

// changedSince calls fn with every position whose record an epoch after from, up to
// to, has written. It goes down from the root, past the nodes that are no newer.
func changedSince(tx state, from, to uint64, fn func(position uint32) error) error {
	nodes, records := tx.Bucket(bucketNodes).Cursor(), tx.Bucket(bucketRecords).Cursor()
	var down func(level int, index uint32) error
	down = func(level int, index uint32) error {
		if level < 0 {
			_, written, found := version(records, recordKey(index, to))
			if !found || written <= from || index == sentinel {
				return nil
			}
			return fn(index)
		}
		if _, written, found := version(nodes, nodeKey(level, index, to)); !found || written <= from {
			return nil
		}
		for i := range uint32(imt.Arity(level)) {
			if err := down(level-1, index*uint32(imt.Arity(level))+i); err != nil {
				return err
			}
		}
		return nil
	}
	return down(imt.Levels-1, 0)
}
