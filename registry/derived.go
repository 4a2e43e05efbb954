package registry

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/statement"
)

// Derived gives the store of a registry that derives from this one, which shares
// its file, its epochs' numbers and its blinding secret. It is read like any other,
// and changes only with the commits of its source: to import into it or to commit
// it fails with [ErrDerived]. Its records have no serials, so that no proof can
// pledge one. It is not to be closed.
func (s *Store) Derived(name string) (*Store, bool) {
	d, ok := s.derived[name]
	return d, ok
}

// Source gives the store that this one derives from, nil where it has records of
// its own.
func (s *Store) Source() *Store { return s.base }

// in gives the store's own buckets in a transaction of its file.
func (s *Store) in(tx *bbolt.Tx) state {
	if s.base == nil {
		return state{tx, s.box}
	}
	return state{tx.Bucket(bucketDerived).Bucket([]byte(s.schema.Registry)), s.box}
}

// parts gives transactions over the store's own buckets.
func (s *Store) parts(ctx context.Context) *parts {
	return &parts{ctx: ctx, db: s.db, in: s.in, limit: s.limits.part}
}

// read runs a read transaction over the store's own buckets.
func (s *Store) read(fn func(state) error) error {
	return s.db.View(func(tx *bbolt.Tx) error { return fn(s.in(tx)) })
}

// createDerived makes the buckets of the derived registries that the file does not
// have yet.
func createDerived(tx *bbolt.Tx, schema *statement.Schema, key *atrest.Key) error {
	for _, definition := range schema.Derived {
		name := []byte(definition.Registry)
		if tx.Bucket(bucketDerived).Bucket(name) != nil {
			continue
		}
		b, err := tx.Bucket(bucketDerived).CreateBucket(name)
		if err != nil {
			return err
		}
		if _, err := b.CreateBucket(bucketMembers); err != nil {
			return err
		}
		if err := initialiseTree(state{b, &box{key, definition.Registry}}); err != nil {
			return err
		}
	}
	return nil
}

// loadDerived opens the derived registries of a loaded store.
func (s *Store) loadDerived(tx *bbolt.Tx) error {
	s.derived = map[string]*Store{}
	for _, definition := range s.schema.Derived {
		schema, _ := s.schema.Of(definition.Registry)
		d := &Store{db: s.db, base: s, box: &box{s.box.key, definition.Registry}, schema: schema, fields: newFields(schema), secrets: s.secrets}
		own := tx.Bucket(bucketDerived).Bucket([]byte(definition.Registry))
		if own == nil || own.Bucket(bucketMembers) == nil {
			return fmt.Errorf("%w: the derived registry %s is missing", ErrCorrupt, definition.Registry)
		}
		if err := hasBuckets(own); err != nil {
			return err
		}
		var err error
		if d.latest, err = lastEpoch(own); err != nil {
			return err
		}
		s.derived[definition.Registry] = d
	}
	return nil
}

// refuseDerived refuses what only a registry with records of its own can do.
func (s *Store) refuseDerived() error {
	if s.base == nil {
		return nil
	}
	return fmt.Errorf("%w: %s is computed from %s: import into that one and commit it", ErrDerived, s.schema.Registry, s.base.schema.Registry)
}

// Replace takes on another schema for the same records: other source columns, units,
// scopes, a column of former keys, more derived registries. What is in the leaves
// stays: the key's, subject's and texts' domains, the attributes with their types,
// and the definitions that there are. A schema that changes these fails with
// [ErrReplace]. The store must be opened anew afterwards.
func (s *Store) Replace(schema *statement.Schema) error {
	if err := s.CanReplace(schema); err != nil {
		return err
	}
	document, err := encodeSchema(schema)
	if err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.db.Update(func(tx *bbolt.Tx) error {
		if err := createDerived(tx, schema, s.box.key); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(metaSchema, document)
	})
}

// CanReplace tells whether [Store.Replace] would take a schema.
func (s *Store) CanReplace(schema *statement.Schema) error {
	if err := s.refuseDerived(); err != nil {
		return err
	}
	if err := schema.Validate(); err != nil {
		return err
	}
	if what := changedContents(s.schema, schema); what != "" {
		return fmt.Errorf("%w: it has other %s than the schema that it replaces, and the leaves of registry %s hold these: make a new registry for them", ErrReplace, what, s.schema.Registry)
	}
	return nil
}

// changedContents names what of the leaves another schema would change.
func changedContents(old, changed *statement.Schema) string {
	if changed.Registry != old.Registry {
		return "names"
	}
	if (old.Subject == "") != (changed.Subject == "") {
		return "subjects"
	}
	if old.Holder != "" && changed.Holder == "" {
		return "holders"
	}
	if len(old.Attributes) != len(changed.Attributes) {
		return "attributes"
	}
	for i, a := range old.Attributes {
		b := changed.Attributes[i]
		if a.Name != b.Name || a.Type != b.Type || a.Scale != b.Scale {
			return "attributes"
		}
		if !old.Domain(a.Name).Equal(changed.Domain(a.Name)) {
			return "domains"
		}
	}
	for _, name := range []string{statement.FieldKey, statement.FieldSubject} {
		if !old.Domain(name).Equal(changed.Domain(name)) {
			return "domains"
		}
	}
	if !statement.KeepsDerived(old, changed) {
		return "derived registries"
	}
	return ""
}
