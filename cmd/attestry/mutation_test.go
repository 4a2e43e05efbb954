package main

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
)

var mutations = flag.Int("mutations", 200, "how many single-byte changes of a bundle TestMutations makes")

// TestMutations changes single bytes of a bundle, at random, and gives it to the
// auditor's program: with the trust file alone, and with all that an asker has. Not
// one change passes, unless the JSON document is still the same.
func TestMutations(t *testing.T) {
	a := newAnswered(t, smallSchema, smallRecords, smallQuestion)
	bundle := read(t, a.bundle)
	alone := []string{"verify", "-", "--trust", a.trust}
	whole := append(alone, "--request", a.request, "--openings", a.openings)
	for _, args := range [][]string{alone, whole} {
		if code, said := verifyBundle(t, args, bundle); code != cli.Done {
			t.Fatalf("the bundle as it is: exit code %d: %s", code, said)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	codes := map[int]int{}
	for i := range *mutations {
		changed, at := mutate(random, bundle)
		code, said := verifyBundle(t, [][]string{alone, whole}[i%2], changed)
		codes[code]++
		if code != cli.No && code != cli.Could {
			t.Errorf("byte %d changed from %q to %q: exit code %d: %s", at, bundle[at], changed[at], code, said)
		}
	}
	t.Logf("%d changes: %d refused, %d malformed", *mutations, codes[cli.No], codes[cli.Could])
	if codes[cli.No] == 0 || codes[cli.Could] == 0 {
		t.Errorf("the changes reach only one kind of refusal: %v", codes)
	}
}

func verifyBundle(t *testing.T, args []string, bundle []byte) (code int, said string) {
	var out bytes.Buffer
	code = verifycmd.Main(t.Context(), args, cli.Streams{In: bytes.NewReader(bundle), Out: &out, Err: &out})
	return code, out.String()
}

// mutate changes one byte so that the JSON document changes. Half of the changes
// are to another character that JSON and base64 are written with: most others are
// refused before anything is looked at.
func mutate(random *rand.Rand, bundle []byte) (changed []byte, at int) {
	const likely = `ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="{}[]:,-. `
	same, err := canon.Canonicalize(bundle)
	for err == nil {
		changed, at = bytes.Clone(bundle), random.IntN(len(bundle))
		if changed[at] = byte(random.IntN(256)); random.IntN(2) == 0 {
			changed[at] = likely[random.IntN(len(likely))]
		}
		got, broken := canon.Canonicalize(changed)
		if broken != nil || !bytes.Equal(got, same) {
			break
		}
	}
	return changed, at
}
