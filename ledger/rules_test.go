package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
	"github.com/attestry/attestry/statement"
)

const registry, issuer = "lucas-titles", "issuer"

// replay applies the first n entries of the tests' log.
func replay(t *testing.T, n int) (*ledger.MemoryState, []ledgertest.Named) {
	t.Helper()
	st := ledger.NewMemoryState()
	log := ledgertest.Log(t)
	for i, e := range log[:n] {
		if err := ledgertest.Rules().Apply(st, uint64(i), ledgertest.Marshal(t, e.Entry)); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
	}
	return st, log
}

// dump gives all rows of a state, to see that a refusal changes none.
func dump(st *ledger.MemoryState) []byte {
	var out bytes.Buffer
	for _, table := range ledger.Tables() {
		for key, value := range st.Rows(table) {
			out.WriteString(string(table))
			out.Write(key)
			out.Write(value)
		}
	}
	return out.Bytes()
}

func TestAWholeLogIsAccepted(t *testing.T) {
	st, log := replay(t, len(ledgertest.Log(t)))
	view := ledger.View{State: st}
	for index, want := range map[uint64]ledger.PledgeStatus{
		5: {Live: false, Released: 7},
		6: {Live: true},
		8: {Live: false, Released: 9, Forced: true},
	} {
		if got, err := view.Pledge(index); err != nil || got != want {
			t.Errorf("pledge %d: %+v, %v; want %+v", index, got, err, want)
		}
	}
	tenancy := proofOf(log, 6)
	if index, err := view.LivePledge(registry, tenancy.Scope, tenancy.Nullifier); err != nil || index != 6 {
		t.Errorf("live pledge: %d, %v", index, err)
	}
	if index, _, err := view.LatestSchema(registry); err != nil || index != 10 {
		t.Errorf("latest schema: %d, %v", index, err)
	}
	if ref, err := view.LatestEpoch(registry); err != nil || ref.Index != 3 || ref.Number != 2 {
		t.Errorf("latest epoch: %+v, %v", ref, err)
	}
}

func TestEpochAt(t *testing.T) {
	st, _ := replay(t, 4)
	view := ledger.View{State: st}
	for instant, want := range map[string]uint64{
		"2025-12-31T23:59:59Z": 0,
		"2026-01-01T00:00:00Z": 1,
		"2026-01-01T00:59:59Z": 1,
		"2026-01-01T01:00:00Z": 2,
		"9999-01-01T01:00:00Z": 2,
	} {
		ref, err := view.EpochAt(registry, instant)
		if ref.Number != want || (want == 0) != errors.Is(err, ledger.ErrUnknown) {
			t.Errorf("at %s: epoch %d, %v; want %d", instant, ref.Number, err, want)
		}
	}
}

// refusal is one broken rule: after the first `after` entries of the log, the entry
// that make gives is refused with want. Where it is a duplicate, first is of what.
type refusal struct {
	name  string
	after int
	make  func(t *testing.T, log []ledgertest.Named) ledger.Entry
	want  error
	first uint64
}

func TestRulesRefuse(t *testing.T) {
	for _, tt := range slices.Concat(schemaRefusals(), circuitRefusals(), epochRefusals(), proofRefusals(), pledgeRefusals(), releaseRefusals()) {
		t.Run(tt.name, func(t *testing.T) {
			st, log := replay(t, tt.after)
			before := dump(st)
			err := ledgertest.Rules().Apply(st, uint64(tt.after), ledgertest.Marshal(t, tt.make(t, log)))
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v; want %v", err, tt.want)
			}
			if d, ok := errors.AsType[*ledger.DuplicateError](err); ok && d.Index != tt.first {
				t.Errorf("duplicate of entry %d; want %d", d.Index, tt.first)
			}
			if !bytes.Equal(before, dump(st)) {
				t.Error("the refusal changed the state")
			}
		})
	}
}

// replacement gives a schema that replaces the log's first one, after a change.
func replacement(t *testing.T, log []ledgertest.Named, key string, change func(*ledger.SchemaEntry)) *ledger.SchemaEntry {
	t.Helper()
	e := *log[10].Entry.(*ledger.SchemaEntry)
	change(&e)
	mustSign(t, e.Sign(ledgertest.Key(key)))
	return &e
}

func schemaRefusals() []refusal {
	replace := func(name string, want error, key string, change func(*ledger.SchemaEntry)) refusal {
		return refusal{name: "schema: " + name, after: 10, want: want, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return replacement(t, log, key, change)
		}}
	}
	return []refusal{
		{name: "schema: twice", after: 4, want: ledger.ErrDuplicate, first: 0, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return log[0].Entry
		}},
		{name: "schema: first one replaces another", after: 0, want: ledger.ErrUnknown, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return log[10].Entry
		}},
		{name: "schema: signature of another content", after: 0, want: ledger.ErrIssuer, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := *log[0].Entry.(*ledger.SchemaEntry)
			e.Serial = ledgertest.Digest("another")
			return &e
		}},
		replace("another issuer", ledger.ErrIssuer, "intruder", func(*ledger.SchemaEntry) {}),
		replace("replaces none", ledger.ErrConflict, issuer, func(e *ledger.SchemaEntry) { e.Previous = nil; e.Schema.Key = "k" }),
		replace("replaces an unknown one", ledger.ErrConflict, issuer, func(e *ledger.SchemaEntry) {
			d := ledgertest.Digest("unknown")
			e.Previous = &d
		}),
		replace("another serial secret", ledger.ErrConflict, issuer, func(e *ledger.SchemaEntry) { e.Serial = ledgertest.Digest("new") }),
		replace("another domain of keys", ledger.ErrConflict, issuer, func(e *ledger.SchemaEntry) {
			e.Schema.Domains = map[string]statement.TextDomain{"key": {Name: "parcel-id"}}
		}),
	}
}

func TestPinnedIssuer(t *testing.T) {
	rules := ledgertest.Rules()
	rules.Issuers = map[string]ledger.IssuerKey{registry: ledgertest.PublicKey("the true issuer")}
	st := ledger.NewMemoryState()
	if err := rules.Apply(st, 0, ledgertest.Marshal(t, ledgertest.SchemaEntry(t, registry, issuer))); !errors.Is(err, ledger.ErrIssuer) {
		t.Errorf("schema by another issuer than the pinned one: %v; want ErrIssuer", err)
	}
	if err := rules.Apply(st, 0, ledgertest.Marshal(t, ledgertest.SchemaEntry(t, registry, "the true issuer"))); err != nil {
		t.Errorf("schema by the pinned issuer: %v", err)
	}
	if err := rules.Apply(st, 1, ledgertest.Marshal(t, ledgertest.SchemaEntry(t, "other", issuer))); err != nil {
		t.Errorf("a registry without a pin: %v", err)
	}
}

func circuitRefusals() []refusal {
	return []refusal{
		{name: "circuit: twice", after: 4, want: ledger.ErrDuplicate, first: 1, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return log[1].Entry
		}},
		{name: "circuit: its keys' setup changes", after: 4, want: ledger.ErrConflict, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := ledgertest.CircuitEntry("present")
			e.Setup = ledger.SetupCeremony
			return e
		}},
	}
}

func epochRefusals() []refusal {
	// third gives an epoch 3 after a change, signed by key.
	third := func(name string, want error, key string, change func(*ledger.EpochEntry)) refusal {
		return refusal{name: "epoch: " + name, after: 4, want: want, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := ledgertest.EpochEntry(t, log[0].Entry.(*ledger.SchemaEntry), epochOf(log, 3), issuer)
			change(e)
			mustSign(t, e.Sign(ledgertest.Key(key)))
			return e
		}}
	}
	return []refusal{
		{name: "epoch: twice", after: 4, want: ledger.ErrDuplicate, first: 2, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return log[2].Entry
		}},
		{name: "epoch: no schema", after: 0, want: ledger.ErrUnknown, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return log[2].Entry
		}},
		{name: "epoch: begins with 2", after: 2, want: ledger.ErrEpochChain, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return log[3].Entry
		}},
		{name: "epoch: schema replaced meanwhile", after: 11, want: ledger.ErrEpochChain, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return ledgertest.EpochEntry(t, log[0].Entry.(*ledger.SchemaEntry), epochOf(log, 3), issuer)
		}},
		{name: "epoch: another first epoch", after: 4, want: ledger.ErrEpochChain, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := epochOf(log, 2)
			e.Root = ledgertest.Element("another root")
			mustSign(t, e.Sign(ledgertest.Key(issuer)))
			return e
		}},
		third("skips a number", ledger.ErrEpochChain, issuer, func(e *ledger.EpochEntry) { e.Number = 4 }),
		third("another predecessor", ledger.ErrEpochChain, issuer, func(e *ledger.EpochEntry) {
			d := ledgertest.Digest("fork")
			e.Previous = &d
		}),
		third("unknown schema", ledger.ErrEpochChain, issuer, func(e *ledger.EpochEntry) { e.Schema = ledgertest.Digest("unknown") }),
		third("before its predecessor", ledger.ErrEpochChain, issuer, func(e *ledger.EpochEntry) { e.Time = "2026-01-01T00:59:59Z" }),
		third("another registry's number", ledger.ErrUnknown, issuer, func(e *ledger.EpochEntry) { e.Registry = "elsewhere" }),
		third("another issuer", ledger.ErrIssuer, "intruder", func(e *ledger.EpochEntry) {}),
		{name: "epoch: signature of another content", after: 4, want: ledger.ErrIssuer, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := ledgertest.EpochEntry(t, log[0].Entry.(*ledger.SchemaEntry), epochOf(log, 3), issuer)
			e.Root = ledgertest.Element("another root")
			return e
		}},
	}
}

// Two commits within one second are two epochs of one time.
func TestEpochOfTheSameSecond(t *testing.T) {
	st, log := replay(t, 4)
	e := ledgertest.EpochEntry(t, log[0].Entry.(*ledger.SchemaEntry), epochOf(log, 3), issuer)
	e.Time = epochOf(log, 3).Time
	mustSign(t, e.Sign(ledgertest.Key(issuer)))
	if err := ledgertest.Rules().Apply(st, 4, ledgertest.Marshal(t, e)); err != nil {
		t.Fatal(err)
	}
	if ref, err := (ledger.View{State: st}).EpochAt(registry, e.Time); err != nil || ref.Number != 3 {
		t.Errorf("the last epoch of the second is %d, %v; want 3", ref.Number, err)
	}
}

func proofRefusals() []refusal {
	// proof gives a new proof after a change, proved again.
	proof := func(name string, after int, want error, change func(*ledger.ProofEntry)) refusal {
		return refusal{name: "proof: " + name, after: after, want: want, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := ledgertest.ProofEntry(t, log[1].Entry.(*ledger.CircuitEntry), epochOf(log, 2), "another")
			change(e)
			ledgertest.Prove(t, e)
			return e
		}}
	}
	return []refusal{
		{name: "proof: twice", after: 6, want: ledger.ErrDuplicate, first: 4, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return log[4].Entry
		}},
		{name: "proof: same statement, other proof bytes", after: 6, want: ledger.ErrDuplicate, first: 4, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := proofOf(log, 4)
			e.Proof[ledger.ProofBytes-1] ^= 1
			return e
		}},
		{name: "proof: false", after: 4, want: ledger.ErrProofInvalid, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := proofOf(log, 4)
			e.Proof[0] ^= 1
			return e
		}},
		{name: "proof: of another question", after: 4, want: ledger.ErrProofInvalid, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := proofOf(log, 4)
			e.Q = ledgertest.Element("another question")
			return e
		}},
		proof("another log's", 4, ledger.ErrForeign, func(e *ledger.ProofEntry) { e.Public.Origin = "elsewhere.test/log" }),
		proof("unknown circuit", 4, ledger.ErrUnknown, func(e *ledger.ProofEntry) { e.Public.Circuit = ledgertest.Digest("x") }),
		proof("unknown verifying key", 4, ledger.ErrUnknown, func(e *ledger.ProofEntry) { e.Public.VK = ledgertest.Digest("x") }),
		proof("unknown epoch", 2, ledger.ErrUnknown, func(e *ledger.ProofEntry) {}),
		proof("another registry's epoch", 4, ledger.ErrConflict, func(e *ledger.ProofEntry) { e.Public.Registry = "elsewhere" }),
		proof("another schema", 4, ledger.ErrConflict, func(e *ledger.ProofEntry) { e.Public.Schema = ledgertest.Digest("x") }),
		proof("another epoch's root", 4, ledger.ErrWrongRoot, func(e *ledger.ProofEntry) {
			e.Root = ledgertest.Element("root lucas-titles 2")
		}),
	}
}

func TestProofWithoutVerifierIsRefused(t *testing.T) {
	st, log := replay(t, 4)
	rules := ledgertest.Rules()
	rules.Verify = nil
	if err := rules.Apply(st, 4, ledgertest.Marshal(t, log[4].Entry)); !errors.Is(err, ledger.ErrNoVerifier) {
		t.Errorf("error %v; want ErrNoVerifier", err)
	}
	rules = ledgertest.Rules()
	rules.Origin = ""
	if err := rules.Apply(st, 4, ledgertest.Marshal(t, log[4].Entry)); err == nil {
		t.Error("rules without an origin accept a proof")
	}
}

func pledgeRefusals() []refusal {
	// pledge gives a new pledge of a free record after a change, proved again.
	pledge := func(name, scope string, want error, change func(t *testing.T, e *ledger.ProofEntry)) refusal {
		return refusal{name: "pledge: " + name, after: 5, want: want, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := ledgertest.PledgeEntry(t, log[1].Entry.(*ledger.CircuitEntry), epochOf(log, 3), scope, "LC-00007", "q", issuer)
			change(t, e)
			ledgertest.Prove(t, e)
			return e
		}}
	}
	second := func(t *testing.T, log []ledgertest.Named) ledger.Entry {
		return ledgertest.PledgeEntry(t, log[1].Entry.(*ledger.CircuitEntry), epochOf(log, 3), ledgertest.ScopeIssuer, "LC-00042", "other bank", issuer)
	}
	return []refusal{
		{name: "pledge: record already pledged", after: 6, want: ledger.ErrPledged, make: second},
		{name: "pledge: record pledged again after a release", after: 9, want: ledger.ErrPledged, make: second},
		{name: "pledge: released statement again", after: 8, want: ledger.ErrDuplicate, first: 5, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return log[5].Entry
		}},
		{name: "pledge: epoch before the latest", after: 5, want: ledger.ErrStaleEpoch, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return ledgertest.PledgeEntry(t, log[1].Entry.(*ledger.CircuitEntry), epochOf(log, 2), ledgertest.ScopeIssuer, "LC-00007", "q", issuer)
		}},
		pledge("undeclared scope", ledgertest.ScopeIssuer, ledger.ErrUnknown, func(t *testing.T, e *ledger.ProofEntry) {
			e.Scope = ledgertest.Scope("anything")
		}),
		pledge("no consent", ledgertest.ScopeIssuer, ledger.ErrConsent, func(t *testing.T, e *ledger.ProofEntry) { e.Consent = nil }),
		pledge("somebody else's consent", ledgertest.ScopeIssuer, ledger.ErrConsent, func(t *testing.T, e *ledger.ProofEntry) {
			mustSign(t, e.SignConsent(ledgertest.Key("intruder")))
		}),
		pledge("consent to another statement", ledgertest.ScopeIssuer, ledger.ErrConsent, func(t *testing.T, e *ledger.ProofEntry) {
			e.Q = ledgertest.Element("another question")
		}),
		pledge("issuer's consent in a holder's scope", ledgertest.ScopeHolder, ledger.ErrConsent, func(t *testing.T, e *ledger.ProofEntry) {
			mustSign(t, e.SignConsent(ledgertest.Key(issuer)))
		}),
	}
}

func releaseRefusals() []refusal {
	release := func(name string, after int, want error, key string, change func(*ledger.ReleaseEntry)) refusal {
		return refusal{name: "release: " + name, after: after, want: want, first: 7, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := *log[7].Entry.(*ledger.ReleaseEntry)
			change(&e)
			mustSign(t, e.Sign(ledgertest.Key(key)))
			return &e
		}}
	}
	return []refusal{
		release("by another key", 7, ledger.ErrRelease, "release lease", func(e *ledger.ReleaseEntry) {}),
		release("another log's", 7, ledger.ErrForeign, "release loan", func(e *ledger.ReleaseEntry) { e.Origin = "elsewhere.test/log" }),
		release("of what is no pledge", 7, ledger.ErrUnknown, "release loan", func(e *ledger.ReleaseEntry) { e.Pledge = 4 }),
		release("of what is not there yet", 5, ledger.ErrUnknown, "release loan", func(e *ledger.ReleaseEntry) {}),
		release("of another pledge", 7, ledger.ErrRelease, "release loan", func(e *ledger.ReleaseEntry) { e.Pledge = 6 }),
		release("another leaf", 7, ledger.ErrRelease, "release loan", func(e *ledger.ReleaseEntry) { e.Leaf = ledgertest.Digest("x") }),
		release("another nullifier", 7, ledger.ErrRelease, "release loan", func(e *ledger.ReleaseEntry) { e.Nullifier = ledgertest.Element("x") }),
		release("another registry", 7, ledger.ErrRelease, "release loan", func(e *ledger.ReleaseEntry) { e.Registry = "elsewhere" }),
		release("twice", 8, ledger.ErrDuplicate, "release loan", func(e *ledger.ReleaseEntry) {}),
		release("twice, the record pledged again", 9, ledger.ErrDuplicate, "release loan", func(e *ledger.ReleaseEntry) {}),
		{name: "forced release: by the release key", after: 7, want: ledger.ErrRelease, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := ledgertest.ForcedReleaseEntry(t, proofOf(log, 5), 5)
			mustSign(t, e.Sign(ledgertest.Key("release loan")))
			return e
		}},
		{name: "forced release: scope without recovery", after: 7, want: ledger.ErrRelease, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return ledgertest.ForcedReleaseEntry(t, proofOf(log, 6), 6)
		}},
		{name: "forced release: of another pledge", after: 7, want: ledger.ErrRelease, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := ledgertest.ForcedReleaseEntry(t, proofOf(log, 5), 5)
			e.Pledge = canon.Uint64(6)
			mustSign(t, e.Sign(ledgertest.Key("recovery")))
			return e
		}},
		{name: "forced release: another log's", after: 7, want: ledger.ErrForeign, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			e := ledgertest.ForcedReleaseEntry(t, proofOf(log, 5), 5)
			e.Origin = "elsewhere.test/log"
			mustSign(t, e.Sign(ledgertest.Key("recovery")))
			return e
		}},
	}
}
