package registry

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

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
}

// epochDocument is an epoch as the file holds it.
type epochDocument struct {
	Root    statement.Element `json:"root"`
	Records int               `json:"records"`
	Time    string            `json:"time"`
	Changed int               `json:"changed"`
}

func putEpoch(tx *bbolt.Tx, e Epoch) error {
	document, err := canon.Marshal(epochDocument{e.Root, e.Records, statement.FormatTime(e.Time), e.Changed})
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
	}
	if err != nil {
		return e, fmt.Errorf("%w: epoch: %v", ErrCorrupt, err)
	}
	return e, nil
}

// lastEpoch gives the latest epoch, nil where there is none.
func lastEpoch(tx *bbolt.Tx) (*Epoch, error) {
	k, v := tx.Bucket(bucketEpochs).Cursor().Last()
	if k == nil {
		return nil, nil
	}
	e, err := decodeEpoch(k, v)
	return &e, err
}

func epochOf(tx *bbolt.Tx, number uint64) (Epoch, error) {
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
	err = s.db.View(func(tx *bbolt.Tx) error {
		e, err = epochOf(tx, number)
		return err
	})
	return e, err
}

// Epochs lists all epochs, the first one first.
func (s *Store) Epochs() (all []Epoch, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketEpochs).ForEach(func(k, v []byte) error {
			e, err := decodeEpoch(k, v)
			all = append(all, e)
			return err
		})
	})
	return all, err
}
