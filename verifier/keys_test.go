package verifier

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// rotateIssuer appends a rotation to a new key, which signs from now on.
func (w *world) rotateIssuer() uint64 {
	w.t.Helper()
	_, next, err := ed25519.GenerateKey(nil)
	w.sign(err)
	e := &ledger.KeyRotationEntry{Origin: w.origin, Role: ledger.RoleIssuer, Registry: w.schema.Registry}
	w.sign(e.Sign(w.issuer, next))
	w.issuer = next
	return w.add(e)
}

// rotateLog appends a rotation of the log's key. What trust pins stays the first one.
func (w *world) rotateLog() uint64 {
	w.t.Helper()
	skey, _, err := ledger.NewLogKey(w.origin)
	w.sign(err)
	next := ensure[ed25519.PrivateKey](w.t)(ledger.LogPrivateKey(skey))
	e := &ledger.KeyRotationEntry{Origin: w.origin, Role: ledger.RoleLog}
	w.sign(e.Sign(w.logKey, next))
	w.logKey, w.signer = next, ensure[note.Signer](w.t)(note.NewSigner(skey))
	return w.add(e)
}

func (w *world) revoke(registry string, key ed25519.PrivateKey, from uint64) uint64 {
	w.t.Helper()
	e := &ledger.RevocationEntry{Origin: w.origin, Role: ledger.RoleIssuer, Registry: registry, From: canon.Uint64(from)}
	if registry == "" {
		e.Role = ledger.RoleLog
	}
	e.Key = ensure[ledger.PublicKey](w.t)(ledger.PublicKeyOf(key))
	w.sign(e.Sign(w.logKey))
	return w.add(e)
}

func (w *world) sunset() uint64 {
	w.t.Helper()
	e := &ledger.SunsetEntry{Origin: w.origin, Circuit: w.circuit.Circuit, VK: w.circuit.VKHash()}
	w.sign(e.Sign(w.logKey))
	return w.add(e)
}

// audited gives what an audit under a trust file finds, which must be no problem.
func (w *world) audited(trust *Trust) (*Report, *AuditedLog) {
	w.t.Helper()
	report, log, err := AuditLog(w.t.Context(), w.export(), trust, nil)
	if err != nil || log == nil {
		w.t.Fatalf("%v %+v", err, report)
	}
	return report, log
}

// updated follows the log from a trust file. It follows it once: the log says nothing
// more to who has the new file, and an audit under that holds, too.
func (w *world) updated(trust *Trust) *Trust {
	w.t.Helper()
	_, log := w.audited(trust)
	next, _, err := log.Update(trust)
	w.sign(err)
	report, again := w.audited(next)
	same, changes, err := again.Update(next)
	w.sign(err)
	if len(changes)+len(report.Followed) > 0 || ensure[string](w.t)(same.Fingerprint()) != ensure[string](w.t)(next.Fingerprint()) {
		w.t.Errorf("followed twice: %q, %q", changes, report.Followed)
	}
	return ensure[*Trust](w.t)(ParseTrust(ensure[[]byte](w.t)(next.Marshal())))
}

// failing gives the checks that fail of a bundle.
func failing(t testing.TB, b *Bundle, trust *Trust, log *AuditedLog) (failed []string, v *Verdict) {
	t.Helper()
	v, err := Verify(b, Options{Trust: trust, At: testTime, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return outcomes(t, v), v
}

func wantFailing(t testing.TB, name string, b *Bundle, trust *Trust, log *AuditedLog, want ...string) *Verdict {
	t.Helper()
	failed, v := failing(t, b, trust, log)
	if !slices.Equal(failed, want) {
		t.Errorf("%s: %v failed, want %v\n%s", name, failed, want, v.Text())
	}
	return v
}

func wantObserved(t testing.TB, v *Verdict, check, text string) {
	t.Helper()
	if c := find(t, v, check); !strings.Contains(c.Observed, text) {
		t.Errorf("check %s: %q, want %q in it", check, c.Observed, text)
	}
}

// TestIssuerRotation: what the old key signed stays valid, what the new one signs is
// under a trust file that followed the log.
func TestIssuerRotation(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	pinned := w.trust()
	before, _ := w.bundle(flatRequest(t), tamper{})
	at := w.rotateIssuer()
	w.commit(testTime)
	after, _ := w.bundle(flatRequest(t, "once: mortgage"), tamper{})
	report, log := w.audited(pinned)
	if len(report.Followed) != 2 || !strings.Contains(strings.Join(report.Followed, "\n"), "handed over") {
		t.Errorf("followed: %q", report.Followed)
	}
	wantFailing(t, "before, old trust", before, pinned, nil)
	wantFailing(t, "before, with the log", before, pinned, log)
	v := wantFailing(t, "after, old trust", after, pinned, nil, CheckEpoch, CheckNullifier)
	wantObserved(t, v, CheckEpoch, "attestry trust update")
	wantFailing(t, "after, old trust with the log", after, pinned, log, CheckEpoch, CheckNullifier)
	trust := w.updated(pinned)
	wantFailing(t, "before, updated trust", before, trust, nil)
	wantFailing(t, "after, updated trust", after, trust, nil)
	if until := trust.Registries[0].Until; until == nil || uint64(*until) != at || uint64(*trust.Registries[1].From) != at {
		t.Errorf("windows %s and %s, want them to meet at %d", trust.Registries[0].Window, trust.Registries[1].Window, at)
	}
	if report, _ := w.audited(trust); len(report.Followed) != 0 {
		t.Errorf("followed under the updated trust file: %q", report.Followed)
	}
}

// TestReplacedIssuerSigns: a log that let the replaced key sign is refused, and so is a
// bundle from it, by the window.
func TestReplacedIssuerSigns(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	pinned, old := w.trust(), w.issuer
	at := w.rotateIssuer()
	trust := w.updated(pinned)
	w.issuer = old
	w.commit(testTime)
	b, _ := w.bundle(flatRequest(t), tamper{})
	v := wantFailing(t, "the replaced key", b, trust, nil, CheckEpoch)
	wantObserved(t, v, CheckEpoch, "outside the window of the issuer's key")
	report := auditExport(t, w, pinned, nil)
	if !slices.Contains(checks(report), AuditRules) || *report.Problems[0].Index != at+1 {
		t.Errorf("%v", report.Problems)
	}
}

// TestLogRotation: an export whose checkpoint the next key signed is accepted from
// the log's own evidence, and a bundle under the updated trust file.
func TestLogRotation(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	pinned := w.trust()
	before, _ := w.bundle(flatRequest(t), tamper{})
	at := w.rotateLog()
	after, _ := w.bundle(flatRequest(t), tamper{})
	report, log := w.audited(pinned)
	if len(report.Followed) != 2 {
		t.Errorf("followed: %q", report.Followed)
	}
	v := wantFailing(t, "after, old trust", after, pinned, nil, CheckCheckpoint, CheckCosignatures)
	wantObserved(t, v, CheckCheckpoint, "attestry trust update")
	wantFailing(t, "before, old trust with the log", before, pinned, log)
	trust := w.updated(pinned)
	wantFailing(t, "before, updated trust", before, trust, nil)
	wantFailing(t, "after, updated trust", after, trust, nil)
	if uint64(*trust.Logs[1].Until) != at || uint64(*trust.Logs[0].From) != at {
		t.Errorf("windows %s and %s, want them to meet at %d", trust.Logs[1].Window, trust.Logs[0].Window, at)
	}
	// The replaced key signs a checkpoint that the next one should have signed.
	first := w.signer
	w.rotateLog()
	trust = w.updated(trust)
	w.signer = first
	if report := auditExport(t, w, pinned, nil); !slices.Equal(checks(report), []string{AuditCheckpoint}) {
		t.Errorf("a checkpoint by the replaced key: %v", report.Problems)
	}
	late, _ := w.bundle(flatRequest(t), tamper{})
	wantFailing(t, "a bundle by the replaced key", late, trust, nil, CheckCheckpoint)
}

// TestLogRotationNotFollowed: a rotation that no pinned key signed leads nowhere.
func TestLogRotationNotFollowed(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	pinned := w.trust()
	thief := newWorld(t, w.origin, titleSchema())
	w.logKey = thief.logKey // who signs as the old key, and is not
	w.rotateLog()
	report := auditExport(t, w, pinned, nil)
	if got := checks(report); !slices.Equal(got, []string{AuditCheckpoint, AuditRules}) {
		t.Errorf("%v", report.Problems)
	}
	// The next key without any rotation.
	w = newWorld(t, "agency.example/log", titleSchema())
	pinned = w.trust()
	w.signer = thief.signer
	if report := auditExport(t, w, pinned, nil); !slices.Equal(checks(report), []string{AuditCheckpoint}) {
		t.Errorf("%v", report.Problems)
	}
	// A key that counts from an index on, by the trust file, and hands over after it.
	w = newWorld(t, "agency.example/log", titleSchema())
	pinned = w.trust()
	w.rotateLog()
	pinned.Logs[0].From = index(2)
	if report := auditExport(t, w, pinned, nil); !report.OK {
		t.Errorf("%v", report.Problems)
	}
	// Nobody pins the key that handed over, only the next one.
	pinned.Logs[0] = TrustedLog{Key: ensure[string](t)(ledger.LogVerifierKey(w.origin, ensure[ledger.PublicKey](t)(ledger.PublicKeyOf(w.logKey))))}
	if report := auditExport(t, w, pinned, nil); !slices.Equal(checks(report), []string{AuditRules}) {
		t.Errorf("%v", report.Problems)
	}
	// A key whose time the trust file ended before it handed over.
	w = newWorld(t, "agency.example/log", titleSchema())
	pinned = w.trust()
	w.rotateLog()
	w.rotateIssuer()
	w.commit(testTime)
	pinned.Logs[0].Until, pinned.Registries[0].Until = index(3), index(4)
	if report := auditExport(t, w, pinned, nil); !slices.Equal(checks(report), []string{AuditCheckpoint, AuditIssuer}) {
		t.Errorf("%v", report.Problems)
	}
}

// TestRevocation: from the index on nothing that the key signed counts, for whoever
// has the audited log or the updated trust file; the log itself still holds.
func TestRevocation(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	pinned, stolen := w.trust(), w.issuer
	good, _ := w.bundle(flatRequest(t), tamper{epoch: -1}) // on epoch 1, entry 2
	bad, _ := w.bundle(flatRequest(t), tamper{})           // on epoch 2, entry 3
	w.rotateIssuer()
	by := w.revoke(w.schema.Registry, stolen, 3)
	_, log := w.audited(pinned)
	wantFailing(t, "without the log", bad, pinned, nil)
	v := wantFailing(t, "with the log", bad, pinned, log, CheckEpoch)
	wantObserved(t, v, CheckEpoch, "revoked it from 3 on")
	wantFailing(t, "an epoch before, with the log", good, pinned, log)
	trust := w.updated(pinned)
	wantFailing(t, "updated trust", bad, trust, nil, CheckEpoch)
	wantFailing(t, "an epoch before, updated trust", good, trust, nil)
	if until := trust.Registries[0].Until; until == nil || *until != 3 {
		t.Errorf("window %s", trust.Registries[0].Window)
	}
	report, _ := w.audited(trust) // epoch 2 is in the log, by a key outside its window
	if len(report.Followed) != 0 {
		t.Errorf("followed: %q", report.Followed)
	}
	w.revoke(w.schema.Registry, stolen, 2)
	if again := w.updated(trust); *again.Registries[0].Until != 2 {
		t.Errorf("a revocation further back than %d: window %s", by, again.Registries[0].Window)
	}
	// An older export widens nothing.
	if same, changes, err := log.Update(trust); err != nil || len(changes) != 0 || *same.Registries[0].Until != 3 {
		t.Errorf("an older log: %v, %v", changes, err)
	}
}

// TestRevokedLogKey: checkpoints of a revoked key of the log no longer count from the
// index on, and those of its successor do.
func TestRevokedLogKey(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	pinned, stolen := w.trust(), w.logKey
	old, _ := w.bundle(flatRequest(t), tamper{}) // checkpoint of size 5
	w.rotateLog()
	w.revoke("", stolen, 2)
	next, _ := w.bundle(flatRequest(t), tamper{})
	_, log := w.audited(pinned)
	wantFailing(t, "with the log", old, pinned, log, CheckCheckpoint)
	trust := w.updated(pinned)
	wantFailing(t, "updated trust", old, trust, nil, CheckCheckpoint)
	wantFailing(t, "the next key", next, trust, nil)
	w.audited(trust)
}

// TestSunset: proofs before it stay valid, none after it, and none that was not logged.
func TestSunset(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	pinned := w.trust()
	before, _ := w.bundle(flatRequest(t), tamper{})
	unlogged, _ := w.bundle(flatRequest(t), tamper{unlogged: true})
	at := w.sunset()
	_, log := w.audited(pinned)
	trust := w.updated(pinned)
	if c := trust.Circuits[0]; c.Status != statusSunset || uint64(*c.Until) != at || c.Log != w.origin || len(trust.Circuits) != 1 {
		t.Errorf("%+v", trust.Circuits)
	}
	wantFailing(t, "before", before, pinned, log)
	wantFailing(t, "before, updated trust", before, trust, nil)
	v := wantFailing(t, "not logged", unlogged, pinned, log, CheckCircuit)
	wantObserved(t, v, CheckCircuit, "before the circuit's end")
	after, _ := w.bundle(flatRequest(t), tamper{}) // the rules would refuse it
	v = wantFailing(t, "after", after, pinned, log, CheckCircuit)
	wantObserved(t, v, CheckCircuit, "outside the circuit's window")
	wantFailing(t, "after, updated trust", after, trust, nil, CheckCircuit)
	if report := auditExport(t, w, pinned, nil); !slices.Contains(checks(report), AuditRules) {
		t.Errorf("a proof after the sunset: %v", report.Problems)
	}
}

// TestSunsetInOneOfTwoLogs: the circuit goes on in the other log, whose indexes have
// nothing to do with the sunset's.
func TestSunsetInOneOfTwoLogs(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	other := titleSchema()
	other.Registry = "liens"
	x := newWorld(t, "other.example/log", other)
	pinned := w.trust(x)
	w.sunset()
	for range 4 {
		x.commit(testTime)
	}
	trust := w.updated(pinned)
	late, _ := w.bundle(flatRequest(t), tamper{})
	b, _ := x.bundle(parseRequest(t, "registry: liens", "where: [assessed_value >= 200000]", "audience: bank-a"), tamper{})
	if len(trust.Circuits) != 2 {
		t.Fatalf("%d rows of circuits, want one for each log", len(trust.Circuits))
	}
	wantFailing(t, "the log of the sunset", late, trust, nil, CheckCircuit)
	wantFailing(t, "the other log", b, trust, nil)
	if joined, err := JoinTrust(trust, x.trust()); err != nil || len(joined.Circuits) != 2 {
		t.Errorf("joined: %v, %v", joined, err)
	}
}

func TestUpdateOfAnotherLog(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	_, log := w.audited(w.trust())
	x := newWorld(t, "other.example/log", titleSchema())
	if _, _, err := log.Update(x.trust()); !errors.Is(err, ErrBadTrust) {
		t.Errorf("%v; want ErrBadTrust", err)
	}
	trust := w.trust()
	next, changes, err := log.Update(trust)
	if err != nil || len(changes) != 0 {
		t.Errorf("nothing happened: %v, %v", changes, err)
	}
	if ensure[string](t)(next.Fingerprint()) != ensure[string](t)(trust.Fingerprint()) {
		t.Error("nothing happened, and the fingerprint changed")
	}
}

// TestForcedReleaseInTheVerdict: an audited log says that force ended a pledge.
func TestForcedReleaseInTheVerdict(t *testing.T) {
	_, recovery, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	schema := titleSchema()
	schema.Scopes[0].Recovery = ensure[ledger.PublicKey](t)(ledger.PublicKeyOf(recovery)).String()
	w := newWorld(t, "agency.example/log", schema)
	b, _ := w.bundle(flatRequest(t, "once: mortgage"), tamper{})
	pledge := ensure[ledger.Entry](t)(ledger.ParseEntry(w.entries[4])).(*ledger.ProofEntry)
	e := &ledger.ForcedReleaseEntry{
		Origin: w.origin, Registry: schema.Registry, Nullifier: pledge.Nullifier, Pledge: 4,
		Leaf: statement.Digest(ledger.LeafHash(w.entries[4])), Reason: "the bank lost its key",
	}
	w.sign(e.Sign(recovery))
	w.add(e)
	_, log := w.audited(w.trust())
	v := wantFailing(t, "forced", b, w.trust(), log, CheckNullifier)
	wantObserved(t, v, CheckNullifier, "by force")
}
