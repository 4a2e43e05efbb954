package witness

import (
	"errors"
	"flag"
	"os"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

var steps = flag.Int("steps", 20, "how many checkpoints each case of TestModel submits")

// TestModel submits checkpoints of histories that share beginnings, in any order and
// from any size, and compares each answer with what a witness says that remembers the
// entries themselves. What it cosigned is one history.
func TestModel(t *testing.T) {
	base := newLog(t, origin)
	w, dir := newWitness(t, base)
	rapid.Check(t, func(rt *rapid.T) {
		if err := os.RemoveAll(statePath(dir, origin)); err != nil {
			rt.Fatal(err)
		}
		var last []byte // the entries that the witness has seen, a letter each
		for range *steps {
			history := rapid.SliceOfN(rapid.SampledFrom([]byte("ab")), 0, 6).Draw(rt, "history")
			if rapid.Bool().Draw(rt, "goes on") {
				history = append(slices.Clone(last), history...)
			}
			old := rapid.IntRange(0, len(history)).Draw(rt, "old")
			if rapid.Bool().Draw(rt, "knows") && len(last) <= len(history) {
				old = len(last)
			}
			line, err := w.Add(logOf(rt, base, history).request(int64(old)))
			if want := expected(last, history, old); !errors.Is(err, want) || (err == nil) != (want == nil) {
				sized, isSize := errors.AsType[*SizeError](err)
				if want != errSize || !isSize || sized.Size != uint64(len(last)) {
					rt.Fatalf("%q after %q from %d: %v, want %v", history, last, old, err, want)
				}
			}
			if (line != nil) != (err == nil) {
				rt.Fatalf("%q, %v", line, err)
			}
			if err == nil {
				last = history
			}
		}
	})
}

var errSize = errors.New("another size")

// expected is what a witness says that has seen the entries last.
func expected(last, history []byte, old int) error {
	switch {
	case old != len(last):
		return errSize
	case len(history) == len(last) && !slices.Equal(history, last):
		return ErrFork
	case !slices.Equal(history[:len(last)], last):
		return ErrBadProof
	}
	return nil
}

// logOf gives a log of these entries, with the key of another one.
func logOf(t *rapid.T, base *log, entries []byte) *log {
	l := &log{t: base.t, signer: base.signer, vkey: base.vkey}
	for _, e := range entries {
		hashes, err := tlog.StoredHashes(l.size, []byte{e}, l)
		if err != nil {
			t.Fatal(err)
		}
		l.hashes = append(l.hashes, hashes...)
		l.size++
	}
	return l
}
