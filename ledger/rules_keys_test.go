package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// replayKeys applies the tests' log and the first n of the entries of keys.
func replayKeys(t *testing.T, n int) (*ledger.MemoryState, []ledgertest.Named) {
	t.Helper()
	log := slices.Concat(ledgertest.Log(t), ledgertest.Keys(t)[:n])
	st := ledger.NewMemoryState()
	for i, e := range log {
		accept(t, st, uint64(i), e.Entry)
	}
	return st, log
}

func accept(t *testing.T, st ledger.State, index uint64, e ledger.Entry) {
	t.Helper()
	if err := ledgertest.Rules().Apply(st, index, ledgertest.Marshal(t, e)); err != nil {
		t.Fatalf("entry %d, %s: %v", index, e.Type(), err)
	}
}

func at(n uint64) *uint64 { return &n }

func TestKeysAreAccepted(t *testing.T) {
	st, _ := replayKeys(t, 4)
	view := ledger.View{State: st}
	first, next := ledgertest.PublicKey("issuer"), ledgertest.PublicKey("next issuer")
	want := []ledger.KeySpan{
		{Key: first, From: 0, Until: at(11), Revoked: at(11), RevokedBy: 12},
		{Key: next, From: 11, Previous: &first},
	}
	if got, err := view.IssuerKeys(registry); err != nil || !cmp.Equal(got, want) {
		t.Errorf("issuers: %v", cmp.Diff(got, want))
	}
	log, nextLog := ledgertest.PublicKey("log"), ledgertest.PublicKey("next log")
	want = []ledger.KeySpan{{Key: log, Until: at(14)}, {Key: nextLog, From: 14, Previous: &log}}
	if got, err := view.LogKeys(); err != nil || !cmp.Equal(got, want) {
		t.Errorf("log keys: %v", cmp.Diff(got, want))
	}
	circuit := ledgertest.CircuitEntry("present")
	if got, err := view.Sunset(circuit.Circuit, circuit.VKHash()); err != nil || got == nil || *got != 13 {
		t.Errorf("sunset: %v, %v", got, err)
	}
	if got, err := view.Pledge(8); err != nil || !got.Forced {
		t.Errorf("a forced release: %+v, %v", got, err)
	}
	if _, err := view.IssuerKeys("elsewhere"); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("issuers of an unknown registry: %v", err)
	}
}

func TestKeySpanEnd(t *testing.T) {
	for _, tt := range []struct{ until, revoked, want *uint64 }{
		{nil, nil, nil}, {at(5), nil, at(5)}, {nil, at(3), at(3)}, {at(5), at(3), at(3)}, {at(3), at(5), at(3)},
	} {
		if got := (ledger.KeySpan{Until: tt.until, Revoked: tt.revoked}).End(); !cmp.Equal(got, tt.want) {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// keyRefusal is one attack: after the log and the first `after` entries of keys, the
// entry is refused with want. Where it is a duplicate, first is of what.
type keyRefusal struct {
	name  string
	after int
	make  func(t *testing.T, log []ledgertest.Named) ledger.Entry
	want  error
	first uint64
}

func TestKeyRulesRefuse(t *testing.T) {
	for _, tt := range slices.Concat(rotationRefusals(), revocationRefusals(), sunsetRefusals(), afterwardsRefusals()) {
		t.Run(tt.name, func(t *testing.T) {
			st, log := replayKeys(t, tt.after)
			before := dump(st)
			err := ledgertest.Rules().Apply(st, uint64(len(log)), ledgertest.Marshal(t, tt.make(t, log)))
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

func rotationRefusals() []keyRefusal {
	rotate := func(name string, after int, want error, registry, from, to string, change func(t *testing.T, e *ledger.KeyRotationEntry)) keyRefusal {
		return keyRefusal{name: "rotation: " + name, after: after, want: want, make: func(t *testing.T, _ []ledgertest.Named) ledger.Entry {
			e := ledgertest.Rotation(t, registry, from, to)
			if change != nil {
				change(t, e)
			}
			return e
		}}
	}
	again := func(name string, after int, first uint64, registry, from, to string) keyRefusal {
		r := rotate(name, after, ledger.ErrDuplicate, registry, from, to, nil)
		r.first = first
		return r
	}
	foreign := func(t *testing.T, e *ledger.KeyRotationEntry) {
		e.Origin = "elsewhere.test/log"
		mustSign(t, e.Sign(ledgertest.Key("issuer"), ledgertest.Key("next issuer")))
	}
	return []keyRefusal{
		rotate("another log's", 0, ledger.ErrForeign, registry, "issuer", "next issuer", foreign),
		rotate("unknown registry", 0, ledger.ErrUnknown, "elsewhere", "issuer", "next issuer", nil),
		rotate("by somebody else", 0, ledger.ErrRotation, registry, "intruder", "intruder's next", nil),
		rotate("of the log by somebody else", 0, ledger.ErrRotation, "", "intruder", "intruder's next", nil),
		rotate("of the log by an issuer", 0, ledger.ErrRotation, "", "issuer", "next log", nil),
		rotate("of an issuer by the log", 0, ledger.ErrRotation, registry, "log", "next issuer", nil),
		rotate("by the replaced key", 1, ledger.ErrRotation, registry, "issuer", "another issuer", nil),
		rotate("back to the replaced key", 1, ledger.ErrRotation, registry, "next issuer", "issuer", nil),
		rotate("of the log back to its first key", 4, ledger.ErrRotation, "", "next log", "log", nil),
		rotate("of the log to a key that was revoked as an issuer's", 2, ledger.ErrRevoked, "", "log", "issuer", nil),
		again("twice", 1, 11, registry, "issuer", "next issuer"),
		again("of the log twice", 4, 14, "", "log", "next log"),
		rotate("not signed by the old key", 0, ledger.ErrBadSignature, registry, "issuer", "next issuer", func(t *testing.T, e *ledger.KeyRotationEntry) {
			e.SignatureOld = e.SignatureNew
		}),
		rotate("not signed by the new key", 0, ledger.ErrBadSignature, registry, "issuer", "next issuer", func(t *testing.T, e *ledger.KeyRotationEntry) {
			e.SignatureNew = e.SignatureOld
		}),
		rotate("of another registry's signatures", 0, ledger.ErrBadSignature, registry, "issuer", "next issuer", func(t *testing.T, e *ledger.KeyRotationEntry) {
			other := ledgertest.Rotation(t, "elsewhere", "issuer", "next issuer")
			e.SignatureOld, e.SignatureNew = other.SignatureOld, other.SignatureNew
		}),
		rotate("of an issuer's signatures for the log", 0, ledger.ErrBadSignature, "", "log", "next log", func(t *testing.T, e *ledger.KeyRotationEntry) {
			other := ledgertest.Rotation(t, registry, "log", "next log")
			e.SignatureOld, e.SignatureNew = other.SignatureOld, other.SignatureNew
		}),
	}
}

func revocationRefusals() []keyRefusal {
	revoke := func(name string, after int, want error, registry, key string, from uint64, signer string) keyRefusal {
		return keyRefusal{name: "revocation: " + name, after: after, want: want, first: 12, make: func(t *testing.T, _ []ledgertest.Named) ledger.Entry {
			return ledgertest.Revocation(t, registry, key, from, signer)
		}}
	}
	return []keyRefusal{
		revoke("by the issuer itself", 1, ledger.ErrLogKey, registry, "issuer", 11, "issuer"),
		revoke("by the issuer's next key", 1, ledger.ErrLogKey, registry, "issuer", 11, "next issuer"),
		revoke("by the log's next key", 1, ledger.ErrLogKey, registry, "issuer", 11, "next log"),
		revoke("by the log's former key", 4, ledger.ErrLogKey, registry, "next issuer", 12, "log"),
		revoke("of a key that nobody had", 1, ledger.ErrUnknown, registry, "intruder", 5, "log"),
		revoke("of an issuer of another registry", 1, ledger.ErrUnknown, "elsewhere", "issuer", 5, "log"),
		revoke("of an issuer's key as the log's", 1, ledger.ErrUnknown, "", "issuer", 5, "log"),
		revoke("of the log's present key by itself", 0, ledger.ErrConflict, "", "log", 5, "log"),
		revoke("of the log's present key after a rotation", 4, ledger.ErrConflict, "", "next log", 15, "next log"),
		revoke("of the log's former key from its beginning", 4, ledger.ErrConflict, "", "log", 0, "next log"),
		revoke("from what brought the key", 0, ledger.ErrConflict, registry, "issuer", 0, "log"),
		revoke("from the rotation that brought the key", 1, ledger.ErrConflict, registry, "next issuer", 11, "log"),
		revoke("from the future", 1, ledger.ErrConflict, registry, "issuer", 13, "log"),
		revoke("twice", 2, ledger.ErrDuplicate, registry, "issuer", 11, "log"),
		revoke("twice, from later", 2, ledger.ErrDuplicate, registry, "issuer", 12, "log"),
		{name: "revocation: another log's", after: 1, want: ledger.ErrForeign, make: func(t *testing.T, _ []ledgertest.Named) ledger.Entry {
			e := ledgertest.Revocation(t, registry, "issuer", 11, "log")
			e.Origin = "elsewhere.test/log"
			mustSign(t, e.Sign(ledgertest.Key("log")))
			return e
		}},
		{name: "revocation: signature of another index", after: 1, want: ledger.ErrLogKey, make: func(t *testing.T, _ []ledgertest.Named) ledger.Entry {
			e := ledgertest.Revocation(t, registry, "issuer", 11, "log")
			e.From = 1
			return e
		}},
	}
}

func sunsetRefusals() []keyRefusal {
	sunset := func(name string, after int, want error, circuit, signer string) keyRefusal {
		return keyRefusal{name: "sunset: " + name, after: after, want: want, first: 13, make: func(t *testing.T, _ []ledgertest.Named) ledger.Entry {
			return ledgertest.Sunset(t, ledgertest.CircuitEntry(circuit), signer)
		}}
	}
	return []keyRefusal{
		sunset("unknown circuit", 0, ledger.ErrUnknown, "absent", "log"),
		sunset("by an issuer", 0, ledger.ErrLogKey, "present", "issuer"),
		sunset("by the log's next key", 0, ledger.ErrLogKey, "present", "next log"),
		sunset("twice", 3, ledger.ErrDuplicate, "present", "log"),
		sunset("twice, by the log's former key", 4, ledger.ErrDuplicate, "present", "log"),
		{name: "sunset: of another verifying key", after: 0, want: ledger.ErrUnknown, make: func(t *testing.T, _ []ledgertest.Named) ledger.Entry {
			e := ledgertest.Sunset(t, ledgertest.CircuitEntry("present"), "log")
			e.VK = ledgertest.Digest("another key")
			mustSign(t, e.Sign(ledgertest.Key("log")))
			return e
		}},
		{name: "sunset: another log's", after: 0, want: ledger.ErrForeign, make: func(t *testing.T, _ []ledgertest.Named) ledger.Entry {
			e := ledgertest.Sunset(t, ledgertest.CircuitEntry("present"), "log")
			e.Origin = "elsewhere.test/log"
			mustSign(t, e.Sign(ledgertest.Key("log")))
			return e
		}},
	}
}

// afterwardsRefusals: what the old key and the old circuit can no longer do.
func afterwardsRefusals() []keyRefusal {
	schema := func(log []ledgertest.Named) *ledger.SchemaEntry { return log[10].Entry.(*ledger.SchemaEntry) }
	epoch := func(t *testing.T, log []ledgertest.Named, key string) *ledger.EpochEntry {
		return ledgertest.EpochEntry(t, schema(log), epochOf(log, 3), key)
	}
	return []keyRefusal{
		{name: "epoch by the replaced issuer", after: 1, want: ledger.ErrIssuer, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return epoch(t, log, "issuer")
		}},
		{name: "epoch by the next issuer before the rotation", after: 0, want: ledger.ErrIssuer, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return epoch(t, log, "next issuer")
		}},
		{name: "schema by the replaced issuer", after: 1, want: ledger.ErrIssuer, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return nextSchema(t, log, "issuer")
		}},
		{name: "consent by the replaced issuer", after: 1, want: ledger.ErrConsent, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return ledgertest.PledgeEntry(t, ledgertest.CircuitEntry("present"), epochOf(log, 3), ledgertest.ScopeIssuer, "LC-00007", "q", "issuer")
		}},
		{name: "proof under a circuit that is sunset", after: 3, want: ledger.ErrSunset, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return ledgertest.ProofEntry(t, ledgertest.CircuitEntry("present"), epochOf(log, 3), "late")
		}},
		{name: "the circuit of a sunset again", after: 3, want: ledger.ErrDuplicate, first: 1, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return ledgertest.CircuitEntry("present")
		}},
		{name: "a new registry by a revoked issuer", after: 2, want: ledger.ErrRevoked, make: func(t *testing.T, log []ledgertest.Named) ledger.Entry {
			return ledgertest.SchemaEntry(t, "elsewhere", "issuer")
		}},
	}
}

// nextSchema gives a schema that replaces the log's second one.
func nextSchema(t *testing.T, log []ledgertest.Named, key string) *ledger.SchemaEntry {
	t.Helper()
	e := *log[10].Entry.(*ledger.SchemaEntry)
	identity := ledgertest.Identity(t, &e)
	e.Previous = &identity
	mustSign(t, e.Sign(ledgertest.Key(key)))
	return &e
}

// The next issuer carries on where the first one ended.
func TestNextIssuerSigns(t *testing.T) {
	st, log := replayKeys(t, 1)
	schema := nextSchema(t, log, "next issuer")
	accept(t, st, 12, schema)
	epoch := ledgertest.EpochEntry(t, schema, epochOf(log, 3), "next issuer")
	accept(t, st, 13, epoch)
	accept(t, st, 14, ledgertest.PledgeEntry(t, ledgertest.CircuitEntry("present"), epoch, ledgertest.ScopeIssuer, "LC-00007", "q", "next issuer"))
	accept(t, st, 15, ledgertest.ProofEntry(t, ledgertest.CircuitEntry("present"), epochOf(log, 2), "on an epoch of the replaced issuer"))
	accept(t, st, 16, ledgertest.Rotation(t, registry, "next issuer", "third issuer"))
}

// A revocation from an index in the past: epochs from there on carry no new proof,
// the chain goes on from them under another key and schema, and pledges live on.
func TestRevocationFromThePast(t *testing.T) {
	st, log := replayKeys(t, 1)
	circuit := ledgertest.CircuitEntry("present")
	accept(t, st, 12, ledgertest.Revocation(t, registry, "issuer", 3, "log"))
	view := ledger.View{State: st}
	if got, err := view.Pledge(6); err != nil || !got.Live {
		t.Errorf("the pledge on an epoch that does not count: %+v, %v; want it live", got, err)
	}
	refused := func(name string, e ledger.Entry, want error) {
		t.Helper()
		if err := ledgertest.Rules().Apply(st, 13, ledgertest.Marshal(t, e)); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", name, err, want)
		}
	}
	refused("a proof on the epoch of the index", ledgertest.ProofEntry(t, circuit, epochOf(log, 3), "new"), ledger.ErrRevoked)
	refused("a pledge on it", ledgertest.PledgeEntry(t, circuit, epochOf(log, 3), ledgertest.ScopeHolder, "LC-00007", "q", ""), ledger.ErrRevoked)
	present := log[10].Entry.(*ledger.SchemaEntry)
	refused("an epoch under a schema that does not count", ledgertest.EpochEntry(t, present, epochOf(log, 3), "next issuer"), ledger.ErrRevoked)
	accept(t, st, 13, ledgertest.ProofEntry(t, circuit, epochOf(log, 2), "on the epoch before"))
	schema := nextSchema(t, log, "next issuer")
	accept(t, st, 14, schema)
	third := ledgertest.EpochEntry(t, schema, epochOf(log, 3), "next issuer")
	accept(t, st, 15, third)
	held := ledgertest.PledgeEntry(t, circuit, third, ledgertest.ScopeHolder, "LC-00042", "the same record", "")
	if err := ledgertest.Rules().Apply(st, 16, ledgertest.Marshal(t, held)); !errors.Is(err, ledger.ErrPledged) {
		t.Errorf("the record pledged again: %v; want ErrPledged", err)
	}
	accept(t, st, 16, ledgertest.ReleaseEntry(t, proofOf(log, 6), 6, "lease"))
	accept(t, st, 17, held)
	// The theft turns out to be earlier: a revocation may only reach further back.
	accept(t, st, 18, ledgertest.Revocation(t, registry, "issuer", 2, "log"))
	if err := ledgertest.Rules().Apply(st, 19, ledgertest.Marshal(t, ledgertest.ProofEntry(t, circuit, epochOf(log, 2), "late"))); !errors.Is(err, ledger.ErrRevoked) {
		t.Errorf("a proof on the earlier epoch: %v; want ErrRevoked", err)
	}
}

// Revoking an issuer's present key closes the registry: releases are all that is left.
func TestRevocationOfThePresentIssuer(t *testing.T) {
	st, log := replayKeys(t, 0)
	accept(t, st, 11, ledgertest.Revocation(t, registry, "issuer", 11, "log"))
	circuit, schema := ledgertest.CircuitEntry("present"), log[10].Entry.(*ledger.SchemaEntry)
	for name, e := range map[string]ledger.Entry{
		"epoch":    ledgertest.EpochEntry(t, schema, epochOf(log, 3), "issuer"),
		"schema":   nextSchema(t, log, "issuer"),
		"rotation": ledgertest.Rotation(t, registry, "issuer", "next issuer"),
		"pledge":   ledgertest.PledgeEntry(t, circuit, epochOf(log, 3), ledgertest.ScopeIssuer, "LC-00007", "q", "issuer"),
	} {
		if err := ledgertest.Rules().Apply(st, 12, ledgertest.Marshal(t, e)); !errors.Is(err, ledger.ErrRevoked) {
			t.Errorf("%s: %v; want ErrRevoked", name, err)
		}
	}
	accept(t, st, 12, ledgertest.ProofEntry(t, circuit, epochOf(log, 3), "on an epoch that counts"))
	accept(t, st, 13, ledgertest.ReleaseEntry(t, proofOf(log, 6), 6, "lease"))
}

// A former key of the log can be revoked, from an index at which it was in force too.
func TestRevocationOfAFormerLogKey(t *testing.T) {
	st, _ := replayKeys(t, 4)
	accept(t, st, 15, ledgertest.Revocation(t, "", "log", 5, "next log"))
	keys, err := (ledger.View{State: st}).LogKeys()
	if err != nil || *keys[0].End() != 5 || keys[1].End() != nil {
		t.Errorf("%+v, %v", keys, err)
	}
}

// Without the log's first key nothing that it signs is accepted; among several that
// it may be, the first that signs is it.
func TestFirstLogKey(t *testing.T) {
	st, _ := replayKeys(t, 1)
	rules := ledgertest.Rules()
	rules.LogKeys = nil
	sunset := ledgertest.Sunset(t, ledgertest.CircuitEntry("present"), "log")
	for _, e := range []ledger.Entry{
		sunset, ledgertest.Rotation(t, "", "log", "next log"), ledgertest.Revocation(t, registry, "issuer", 11, "log"),
	} {
		if err := rules.Apply(st, 12, ledgertest.Marshal(t, e)); !errors.Is(err, ledger.ErrLogKey) {
			t.Errorf("%s: %v; want ErrLogKey", e.Type(), err)
		}
	}
	rules.LogKeys = []ledger.PublicKey{ledgertest.PublicKey("other"), ledgertest.PublicKey("log")}
	if err := rules.Apply(st, 12, ledgertest.Marshal(t, sunset)); err != nil {
		t.Fatal(err)
	}
	if err := rules.Apply(st, 13, ledgertest.Marshal(t, ledgertest.Rotation(t, "", "other", "next log"))); !errors.Is(err, ledger.ErrRotation) {
		t.Errorf("the other key afterwards: %v; want ErrRotation", err)
	}
	if err := ledgertest.Rules().Apply(ledger.NewMemoryState(), 0, ledgertest.Marshal(t, ledgertest.Rotation(t, "", "log", "next log"))); !errors.Is(err, ledger.ErrRotation) {
		t.Errorf("a rotation as the first entry: %v; want ErrRotation", err)
	}
}

func TestLogVerifierKey(t *testing.T) {
	skey, vkey := ledgertest.LogKey(t)
	if private, err := ledger.LogPrivateKey(skey); err != nil || !private.Equal(ledgertest.Key("log")) {
		t.Errorf("the private key: %v", err)
	}
	if _, err := ledger.LogPrivateKey(skey + "x"); !errors.Is(err, ledger.ErrBadKey) || strings.Contains(err.Error(), skey[20:]) {
		t.Errorf("a bad private key: %v", err)
	}
	key, err := ledger.LogPublicKey(vkey)
	if err != nil || key != ledgertest.PublicKey("log") {
		t.Errorf("%v, %v", key, err)
	}
	if got, err := ledger.LogVerifierKey(ledgertest.Origin, key); err != nil || got != vkey {
		t.Errorf("%s, %v; want %s", got, err, vkey)
	}
	if _, err := ledger.LogPublicKey("x"); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("no key: %v", err)
	}
	if _, err := ledger.LogVerifierKey("a b", key); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("no origin: %v", err)
	}
}

// A derived registry rests on the epoch that it joins, too: a revocation in the joined
// registry ends proofs about it, and no later epoch joins what does not count.
func TestRevocationOfAJoinedIssuer(t *testing.T) {
	st := ledger.NewMemoryState()
	log := ledgertest.DerivedLog(t)
	for i, e := range log {
		accept(t, st, uint64(i), e.Entry)
	}
	circuit, deriving, third := ledgertest.CircuitEntry("present"), log[13].Entry.(*ledger.SchemaEntry), epochOf(log, 14)
	about := func(name, question string) *ledger.ProofEntry {
		e := ledgertest.ProofEntry(t, circuit, third, question)
		e.Public.Registry, e.Root = name, third.Derived[name]
		ledgertest.Prove(t, e)
		return e
	}
	accept(t, st, 15, about("encumbered", "before"))
	accept(t, st, 16, ledgertest.Rotation(t, "lucas-liens", "issuer", "next issuer"))
	accept(t, st, 17, ledgertest.Revocation(t, "lucas-liens", "issuer", 12, "log"))
	refused := func(name string, e ledger.Entry, want error) {
		t.Helper()
		if err := ledgertest.Rules().Apply(st, 18, ledgertest.Marshal(t, e)); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", name, err, want)
		}
	}
	refused("what joins the epoch", about("encumbered", "after"), ledger.ErrRevoked)
	fourth := ledgertest.EpochEntry(t, deriving, third, "issuer")
	fourth.Derived, fourth.Joins = third.Derived, third.Joins
	mustSign(t, fourth.Sign(ledgertest.Key("issuer")))
	refused("an epoch that joins it", fourth, ledger.ErrRevoked)
	refused("a rotation of a derived registry's issuer", ledgertest.Rotation(t, "encumbered", "issuer", "next issuer"), ledger.ErrUnknown)
	accept(t, st, 18, about("owners", "which joins nothing"))
	view := ledger.View{State: st}
	source, err := view.IssuerKeys(registry)
	if derived, derivedErr := view.IssuerKeys("owners"); err != nil || derivedErr != nil || !cmp.Equal(source, derived) {
		t.Errorf("the issuers of a derived registry: %+v, %v", derived, derivedErr)
	}
}
