package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
)

// keyCosigned holds the last published checkpoint with its cosignatures. It stands
// beside that and does not replace it: a publication of the same tree finds it, one of
// another tree leaves it behind.
var keyCosigned = []byte("cosigned")

// ErrSuperseded says that another checkpoint has been published meanwhile.
var ErrSuperseded = errors.New("not the last published checkpoint")

// KeepCosigned keeps the last published checkpoint with the signature lines of
// witnesses after its own: [Store.Checkpoint], exports and inclusion proofs have them
// from then on. The caller has verified them. It fails with [ErrSuperseded] for any
// other checkpoint, and changes nothing then.
func (s *Store) KeepCosigned(signed []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	if _, err := ledger.ReadCheckpoint(signed); err != nil {
		return err
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if bare := meta.Get(keyCheckpoint); bare == nil || !bytes.HasPrefix(signed, bare) {
			return fmt.Errorf("%w: its cosignatures are not kept", ErrSuperseded)
		}
		return meta.Put(keyCosigned, signed)
	})
	if err != nil && !errors.Is(err, ErrSuperseded) {
		return s.stop(err)
	}
	return err
}

// publishedBytes gives the last published checkpoint, with what was kept of
// cosignatures on it; nil where there is none.
func publishedBytes(tx *bolt.Tx) []byte {
	meta := tx.Bucket(bucketMeta)
	bare, kept := meta.Get(keyCheckpoint), meta.Get(keyCosigned)
	if bare != nil && bytes.HasPrefix(kept, bare) {
		return kept
	}
	return bare
}

// LastSigned gives the checkpoint that the log signed last, published or not, which
// is the guard's; nil where it never signed one.
func (s *Store) LastSigned() ([]byte, error) {
	signed, err := os.ReadFile(GuardPath(s.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return signed, err
}

// Hold makes the log refuse to grow and to sign with [ErrGuard] and this reason, until
// it is opened again: somebody has seen another history of it.
func (s *Store) Hold(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold(reason)
}

func (s *Store) hold(reason error) { s.guard = fmt.Errorf("%w: %w", ErrGuard, reason) }

// askFirst asks once, before the process's first append or publication, whether the
// log may grow: see [Options.BeforeGrowth]. The caller holds mu.
func (s *Store) askFirst() {
	ask := s.beforeGrowth
	s.beforeGrowth = nil
	if ask == nil {
		return
	}
	if err := ask(s); err != nil {
		s.hold(err)
	}
}
