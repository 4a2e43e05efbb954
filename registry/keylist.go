package registry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"go.etcd.io/bbolt"
)

// The ordered list of tree keys is kept in blocks, so that a sealed one shows no key: tree
// keys are hashes of what can be guessed. A block has the keys of one interval of the
// hashes, which are spread evenly, and is found by its lower bound, the first 64 of their
// 248 bits. A block that grows too large is halved in the middle of its interval, so that
// bounds tell how many keys there are about where, and nothing else.

const (
	// maxBlock is the most entries of a block: enough that sealing costs little for each,
	// few enough that one is found and changed in some microseconds.
	maxBlock = 256
	// listKeyBytes is a tree key without its first byte, which is 0.
	listKeyBytes = len(treeKey{}) - 1
	entryBytes   = listKeyBytes + 4
)

// keyList is one list of tree keys with positions, in one transaction. What is put or
// deleted is in the file after flush.
type keyList struct {
	t      state
	name   []byte // of its bucket
	bucket *bbolt.Bucket
	last   keyBlock // the one that was looked at last
}

// keyBlock is the entries of one interval, in order.
type keyBlock struct {
	loaded  bool
	changed bool
	low     uint64 // its bound
	next    uint64 // the bound of the next one; 0: there is none
	entries []byte
}

func (t state) list(name []byte) *keyList {
	return &keyList{t: t, name: name, bucket: t.Bucket(name)}
}

func bound(key treeKey) uint64 { return binary.BigEndian.Uint64(key[1:]) }

func boundKey(bound uint64) []byte { return binary.BigEndian.AppendUint64(nil, bound) }

// initialise gives an empty list its first block.
func (l *keyList) initialise() error {
	return l.bucket.Put(boundKey(0), l.t.seal(l.name, boundKey(0), []byte{}))
}

// decodeBlock opens a block. Its entries are the transaction's where nothing is sealed.
func (l *keyList) decodeBlock(k, v []byte) ([]byte, error) {
	entries, err := l.t.open(l.name, k, v)
	if err == nil && (len(k) != 8 || len(entries)%entryBytes != 0) {
		err = fmt.Errorf("%w: a block of the list of %d bytes", ErrCorrupt, len(entries))
	}
	return entries, err
}

// block loads the block of a key.
func (l *keyList) block(key treeKey) (*keyBlock, error) {
	at := bound(key)
	if l.last.loaded && l.last.low <= at && (l.last.next == 0 || at < l.last.next) {
		return &l.last, nil
	}
	if err := l.flush(); err != nil {
		return nil, err
	}
	c := l.bucket.Cursor()
	k, v := seekBlock(c, at)
	if k == nil {
		return nil, fmt.Errorf("%w: the list has no first block", ErrCorrupt)
	}
	entries, err := l.decodeBlock(k, v)
	if err != nil {
		return nil, err
	}
	l.last = keyBlock{loaded: true, low: binary.BigEndian.Uint64(k), entries: slices.Clone(entries)}
	if k, _ := c.Next(); len(k) == 8 {
		l.last.next = binary.BigEndian.Uint64(k)
	}
	return &l.last, nil
}

// seekBlock finds the last block whose bound is not above one.
func seekBlock(c *bbolt.Cursor, at uint64) (k, v []byte) {
	wanted := boundKey(at)
	if k, v = c.Seek(wanted); k != nil && bytes.Equal(k, wanted) {
		return k, v
	}
	if k == nil {
		return c.Last()
	}
	return c.Prev()
}

// flush writes the block that was changed.
func (l *keyList) flush() error {
	b := &l.last
	if !b.changed {
		return nil
	}
	b.changed = false
	key := boundKey(b.low)
	// A copy where nothing is sealed: the transaction keeps the value, and the block changes.
	value := l.t.seal(l.name, key, b.entries)
	if l.t.key == nil {
		value = slices.Clone(value)
	}
	return l.bucket.Put(key, value)
}

// search finds the first entry that is not below a key.
func searchEntries(entries []byte, key treeKey) (at int, found bool) {
	n := len(entries) / entryBytes
	at = sort.Search(n, func(i int) bool { return bytes.Compare(entryKey(entries, i), key[1:]) >= 0 })
	return at, at < n && bytes.Equal(entryKey(entries, at), key[1:])
}

func entryKey(entries []byte, i int) []byte { return entries[i*entryBytes:][:listKeyBytes] }

func entryPosition(entries []byte, i int) uint32 {
	return binary.BigEndian.Uint32(entries[i*entryBytes+listKeyBytes:])
}

// get gives a key's position.
func (l *keyList) get(key treeKey) (position uint32, found bool, err error) {
	b, err := l.block(key)
	if err != nil {
		return 0, false, err
	}
	at, found := searchEntries(b.entries, key)
	if !found {
		return 0, false, nil
	}
	return entryPosition(b.entries, at), true, nil
}

// put adds a key or gives it another position.
func (l *keyList) put(key treeKey, position uint32) error {
	b, err := l.block(key)
	if err != nil {
		return err
	}
	b.changed = true
	at, found := searchEntries(b.entries, key)
	if found {
		binary.BigEndian.PutUint32(b.entries[at*entryBytes+listKeyBytes:], position)
		return nil
	}
	entry := binary.BigEndian.AppendUint32(append(make([]byte, 0, entryBytes), key[1:]...), position)
	b.entries = slices.Insert(b.entries, at*entryBytes, entry...)
	if len(b.entries) <= maxBlock*entryBytes {
		return nil
	}
	return l.split(key)
}

// delete removes a key.
func (l *keyList) delete(key treeKey) error {
	b, err := l.block(key)
	if err != nil {
		return err
	}
	if at, found := searchEntries(b.entries, key); found {
		b.changed = true
		b.entries = slices.Delete(b.entries, at*entryBytes, (at+1)*entryBytes)
	}
	return nil
}

// split halves the block that was looked at last until the part that a key was just put
// into is not too large; the other parts are not, either.
func (l *keyList) split(key treeKey) error {
	for len(l.last.entries) > maxBlock*entryBytes {
		b := l.last
		width := b.next - b.low // modulo 2^64; 0 is 2^64
		half := (width-1)/2 + 1
		if width == 1 {
			return fmt.Errorf("%w: over %d keys with one beginning", ErrFull, maxBlock)
		}
		middle := b.low + half
		var first treeKey
		binary.BigEndian.PutUint64(first[1:], middle)
		at, _ := searchEntries(b.entries, first)
		lower := keyBlock{loaded: true, changed: true, low: b.low, next: middle, entries: b.entries[: at*entryBytes : at*entryBytes]}
		upper := keyBlock{loaded: true, changed: true, low: middle, next: b.next, entries: slices.Clone(b.entries[at*entryBytes:])}
		keep, other := lower, upper
		if bound(key) >= middle {
			keep, other = upper, lower
		}
		l.last = other
		if err := l.flush(); err != nil {
			return err
		}
		l.last = keep
	}
	return nil
}

// keyCursor walks through a list, which must not be changed meanwhile.
type keyCursor struct {
	list    *keyList
	cursor  *bbolt.Cursor
	inside  bool   // false: beyond either end
	low     []byte // the bound of the block that the cursor is at
	entries []byte // its entries
	at      int
}

// keyAt is an entry of the list.
type keyAt struct {
	key      treeKey
	position uint32
}

// cursor gives a cursor; seek, first or last place it.
func (l *keyList) cursor() (*keyCursor, error) {
	return &keyCursor{list: l, cursor: l.bucket.Cursor()}, l.flush()
}

// load takes up the cursor's block; at is where in it, -1 for the last entry.
func (c *keyCursor) load(k, v []byte, at int) (err error) {
	if c.inside = k != nil; !c.inside {
		return nil
	}
	if !bytes.Equal(c.low, k) { // which is often the one that was looked at before
		c.low = nil
		if c.entries, err = c.list.decodeBlock(k, v); err != nil {
			return err
		}
		c.low = k
	}
	if c.at = at; at < 0 {
		c.at = len(c.entries)/entryBytes - 1
	}
	return nil
}

// here gives the entry at the cursor. ok is false beyond either end.
func (c *keyCursor) here() (e keyAt, ok bool) {
	if !c.inside || c.at < 0 || c.at >= len(c.entries)/entryBytes {
		return e, false
	}
	copy(e.key[1:], entryKey(c.entries, c.at))
	e.position = entryPosition(c.entries, c.at)
	return e, true
}

// seek goes to the first entry that is not below a key.
func (c *keyCursor) seek(key treeKey) (keyAt, bool, error) {
	k, v := seekBlock(c.cursor, bound(key))
	if err := c.load(k, v, 0); err != nil || k == nil {
		return keyAt{}, false, errors.Join(err, missingFirst(k))
	}
	c.at, _ = searchEntries(c.entries, key)
	return c.forward()
}

func missingFirst(k []byte) error {
	if k == nil {
		return fmt.Errorf("%w: the list has no first block", ErrCorrupt)
	}
	return nil
}

// first goes to the first entry.
func (c *keyCursor) first() (keyAt, bool, error) { return c.seek(treeKey{}) }

// next goes to the next entry.
func (c *keyCursor) next() (keyAt, bool, error) {
	c.at++
	return c.forward()
}

// forward goes on to the next block where the cursor is beyond its own.
func (c *keyCursor) forward() (keyAt, bool, error) {
	for {
		if e, ok := c.here(); ok || !c.inside {
			return e, ok, nil
		}
		k, v := c.cursor.Next()
		if err := c.load(k, v, 0); err != nil {
			return keyAt{}, false, err
		}
	}
}

// below goes to the last entry that is below a key.
func (c *keyCursor) below(key treeKey) (keyAt, bool, error) {
	k, v := seekBlock(c.cursor, bound(key))
	if err := c.load(k, v, 0); err != nil || k == nil {
		return keyAt{}, false, errors.Join(err, missingFirst(k))
	}
	c.at, _ = searchEntries(c.entries, key)
	return c.previous()
}

// previous goes to the entry before.
func (c *keyCursor) previous() (keyAt, bool, error) {
	for c.at--; ; {
		if e, ok := c.here(); ok || !c.inside {
			return e, ok, nil
		}
		k, v := c.cursor.Prev()
		if err := c.load(k, v, -1); err != nil {
			return keyAt{}, false, err
		}
	}
}

// each calls fn with every entry, in order.
func (l *keyList) each(fn func(keyAt) error) error {
	c, err := l.cursor()
	if err != nil {
		return err
	}
	for e, ok, err := c.first(); ok || err != nil; e, ok, err = c.next() {
		if err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}
