package workspace

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// twoRegistries gives a workspace with two registries of one issuer, one committed.
func twoRegistries(t *testing.T) *Workspace {
	t.Helper()
	w := openPrivate(t)
	for _, name := range []string{"titles", "liens"} {
		s := *schema
		s.Registry = name
		if err := w.CreateRegistry(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, w, rows)
	return w
}

// openPrivate is open, with the modes of key files, which the copy does not have.
func openPrivate(t *testing.T) *Workspace {
	t.Helper()
	w := open(t)
	for _, name := range []string{logKeyFile, issuerKeyFile} {
		ok(t, os.Chmod(w.path(name), 0o600))
	}
	return w
}

func commit(t *testing.T, w *Workspace, csv string) registry.Epoch {
	t.Helper()
	load(t, w, csv)
	e, err := w.Commit(t.Context(), "titles", nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// again closes a workspace and opens it as the next process does.
func again(t *testing.T, w *Workspace) *Workspace {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return reopen(t, w.Dir())
}

// settled holds a workspace's key files to its ledger.
func settled(t *testing.T, w *Workspace) {
	t.Helper()
	if partial, err := filepath.Glob(w.path("keys/.*")); err != nil || len(partial) > 0 {
		t.Errorf("%q is left, %v", partial, err)
	}
	for _, name := range []string{logKeyFile, issuerKeyFile} {
		if _, err := os.Stat(w.path(name + nextEnding)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name+nextEnding, err)
		}
		if info, err := os.Stat(w.path(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := w.Ledger.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func issuerOf(t *testing.T, w *Workspace) ledger.PublicKey {
	t.Helper()
	key, err := ledger.PublicKeyOf(w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestRotateIssuer(t *testing.T) {
	w := twoRegistries(t)
	old := issuerOf(t, w)
	size := w.Ledger.Size()
	r, err := w.RotateIssuer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Registries, []string{"liens", "titles"}) || !slices.Equal(r.Entries, []uint64{size, size + 1}) || r.Old != old || r.New != issuerOf(t, w) {
		t.Errorf("%+v", r)
	}
	commit(t, w, strings.Replace(rows, "300", "301", 1))
	w = again(t, w)
	settled(t, w)
	commit(t, w, strings.Replace(rows, "300", "302", 1))
	trust, err := w.Trust()
	if err != nil {
		t.Fatal(err)
	}
	if len(trust.Registries) != 4 || uint64(*trust.Registries[0].Until) != size || uint64(*trust.Registries[1].From) != size {
		t.Errorf("%+v", trust.Registries)
	}
	s := *schema
	s.Registry = "parcels" // after the rotation: the new key from its beginning
	if err := w.CreateRegistry(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	if r, err := w.RotateIssuer(t.Context()); err != nil || len(r.Registries) != 3 {
		t.Errorf("a second rotation: %+v, %v", r, err)
	}
}

func TestRotateIssuerOfNothing(t *testing.T) {
	w := openPrivate(t)
	before := issuerOf(t, w)
	if _, err := w.RotateIssuer(t.Context()); err == nil || issuerOf(t, w) != before {
		t.Errorf("error %v", err)
	}
	settled(t, w)
}

func TestRotateLog(t *testing.T) {
	w := twoRegistries(t)
	first, at := w.logKey, w.Ledger.Size()
	if _, err := w.RotateLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	signed, err := w.Ledger.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	for _, vkey := range []string{first, w.logKey} {
		if c, err := ledger.OpenCheckpoint(signed, vkey); err != nil || c.Size != at+1 {
			t.Errorf("the checkpoint of the rotation by %s: %+v, %v", vkey, c, err)
		}
	}
	second := w.logKey
	w = again(t, w)
	settled(t, w)
	if _, err := w.RotateLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	w = again(t, w)
	settled(t, w)
	if former, err := w.readFormerLogKeys(); err != nil || !slices.Equal(former, []string{first, second}) {
		t.Errorf("former keys %v, %v", former, err)
	}
	commit(t, w, strings.Replace(rows, "300", "301", 1))
	if signed, err = w.Ledger.PublishCheckpoint(w.Signer); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenCheckpoint(signed, second); err == nil {
		t.Error("the replaced key still signs")
	}
	trust, err := w.Trust()
	if err != nil || len(trust.Logs) != 3 || trust.Logs[0].Key != w.logKey || trust.Logs[2].Key != first || uint64(*trust.Logs[2].Until) != at {
		t.Errorf("%+v, %v", trust, err)
	}
}

// TestInterruptedRotation stops a rotation at each of its states, as a crash does, and
// lets the next process open the workspace.
func TestInterruptedRotation(t *testing.T) {
	cases := map[string]struct {
		stop    func(t *testing.T, w *Workspace)
		rotated bool
	}{
		"a key that is half written": {stop: func(t *testing.T, w *Workspace) {
			f, err := atomicfile.Create(w.path(logKeyFile+nextEnding), 0o600)
			ok(t, err)
			t.Cleanup(func() { _ = f.Discard() })
		}},
		"the log's next key, no entry":    {stop: func(t *testing.T, w *Workspace) { nextLogKey(t, w) }},
		"the issuer's next key, no entry": {stop: func(t *testing.T, w *Workspace) { nextIssuerKey(t, w) }},
		"the log's entry": {rotated: true, stop: func(t *testing.T, w *Workspace) {
			appendLogRotation(t, w, nextLogKey(t, w))
		}},
		"the log's entry, signed by both": {rotated: true, stop: func(t *testing.T, w *Workspace) {
			appendLogRotation(t, w, nextLogKey(t, w))
			next, _, err := readLogKey(nil, w.path(logKeyFile+nextEnding), w.Ledger.Origin())
			ok(t, err)
			_, err = w.Ledger.PublishCheckpoint(next, w.Signer)
			ok(t, err)
		}},
		"the log's entry, the former key noted": {rotated: true, stop: func(t *testing.T, w *Workspace) {
			appendLogRotation(t, w, nextLogKey(t, w))
			ok(t, atomicfile.Write(w.path(formerLogKeysFile), []byte(w.logKey+"\n"), 0o600))
		}},
		"the issuer's entries": {rotated: true, stop: func(t *testing.T, w *Workspace) {
			appendIssuerRotations(t, w, nextIssuerKey(t, w))
		}},
		"both entries": {rotated: true, stop: func(t *testing.T, w *Workspace) {
			appendIssuerRotations(t, w, nextIssuerKey(t, w))
			appendLogRotation(t, w, nextLogKey(t, w))
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := twoRegistries(t)
			before := [2]string{w.logKey, issuerOf(t, w).String()}
			c.stop(t, w)
			w = again(t, w)
			settled(t, w)
			if after := [2]string{w.logKey, issuerOf(t, w).String()}; (after != before) != c.rotated {
				t.Errorf("keys %v, before %v", after, before)
			}
			// Whichever it is, the workspace goes on.
			commit(t, w, strings.Replace(rows, "300", "301", 1))
			if _, err := w.Ledger.PublishCheckpoint(w.Signer); err != nil {
				t.Error(err)
			}
			for _, rotate := range []func(context.Context) (*Rotation, error){w.RotateLog, w.RotateIssuer} {
				if _, err := rotate(t.Context()); err != nil {
					t.Error(err)
				}
			}
			settled(t, again(t, w))
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nextLogKey(t *testing.T, w *Workspace) ed25519.PrivateKey {
	t.Helper()
	skey, _, err := ledger.NewLogKey(w.Ledger.Origin())
	ok(t, err)
	ok(t, atomicfile.Write(w.path(logKeyFile+nextEnding), []byte(skey+"\n"), 0o600))
	key, err := ledger.LogPrivateKey(skey)
	ok(t, err)
	return key
}

func appendLogRotation(t *testing.T, w *Workspace, next ed25519.PrivateKey) {
	t.Helper()
	old, err := w.logPrivate()
	ok(t, err)
	e := &ledger.KeyRotationEntry{Origin: w.Ledger.Origin(), Role: ledger.RoleLog}
	ok(t, e.Sign(old, next))
	_, err = w.Ledger.Append(t.Context(), e)
	ok(t, err)
}

func nextIssuerKey(t *testing.T, w *Workspace) ed25519.PrivateKey {
	t.Helper()
	_, next, err := ed25519.GenerateKey(nil)
	ok(t, err)
	ok(t, writeIssuerKey(nil, w.path(issuerKeyFile+nextEnding), next))
	return next
}

func appendIssuerRotations(t *testing.T, w *Workspace, next ed25519.PrivateKey) {
	t.Helper()
	var entries []ledger.Entry
	for _, name := range []string{"titles", "liens"} {
		e := &ledger.KeyRotationEntry{Origin: w.Ledger.Origin(), Role: ledger.RoleIssuer, Registry: name}
		ok(t, e.Sign(w.issuer, next))
		entries = append(entries, e)
	}
	_, err := w.Ledger.Append(t.Context(), entries...)
	ok(t, err)
}

// TestRotationCancelled: what is not appended changes no key, and the next one waits
// for the next opening.
func TestRotationCancelled(t *testing.T) {
	w := twoRegistries(t)
	before := [2]string{w.logKey, issuerOf(t, w).String()}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, rotate := range []func(context.Context) (*Rotation, error){w.RotateLog, w.RotateIssuer} {
		if _, err := rotate(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if _, err := rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("over the key of an interrupted one: %v", err)
		}
	}
	w = again(t, w)
	settled(t, w)
	if after := [2]string{w.logKey, issuerOf(t, w).String()}; after != before {
		t.Errorf("keys %v, before %v", after, before)
	}
}

// TestOldKeyFilesAreRefused: a key file from before a rotation, put back from a copy.
func TestOldKeyFilesAreRefused(t *testing.T) {
	for _, name := range []string{logKeyFile, issuerKeyFile} {
		w := twoRegistries(t)
		old, err := os.ReadFile(w.path(name))
		ok(t, err)
		_, err = w.RotateLog(t.Context())
		ok(t, err)
		_, err = w.RotateIssuer(t.Context())
		ok(t, err)
		ok(t, w.Close())
		ok(t, os.WriteFile(w.path(name), old, 0o600))
		if _, err := Open(w.Dir()); !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s: %v; want ErrBadKey", name, err)
		}
	}
}

// TestRevokeRenewsTheSchema: a schema that stops counting is signed anew, and the next
// epoch counts.
func TestRevokeRenewsTheSchema(t *testing.T) {
	w := twoRegistries(t)
	stolen := issuerOf(t, w)
	_, present, err := w.Ledger.Schema("titles")
	ok(t, err)
	next := *present
	identity, err := present.Identity()
	ok(t, err)
	next.Previous = &identity
	ok(t, next.Sign(w.issuer))
	at, err := w.Ledger.Append(t.Context(), &next)
	ok(t, err)
	commit(t, w, strings.Replace(rows, "300", "301", 1))
	_, err = w.RotateIssuer(t.Context())
	ok(t, err)
	r := Revocation{Role: ledger.RoleIssuer, Key: stolen, Registry: "titles", From: &at[0]}
	size := w.Ledger.Size()
	plan, err := w.PlanRevocation(r)
	if err != nil || len(plan) != 1 || plan[0].Schemas != 1 || plan[0].Epochs != 1 || !plan[0].Voids() || plan[0].Closes || w.Ledger.Size() != size {
		t.Errorf("%+v, %v", plan, err)
	}
	done, err := w.Revoke(t.Context(), r)
	if err != nil || done[0].Entry != size || w.Ledger.Size() != size+2 {
		t.Fatalf("%+v, %v", done, err)
	}
	_, renewed, err := w.Ledger.Schema("titles")
	if err != nil || renewed.Issuer != issuerOf(t, w) || renewed.Serial != next.Serial {
		t.Errorf("%+v, %v", renewed, err)
	}
	e := commit(t, w, strings.Replace(rows, "300", "302", 1))
	if e.Number != 3 {
		t.Errorf("epoch %d", e.Number)
	}
	settled(t, again(t, w))
}

func TestRevokeClosesARegistry(t *testing.T) {
	w := twoRegistries(t)
	lost := issuerOf(t, w)
	r := Revocation{Role: ledger.RoleIssuer, Key: lost, Registry: "liens"}
	if plan, err := w.PlanRevocation(r); err != nil || !plan[0].Closes || !plan[0].Voids() {
		t.Errorf("%+v, %v", plan, err)
	}
	_, err := w.Revoke(t.Context(), r)
	ok(t, err)
	// The other registry goes on with another key; the closed one stays as it is.
	rotation, err := w.RotateIssuer(t.Context())
	if err != nil || !slices.Equal(rotation.Registries, []string{"titles"}) {
		t.Errorf("%+v, %v", rotation, err)
	}
	w = again(t, w)
	settled(t, w)
	commit(t, w, strings.Replace(rows, "300", "301", 1))
	if _, err := w.Trust(); err != nil {
		t.Error(err)
	}
	if _, err := w.PlanRevocation(Revocation{Role: ledger.RoleLog, Key: lost}); !errors.Is(err, ErrNeverHeld) {
		t.Errorf("%v; want ErrNeverHeld", err)
	}
	if _, err := w.Sunset(t.Context(), statement.Digest{1}, statement.Digest{2}); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("a circuit that is not there: %v", err)
	}
}

func TestRecoveryKey(t *testing.T) {
	content, public, err := NewRecoveryKey()
	ok(t, err)
	path := filepath.Join(t.TempDir(), "recovery.key")
	ok(t, os.WriteFile(path, content, 0o600))
	key, err := ReadRecoveryKey(path)
	ok(t, err)
	if got, err := ledger.PublicKeyOf(key); err != nil || got != public {
		t.Errorf("%s, %v; want %s", got, err, public)
	}
	if _, err := readIssuerKey(nil, path); !errors.Is(err, ErrBadKey) {
		t.Errorf("as an issuer's key: %v", err)
	}
}

// TestAnswersAfterARevocation: nothing is proved on an epoch that does not count, nor
// shown as the successor of one that does.
func TestAnswersAfterARevocation(t *testing.T) {
	w := twoRegistries(t)
	stolen, instant := issuerOf(t, w), time.Now()
	time.Sleep(time.Until(instant.Truncate(time.Second).Add(time.Second))) // epochs have times in seconds
	commit(t, w, strings.Replace(rows, "300", "301", 1))
	second, _, _, err := w.Ledger.LatestEpoch("titles")
	ok(t, err)
	_, err = w.RotateIssuer(t.Context())
	ok(t, err)
	_, err = w.Revoke(t.Context(), Revocation{Role: ledger.RoleIssuer, Key: stolen, Registry: "titles", From: &second})
	ok(t, err)
	size := w.Ledger.Size()
	if _, err := w.Agency().Answer(t.Context(), request(t, "registry: titles\nkey: P2\n")); !errors.Is(err, ledger.ErrRevoked) || w.Ledger.Size() != size {
		t.Errorf("on an epoch that does not count: %v", err)
	}
	before := request(t, "registry: titles\nkey: P2\nas_of: "+statement.FormatTime(instant)+"\n")
	a, err := w.Agency().Answer(t.Context(), before)
	ok(t, err)
	if v := verify(t, w, before, a); !v.OK || a.Bundle.Facts[0].Successor != nil {
		t.Errorf("the epoch before it, whose successor does not count: %+v", v.Checks)
	}
	commit(t, w, strings.Replace(rows, "300", "302", 1))
	latest := request(t, "registry: titles\nkey: P2\n")
	a, err = w.Agency().Answer(t.Context(), latest)
	ok(t, err)
	if v := verify(t, w, latest, a); !v.OK {
		t.Errorf("the next epoch: %+v", v.Checks)
	}
	present := w.Circuits()[0]
	_, err = w.Sunset(t.Context(), present.Circuit, present.VK)
	ok(t, err)
	if v := verify(t, w, latest, a); !v.OK {
		t.Errorf("a proof before the sunset: %+v", v.Checks)
	}
	size = w.Ledger.Size()
	if _, err := w.Agency().Answer(t.Context(), latest); !errors.Is(err, ledger.ErrSunset) || w.Ledger.Size() != size {
		t.Errorf("under a circuit that is sunset: %v", err)
	}
}

// TestRotationWithDerivedRegistries: a derived registry goes with its source's issuer,
// in the workspace's trust file and in one that follows the log.
func TestRotationWithDerivedRegistries(t *testing.T) {
	w := derivedCounty(t)
	pinned, err := w.Trust()
	ok(t, err)
	r, err := w.RotateIssuer(t.Context())
	if err != nil || !slices.Equal(r.Registries, []string{"liens", "titles"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	_, err = w.RotateLog(t.Context())
	ok(t, err)
	commit(t, w, strings.Replace(rows, "300", "301", 1))
	about := request(t, "registry: owners\nkey: anna\nwhere: [value >= 400]\n")
	a, err := w.Agency().Answer(t.Context(), about)
	ok(t, err)
	if v := verify(t, w, about, a); !v.OK {
		t.Errorf("%+v", v.Failures())
	}
	export := filepath.Join(t.TempDir(), "export")
	ok(t, w.Ledger.Export(export, nil))
	report, log, err := verifier.AuditLog(t.Context(), export, pinned, nil)
	if err != nil || log == nil {
		t.Fatalf("%v %+v", err, report)
	}
	followed, _, err := log.Update(pinned)
	ok(t, err)
	exported, err := w.Trust()
	ok(t, err)
	one, err := followed.Fingerprint()
	ok(t, err)
	if two, err := exported.Fingerprint(); err != nil || one != two {
		t.Errorf("followed %+v, exported %+v, %v", followed, exported, err)
	}
	settled(t, again(t, w))
}
