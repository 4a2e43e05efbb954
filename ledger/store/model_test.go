package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// drawing makes entries that are right, nearly right and wrong, from those that the
// log has already.
type drawing struct {
	t        *testing.T
	rt       *rapid.T
	schemas  map[string][]*ledger.SchemaEntry
	circuits []*ledger.CircuitEntry
	epochs   map[string][]*ledger.EpochEntry
	pledges  []pledge
	grants   []granted
	old      []ledger.Entry
}

type granted struct {
	entry *ledger.GrantEntry
	index uint64
}

type pledge struct {
	entry    *ledger.ProofEntry
	index    uint64
	question string
}

func (d *drawing) int(label string, low, high int) int {
	return rapid.IntRange(low, high).Draw(d.rt, label)
}

func (d *drawing) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(d.rt, label)
}

// next gives an entry, and the question's name if it is a proof.
func (d *drawing) next() (ledger.Entry, string) {
	name := d.pick("registry", "titles", "liens")
	switch kind := d.int("kind", 0, 12); {
	case kind == 0 && len(d.old) > 0:
		return rapid.SampledFrom(d.old).Draw(d.rt, "old"), ""
	case kind == 1 || len(d.schemas[name]) == 0:
		return d.schema(name), ""
	case kind == 2 || len(d.circuits) == 0:
		return ledgertest.CircuitEntry(d.pick("circuit", "present", "absent")), ""
	case kind <= 4 || len(d.epochs[name]) == 0:
		return d.epoch(name), ""
	case kind <= 6 && len(d.pledges) > 0:
		return d.release(), ""
	case kind == 7:
		return d.grant(name), ""
	}
	return d.proof(name)
}

func (d *drawing) schema(name string) ledger.Entry {
	e := ledgertest.SchemaEntry(d.t, name, "issuer")
	if old := d.schemas[name]; len(old) > 0 && d.int("replaces", 0, 4) > 0 {
		identity := ledgertest.Identity(d.t, rapid.SampledFrom(old).Draw(d.rt, "replaced"))
		e.Previous = &identity
	}
	e.Schema.Attributes[0].Unit = d.pick("unit", "USD", "EUR", "CNY")
	d.sign(e.Sign(ledgertest.Key(d.pick("signer", "issuer", "issuer", "issuer", "intruder"))))
	return e
}

func (d *drawing) sign(err error) {
	if err != nil {
		d.rt.Fatal(err)
	}
}

func (d *drawing) epoch(name string) ledger.Entry {
	schema := d.schemas[name][len(d.schemas[name])-1]
	var previous *ledger.EpochEntry
	if chain := d.epochs[name]; len(chain) > 0 {
		previous = chain[max(0, len(chain)-1-d.int("back", 0, 3)/3)]
	}
	e := ledgertest.EpochEntry(d.t, schema, previous, "issuer")
	if d.int("spoilt", 0, 5) == 0 {
		e.Root = ledgertest.Element("another root") // unsigned
	}
	return e
}

func (d *drawing) proof(name string) (ledger.Entry, string) {
	chain := d.epochs[name]
	epoch := chain[max(0, len(chain)-1-d.int("back", 0, 3)/3)]
	circuit := rapid.SampledFrom(d.circuits).Draw(d.rt, "circuit")
	question := fmt.Sprint("question ", d.int("question", 0, 20))
	if d.int("pledge", 0, 1) == 0 {
		e := ledgertest.ProofEntry(d.t, circuit, epoch, question)
		e.Proof[d.int("byte", 0, ledger.ProofBytes-1)] ^= byte(d.int("flip", 0, 1))
		return e, question
	}
	record := d.pick("record", "LC-00001", "LC-00002")
	scope := d.pick("scope", ledgertest.ScopeIssuer, ledgertest.ScopeHolder)
	e := ledgertest.PledgeEntry(d.t, circuit, epoch, scope, record, question, d.pick("consenter", "issuer", "issuer", "intruder"))
	return e, question
}

func (d *drawing) release() ledger.Entry {
	p := rapid.SampledFrom(d.pledges).Draw(d.rt, "released")
	if d.int("forced", 0, 3) == 0 {
		return ledgertest.ForcedReleaseEntry(d.t, p.entry, p.index)
	}
	return ledgertest.ReleaseEntry(d.t, p.entry, p.index, d.pick("releaser", p.question, p.question, "question 0"))
}

func (d *drawing) grant(name string) ledger.Entry {
	signer := d.pick("granter", "issuer", "issuer", "issuer", "intruder")
	if len(d.grants) == 0 || d.int("revoked", 0, 2) == 0 {
		return ledgertest.GrantEntry(d.t, name, fmt.Sprint("grant ", d.int("grant", 0, 5)), signer)
	}
	g := rapid.SampledFrom(d.grants).Draw(d.rt, "grant to end")
	return ledgertest.GrantRevocation(d.t, g.entry, g.index+uint64(d.int("off by", 0, 3)/3), signer)
}

// accepted remembers an entry of the log.
func (d *drawing) accepted(e ledger.Entry, index uint64, question string) {
	d.old = append(d.old, e)
	switch e := e.(type) {
	case *ledger.SchemaEntry:
		d.schemas[e.Schema.Registry] = append(d.schemas[e.Schema.Registry], e)
	case *ledger.CircuitEntry:
		d.circuits = append(d.circuits, e)
	case *ledger.EpochEntry:
		d.epochs[e.Registry] = append(d.epochs[e.Registry], e)
	case *ledger.GrantEntry:
		d.grants = append(d.grants, granted{e, index})
	case *ledger.ProofEntry:
		if e.IsPledge() {
			d.pledges = append(d.pledges, pledge{e, index, question})
		}
	}
}

// Whatever comes, the log on disk and a replay in memory decide alike, and end in
// the same state. The laws of pledges hold at every step.
func TestStoreAndReplayDecideAlike(t *testing.T) {
	dir := t.TempDir()
	verdicts := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, "ledger.db")
		s, err := Create(path, ledgertest.Origin, options())
		if err != nil {
			rt.Fatal(err)
		}
		defer func() {
			if err := errors.Join(s.Close(), os.Remove(path)); err != nil {
				rt.Fatal(err)
			}
		}()
		memory, rules := ledger.NewMemoryState(), ledgertest.Rules()
		d := &drawing{t: t, rt: rt, schemas: map[string][]*ledger.SchemaEntry{}, epochs: map[string][]*ledger.EpochEntry{}}
		live := map[string]bool{}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			e, question := d.next()
			index := s.Size()
			_, onDisk := s.Append(t.Context(), e)
			inMemory := rules.Apply(memory, index, ledgertest.Marshal(t, e))
			if fmt.Sprint(onDisk) != fmt.Sprint(inMemory) {
				rt.Fatalf("%s: on disk %v; in memory %v", e.Type(), onDisk, inMemory)
			}
			verdicts[verdict(e, onDisk)]++
			if onDisk != nil {
				continue
			}
			d.accepted(e, index, question)
			if !lawful(live, e, d.pledges) {
				rt.Fatalf("entry %d breaks the law of one live pledge", index)
			}
		}
		if err := s.Check(t.Context()); err != nil {
			rt.Fatal(err)
		}
	})
	for _, want := range []string{
		"attestry/schema/v1 accepted", "attestry/epoch/v1 accepted", "attestry/proof/v1 accepted", "attestry/release/v1 accepted",
		"attestry/forced-release/v1 accepted", "attestry/proof/v1 refused", "attestry/release/v1 refused", "attestry/epoch/v1 refused",
		"attestry/schema/v1 refused", "pledged", "attestry/grant/v1 accepted", "attestry/grant/v1 refused",
		"attestry/grant-revocation/v1 accepted", "attestry/grant-revocation/v1 refused",
	} {
		if verdicts[want] == 0 {
			t.Errorf("the drawing never came to %q: %v", want, verdicts)
		}
	}
}

func verdict(e ledger.Entry, err error) string {
	switch {
	case errors.Is(err, ledger.ErrPledged):
		return "pledged"
	case err != nil:
		return string(e.Type()) + " refused"
	}
	return string(e.Type()) + " accepted"
}

// lawful is the rule of pledges once more, in its plainest form.
func lawful(live map[string]bool, e ledger.Entry, pledges []pledge) bool {
	tag := func(e *ledger.ProofEntry) string {
		return e.Public.Registry + e.Scope.String() + e.Nullifier.String()
	}
	released := func(index uint64) bool {
		for _, p := range pledges {
			if p.index == index {
				was := live[tag(p.entry)]
				live[tag(p.entry)] = false
				return was
			}
		}
		return false
	}
	switch e := e.(type) {
	case *ledger.ProofEntry:
		if !e.IsPledge() {
			return true
		}
		was := live[tag(e)]
		live[tag(e)] = true
		return !was
	case *ledger.ReleaseEntry:
		return released(uint64(e.Pledge))
	case *ledger.ForcedReleaseEntry:
		return released(uint64(e.Pledge))
	}
	return true
}
