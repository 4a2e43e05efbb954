package store

import (
	"context"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// treeCheck compares the stored hashes, one after another as the entries completed
// them, with the entries and with each other. A hash that is found wrong counts from
// then on as what it should be, so that one damaged hash is one finding, and not one for
// each hash above it as well.
type treeCheck struct {
	tx     *bolt.Tx
	r      *Report
	mended map[uint64]tlog.Hash // by index; no more of them than findings
}

// checkTree walks over all stored hashes.
func checkTree(ctx context.Context, tx *bolt.Tx, r *Report) error {
	c := treeCheck{tx, r, map[uint64]tlog.Hash{}}
	next, count := uint64(0), uint64(0)
	if r.Entries <= ledger.MaxSize {
		count = uint64(tlog.StoredHashCount(int64(r.Entries)))
	}
	cursor := tx.Bucket(bucketHashes).Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		if next%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		index, ok := number(key)
		if !ok || index >= count || index < next {
			if !r.add(Finding{Part: PartHash, Problem: fmt.Sprintf("a stored hash under the key %s, which no entry completes", shortHex(key))}) {
				return nil
			}
			continue
		}
		if index > next && !c.missing(next, index) {
			return nil
		}
		if len(value) != tlog.HashSize {
			value = make([]byte, tlog.HashSize) // no hash that anything has
		}
		if !c.hash(index, tlog.Hash(value)) {
			return nil
		}
		next = index + 1
	}
	if next < count {
		c.missing(next, count)
	}
	return nil
}

// missing reports that there are no hashes from one index up to another.
func (c *treeCheck) missing(from, to uint64) bool {
	entry := completedBy(from)
	return c.r.add(Finding{
		Part: PartHash, Entry: &entry, Hash: &from,
		Problem: fmt.Sprintf("%d stored hashes from number %d on are missing (completed by entry %d and later ones)", to-from, from, entry),
	})
}

// hash compares one stored hash. It tells whether there is room for more findings.
func (c *treeCheck) hash(index uint64, got tlog.Hash) bool {
	level, n := tlog.SplitStoredHashIndex(int64(index))
	want, ok := c.want(level, n)
	if !ok || want == got {
		return true
	}
	entry := completedBy(index)
	if level == 0 && c.agrees(n, got) {
		return c.r.add(Finding{
			Part: PartEntry, Entry: &entry,
			Problem: fmt.Sprintf("entry %d is not the one that was hashed: its bytes have changed", entry),
		})
	}
	if len(c.mended) < maxFindings {
		c.mended[index] = want
	}
	return c.r.add(Finding{
		Part: PartHash, Entry: &entry, Hash: &index,
		Problem: fmt.Sprintf("stored hash %d (level %d, number %d, completed by entry %d) is not that of the entries", index, level, n, entry),
	})
}

// want gives what a stored hash should be: that of its entry, or of the two hashes
// below it. It gives false where one of these is missing.
func (c *treeCheck) want(level int, n int64) (tlog.Hash, bool) {
	if level == 0 {
		data := c.tx.Bucket(bucketEntries).Get(key64(uint64(n)))
		if data == nil {
			return tlog.Hash{}, false
		}
		return tlog.RecordHash(data), true
	}
	left, ok := c.stored(level-1, 2*n)
	right, alsoOK := c.stored(level-1, 2*n+1)
	return tlog.NodeHash(left, right), ok && alsoOK
}

// stored gives a stored hash, or what it should be.
func (c *treeCheck) stored(level int, n int64) (tlog.Hash, bool) {
	index := uint64(tlog.StoredHashIndex(level, n))
	if hash, ok := c.mended[index]; ok {
		return hash, true
	}
	value := c.tx.Bucket(bucketHashes).Get(key64(index))
	if len(value) != tlog.HashSize {
		return tlog.Hash{}, false
	}
	return tlog.Hash(value), true
}

// agrees tells whether the hash above a leaf was made of this leaf's hash. If so, it is
// the entry that has changed and not the hash.
func (c *treeCheck) agrees(n int64, leaf tlog.Hash) bool {
	above, ok := c.stored(1, n/2)
	beside, alsoOK := c.stored(0, n^1)
	if !ok || !alsoOK {
		return false
	}
	if n%2 == 0 {
		return above == tlog.NodeHash(leaf, beside)
	}
	return above == tlog.NodeHash(beside, leaf)
}

// completedBy gives the entry that completes a stored hash.
func completedBy(index uint64) uint64 {
	level, n := tlog.SplitStoredHashIndex(int64(index))
	return uint64(n+1)<<level - 1
}

// number reads a key that is a number.
func number(key []byte) (uint64, bool) {
	if len(key) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(key), true
}

func shortHex(key []byte) string {
	if len(key) > 48 {
		return fmt.Sprintf("%x…", key[:48])
	}
	return fmt.Sprintf("%x", key)
}
