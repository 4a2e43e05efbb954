package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// memoryHashes is a tree's stored hashes in order.
type memoryHashes []tlog.Hash

func (m memoryHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = m[index]
	}
	return out, nil
}

// tree gives n leaves and their stored hashes.
func tree(t testing.TB, n int) ([][]byte, memoryHashes) {
	t.Helper()
	var leaves [][]byte
	var hashes memoryHashes
	for i := range n {
		leaf := fmt.Appendf(nil, "leaf %d", i)
		added, err := tlog.StoredHashes(int64(i), leaf, hashes)
		if err != nil {
			t.Fatal(err)
		}
		leaves, hashes = append(leaves, leaf), append(hashes, added...)
	}
	return leaves, hashes
}

// inclusion gives the proof of a leaf in the tree's first size leaves.
func inclusion(t testing.TB, hashes memoryHashes, size, index int) (*ledger.Inclusion, string) {
	t.Helper()
	root, err := tlog.TreeHash(int64(size), hashes)
	if err != nil {
		t.Fatal(err)
	}
	signer, vkey := logKey(t, ledgertest.Origin)
	signed, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: ledgertest.Origin, Size: uint64(size), Root: root}, signer)
	if err != nil {
		t.Fatal(err)
	}
	path, err := tlog.ProveRecord(int64(size), int64(index), hashes)
	if err != nil {
		t.Fatal(err)
	}
	return &ledger.Inclusion{Index: uint64(index), Hashes: path, Checkpoint: signed}, vkey
}

// The tree is RFC 6962's: leaf hash, root and inclusion proof agree with another
// implementation, at every size up to 70.
func TestTreeAgreesWithMerkle(t *testing.T) {
	leaves, hashes := tree(t, 70)
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	other := factory.NewEmptyRange(0)
	for i, leaf := range leaves {
		if got := ledger.LeafHash(leaf); !bytes.Equal(got[:], rfc6962.DefaultHasher.HashLeaf(leaf)) {
			t.Fatalf("leaf hash %d differs", i)
		}
		if err := other.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
			t.Fatal(err)
		}
		size := i + 1
		root, err := tlog.TreeHash(int64(size), hashes)
		if err != nil {
			t.Fatal(err)
		}
		want, err := other.GetRootHash(nil)
		if err != nil || !bytes.Equal(root[:], want) {
			t.Fatalf("the root of %d leaves differs (%v)", size, err)
		}
		for index := range size {
			path, err := tlog.ProveRecord(int64(size), int64(index), hashes)
			if err != nil {
				t.Fatal(err)
			}
			raw := make([][]byte, len(path))
			for n := range path {
				raw[n] = path[n][:]
			}
			leafHash := rfc6962.DefaultHasher.HashLeaf(leaves[index])
			if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), leafHash, raw, want); err != nil {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
		}
	}
}

func TestInclusionRoundTrip(t *testing.T) {
	leaves, hashes := tree(t, 300)
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, len(leaves)).Draw(rt, "size")
		index := rapid.IntRange(0, size-1).Draw(rt, "index")
		i, vkey := inclusion(t, hashes, size, index)
		text := ledger.FormatInclusion(i)
		parsed, err := ledger.ParseInclusion(text)
		if err != nil {
			rt.Fatal(err)
		}
		c, err := parsed.Verify(leaves[index], vkey)
		if err != nil || c.Size != uint64(size) {
			rt.Fatalf("leaf %d of %d: %v", index, size, err)
		}
		if _, err := parsed.Verify([]byte("another leaf"), vkey); !errors.Is(err, ledger.ErrBadInclusion) {
			rt.Fatalf("another leaf: %v", err)
		}
	})
}

func TestEveryByteOfAnInclusionCounts(t *testing.T) {
	leaves, hashes := tree(t, 11)
	i, vkey := inclusion(t, hashes, 11, 6)
	text := ledger.FormatInclusion(i)
	for at := range text {
		for bit := range 8 {
			changed := bytes.Clone(text)
			changed[at] ^= 1 << bit
			parsed, err := ledger.ParseInclusion(changed)
			if err != nil {
				continue
			}
			if _, err := parsed.Verify(leaves[6], vkey); err == nil {
				t.Errorf("byte %d may be %q or %q", at, text[at], changed[at])
			}
		}
	}
}

func TestInclusionRefuses(t *testing.T) {
	leaves, hashes := tree(t, 11)
	good, vkey := inclusion(t, hashes, 11, 6)
	text := string(ledger.FormatInclusion(good))
	line := strings.Split(text, "\n")[2] + "\n"
	for name, doc := range map[string]string{
		"empty":             "",
		"another version":   strings.Replace(text, "@v1", "@v2", 1),
		"extra data":        strings.Replace(text, "index", "extra AAAA\nindex", 1),
		"leading zero":      strings.Replace(text, "index 6", "index 06", 1),
		"no index":          strings.Replace(text, "index 6\n", "", 1),
		"index too large":   strings.Replace(text, "index 6", "index 281474976710656", 1),
		"carriage return":   strings.Replace(text, "index 6\n", "index 6\r\n", 1),
		"loose base64":      strings.Replace(text, line, line[:42]+"B=\n", 1),
		"short hash":        strings.Replace(text, line, "AAAA\n", 1),
		"too many hashes":   strings.Replace(text, line, strings.Repeat(line, 49), 1),
		"no checkpoint":     text[:strings.Index(text, "\n\n")+2],
		"trailing newline":  text + "\n",
		"trailing document": text + text,
		"too long":          text + strings.Repeat("— a AAAAAAAA\n", 9000),
	} {
		if doc == text {
			t.Errorf("%s: the document was not changed", name)
		}
		if _, err := ledger.ParseInclusion([]byte(doc)); !errors.Is(err, ledger.ErrBadInclusion) {
			t.Errorf("%s: %v; want ErrBadInclusion", name, err)
		}
	}
	for name, change := range map[string]func(i *ledger.Inclusion){
		"a hash more":     func(i *ledger.Inclusion) { i.Hashes = append(i.Hashes, tlog.Hash{}) },
		"a hash less":     func(i *ledger.Inclusion) { i.Hashes = i.Hashes[1:] },
		"hashes turned":   func(i *ledger.Inclusion) { slices.Reverse(i.Hashes) },
		"another index":   func(i *ledger.Inclusion) { i.Index = 7 },
		"index at size":   func(i *ledger.Inclusion) { i.Index = 11 },
		"index over 2^63": func(i *ledger.Inclusion) { i.Index = 1<<63 + 6 },
	} {
		i := &ledger.Inclusion{Index: good.Index, Hashes: slices.Clone(good.Hashes), Checkpoint: good.Checkpoint}
		change(i)
		if _, err := i.Verify(leaves[6], vkey); !errors.Is(err, ledger.ErrBadInclusion) {
			t.Errorf("%s: %v; want ErrBadInclusion", name, err)
		}
	}
	_, otherKey := logKey(t, ledgertest.Origin)
	if _, err := good.Verify(leaves[6], otherKey); !errors.Is(err, ledger.ErrBadCheckpoint) {
		t.Errorf("another log's key: %v", err)
	}
}

// An inner node cannot pass for an entry: the two are hashed with other prefixes.
func TestInnerNodeIsNoEntry(t *testing.T) {
	leaves, hashes := tree(t, 2)
	i, vkey := inclusion(t, hashes, 2, 0)
	left, right := ledger.LeafHash(leaves[0]), ledger.LeafHash(leaves[1])
	node := append(append([]byte{1}, left[:]...), right[:]...)
	if _, err := (&ledger.Inclusion{Index: 0, Checkpoint: i.Checkpoint}).Verify(node, vkey); err == nil {
		t.Error("the root's own content passes for an entry")
	}
	if ledger.LeafHash(node[1:]) == tlog.Hash(sha256.Sum256(node)) {
		t.Error("a leaf hash is a node hash")
	}
}
