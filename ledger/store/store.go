package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
)

const (
	// format names the database's layout. Another one is refused, not guessed at.
	format       = formatPrefix + "1"
	formatPrefix = "attestry-ledger/"
	// lockTimeout is how long to wait for another process's lock: long enough for a
	// command that is just ending, short enough for a person to wait.
	lockTimeout = 500 * time.Millisecond
	// initialMmapSize is the address space reserved for the database (not its size
	// on disk, but on Windows). When a database outgrows it, bbolt must remap, and
	// waits for every open reader first: an export would stall all writers.
	initialMmapSize = 1 << 36
)

// buckets of the database, beside one for each of [ledger.Tables].
var (
	bucketMeta    = []byte("meta")
	bucketEntries = []byte("entries") // index, 8 bytes big-endian -> entry
	bucketHashes  = []byte("hashes")  // stored hash index of sumdb/tlog, 8 bytes big-endian -> hash

	keyFormat     = []byte("format")
	keyOrigin     = []byte("origin")
	keyCheckpoint = []byte("checkpoint") // the last one published
)

// Options says how to open a log.
type Options struct {
	// Verify checks the proof of an entry under its circuit's verifying key, see
	// [ledger.Rules]. Without it the log accepts no proof entry, and [Store.Check]
	// fails at the first one.
	Verify func(*ledger.ProofEntry, *ledger.CircuitEntry) error
	// Issuers pins issuers of registries, see [ledger.Rules].
	Issuers map[string]ledger.IssuerKey
	// LogKeys are what the log's first key may be, see [ledger.Rules]. Without them
	// no entry that the log's key signs is accepted.
	LogKeys []ledger.PublicKey
	// ReadOnly opens for reading, beside other readers. A log that is open for
	// writing elsewhere is locked for readers, too.
	ReadOnly bool
	// BeforeGrowth is called once, before the first append or publication. Where it
	// fails, the log refuses both with [ErrGuard] and its reason: it is how a log asks
	// others what they have seen of it. It may read the store, and nothing else.
	BeforeGrowth func(*Store) error

	noSync  bool   // for tests that make thousands of logs, and for files that are synced as a whole
	guardOf string // the log whose guard a copy is held to, if not its own
}

// Store is an open log. Its methods may be used from several goroutines.
type Store struct {
	db       *bolt.DB
	path     string
	guardOf  string // whose guard it is held to: its own, but for a copy that is to be restored
	rules    ledger.Rules
	readOnly bool

	// mu makes transactions and publications one at a time. Readers do not take it.
	mu     sync.Mutex
	guard  error // why the log must not grow, found when it was opened
	failed error // why it must not grow any more, since the disk refused
	size   atomic.Uint64

	group     *group
	preparing chan struct{} // as many tokens as processors
	memo      ledger.Memo

	beforeGrowth func(*Store) error // nil once it was asked
}

// Create makes a new log in a new file of mode 0600. An existing file, or a guard
// that an earlier log left, is refused with [ErrExists].
func Create(path, origin string, opts Options) (*Store, error) {
	if err := ledger.CheckOrigin(origin); err != nil {
		return nil, err
	}
	if opts.ReadOnly {
		return nil, fmt.Errorf("%w: cannot create %s", ErrReadOnly, path)
	}
	for _, name := range []string{path, GuardPath(path)} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s", ErrExists, name)
		}
	}
	// Under another name until it is complete: a crash leaves no half-made log.
	partial := path + ".partial"
	if err := os.Remove(partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := createDB(partial, origin, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", path, err), os.Remove(partial))
	}
	if err := os.Rename(partial, path); err != nil {
		return nil, err
	}
	if err := atomicfile.SyncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return Open(path, opts)
}

func createDB(path, origin string, opts Options) error {
	db, err := openDB(path, opts)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error { return initialise(tx, origin) })
	return errors.Join(err, db.Close())
}

func initialise(tx *bolt.Tx, origin string) error {
	meta, err := tx.CreateBucket(bucketMeta)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	names := [][]byte{bucketEntries, bucketHashes}
	for _, table := range ledger.Tables() {
		names = append(names, []byte(table))
	}
	for _, name := range names {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	if err := meta.Put(keyOrigin, []byte(origin)); err != nil {
		return err
	}
	return meta.Put(keyFormat, []byte(format))
}

// Open opens an existing log. It fails with [fs.ErrNotExist] where there is none,
// [ErrLocked] where another process has it open, and [ErrNotLedger] where the file
// is something else.
//
// A log that is behind or beside its guard file opens, so that it can be read and
// checked, but refuses to grow; see [Store.PublishCheckpoint].
func Open(path string, opts Options) (*Store, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 { // which bbolt would make a database of
		return nil, fmt.Errorf("%w: %s is empty", ErrNotLedger, path)
	}
	db, err := openDB(path, opts)
	if err != nil {
		return nil, err
	}
	return load(db, path, opts)
}

func openDB(path string, opts Options) (*bolt.DB, error) {
	options := &bolt.Options{
		Timeout: lockTimeout, ReadOnly: opts.ReadOnly, NoSync: opts.noSync,
		NoFreelistSync: false, // a reopened log need not scan all of its pages
		FreelistType:   bolt.FreelistMapType,
	}
	if !opts.ReadOnly {
		options.InitialMmapSize = mmapSize()
	}
	var file *os.File
	options.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	var db *bolt.DB
	err := guarded(func() (err error) {
		db, err = bolt.Open(path, 0o600, options)
		return err
	})
	if errors.Is(err, errPages) {
		// bbolt did not come to closing it, and what is still mapped keeps the lock.
		err = errors.Join(err, syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %s: %w", ErrNotLedger, path, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// mmapSize gives the address space to reserve.
func mmapSize() int {
	if strconv.IntSize < 64 {
		return 0
	}
	return initialMmapSize
}

func load(db *bolt.DB, path string, opts Options) (*Store, error) {
	s := &Store{
		db: db, path: path, guardOf: cmp.Or(opts.guardOf, path), readOnly: opts.ReadOnly,
		group: newGroup(), preparing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	s.rules = ledger.Rules{Verify: opts.Verify, Issuers: opts.Issuers, LogKeys: opts.LogKeys}
	s.beforeGrowth = opts.BeforeGrowth
	err := db.View(func(tx *bolt.Tx) error {
		return guarded(func() error {
			if err := checkLayout(tx); err != nil {
				return err
			}
			s.rules.Origin = string(tx.Bucket(bucketMeta).Get(keyOrigin))
			s.size.Store(txSize(tx))
			if opts.guardOf == "" { // a copy may be behind, until it is in its place
				s.guard = s.checkGuard(tx)
			}
			return nil
		})
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return s, nil
}

func checkLayout(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return fmt.Errorf("%w: it has no meta bucket", ErrNotLedger)
	}
	got := string(meta.Get(keyFormat))
	if strings.HasPrefix(got, formatPrefix) && got != format {
		return fmt.Errorf("%w: %w: its format is %q, and this program's is %q", ErrNotLedger, ErrVersion, got, format)
	}
	if got != format {
		return fmt.Errorf("%w: format %q, not %q", ErrNotLedger, got, format)
	}
	names := [][]byte{bucketEntries, bucketHashes}
	for _, table := range ledger.Tables() {
		if !slices.Contains(ledger.LaterTables(), table) {
			names = append(names, []byte(table))
		}
	}
	for _, name := range names {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: it has no bucket %s", ErrNotLedger, name)
		}
	}
	return ledger.CheckOrigin(string(meta.Get(keyOrigin)))
}

// Close waits for open reads and closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Path gives the database's file name.
func (s *Store) Path() string { return s.path }

// Origin gives the log's origin.
func (s *Store) Origin() string { return s.rules.Origin }

// Size gives the number of entries.
func (s *Store) Size() uint64 { return s.size.Load() }

// Rules gives the rules that the store applies, for a replay.
func (s *Store) Rules() ledger.Rules { return s.rules }

// view runs a read transaction.
func (s *Store) view(f func(tx *bolt.Tx) error) error { return closed(s.db.View(f)) }

// state gives a transaction as the rules' state.
func (s *Store) state(tx *bolt.Tx) txState { return txState{tx, &s.memo} }

// closed gives this package's error for bbolt's.
func closed(err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// key64 gives a number as a key whose byte order is the number's.
func key64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// txSize gives the number of entries: entries have no gaps, as [Store.Check] makes sure.
func txSize(tx *bolt.Tx) uint64 {
	last, _ := tx.Bucket(bucketEntries).Cursor().Last()
	if len(last) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(last) + 1
}
