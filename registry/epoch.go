package registry

import (
	"encoding/binary"
	"fmt"
	"maps"
	"time"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

// Epoch is one committed state of the registry.
type Epoch struct {
	Number  uint64 // from 1
	Root    statement.Element
	Records int       // live in it
	Time    time.Time // UTC, whole seconds
	Changed int       // records inserted, updated or deleted by it
	// Derivation is nil where no registry derives from this one.
	Derivation *Derivation
}

// Equal tells whether two epochs derive the same.
func (d *Derivation) Equal(o *Derivation) bool {
	if d == nil || o == nil {
		return d == o
	}
	return maps.Equal(d.Roots, o.Roots) && maps.Equal(d.Joins, o.Joins)
}

// epochDocument is an epoch as the file holds it.
type epochDocument struct {
	Root    statement.Element `json:"root"`
	Records int               `json:"records"`
	Time    string            `json:"time"`
	Changed int               `json:"changed"`
	// Derived gives the roots of the derived registries, Joins the epochs that they join.
	Derived map[string]statement.Element `json:"derived,omitempty"`
	Joins   map[string]canon.Uint64      `json:"joins,omitempty"`
}

func putEpoch(tx buckets, e Epoch) error {
	d := epochDocument{Root: e.Root, Records: e.Records, Time: statement.FormatTime(e.Time), Changed: e.Changed}
	if e.Derivation != nil {
		d.Derived, d.Joins = e.Derivation.Roots, map[string]canon.Uint64{}
		for name, epoch := range e.Derivation.Joins {
			d.Joins[name] = canon.Uint64(epoch)
		}
	}
	document, err := canon.Marshal(d)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketEpochs).Put(epochKey(e.Number), document)
}

func decodeEpoch(key, document []byte) (e Epoch, err error) {
	var d epochDocument
	if err = canon.Unmarshal(document, &d); err == nil {
		e = Epoch{Number: binary.BigEndian.Uint64(key), Root: d.Root, Records: d.Records, Changed: d.Changed}
		e.Time, err = statement.ParseTime(d.Time)
		e.Derivation = d.derivation()
	}
	if err != nil {
		return e, fmt.Errorf("%w: epoch: %v", ErrCorrupt, err)
	}
	return e, nil
}

func (d *epochDocument) derivation() *Derivation {
	if d.Derived == nil {
		return nil
	}
	out := &Derivation{Roots: d.Derived, Joins: map[string]uint64{}}
	for name, epoch := range d.Joins {
		out.Joins[name] = uint64(epoch)
	}
	return out
}

// lastEpoch gives the latest epoch, nil where there is none.
func lastEpoch(tx buckets) (*Epoch, error) {
	k, v := tx.Bucket(bucketEpochs).Cursor().Last()
	if k == nil {
		return nil, nil
	}
	e, err := decodeEpoch(k, v)
	return &e, err
}

func epochOf(tx buckets, number uint64) (Epoch, error) {
	document := tx.Bucket(bucketEpochs).Get(epochKey(number))
	if document == nil {
		return Epoch{}, fmt.Errorf("%w: %d", ErrNoEpoch, number)
	}
	return decodeEpoch(epochKey(number), document)
}

// Latest gives the latest epoch; ok is false before the first commit.
func (s *Store) Latest() (e Epoch, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		return Epoch{}, false
	}
	return *s.latest, true
}

func (s *Store) setLatest(e Epoch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = &e
}

// Epoch gives the epoch of a number.
func (s *Store) Epoch(number uint64) (e Epoch, err error) {
	err = s.read(func(tx state) error {
		e, err = epochOf(tx, number)
		return err
	})
	return e, err
}

// Epochs lists all epochs, the first one first.
func (s *Store) Epochs() (all []Epoch, err error) {
	err = s.read(func(tx state) error {
		return tx.Bucket(bucketEpochs).ForEach(func(k, v []byte) error {
			e, err := decodeEpoch(k, v)
			all = append(all, e)
			return err
		})
	})
	return all, err
}
