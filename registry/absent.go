package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/imt"
)

// AbsentOpening is what a proof needs that one epoch has no record of a key: the
// leaf of the next smaller key, with its link to the next larger one opened, and
// its path to the root. It names two neighbours: it is private, and like an
// [Opening] it cannot be printed.
type AbsentOpening struct {
	Key      fr.Element // the hash of the key that has no record
	Low      imt.Leaf   // the largest key below Key, or the sentinel
	Position uint64     // of Low
	Path     imt.Path   // of Low
	// Next and LinkBlinding open Low's link: Low.Key < Key < Next.
	Next         fr.Element
	LinkBlinding fr.Element
}

const redactedAbsent = "registry.AbsentOpening(private)"

// Format implements fmt.Formatter: no verb shows the opening.
func (o AbsentOpening) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedAbsent) }

// LogValue implements slog.LogValuer.
func (o AbsentOpening) LogValue() slog.Value { return slog.StringValue(redactedAbsent) }

// MarshalJSON refuses: an opening has no JSON form of its own.
func (o AbsentOpening) MarshalJSON() ([]byte, error) {
	return nil, errors.New(redactedAbsent + " has no JSON form")
}

// OpenAbsent gives what proves that an epoch has no record of a key, in any
// spelling that normalises alike; where it has one, [ErrRecordExists]. The path is
// followed to the epoch's root before it is given.
//
// At the latest epoch the leaf is found by one seek. At a past one, keys that came
// or went since then and lie between the leaf's key and this one are passed over
// one by one.
func (s *Store) OpenAbsent(epoch uint64, key string) (o *AbsentOpening, err error) {
	canonical, err := s.fields.canonical("key", key)
	if err != nil {
		return nil, err
	}
	if canonical == "" {
		return nil, errEmptyKey
	}
	e, err := s.schema.HashKey(canonical)
	if err != nil {
		return nil, err
	}
	err = s.view(epoch, func(tx state, at Epoch) error {
		o, err = s.openAbsent(tx, treeKeyOf(e), at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (s *Store) openAbsent(tx state, key treeKey, e Epoch) (*AbsentOpening, error) {
	if err := absentAt(tx, key, e.Number); err != nil {
		return nil, err
	}
	src, err := s.lowAt(tx, key, e.Number)
	if err != nil {
		return nil, err
	}
	// The root says that the leaf is one of the epoch's, not that the list is in
	// order: without this a damaged list would give a proof of something false.
	if bytes.Compare(src.key[:], key[:]) >= 0 || bytes.Compare(key[:], src.next[:]) >= 0 {
		return nil, fmt.Errorf("%w: the list of epoch %d does not pass over a key that it lacks", ErrCorrupt, e.Number)
	}
	low, err := s.open(tx, src, e)
	if err != nil {
		return nil, err
	}
	return &AbsentOpening{
		Key: key.element(), Low: low.Leaf, Position: low.Position, Path: low.Path, Next: low.Next, LinkBlinding: low.LinkBlinding,
	}, nil
}

// absentAt gives an error where a key has a record at an epoch.
func absentAt(tx state, key treeKey, epoch uint64) error {
	position, err := positionOf(tx, key)
	if err == nil {
		_, _, err = contentAt(tx.versions(bucketRecords), position, epoch)
	}
	switch {
	case errors.Is(err, ErrNoRecord):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w at epoch %d", ErrRecordExists, epoch)
}

// lowAt finds the leaf of the largest key below one at an epoch.
func (s *Store) lowAt(tx state, key treeKey, epoch uint64) (*leafSource, error) {
	last, err := lastEpoch(tx)
	if err != nil {
		return nil, err
	}
	lists := []*keyList{tx.list(bucketKeys)}
	if last == nil || last.Number != epoch {
		lists = append(lists, tx.list(bucketRetired))
	}
	walk, err := newDescent(key, lists...)
	if err != nil {
		return nil, err
	}
	records := tx.versions(bucketRecords)
	for {
		position, err := walk.next()
		if err != nil {
			return nil, err
		}
		_, _, err = contentAt(records, position, epoch)
		if errors.Is(err, ErrNoRecord) {
			continue // it came later, or had left
		}
		if err != nil {
			return nil, err
		}
		return s.source(tx, position, epoch)
	}
}

// descent goes down through the keys of several lists at once.
type descent struct{ ways []descentWay }

type descentWay struct {
	cursor *keyCursor
	at     keyAt
	ok     bool // false at the end
}

// newDescent starts below a key.
func newDescent(key treeKey, lists ...*keyList) (*descent, error) {
	d := &descent{ways: make([]descentWay, len(lists))}
	for i, list := range lists {
		w := &d.ways[i]
		var err error
		if w.cursor, err = list.cursor(); err != nil {
			return nil, err
		}
		if w.at, w.ok, err = w.cursor.below(key); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// next gives the position of the next smaller key.
func (d *descent) next() (uint32, error) {
	var top *descentWay
	for i := range d.ways {
		if w := &d.ways[i]; w.ok && (top == nil || bytes.Compare(w.at.key[:], top.at.key[:]) > 0) {
			top = w
		}
	}
	if top == nil {
		return 0, fmt.Errorf("%w: the list has no sentinel", ErrCorrupt)
	}
	position := top.at.position
	var err error
	top.at, top.ok, err = top.cursor.previous()
	return position, err
}
