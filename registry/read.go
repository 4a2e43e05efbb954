package registry

import (
	"errors"
	"fmt"
	"math"

	"github.com/attestry/attestry/statement"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// view runs fn over the state of an epoch.
func (s *Store) view(epoch uint64, fn func(tx state, e Epoch) error) error {
	return s.read(func(tx state) error {
		e, err := epochOf(tx, epoch)
		if err != nil {
			return err
		}
		return fn(tx, e)
	})
}

// Get gives the record of a key, in any spelling that normalises alike, at an
// epoch; where there is none, [ErrNoRecord].
func (s *Store) Get(epoch uint64, key string) (r *Record, err error) {
	canonical, err := s.fields.canonical("key", key)
	if err != nil {
		return nil, err
	}
	e, err := s.schema.HashKey(canonical)
	if err != nil {
		return nil, err
	}
	err = s.view(epoch, func(tx state, _ Epoch) error {
		position, err := positionOf(tx, treeKeyOf(e))
		if err != nil {
			return err
		}
		r, err = s.recordAt(tx.versions(bucketRecords), position, epoch)
		return err
	})
	return r, err
}

// positionOf gives the position of a key that has ever been in the registry.
func positionOf(tx state, key treeKey) (uint32, error) {
	return tx.everyKey().position(key)
}

// everyKey is all keys that have ever been in the registry.
type everyKey struct{ live, retired *keyList }

func (t state) everyKey() everyKey { return everyKey{t.list(bucketKeys), t.list(bucketRetired)} }

// position gives the position of a key; where there is none, the error is [ErrNoRecord].
func (e everyKey) position(key treeKey) (uint32, error) {
	for _, list := range []*keyList{e.live, e.retired} {
		if position, found, err := list.get(key); found || err != nil {
			return position, err
		}
	}
	return 0, ErrNoRecord
}

func (s *Store) recordAt(records *versions, position uint32, epoch uint64) (*Record, error) {
	content, _, err := contentAt(records, position, epoch)
	if err != nil {
		return nil, err
	}
	r, err := decodeContent(content, s.schema)
	if err != nil {
		return nil, err
	}
	r.Position = uint64(position)
	return r, nil
}

// BySubject calls fn for every record of a subject, in any spelling that
// normalises alike, at an epoch, in the order of positions, until fn gives false
// or an error. fn must not write to the store. The empty subject has no records.
func (s *Store) BySubject(epoch uint64, subject string, fn func(*Record) (more bool, err error)) error {
	canonical, err := s.fields.canonical("subject", subject)
	if err != nil {
		return err
	}
	e, err := s.schema.HashSubject(canonical)
	if err != nil {
		return err
	}
	null := statement.Null()
	return s.view(epoch, func(tx state, _ Epoch) error {
		if e.Equal(&null) {
			return nil
		}
		return s.bySubject(tx, epoch, e, canonical, fn)
	})
}

func (s *Store) bySubject(tx state, epoch uint64, subject fr.Element, canonical string, fn func(*Record) (bool, error)) error {
	positions, err := tx.postings(bucketSubjects).all(treeKeyOf(subject))
	if err != nil {
		return err
	}
	records := tx.versions(bucketRecords)
	for _, position := range positions {
		r, err := s.recordAt(records, position, epoch)
		if errors.Is(err, ErrNoRecord) || err == nil && r.Subject != canonical {
			continue // the index keeps the subjects of every epoch
		}
		if err != nil {
			return err
		}
		if more, err := fn(r); err != nil || !more {
			return err
		}
	}
	return nil
}

// Scan calls fn for every record that is live at an epoch, in the order of
// positions, until fn gives false or an error. fn must not write to the store.
func (s *Store) Scan(epoch uint64, fn func(*Record) (more bool, err error)) error {
	return s.view(epoch, func(tx state, _ Epoch) error {
		records := tx.versions(bucketRecords)
		last, err := lastPosition(tx)
		if err != nil {
			return err
		}
		for position := uint32(1); position < last; position++ {
			r, err := s.recordAt(records, position, epoch)
			if errors.Is(err, ErrNoRecord) {
				continue
			}
			if err != nil {
				return err
			}
			if more, err := fn(r); err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// lastPosition gives the first position that was never used.
func lastPosition(tx buckets) (uint32, error) {
	return decodePosition(tx.Bucket(bucketMeta).Get(metaFresh))
}

// checkPosition narrows a record's position to what the file uses.
func checkPosition(position uint64) (uint32, error) {
	if position == sentinel || position > math.MaxUint32 {
		return 0, fmt.Errorf("%w: no record has this position", ErrNoRecord)
	}
	return uint32(position), nil
}
