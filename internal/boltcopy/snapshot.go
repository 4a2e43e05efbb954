// Package boltcopy copies bbolt databases that are in use.
package boltcopy

import (
	"errors"
	"io"
	"os"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Snapshot is a database as it was at one moment, whatever is written to it since. As long
// as it is open, a file that outgrows the address space which was reserved for it cannot be
// written.
type Snapshot struct{ tx *bbolt.Tx }

// Take takes a snapshot of a database.
func Take(db *bbolt.DB) (*Snapshot, error) {
	tx, err := db.Begin(false)
	if err != nil {
		return nil, err
	}
	return &Snapshot{tx}, nil
}

// Version tells snapshots of one database apart: it grows with each transaction that writes.
func (s *Snapshot) Version() int { return s.tx.ID() }

// View runs a function over the snapshot, by its transaction.
func (s *Snapshot) View(f func(*bbolt.Tx) error) error { return f(s.tx) }

// Write writes the database into an empty file, and to whoever else listens, and returns
// when it is on the disk, which it leaves to others half of the time.
func (s *Snapshot) Write(f *os.File, others ...io.Writer) error {
	_, err := s.tx.WriteTo(io.MultiWriter(append([]io.Writer{&paced{file: f}}, others...)...))
	return errors.Join(err, f.Sync())
}

// Close ends the snapshot. Closing it again does nothing.
func (s *Snapshot) Close() error {
	if err := s.tx.Rollback(); !errors.Is(err, berrors.ErrTxClosed) {
		return err
	}
	return nil
}
