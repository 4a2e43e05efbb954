package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
	"github.com/attestry/attestry/statement"
)

// Entries of the tests' log by their names.
const (
	atLienSchema = iota + 11
	atLienEpoch
	atDeriving
	atDerivedEpoch
)

// replayDerived is replay of the log with derived registries.
func replayDerived(t *testing.T, n int) (*ledger.MemoryState, []ledgertest.Named) {
	t.Helper()
	st := ledger.NewMemoryState()
	log := ledgertest.DerivedLog(t)
	for i, e := range log[:n] {
		if err := ledgertest.Rules().Apply(st, uint64(i), ledgertest.Marshal(t, e.Entry)); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
	}
	return st, log
}

func signed[E ledger.Entry](t *testing.T, e E, sign func(E) error) E {
	t.Helper()
	if err := sign(e); err != nil {
		t.Fatal(err)
	}
	return e
}

// derivedEpoch gives the log's epoch with derived registries, changed and signed anew.
func derivedEpoch(t *testing.T, log []ledgertest.Named, change func(*ledger.EpochEntry)) ledger.Entry {
	e := *log[atDerivedEpoch].Entry.(*ledger.EpochEntry)
	derived, joins := map[string]statement.Element{}, map[string]statement.Digest{}
	for name, root := range e.Derived {
		derived[name] = root
	}
	for name, identity := range e.Joins {
		joins[name] = identity
	}
	e.Derived, e.Joins = derived, joins
	change(&e)
	return signed(t, &e, func(e *ledger.EpochEntry) error { return e.Sign(ledgertest.Key(issuer)) })
}

// derivingSchema gives the log's schema with derived registries, changed and signed anew.
func derivingSchema(t *testing.T, log []ledgertest.Named, change func(*ledger.SchemaEntry)) ledger.Entry {
	e := *log[atDeriving].Entry.(*ledger.SchemaEntry)
	e.Schema.Derived = slices.Clone(e.Schema.Derived)
	change(&e)
	return signed(t, &e, func(e *ledger.SchemaEntry) error { return e.Sign(ledgertest.Key(issuer)) })
}

func TestDerivedRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		after int
		make  func(log []ledgertest.Named) ledger.Entry
		want  error
	}{
		{"a derived root left out", atDerivedEpoch, func(log []ledgertest.Named) ledger.Entry {
			return derivedEpoch(t, log, func(e *ledger.EpochEntry) { delete(e.Derived, "owners") })
		}, ledger.ErrConflict},
		{"a derived root of another name", atDerivedEpoch, func(log []ledgertest.Named) ledger.Entry {
			return derivedEpoch(t, log, func(e *ledger.EpochEntry) {
				delete(e.Derived, "owners")
				e.Derived["others"] = ledgertest.Element("x")
			})
		}, ledger.ErrConflict},
		{"no joined epoch", atDerivedEpoch, func(log []ledgertest.Named) ledger.Entry {
			return derivedEpoch(t, log, func(e *ledger.EpochEntry) { e.Joins = nil })
		}, ledger.ErrConflict},
		{"an unknown joined epoch", atDerivedEpoch, func(log []ledgertest.Named) ledger.Entry {
			return derivedEpoch(t, log, func(e *ledger.EpochEntry) { e.Joins["lucas-liens"] = ledgertest.Digest("x") })
		}, ledger.ErrEpochChain},
		{"the joined registry under another name", atDerivedEpoch, func(log []ledgertest.Named) ledger.Entry {
			return derivedEpoch(t, log, func(e *ledger.EpochEntry) {
				e.Joins = map[string]statement.Digest{registry: ledgertest.Identity(t, log[3].Entry.(*ledger.EpochEntry))}
			})
		}, ledger.ErrConflict},
		{"a schema that takes a known registry's name", atDeriving, func(log []ledgertest.Named) ledger.Entry {
			return derivingSchema(t, log, func(e *ledger.SchemaEntry) { e.Schema.Derived[0].Registry = "lucas-liens-2" })
		}, nil},
		{"a derived registry named like another registry", atDeriving, func(log []ledgertest.Named) ledger.Entry {
			return derivingSchema(t, log, func(e *ledger.SchemaEntry) {
				e.Schema.Derived = e.Schema.Derived[:1]
				e.Schema.Derived[0].Registry = "lucas-liens"
			})
		}, ledger.ErrConflict},
		{"a registry named like a derived one", atDerivedEpoch + 1, func([]ledgertest.Named) ledger.Entry {
			return ledgertest.SchemaEntry(t, "owners", issuer)
		}, ledger.ErrConflict},
		{"a definition dropped", atDerivedEpoch + 1, func(log []ledgertest.Named) ledger.Entry {
			identity := ledgertest.Identity(t, log[atDeriving].Entry.(*ledger.SchemaEntry))
			return derivingSchema(t, log, func(e *ledger.SchemaEntry) {
				e.Previous, e.Schema.Derived = &identity, e.Schema.Derived[1:]
			})
		}, ledger.ErrConflict},
		{"a definition changed", atDerivedEpoch + 1, func(log []ledgertest.Named) ledger.Entry {
			identity := ledgertest.Identity(t, log[atDeriving].Entry.(*ledger.SchemaEntry))
			return derivingSchema(t, log, func(e *ledger.SchemaEntry) {
				e.Previous = &identity
				attributes := slices.Clone(e.Schema.Derived[0].Attributes)
				attributes[1].Compute = statement.Max
				e.Schema.Derived[0].Attributes = attributes
			})
		}, ledger.ErrConflict},
		{"a proof of a derived registry", atDerivedEpoch + 1, func(log []ledgertest.Named) ledger.Entry {
			return derivedProof(t, log, "owners", "root of owners")
		}, nil},
		{"a proof of one under another's root", atDerivedEpoch + 1, func(log []ledgertest.Named) ledger.Entry {
			return derivedProof(t, log, "owners", "root of encumbered")
		}, ledger.ErrWrongRoot},
		{"a proof of what the epoch does not derive", atDerivedEpoch + 1, func(log []ledgertest.Named) ledger.Entry {
			return derivedProof(t, log, "lucas-liens", "root of owners")
		}, ledger.ErrConflict},
		{"a pledge of a derived record", atDerivedEpoch + 1, func(log []ledgertest.Named) ledger.Entry {
			e := ledgertest.PledgeEntry(t, log[1].Entry.(*ledger.CircuitEntry), log[atDerivedEpoch].Entry.(*ledger.EpochEntry), ledgertest.ScopeIssuer, "o", "q", issuer)
			e.Public.Registry, e.Root = "owners", ledgertest.Element("root of owners")
			if err := e.SignConsent(ledgertest.Key(issuer)); err != nil {
				t.Fatal(err)
			}
			ledgertest.Prove(t, e)
			return e
		}, ledger.ErrConflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			st, log := replayDerived(t, c.after)
			before := dump(st)
			err := ledgertest.Rules().Apply(st, uint64(c.after), ledgertest.Marshal(t, c.make(log)))
			if !errors.Is(err, c.want) {
				t.Fatalf("%v; want %v", err, c.want)
			}
			if c.want != nil && !bytes.Equal(before, dump(st)) {
				t.Error("the refusal changed the state")
			}
		})
	}
}

func derivedProof(t *testing.T, log []ledgertest.Named, registry, root string) ledger.Entry {
	e := ledgertest.ProofEntry(t, log[1].Entry.(*ledger.CircuitEntry), log[atDerivedEpoch].Entry.(*ledger.EpochEntry), "q")
	e.Public.Registry, e.Root = registry, ledgertest.Element(root)
	ledgertest.Prove(t, e)
	return e
}

// An epoch must join the latest epoch of the other registry, not one that hides what
// came since.
func TestJoinOfAnOldEpoch(t *testing.T) {
	st, log := replayDerived(t, atDerivedEpoch)
	newer := ledgertest.EpochEntry(t, log[atLienSchema].Entry.(*ledger.SchemaEntry), log[atLienEpoch].Entry.(*ledger.EpochEntry), issuer)
	if err := ledgertest.Rules().Apply(st, atDerivedEpoch, ledgertest.Marshal(t, newer)); err != nil {
		t.Fatal(err)
	}
	err := ledgertest.Rules().Apply(st, atDerivedEpoch+1, ledgertest.Marshal(t, log[atDerivedEpoch].Entry))
	if !errors.Is(err, ledger.ErrEpochChain) {
		t.Errorf("an epoch of the liens that is not their latest: %v", err)
	}
}

func TestViewOfDerived(t *testing.T) {
	st, log := replayDerived(t, atDerivedEpoch+1)
	v := ledger.View{State: st}
	if source, err := v.Source("owners"); err != nil || source != registry {
		t.Errorf("source %q, %v", source, err)
	}
	ref, err := v.LatestEpoch("owners")
	if err != nil || ref.Index != atDerivedEpoch || ref.Identity != ledgertest.Identity(t, log[atDerivedEpoch].Entry.(*ledger.EpochEntry)) {
		t.Errorf("latest epoch %+v, %v", ref, err)
	}
	if ref, err := v.EpochNumber("encumbered", 3); err != nil || ref.Index != atDerivedEpoch {
		t.Errorf("epoch 3: %+v, %v", ref, err)
	}
}

// A replayer that has pinned a derived registry's issuer takes its name from nobody else.
func TestPinnedIssuerOfDerived(t *testing.T) {
	for pinned, want := range map[string]error{issuer: nil, "the true issuer": ledger.ErrIssuer} {
		st, log := replayDerived(t, atDeriving)
		rules := ledgertest.Rules()
		rules.Issuers = map[string]ledger.IssuerKey{"owners": ledgertest.PublicKey(pinned)}
		if err := rules.Apply(st, atDeriving, ledgertest.Marshal(t, log[atDeriving].Entry)); !errors.Is(err, want) {
			t.Errorf("owners pinned to %q: %v, want %v", pinned, err, want)
		}
	}
	// A name that the log has follows its source's keys, from the pinned one to the present one.
	st, log := replayDerived(t, atDerivedEpoch+1)
	rules := ledgertest.Rules()
	rules.Issuers = map[string]ledger.IssuerKey{"owners": ledgertest.PublicKey("a former issuer")}
	identity := ledgertest.Identity(t, log[atDeriving].Entry.(*ledger.SchemaEntry))
	later := derivingSchema(t, log, func(e *ledger.SchemaEntry) { e.Previous = &identity })
	if err := rules.Apply(st, atDerivedEpoch+1, ledgertest.Marshal(t, later)); err != nil {
		t.Errorf("a later schema: %v", err)
	}
}
