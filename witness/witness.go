package witness

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/filelock"
	"github.com/attestry/attestry/ledger"
)

// Log is a log that a witness follows: a key that may sign its checkpoints. A log
// whose key was changed has several.
type Log struct {
	// Key is a signed-note verifier key, whose name is the log's origin.
	Key string
	// From and Until bound the indexes of a checkpoint's last entry at which the key
	// counts, as in a trust file: from From on, before Until; nil is no bound.
	From, Until *uint64
}

// holds tells whether the key may sign a checkpoint of a size. That of the empty log
// has no last entry: any key of the log's may sign it.
func (l Log) holds(size uint64) bool {
	if size == 0 {
		return true
	}
	return (l.From == nil || size-1 >= *l.From) && (l.Until == nil || size-1 < *l.Until)
}

// Witness cosigns the checkpoints of logs, each only if it contains the last one. It
// is safe for concurrent use; its directory is for one process.
type Witness struct {
	dir  string
	key  *key
	lock *filelock.Lock
	logs map[string]*followed

	persisted func() // for tests: between the state's fsync and the cosignature
}

// followed is a log with the lock that makes its requests one at a time.
type followed struct {
	keys []Log
	mu   sync.Mutex
}

// Open opens the witness in a directory that [Init] made, for these logs. It fails with
// [ErrNone], [ErrInUse], or [ErrConfig] for a log that would be its own witness.
func Open(dir string, logs []Log) (*Witness, error) {
	k, err := readKey(dir)
	if err != nil {
		return nil, err
	}
	w := &Witness{dir: dir, key: k, logs: map[string]*followed{}, persisted: func() {}}
	for _, l := range logs {
		if err := w.follow(l); err != nil {
			return nil, err
		}
	}
	w.lock, err = filelock.Acquire(filepath.Join(dir, lockFile))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	return w, err
}

func (w *Witness) follow(l Log) error {
	origin, err := ledger.LogKeyOrigin(l.Key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	public, err := ledger.LogPublicKey(l.Key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if bytes.Equal(public[:], w.key.public.Public) || origin == w.key.public.Name() {
		return fmt.Errorf("%w: the log %s has the witness's own key or name", ErrConfig, origin)
	}
	if w.logs[origin] == nil {
		w.logs[origin] = &followed{}
	}
	w.logs[origin].keys = append(w.logs[origin].keys, l)
	return nil
}

// Close gives the directory up.
func (w *Witness) Close() error { return w.lock.Release() }

// Key gives the witness's verifier key.
func (w *Witness) Key() string { return w.key.vkey }

// Add decides on a request, in the order that C2SP tlog-witness gives, and returns the
// cosignature's line once the checkpoint that it is of is on disk. Requests of one
// log wait for each other: what one compares with is what the one before it wrote.
func (w *Witness) Add(body []byte) (line []byte, err error) {
	r, c, err := ParseRequest(body)
	if err != nil {
		return nil, err
	}
	log, ok := w.logs[c.Origin]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknownLog, c.Origin)
	}
	if err := log.signed(r.Checkpoint, c); err != nil {
		return nil, err
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	last, err := lastCosigned(w.dir, c.Origin)
	if err != nil {
		return nil, err
	}
	if err := checkGrowth(r, c, last); err != nil {
		if errors.Is(err, ErrFork) {
			err = errors.Join(err, keepFork(w.dir, c.Origin, r.Checkpoint))
		}
		return nil, err
	}
	// Even if it is there already: its last writer may have failed to make it durable.
	if err := atomicfile.Write(statePath(w.dir, c.Origin), r.Checkpoint, 0o600); err != nil {
		return nil, err
	}
	w.persisted()
	return w.cosign(c)
}

// signed wants the signature of a key that counts at the checkpoint's size.
func (l *followed) signed(signed []byte, c ledger.Checkpoint) error {
	err := fmt.Errorf("%w: no key of %s counts at size %d", ErrNotSigned, c.Origin, c.Size)
	for _, k := range l.keys {
		if !k.holds(c.Size) {
			continue
		}
		opened, openErr := ledger.OpenCheckpoint(signed, k.Key)
		if openErr == nil && opened == c {
			return nil
		}
		err = fmt.Errorf("%w: %w", ErrNotSigned, openErr)
	}
	return err
}

// checkGrowth wants the checkpoint to contain the last one, nil for none.
func checkGrowth(r *Request, c ledger.Checkpoint, last *ledger.Checkpoint) error {
	if last == nil {
		last = &ledger.Checkpoint{Root: emptyRoot()}
	}
	switch {
	case r.OldSize != last.Size:
		return &SizeError{last.Size}
	case c.Size == last.Size && c.Root != last.Root:
		return fmt.Errorf("%w: size %d, root %s there and %s here", ErrFork, c.Size, last.Root, c.Root)
	case c.Size == last.Size || last.Size == 0:
		if len(r.Proof) > 0 {
			return fmt.Errorf("%w: there is nothing to prove from size %d to %d", ErrBadProof, last.Size, c.Size)
		}
		return nil
	}
	if err := tlog.CheckTree(r.Proof, int64(c.Size), c.Root, int64(last.Size), last.Root); err != nil {
		return fmt.Errorf("%w: from size %d to %d: %w", ErrBadProof, last.Size, c.Size, err)
	}
	return nil
}

// emptyRoot gives the root of the tree without entries.
func emptyRoot() tlog.Hash {
	root, err := tlog.TreeHash(0, nil) // reads no hashes
	if err != nil {
		panic(err)
	}
	return root
}

// cosign gives the cosignature's line. The clock is the signer's: C2SP's time is that
// of signing.
func (w *Witness) cosign(c ledger.Checkpoint) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, w.key.signer)
	if err != nil {
		return nil, err
	}
	return []byte(strings.TrimPrefix(string(signed), c.Text()+"\n")), nil
}
