package registry

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atrest"
)

// formerVersion names the layout before this one. It had no encryption: tree keys and
// subjects were keys of buckets. A file of it is written anew when it is opened.
const formerVersion = "attestry/registry-store/v1"

// isFormer tells whether a file has the former layout.
func isFormer(db *bbolt.DB) (former bool, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		former = meta != nil && string(meta.Get(metaFormat)) == formerVersion
		return nil
	})
	return former, err
}

// source is a registry that is read to be written anew, in either layout.
type source struct {
	state
	former bool
}

// newSource reads the registry of a file, whose schema must be readable.
func newSource(tx *bbolt.Tx, present *atrest.Key) (source, error) {
	meta := tx.Bucket(bucketMeta)
	schema, err := decodeSchema(meta.Get(metaSchema))
	if err != nil {
		return source{}, err
	}
	for _, name := range [][]byte{bucketSecrets, bucketDerived} {
		if tx.Bucket(name) == nil {
			return source{}, fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, name)
		}
	}
	for _, definition := range schema.Derived {
		own := tx.Bucket(bucketDerived).Bucket([]byte(definition.Registry))
		if own == nil {
			return source{}, fmt.Errorf("%w: the derived registry %s is missing", ErrCorrupt, definition.Registry)
		}
		if err := hasBuckets(own); err != nil {
			return source{}, err
		}
	}
	s := source{state{tx, &box{present, schema.Registry}}, string(meta.Get(metaFormat)) == formerVersion}
	return s, hasBuckets(tx)
}

// derived gives a derived registry of the same file.
func (s source) derived(name string) source {
	return source{state{s.Bucket(bucketDerived).Bucket([]byte(name)), &box{s.key, name}}, s.former}
}

// eachKey calls fn with every entry of a list, in order.
func (s source) eachKey(name []byte, fn func(keyAt) error) error {
	if !s.former {
		return s.list(name).each(fn)
	}
	return s.Bucket(name).ForEach(func(k, v []byte) error {
		key, err := decodeTreeKey(k)
		if err != nil {
			return err
		}
		position, err := decodePosition(v)
		if err != nil {
			return err
		}
		return fn(keyAt{key, position})
	})
}

// eachStaged calls fn with every staged change, in the order of keys.
func (s source) eachStaged(fn func(stagedChange) error) error {
	if !s.former {
		return s.state.eachStaged(fn)
	}
	return s.Bucket(bucketStaging).ForEach(func(k, v []byte) error {
		change, err := decodeChange(append(append([]byte{}, k...), v...))
		if err != nil {
			return err
		}
		return fn(change)
	})
}

// eachRenaming calls fn with every renaming, and the first key of its record.
func (s source) eachRenaming(fn func(r replacement, origin treeKey) error) error {
	if !s.former {
		origins := s.origins()
		return s.renamed().each(func(r replacement) error {
			origin, err := origins.of(r.to)
			if err != nil {
				return err
			}
			return fn(r, origin)
		})
	}
	return s.Bucket(bucketRenamed).ForEach(func(k, v []byte) error {
		from, err := decodeTreeKey(k)
		if err != nil || len(v) != 8+len(from) {
			return fmt.Errorf("%w: a renaming", ErrCorrupt)
		}
		r := replacement{from: from, epoch: binary.BigEndian.Uint64(v), to: treeKey(v[8:])}
		origin, err := decodeTreeKey(s.Bucket(bucketOrigins).Get(r.to[:]))
		if err != nil {
			return err
		}
		return fn(r, origin)
	})
}
