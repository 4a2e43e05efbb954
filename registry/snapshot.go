package registry

import "github.com/attestry/attestry/internal/boltcopy"

// Snapshot takes a snapshot of the store's file, with all that derives from the registry.
// A copy of it is a store of the same registry, with the same secrets.
func (s *Store) Snapshot() (*boltcopy.Snapshot, error) { return boltcopy.Take(s.db) }
