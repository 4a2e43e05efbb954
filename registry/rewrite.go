package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/statement"
)

const (
	// rewriteEnding marks a file that is being written anew.
	rewriteEnding = ".rewrite"
	// rewriteBatch is how many bytes one transaction of a rewriting puts in.
	rewriteBatch = partBytes
)

// Rewrite writes a store's file anew, with everything sealed under a key's present data
// key, where it is not already. The key opens what is sealed under an earlier one or, while
// encryption is being enabled, in the clear. The new file takes the old one's place when it
// is whole and on disk: who is interrupted has the old one. Nothing of the old file's free
// pages is in the new one.
func Rewrite(ctx context.Context, path string, key *atrest.Key) error {
	return rewriteFile(ctx, path, key, rewriteBatch)
}

func rewriteFile(ctx context.Context, path string, key *atrest.Key, batch int) error {
	db, err := openFile(path, 0)
	if err != nil {
		return err
	}
	present, err := presentKey(db, key)
	if err == nil && present.ID() != key.ID() {
		err = rewrite(ctx, db, path, present, key, batch)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("write %s anew: %w", path, err)
	}
	return nil
}

// presentKey gives the key that a file of any version is sealed under.
func presentKey(db *bbolt.DB, key *atrest.Key) (present *atrest.Key, err error) {
	old, err := isFormer(db)
	if err != nil {
		return nil, err
	}
	if old {
		return keyOf(key, atrest.ID{})
	}
	err = db.View(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket(bucketMeta); meta == nil || string(meta.Get(metaFormat)) != formatVersion {
			return fmt.Errorf("%w: it is not %q", ErrFormat, formatVersion)
		}
		present, err = sealedUnder(tx, key)
		return err
	})
	return present, err
}

// RemoveUnfinished removes what an interrupted rewriting of a store has left.
func RemoveUnfinished(path string) error {
	if err := os.Remove(path + rewriteEnding); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// rewrite copies an open file of any version, which present opens, into a new one that is
// sealed under key's present data key, and puts that in its place.
func rewrite(ctx context.Context, db *bbolt.DB, path string, present, key *atrest.Key, batch int) error {
	if key != nil {
		var err error
		if key, err = key.Only(key.ID()); err != nil {
			return err
		}
	}
	if err := RemoveUnfinished(path); err != nil {
		return err
	}
	fresh, err := openFile(path+rewriteEnding, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	fresh.NoSync = true // it counts when it is whole
	if err = db.View(func(tx *bbolt.Tx) error { return copyFile(ctx, tx, fresh, present, key, batch) }); err == nil {
		err = fresh.Sync()
	}
	if err = errors.Join(err, fresh.Close()); err != nil {
		return errors.Join(err, RemoveUnfinished(path))
	}
	if err := os.Rename(path+rewriteEnding, path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// copyFile copies a registry and what derives from it into a new file.
func copyFile(ctx context.Context, tx *bbolt.Tx, fresh *bbolt.DB, present, key *atrest.Key, batch int) error {
	from, err := newSource(tx, present)
	if err != nil {
		return err
	}
	document := tx.Bucket(bucketMeta).Get(metaSchema)
	schema, err := decodeSchema(document)
	if err != nil {
		return err
	}
	drawn, err := from.secrets()
	if err != nil {
		return err
	}
	err = fresh.Update(func(tx *bbolt.Tx) error {
		err := initialise(state{tx, &box{key, schema.Registry}}, document, drawn)
		return errors.Join(err, createDerived(tx, schema, key))
	})
	if err != nil {
		return err
	}
	c := &copier{ctx: ctx, fresh: fresh, batch: batch, key: key, name: schema.Registry, schema: schema, from: from}
	c.indexes = append(memberIndexes(schema), subjectIndex(schema))
	if err := c.copy(); err != nil {
		return err
	}
	for _, definition := range schema.Derived {
		own, _ := schema.Of(definition.Registry)
		d := &copier{ctx: ctx, fresh: fresh, batch: batch, key: key, name: definition.Registry, derived: true, schema: own, from: from.derived(definition.Registry)}
		d.indexes = []*gathered{subjectIndex(own)}
		if err := d.copy(); err != nil {
			return fmt.Errorf("derived registry %s: %w", definition.Registry, err)
		}
	}
	return nil
}

// gathered is an index that is made anew: what it is of stands in the records alone.
type gathered struct {
	derived string // the derived registry whose members it has; empty: its own registry
	bucket  []byte
	of      func(*Record) (element treeKey, in bool, err error)
	last    posting // of the version of a record that was read before
	added   *postingSorter
}

func subjectIndex(schema *statement.Schema) *gathered {
	null := statement.Null()
	return &gathered{bucket: bucketSubjects, of: func(r *Record) (treeKey, bool, error) {
		e, err := schema.HashSubject(r.Subject)
		return treeKeyOf(e), err == nil && e != null, err
	}}
}

// memberIndexes gives the members of the registries that derive from one. Records from
// before a definition are among them, too: a reader looks at the records.
func memberIndexes(schema *statement.Schema) (all []*gathered) {
	for _, definition := range schema.Derived {
		if definition.GroupBy == statement.FieldKey {
			continue
		}
		own, _ := schema.Of(definition.Registry)
		d := &deriver{definition: definition, source: &Store{schema: schema}, store: &Store{schema: own}}
		all = append(all, &gathered{derived: definition.Registry, bucket: bucketMembers, of: d.groupOf})
	}
	return all
}

// add notes one version of a record; versions of one record follow each other.
func (g *gathered) add(r *Record) error {
	element, in, err := g.of(r)
	if one := (posting{element, uint32(r.Position)}); in && one != g.last {
		g.last = one
		return g.added.add(one)
	}
	return err
}

// copier copies one registry into a new file.
type copier struct {
	ctx     context.Context
	fresh   *bbolt.DB
	batch   int // bytes of a transaction
	key     *atrest.Key
	name    string
	derived bool
	schema  *statement.Schema
	from    source
	indexes []*gathered
}

func (c *copier) copy() (err error) {
	for _, g := range c.indexes {
		g.added = newPostingSorter(c.fresh.Path(), sortBytes)
		defer func() { err = errors.Join(err, g.added.close()) }()
	}
	for _, step := range []func(*target) error{
		func(t *target) error { return c.bucket(t, bucketNodes, nil) },
		func(t *target) error { return c.bucket(t, bucketEpochs, nil) },
		func(t *target) error { return c.bucket(t, bucketLinks, sealed) },
		func(t *target) error { return c.bucket(t, bucketRecords, c.record) },
		c.postings, c.lists, c.staging, c.renamings, c.counters,
	} {
		if err := c.write(step); err != nil {
			return err
		}
	}
	return nil
}

// target is where a step of a copier writes.
type target struct {
	parts
	c *copier
}

// write runs a step.
func (c *copier) write(step func(*target) error) error {
	t := &target{c: c, parts: parts{ctx: c.ctx, db: c.fresh, limit: c.batch}}
	t.in = func(tx *bbolt.Tx) state {
		if c.derived {
			return derivedIn(tx, c.name, c.key)
		}
		return state{tx, &box{c.key, c.name}}
	}
	return t.run(func() error { return errors.Join(step(t), c.ctx.Err()) })
}

// derivedIn gives a derived registry's buckets.
func derivedIn(tx *bbolt.Tx, name string, key *atrest.Key) state {
	return state{tx.Bucket(bucketDerived).Bucket([]byte(name)), &box{key, name}}
}

// sealed has a value sealed in the new file.
func sealed(to state, bucket, k, plain []byte) ([]byte, error) { return to.seal(bucket, k, plain), nil }

// bucket copies a bucket that keeps its keys. Its values stand in the clear where convert
// is nil; else they are opened and converted.
func (c *copier) bucket(t *target, name []byte, convert func(to state, bucket, k, plain []byte) ([]byte, error)) error {
	return c.from.Bucket(name).ForEach(func(k, v []byte) error {
		if convert != nil {
			plain, err := c.from.open(name, k, v)
			if err != nil {
				return err
			}
			if v, err = convert(t.to, name, k, plain); err != nil {
				return err
			}
		}
		b := t.to.Bucket(name)
		b.FillPercent = 0.9 // in order
		if err := b.Put(k, v); err != nil {
			return err
		}
		_, err := t.wrote(len(k) + len(v))
		return err
	})
}

// record seals one version of a record, and notes it for the indexes.
func (c *copier) record(to state, bucket, k, content []byte) ([]byte, error) {
	if len(content) > 0 {
		r, err := decodeContent(content, c.schema)
		if err != nil {
			return nil, err
		}
		position, err := decodePosition(k[:4])
		if err != nil {
			return nil, err
		}
		r.Position = uint64(position)
		for _, g := range c.indexes {
			if err := g.add(r); err != nil {
				return nil, err
			}
		}
	}
	return to.seal(bucket, k, content), nil
}

// postings writes the indexes.
func (c *copier) postings(t *target) error {
	for _, g := range c.indexes {
		to := func() state {
			if g.derived != "" {
				return derivedIn(t.tx, g.derived, c.key)
			}
			return t.to
		}
		if err := g.added.write(&t.parts, to, g.bucket); err != nil {
			return err
		}
	}
	return nil
}

// lists copies the lists of keys.
func (c *copier) lists(t *target) error {
	for _, name := range [][]byte{bucketKeys, bucketRetired} {
		list := t.to.list(name)
		err := c.from.eachKey(name, func(e keyAt) error {
			if err := list.put(e.key, e.position); err != nil {
				return err
			}
			if t.size+entryBytes >= t.limit { // the transaction is about to end
				if err := list.flush(); err != nil {
					return err
				}
			}
			fresh, err := t.wrote(entryBytes)
			if fresh && err == nil {
				list = t.to.list(name)
			}
			return err
		})
		if err := errors.Join(err, list.flush()); err != nil {
			return err
		}
	}
	return nil
}

// staging copies the staged changes.
func (c *copier) staging(t *target) error {
	return c.from.eachStaged(func(change stagedChange) error {
		if err := t.to.putStagedChange(change); err != nil {
			return err
		}
		_, err := t.wrote(len(change.content) + 2*len(change.key))
		return err
	})
}

// renamings copies what is known of renumbered keys.
func (c *copier) renamings(t *target) error {
	return c.from.eachRenaming(func(r replacement, origin treeKey) error {
		if err := errors.Join(t.to.origins().put(r.to, origin[:]), t.to.renamed().put(r.from, r.encode())); err != nil {
			return err
		}
		_, err := t.wrote(4 * len(origin))
		return err
	})
}

// counters copies what else there is.
func (c *copier) counters(t *target) error {
	for _, name := range [][]byte{metaFresh, metaStaged} {
		if v := c.from.Bucket(bucketMeta).Get(name); v != nil {
			if err := t.to.Bucket(bucketMeta).Put(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}
