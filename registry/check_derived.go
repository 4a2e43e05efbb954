package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// checkDerived computes every derived registry again, from the records that have
// been checked and from the joined registries, and holds the stored one to it.
func (c *checker) checkDerived(ctx context.Context, tx *bbolt.Tx, join func(string) (*Store, error)) error {
	for _, definition := range c.s.schema.Derived {
		name := definition.Registry
		d := c.s.newDeriver(definition, tx, c.epoch.Number)
		later, err := c.isLater(d)
		if err != nil {
			return err
		}
		if later {
			continue
		}
		e, err := epochOf(d.own, d.epoch)
		if err != nil || c.epoch.Derivation == nil {
			return mismatch("registry %s has no epoch %d: commit %s", name, d.epoch, c.s.schema.Registry)
		}
		if c.epoch.Derivation.Roots[name] != e.Root {
			return mismatch("registry %s has another root than epoch %d says", name, d.epoch)
		}
		if err := c.checkValues(d, e, join); err != nil {
			return fmt.Errorf("derived registry %s: %w", name, err)
		}
		own := &checker{s: d.store, tx: d.own, epoch: e}
		if err := own.checkTree(ctx); err != nil {
			return fmt.Errorf("derived registry %s: %w", name, err)
		}
	}
	return nil
}

// isLater tells whether a definition came after the epoch: it has no root there, and
// none was ever made.
func (c *checker) isLater(d *deriver) (bool, error) {
	if c.epoch.Derivation != nil {
		if _, named := c.epoch.Derivation.Roots[d.definition.Registry]; named {
			return false, nil
		}
	}
	last, err := lastEpoch(d.own)
	return last == nil, err
}

// checkValues compares the groups' records with the stored ones.
func (c *checker) checkValues(d *deriver, e Epoch, join func(string) (*Store, error)) error {
	if d.definition.Join == nil {
		return d.compare(e)
	}
	name := d.definition.Join.Registry
	other, err := openJoined(name, join)
	if err != nil {
		return err
	}
	return d.with(joined{other, c.epoch.Derivation.Joins[name]}, func() error { return d.compare(e) })
}

func (d *deriver) compare(e Epoch) error {
	if err := d.collectAll(); err != nil {
		return err
	}
	if len(d.affected) != e.Records {
		return mismatch("the records make %d groups, and epoch %d has %d", len(d.affected), e.Number, e.Records)
	}
	records, keys := d.own.versions(bucketRecords), d.own.everyKey()
	for group := range d.affected {
		want, err := d.content(group)
		if err != nil {
			return err
		}
		position, err := keys.position(group)
		if err != nil {
			return mismatch("a group of the records has no record of its own")
		}
		got, _, err := contentAt(records, position, e.Number)
		if err != nil || !bytes.Equal(got, want) {
			return mismatch("a record has other values than its group gives")
		}
	}
	return nil
}

// collectAll gathers the groups of all records of the epoch, from the records alone.
func (d *deriver) collectAll() error {
	last, err := lastPosition(d.tx)
	if err != nil {
		return err
	}
	records := d.tx.versions(bucketRecords)
	for position := uint32(1); position < last; position++ {
		r, err := d.source.recordAt(records, position, d.epoch)
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
		if in {
			d.affected[group] = struct{}{}
		}
	}
	return nil
}
