package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// Entry gives the bytes of an entry, or [ErrNotFound].
func (s *Store) Entry(index uint64) (data []byte, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		data, err = entry(tx, index)
		return err
	})
	return data, err
}

// entry gives a copy of an entry's bytes.
func entry(tx *bolt.Tx, index uint64) ([]byte, error) {
	data := tx.Bucket(bucketEntries).Get(key64(index))
	if data == nil {
		return nil, fmt.Errorf("%w: entry %d, the log has %d", ErrNotFound, index, txSize(tx))
	}
	return bytes.Clone(data), nil
}

// find runs a lookup that gives an entry's index, and reads that entry.
func find[E ledger.Entry](s *Store, look func(ledger.View) (uint64, error)) (index uint64, found E, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if index, err = look(ledger.View{State: s.state(tx)}); err != nil {
			return err
		}
		data, err := entry(tx, index)
		if err != nil {
			return err
		}
		parsed, err := ledger.ParseEntry(data)
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrDamaged, index, err)
		}
		var ok bool
		if found, ok = parsed.(E); !ok {
			return fmt.Errorf("%w: entry %d is of type %s", ErrDamaged, index, parsed.Type())
		}
		return nil
	})
	return index, found, err
}

// findEpoch is find for a lookup that gives an epoch.
func findEpoch(s *Store, look func(ledger.View) (ledger.EpochRef, error)) (uint64, *ledger.EpochEntry, statement.Digest, error) {
	var ref ledger.EpochRef
	index, found, err := find[*ledger.EpochEntry](s, func(v ledger.View) (_ uint64, err error) {
		ref, err = look(v)
		return ref.Index, err
	})
	return index, found, ref.Identity, err
}

// LatestEpoch gives a registry's latest epoch entry, its index and its identity.
// Like every lookup it fails with [ledger.ErrUnknown] where there is none.
func (s *Store) LatestEpoch(registry string) (uint64, *ledger.EpochEntry, statement.Digest, error) {
	return findEpoch(s, func(v ledger.View) (ledger.EpochRef, error) { return v.LatestEpoch(registry) })
}

// Epoch gives a registry's epoch entry by its number.
func (s *Store) Epoch(registry string, number uint64) (uint64, *ledger.EpochEntry, statement.Digest, error) {
	return findEpoch(s, func(v ledger.View) (ledger.EpochRef, error) { return v.EpochNumber(registry, number) })
}

// EpochByIdentity gives an epoch entry by its identity.
func (s *Store) EpochByIdentity(identity statement.Digest) (uint64, *ledger.EpochEntry, error) {
	index, found, _, err := findEpoch(s, func(v ledger.View) (ledger.EpochRef, error) { return v.Epoch(identity) })
	return index, found, err
}

// EpochAt gives a registry's last epoch at an instant: the last one whose time is
// not after it.
func (s *Store) EpochAt(registry string, at time.Time) (uint64, *ledger.EpochEntry, statement.Digest, error) {
	return findEpoch(s, func(v ledger.View) (ledger.EpochRef, error) {
		return v.EpochAt(registry, statement.FormatTime(at))
	})
}

// Source gives the registry that one derives from: its own name where it has
// records of its own.
func (s *Store) Source(registry string) (source string, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		source, err = ledger.View{State: s.state(tx)}.Source(registry)
		return err
	})
	return source, err
}

// Schema gives a registry's present schema entry.
func (s *Store) Schema(registry string) (uint64, *ledger.SchemaEntry, error) {
	return find[*ledger.SchemaEntry](s, func(v ledger.View) (uint64, error) {
		index, _, err := v.LatestSchema(registry)
		return index, err
	})
}

// SchemaByIdentity gives a schema entry by its identity.
func (s *Store) SchemaByIdentity(identity statement.Digest) (uint64, *ledger.SchemaEntry, error) {
	return find[*ledger.SchemaEntry](s, func(v ledger.View) (uint64, error) { return v.Schema(identity) })
}

// Circuit gives the circuit entry of a constraint system and a verifying key, by
// the SHA-256 of each.
func (s *Store) Circuit(circuit, vk statement.Digest) (uint64, *ledger.CircuitEntry, error) {
	return find[*ledger.CircuitEntry](s, func(v ledger.View) (uint64, error) { return v.Circuit(circuit, vk) })
}

// Proof gives the entry that first carried a statement's D.
func (s *Store) Proof(d statement.Element) (uint64, *ledger.ProofEntry, error) {
	return find[*ledger.ProofEntry](s, func(v ledger.View) (uint64, error) { return v.Statement(d) })
}

// Pledge tells whether the pledge of an entry lives, and what released it if not.
func (s *Store) Pledge(index uint64) (status ledger.PledgeStatus, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		status, err = ledger.View{State: s.state(tx)}.Pledge(index)
		return err
	})
	return status, err
}

// Pledges gives the indexes of the pledges from an index on, in order, n at most.
func (s *Store) Pledges(from uint64, n int) (indexes []uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket([]byte(ledger.TablePledges)).Cursor()
		for k, _ := cursor.Seek(key64(from)); k != nil && len(indexes) < n; k, _ = cursor.Next() {
			indexes = append(indexes, binary.BigEndian.Uint64(k))
		}
		return nil
	})
	return indexes, err
}

// LivePledge gives the index of the pledge that holds a record in a scope.
func (s *Store) LivePledge(registry string, scope, nullifier statement.Element) (index uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		index, err = ledger.View{State: s.state(tx)}.LivePledge(registry, scope, nullifier)
		return err
	})
	return index, err
}

// Registries gives the names of all registries that have a schema entry, sorted.
func (s *Store) Registries() (names []string, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(ledger.TableRegistries)).ForEach(func(name, _ []byte) error {
			names = append(names, string(name))
			return nil
		})
	})
	return names, err
}
