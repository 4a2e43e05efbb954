// Package registry is the agency's private store of one registry: its records,
// its secrets, and the indexed Merkle tree that commits them, in one bbolt file.
//
// A [Store] is made by [Create] from a schema. [Store.Import] reads a whole
// snapshot of the registry from CSV or NDJSON and stages what differs from the
// last committed state; [Store.Commit] makes the staged changes the next [Epoch]
// and gives its root. Every past epoch stays readable and provable: [Store.Get],
// [Store.BySubject] and [Store.Scan] read the [Record]s of an epoch, and
// [Store.Open] gives the [Opening] of one, which is all that a proof of it needs,
// and [Store.OpenAbsent] the [AbsentOpening] of a key that has no record.
// [Store.Check] rebuilds the root of the last epoch from a file.
//
//	store, err := registry.Create("titles.db", schema)
//	...
//	counts, err := store.Import(ctx, file, registry.CSV, nil)
//	epoch, err := store.Commit(ctx, registry.CommitOptions{Time: time.Now(), Publish: appendToLedger})
//	record, err := store.Get(epoch.Number, "LC-00042")
//	opening, err := store.Open(epoch.Number, record)
//
// The file has mode 0600. With a key ([CreateSealed]) its records, keys and secrets are
// encrypted; without one they are in the clear, and whoever reads the file reads the
// registry, can link its pledges and can open its commitments. No error and no formatted
// value of this package holds a record or a secret.
// docs/spec/registry.md specifies the tree and the file.
package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

const (
	// lockTimeout is how long opening waits for another process's lock: long
	// enough for a program that is just ending, short enough for a person.
	lockTimeout = 500 * time.Millisecond
	// mmapSize is the address space that is mapped at once. A file that outgrows
	// its map must wait for all readers before it can be written.
	mmapSize = 1 << 30
	fileMode = 0o600
)

// Store is one registry's private store. Its methods may be called from several
// goroutines; imports and commits take turns.
type Store struct {
	db      *bbolt.DB
	box     *box
	schema  *statement.Schema
	fields  *fields
	secrets secrets
	base    *Store            // that a derived registry is computed from
	derived map[string]*Store // that derive from this one, by name
	limits  limits

	writing sync.Mutex // held by an import or a commit
	mu      sync.Mutex // held while latest is read or replaced
	latest  *Epoch
}

// secrets are the registry's two secrets: drawn at its creation, never rotated.
type secrets struct {
	blinding [32]byte // of the leaves and links
	serial   [32]byte // of the records' serials
}

// Create makes the store of a registry with this schema, draws its secrets and
// opens it. A file that exists is refused with [ErrExists].
func Create(path string, schema *statement.Schema) (*Store, error) {
	return CreateSealed(path, schema, nil)
}

// CreateSealed is [Create] of a store whose private values are sealed under a key's present
// data key.
func CreateSealed(path string, schema *statement.Schema, key *atrest.Key) (*Store, error) {
	return create(path, schema, key, drawSecrets())
}

func create(path string, schema *statement.Schema, key *atrest.Key, drawn secrets) (*Store, error) {
	document, err := encodeSchema(schema)
	if err != nil {
		return nil, err
	}
	db, err := openFile(path, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	fill := func(tx *bbolt.Tx) error {
		err := initialise(state{tx, &box{key, schema.Registry}}, document, drawn)
		return errors.Join(err, createDerived(tx, schema, key))
	}
	if err := db.Update(fill); err != nil {
		_ = db.Close()
		_ = os.Remove(path)
		return nil, fmt.Errorf("initialise %s: %w", path, err)
	}
	return load(db, path, key)
}

// Open opens the store of a registry that is in the clear. It gives [ErrLocked] while
// another process has it open, [ErrFormat] where the file is something else, and
// [ErrSealed] where it is encrypted. A file of an earlier version is written anew.
func Open(path string) (*Store, error) { return OpenSealed(path, nil) }

// OpenSealed is [Open] of a store that is sealed under one of a key's data keys. One that is
// in the clear, or under a data key that is not at hand, is refused with [ErrSealed].
func OpenSealed(path string, key *atrest.Key) (*Store, error) {
	db, err := openFile(path, 0)
	if err != nil {
		return nil, err
	}
	old, err := isFormer(db)
	if err != nil || !old {
		return load(db, path, key)
	}
	if _, err = keyOf(key, atrest.ID{}); err == nil {
		err = rewrite(context.Background(), db, path, nil, nil, rewriteBatch)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("upgrade %s: %w", path, err)
	}
	if db, err = openFile(path, 0); err != nil {
		return nil, err
	}
	return load(db, path, key)
}

// openFile opens a bbolt file; extra is the flags that decide whether it is made.
func openFile(path string, extra int) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:         lockTimeout,
		InitialMmapSize: mmapSize,
		FreelistType:    bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag&^os.O_CREATE|extra, mode)
		},
	})
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, os.ErrExist):
		return nil, fmt.Errorf("%w: %s", ErrExists, path)
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	case errors.As(err, new(*os.PathError)):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s: %v", ErrFormat, path, err)
}

func drawSecrets() (s secrets) {
	_, _ = rand.Read(s.blinding[:]) // never fails: it ends the program instead
	_, _ = rand.Read(s.serial[:])
	return s
}

// load reads what an open store keeps in memory.
func load(db *bbolt.DB, path string, key *atrest.Key) (*Store, error) {
	s := &Store{db: db, limits: limits{part: partBytes, sort: sortBytes}}
	if err := db.View(func(tx *bbolt.Tx) error { return s.load(tx, key) }); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) load(tx *bbolt.Tx, key *atrest.Key) (err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil || tx.Bucket(bucketSecrets) == nil || string(meta.Get(metaFormat)) != formatVersion {
		return fmt.Errorf("%w: it is not %q", ErrFormat, formatVersion)
	}
	if err := hasBuckets(tx); err != nil {
		return err
	}
	if tx.Bucket(bucketDerived) == nil {
		return fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, bucketDerived)
	}
	if s.schema, err = decodeSchema(meta.Get(metaSchema)); err != nil {
		return err
	}
	if err := s.unseal(tx, key); err != nil {
		return err
	}
	s.fields = newFields(s.schema)
	if s.latest, err = lastEpoch(tx); err != nil {
		return err
	}
	return s.loadDerived(tx)
}

// unseal finds the data key of the file and reads the secrets.
func (s *Store) unseal(tx *bbolt.Tx, key *atrest.Key) error {
	own, err := sealedUnder(tx, key)
	if err != nil {
		return err
	}
	s.box = &box{own, s.schema.Registry}
	s.secrets, err = s.in(tx).secrets()
	return err
}

// secrets reads the registry's secrets.
func (t state) secrets() (drawn secrets, err error) {
	for name, secret := range map[string]*[32]byte{string(secretBlinding): &drawn.blinding, string(secretSerial): &drawn.serial} {
		plain, err := t.get(bucketSecrets, []byte(name))
		if err != nil {
			return drawn, err
		}
		if len(plain) != len(secret) {
			return drawn, fmt.Errorf("%w: a secret is missing", ErrCorrupt)
		}
		copy(secret[:], plain)
	}
	return drawn, nil
}

// sealedUnder finds the data key of a file.
func sealedUnder(tx buckets, key *atrest.Key) (*atrest.Key, error) {
	var id atrest.ID
	if stored := tx.Bucket(bucketMeta).Get(metaKey); stored != nil && copy(id[:], stored) != len(stored) {
		return nil, fmt.Errorf("%w: the id of a data key", ErrCorrupt)
	}
	return keyOf(key, id)
}

// keyOf gives the key of a file that says which data key it is sealed under.
func keyOf(key *atrest.Key, id atrest.ID) (*atrest.Key, error) {
	own, err := key.Only(id)
	switch {
	case errors.Is(err, atrest.ErrNotSealed):
		return nil, fmt.Errorf("%w: it is in the clear, and whoever opens it expects it to be encrypted", ErrSealed)
	case err != nil && key == nil:
		return nil, fmt.Errorf("%w: it is encrypted, and there is no key", ErrSealed)
	case err != nil:
		return nil, fmt.Errorf("%w: it is encrypted under the data key %s, which is not at hand", ErrSealed, id)
	}
	return own, nil
}

// Key names the data key that the store is sealed under; zero is in the clear.
func (s *Store) Key() atrest.ID { return s.box.key.ID() }

func hasBuckets(tx buckets) error {
	for _, name := range append([][]byte{bucketMeta}, dataBuckets...) {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, name)
		}
	}
	return nil
}

// initialise fills a new file.
func initialise(tx state, schema []byte, drawn secrets) error {
	for _, name := range [][]byte{bucketSecrets, bucketDerived} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	if err := initialiseTree(tx); err != nil {
		return err
	}
	return errors.Join(
		tx.Bucket(bucketMeta).Put(metaFormat, []byte(formatVersion)),
		tx.Bucket(bucketMeta).Put(metaSchema, schema),
		tx.putKey(),
		tx.put(bucketSecrets, secretBlinding, drawn.blinding[:]),
		tx.put(bucketSecrets, secretSerial, drawn.serial[:]),
	)
}

// putKey says in the file which data key it is sealed under.
func (t state) putKey() error {
	if t.key == nil {
		return nil
	}
	id := t.key.ID()
	return t.Bucket(bucketMeta).Put(metaKey, id[:])
}

// initialiseTree makes the buckets of one registry's records and tree. The
// sentinel's key is in the list from the start; its leaf comes with the first epoch.
func initialiseTree(tx state) error {
	for _, name := range append([][]byte{bucketMeta}, dataBuckets...) {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return initialiseLists(tx)
}

func initialiseLists(tx state) error {
	keys, retired := tx.list(bucketKeys), tx.list(bucketRetired)
	return errors.Join(
		tx.Bucket(bucketMeta).Put(metaFresh, positionKey(1)),
		keys.initialise(), retired.initialise(),
		keys.put(treeKey{}, sentinel), keys.flush(),
	)
}

// treeBuckets are those that the first commit fills.
var treeBuckets = [][]byte{bucketRecords, bucketLinks, bucketKeys, bucketRetired, bucketSubjects, bucketNodes}

// clearTree empties a registry that has no epoch yet: a first commit that did not end may
// have left some of it.
func clearTree(tx state) error {
	if left, _ := tx.Bucket(bucketLinks).Cursor().First(); left == nil {
		return nil // the sentinel's comes first
	}
	for _, name := range treeBuckets {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return initialiseLists(tx)
}

func encodeSchema(schema *statement.Schema) ([]byte, error) {
	if schema == nil {
		return nil, fmt.Errorf("%w: there is none", statement.ErrBadSchema)
	}
	if err := schema.Validate(); err != nil {
		return nil, err
	}
	own := *schema
	if own.Attributes == nil {
		own.Attributes = []statement.Attribute{}
	}
	return canon.Marshal(&own)
}

func decodeSchema(document []byte) (*statement.Schema, error) {
	schema := new(statement.Schema)
	if err := canon.Unmarshal(document, schema); err != nil {
		return nil, fmt.Errorf("%w: schema: %v", ErrCorrupt, err)
	}
	return schema, nil
}

// Close closes the file. A store is not used after it.
func (s *Store) Close() error { return s.db.Close() }

// Schema gives the registry's schema. It is not to be changed.
func (s *Store) Schema() *statement.Schema { return s.schema }

// SerialCommitment gives the digest by which the schema entry commits the
// registry to its serial secret: SHA-256("attestry/serial-secret/v1\n" + secret).
func (s *Store) SerialCommitment() statement.Digest {
	return sha256.Sum256(append([]byte("attestry/serial-secret/v1\n"), s.secrets.serial[:]...))
}

// Format implements fmt.Formatter: no verb shows the store's secrets.
func (s *Store) Format(f fmt.State, _ rune) {
	name := ""
	if s != nil && s.schema != nil {
		name = s.schema.Registry
	}
	_, _ = io.WriteString(f, "registry.Store("+name+")")
}
