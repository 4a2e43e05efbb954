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
// The file holds records and secrets in the clear, with mode 0600: whoever reads
// it reads the registry, can link its pledges and can open its commitments. No
// error and no formatted value of this package holds a record or a secret.
// docs/spec/registry.md specifies the tree and the file.
package registry

import (
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
	schema  *statement.Schema
	fields  *fields
	secrets secrets
	base    *Store            // that a derived registry is computed from
	derived map[string]*Store // that derive from this one, by name

	mu     sync.Mutex // held while latest is read or replaced
	latest *Epoch
}

// secrets are the registry's two secrets: drawn at its creation, never rotated.
type secrets struct {
	blinding [32]byte // of the leaves and links
	serial   [32]byte // of the records' serials
}

// Create makes the store of a registry with this schema, draws its secrets and
// opens it. A file that exists is refused with [ErrExists].
func Create(path string, schema *statement.Schema) (*Store, error) {
	return create(path, schema, drawSecrets())
}

func create(path string, schema *statement.Schema, drawn secrets) (*Store, error) {
	document, err := encodeSchema(schema)
	if err != nil {
		return nil, err
	}
	db, err := openFile(path, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	fill := func(tx *bbolt.Tx) error {
		return errors.Join(initialise(tx, document, drawn), createDerived(tx, schema))
	}
	if err := db.Update(fill); err != nil {
		_ = db.Close()
		_ = os.Remove(path)
		return nil, fmt.Errorf("initialise %s: %w", path, err)
	}
	return load(db, path)
}

// Open opens the store of a registry. It gives [ErrLocked] while another process
// has it open, and [ErrFormat] where the file is something else.
func Open(path string) (*Store, error) {
	db, err := openFile(path, 0)
	if err != nil {
		return nil, err
	}
	return load(db, path)
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
func load(db *bbolt.DB, path string) (*Store, error) {
	s := &Store{db: db}
	if err := db.View(s.load); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) load(tx *bbolt.Tx) (err error) {
	meta, secret := tx.Bucket(bucketMeta), tx.Bucket(bucketSecrets)
	if meta == nil || secret == nil || string(meta.Get(metaFormat)) != formatVersion {
		return fmt.Errorf("%w: it is not %q", ErrFormat, formatVersion)
	}
	if err := hasBuckets(tx); err != nil {
		return err
	}
	if tx.Bucket(bucketDerived) == nil {
		return fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, bucketDerived)
	}
	if copy(s.secrets.blinding[:], secret.Get(secretBlinding)) != 32 || copy(s.secrets.serial[:], secret.Get(secretSerial)) != 32 {
		return fmt.Errorf("%w: a secret is missing", ErrCorrupt)
	}
	if s.schema, err = decodeSchema(meta.Get(metaSchema)); err != nil {
		return err
	}
	s.fields = newFields(s.schema)
	if s.latest, err = lastEpoch(tx); err != nil {
		return err
	}
	return s.loadDerived(tx)
}

func hasBuckets(tx state) error {
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
		tx.Bucket(bucketSecrets).Put(secretBlinding, drawn.blinding[:]),
		tx.Bucket(bucketSecrets).Put(secretSerial, drawn.serial[:]),
	)
}

// initialiseTree makes the buckets of one registry's records and tree. The
// sentinel's key is in the list from the start; its leaf comes with the first epoch.
func initialiseTree(tx state) error {
	for _, name := range append([][]byte{bucketMeta}, dataBuckets...) {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	first := treeKey{}
	return errors.Join(
		tx.Bucket(bucketMeta).Put(metaFresh, positionKey(1)),
		tx.Bucket(bucketKeys).Put(first[:], positionKey(sentinel)),
	)
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
