package workspace

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

func derivingSchema() *statement.Schema {
	none := "0"
	s := *pledgeable
	s.Derived = []statement.Derived{
		{Registry: "owners", GroupBy: "subject", Attributes: []statement.DerivedAttribute{
			{Name: "parcels", Type: statement.Int, Compute: statement.Count},
			{Name: "value", Type: statement.Int, Compute: statement.Sum, Of: "value"},
		}},
		{Registry: "encumbered", GroupBy: "key", Join: &statement.Join{Registry: "liens", By: "key"}, Attributes: []statement.DerivedAttribute{
			{Name: "value", Type: statement.Int, Compute: statement.Copy, Of: "value"},
			{Name: "lien_total", Type: statement.Int, Compute: statement.Sum, Of: "total", From: "liens", Default: &none},
		}},
	}
	return &s
}

// derivedCounty has titles P1 to P3 of anna, anna and bert, a lien of 80 on P1, and what
// derives from them, defined after the first epoch.
func derivedCounty(t *testing.T) *Workspace {
	w := county(t)
	if err := w.UpdateRegistry(t.Context(), derivingSchema()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestDerivedFacts(t *testing.T) {
	w := derivedCounty(t)
	for text, provable := range map[string]bool{
		"registry: owners\nkey: anna\nwhere: [parcels <= 2, value >= 400]\n":                                                 true,
		"registry: owners\nkey: anna\nwhere: [parcels <= 1]\n":                                                               false,
		"registry: owners\nkey: carl\nabsent: true\n":                                                                        true,
		"registry: owners\nkey: bert\nabsent: true\n":                                                                        false,
		"registry: encumbered\nkey: P1\nwhere: [lien_total * 100 <= value * 80]\n":                                           true,
		"registry: encumbered\nkey: P1\nwhere: [lien_total * 100 <= value * 60]\n":                                           false,
		"registry: encumbered\nkey: P2\nwhere: [lien_total == 0]\nreveal: [lien_total]\n":                                    true,
		"registry: encumbered\nsubject: bert\nwhere: [lien_total * 100 <= value * 60]\n":                                     true,
		"facts:\n  t: {registry: titles, key: P3}\n  o: {registry: owners, key: {from: t.subject}, where: [parcels <= 1]}\n": true,
	} {
		r := request(t, text)
		a, err := w.Agency().Answer(t.Context(), r)
		if provable != (err == nil) || err != nil && !errors.Is(err, prover.ErrFalse) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if err == nil {
			if v := verify(t, w, r, a); !v.OK {
				t.Errorf("%q: %+v", text, v.Failures())
			}
		}
	}
	for text, want := range map[string]error{
		"registry: owners\nkey: anna\nonce: mortgage\n": statement.ErrBadRequest,
		"registry: owners\nkey: anna\nas_of: 1\n":       prover.ErrNoEpoch,
	} {
		if _, err := w.Agency().Answer(t.Context(), pledgeRequest(t, text)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	if err := w.Ledger.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a malicious holder of a bundle could change of a derived fact.
func TestDerivedAttacks(t *testing.T) {
	w := derivedCounty(t)
	r := request(t, "registry: encumbered\nkey: P2\nwhere: [lien_total == 0]\n")
	a, err := w.Agency().Answer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := w.Trust()
	if err != nil {
		t.Fatal(err)
	}
	titles, err := w.Agency().Answer(t.Context(), request(t, "registry: titles\nkey: P2\n"))
	if err != nil {
		t.Fatal(err)
	}
	for what, attack := range map[string]func(*verifier.Fact, *verifier.Trust){
		"no joined epoch":         func(f *verifier.Fact, _ *verifier.Trust) { f.Joined = nil },
		"another epoch as joined": func(f *verifier.Fact, _ *verifier.Trust) { f.Joined = &titles.Bundle.Facts[0].Epoch },
		"a joined registry that is not pinned": func(_ *verifier.Fact, t *verifier.Trust) {
			drop(t, "liens")
		},
		"a derived registry that is not pinned": func(_ *verifier.Fact, t *verifier.Trust) {
			drop(t, "encumbered")
		},
		"the schema before the definition": func(f *verifier.Fact, _ *verifier.Trust) {
			f.Schema = logged(t, w, 2)
		},
	} {
		bundle, pins := *a.Bundle, *trust
		bundle.Facts = append([]verifier.Fact{}, a.Bundle.Facts...)
		pins.Registries = append([]verifier.TrustedRegistry{}, trust.Registries...)
		attack(&bundle.Facts[0], &pins)
		v, err := verifier.Verify(&bundle, verifier.Options{Trust: &pins, Request: r, Openings: a.Openings})
		if err == nil && v.OK {
			t.Errorf("%s: passes", what)
		}
	}
	bundle := *titles.Bundle
	bundle.Facts = append([]verifier.Fact{}, bundle.Facts...)
	bundle.Facts[0].Joined = a.Bundle.Facts[0].Joined
	if v, err := verifier.Verify(&bundle, verifier.Options{Trust: trust}); err == nil && v.OK {
		t.Error("a joined epoch where nothing is joined: passes")
	}
}

func drop(t *verifier.Trust, name string) {
	for i, r := range t.Registries {
		if r.Registry == name {
			t.Registries = append(t.Registries[:i:i], t.Registries[i+1:]...)
			return
		}
	}
}

// logged gives an entry of the ledger as a bundle shows it.
func logged(t *testing.T, w *Workspace, index uint64) verifier.Logged {
	t.Helper()
	data, err := w.Ledger.Entry(index)
	if err != nil {
		t.Fatal(err)
	}
	inclusion, err := w.Ledger.Prove(index, nil)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Logged{Entry: data, Inclusion: string(ledger.FormatInclusion(inclusion))}
}

// The age of a derived fact is that of the oldest data in it.
func TestDerivedAge(t *testing.T) {
	w := derivedCounty(t)
	r := request(t, "registry: encumbered\nkey: P2\nwhere: [lien_total == 0]\n")
	a, err := w.Agency().Answer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if a.Bundle.Facts[0].Joined == nil {
		t.Fatal("the bundle does not show the joined epoch")
	}
	v := verify(t, w, r, a)
	// A commit of the titles alone makes the epoch new, and not the liens in it.
	time.Sleep(2 * time.Second)
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	young := "registry: encumbered\nkey: P2\nmax_age: 1500ms\n"
	if _, err := w.Agency().Answer(t.Context(), request(t, young)); !errors.Is(err, prover.ErrNoEpoch) {
		t.Errorf("liens older than the request takes: %v", err)
	}
	if a, err = w.Agency().Answer(t.Context(), request(t, "registry: encumbered\nkey: P2\n")); err != nil {
		t.Fatal(err)
	}
	old := verify(t, w, request(t, young), a)
	if i := slices.IndexFunc(old.Checks, func(c verifier.Check) bool { return c.Check == verifier.CheckAge }); old.Checks[i].Outcome != verifier.Fail {
		t.Errorf("the age: %+v", old.Checks[i])
	}
	for _, c := range v.Checks {
		if c.Check == verifier.CheckEpoch && !strings.Contains(c.Observed, "joins epoch 1 of registry liens") {
			t.Errorf("the verdict does not say what it joins: %s", c.Observed)
		}
	}
}

// The process ends after the ledger has a replacing schema, or a derived epoch, and
// before the registry has it: the next start takes both on.
func TestDerivedInterrupted(t *testing.T) {
	w := county(t)
	_, present, err := w.Ledger.Schema("titles")
	if err != nil {
		t.Fatal(err)
	}
	previous, err := present.Identity()
	if err != nil {
		t.Fatal(err)
	}
	entry := &ledger.SchemaEntry{Schema: *derivingSchema(), Serial: present.Serial, Previous: &previous}
	if err := entry.Sign(w.issuer); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Ledger.Append(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // before the store's file has it
		t.Fatal(err)
	}
	w = reopen(t, w.Dir())
	s, err := w.Registry("titles")
	if err != nil {
		t.Fatal(err)
	}
	ended := errors.New("the process ended")
	_, err = s.Commit(t.Context(), registry.CommitOptions{Time: time.Now(), Join: w.Registry, Publish: func(e registry.Epoch) error {
		return errors.Join(w.publish(t.Context(), "titles", e), ended)
	}})
	if !errors.Is(err, ended) {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = reopen(t, w.Dir())
	owners, err := w.Registry("owners")
	if err != nil {
		t.Fatal(err)
	}
	if latest, ok := owners.Latest(); !ok || latest.Number != 2 || latest.Records != 2 {
		t.Errorf("after the restart: %+v", latest)
	}
}

func TestUpdateRegistryRefused(t *testing.T) {
	w := county(t)
	size := w.Ledger.Size()
	changed := *pledgeable
	changed.Attributes = changed.Attributes[:2]
	if err := w.UpdateRegistry(t.Context(), &changed); !errors.Is(err, registry.ErrReplace) {
		t.Errorf("fewer attributes: %v", err)
	}
	taken := derivingSchema()
	taken.Derived = taken.Derived[:1]
	taken.Derived[0].Registry = "liens"
	if err := w.UpdateRegistry(t.Context(), taken); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("a derived registry with a known name: %v", err)
	}
	if w.Ledger.Size() != size {
		t.Error("a refused schema left an entry")
	}
	if _, err := w.Agency().Answer(t.Context(), request(t, "registry: titles\nkey: P1\n")); err != nil {
		t.Errorf("after the refusals: %v", err)
	}
}

// A definition is for ever: one that could never be committed is refused before it is
// in the ledger, whichever of both registries comes with it.
func TestJoinRefusedAtDefinition(t *testing.T) {
	w := derivedCounty(t)
	for what, c := range map[string]struct {
		change func(*statement.Derived)
		want   error
	}{
		"an unknown registry": {func(d *statement.Derived) {
			d.Join.Registry, d.Attributes[1].From = "lines", "lines"
		}, ErrNoRegistry},
		"a derived registry": {func(d *statement.Derived) {
			d.Join.Registry, d.Attributes[1].From, d.Attributes[1].Of = "owners", "owners", "value"
		}, statement.ErrBadSchema},
		"an unknown attribute":        {func(d *statement.Derived) { d.Attributes[1].Of = "totals" }, statement.ErrUnknownAttribute},
		"a registry without subjects": {func(d *statement.Derived) { d.Join.By = "subject" }, statement.ErrBadSchema},
	} {
		s := &statement.Schema{
			Registry: "other", Key: "parcel", Attributes: []statement.Attribute{{Name: "value", Type: statement.Int}},
			Derived: []statement.Derived{derivingSchema().Derived[1]},
		}
		s.Derived[0].Registry = "other-encumbered"
		c.change(&s.Derived[0])
		size := w.Ledger.Size()
		if err := w.CreateRegistry(t.Context(), s); !errors.Is(err, c.want) {
			t.Errorf("join of %s: %v, want %v", what, err, c.want)
		}
		if w.Ledger.Size() != size {
			t.Errorf("join of %s: the refused schema is in the ledger", what)
		}
	}
	// Whoever copies a lien's value proves it without asking the lien's holder.
	held := *liens
	held.Holder = "holder"
	if err := w.UpdateRegistry(t.Context(), &held); !errors.Is(err, statement.ErrBadSchema) {
		t.Errorf("holders in a registry that is joined: %v", err)
	}
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Errorf("after the refusals: %v", err)
	}
}

// An epoch was published and not stored, and a schema replaces the one that it is
// under: the store makes the epoch before it takes the schema on.
func TestUpdateAfterUnstoredEpoch(t *testing.T) {
	w := county(t)
	s, err := w.Registry("titles")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	_, err = s.Commit(t.Context(), registry.CommitOptions{Time: time.Now(), Publish: func(e registry.Epoch) error {
		return errors.Join(w.publish(t.Context(), "titles", e), full)
	}})
	if !errors.Is(err, full) {
		t.Fatal(err)
	}
	if err := w.UpdateRegistry(t.Context(), derivingSchema()); err != nil {
		t.Fatal(err)
	}
	e, err := w.Commit(t.Context(), "titles", nil)
	if err != nil || e.Number != 3 || len(e.Derivation.Roots) != 2 {
		t.Errorf("epoch %+v, %v", e, err)
	}
}

// A schema's update waits for a commit that is running, and does not keep it from the
// registries that it joins.
func TestUpdateDuringCommit(t *testing.T) {
	w := derivedCounty(t)
	updated := make(chan error, 1)
	var once sync.Once
	committed := make(chan error, 1)
	go func() {
		load(t, w, rows+"P4,carl,5,5,none\n")
		_, err := w.Commit(t.Context(), "titles", func(int, int) {
			once.Do(func() {
				go func() {
					s := derivingSchema()
					s.Attributes = slices.Clone(s.Attributes)
					s.Attributes[0].Unit = "EUR"
					updated <- w.UpdateRegistry(t.Context(), s)
				}()
				time.Sleep(200 * time.Millisecond) // until the update waits
			})
		})
		committed <- err
	}()
	for _, c := range []chan error{committed, updated} {
		select {
		case err := <-c:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the commit and the update wait for each other")
		}
	}
}

// Two registries that join each other: the process ends after the ledger has an epoch of
// one, and the start of either takes it on.
func TestMutualJoinInterrupted(t *testing.T) {
	w := derivedCounty(t)
	mutual := *liens
	mutual.Derived = []statement.Derived{{Registry: "secured", GroupBy: "key", Join: &statement.Join{Registry: "titles", By: "key"}, Attributes: []statement.DerivedAttribute{
		{Name: "value", Type: statement.Int, Optional: true, Compute: statement.Copy, Of: "value", From: "titles"},
	}}}
	if err := w.UpdateRegistry(t.Context(), &mutual); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"liens", "titles"} {
		if _, err := w.Commit(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ ends, first string }{{"liens", "liens"}, {"liens", "titles"}, {"titles", "liens"}, {"titles", "titles"}} {
		s, err := w.Registry(c.ends)
		if err != nil {
			t.Fatal(err)
		}
		ended := errors.New("the process ended")
		_, err = s.Commit(t.Context(), registry.CommitOptions{Time: time.Now(), Join: w.Registry, Publish: func(e registry.Epoch) error {
			return errors.Join(w.publish(t.Context(), c.ends, e), ended)
		}})
		if !errors.Is(err, ended) {
			t.Fatal(err)
		}
		// Behind the ledger, it cannot be joined any more: never are both behind.
		other := map[string]string{"liens": "titles", "titles": "liens"}[c.ends]
		if _, err := w.Commit(t.Context(), other, nil); !errors.Is(err, ledger.ErrEpochChain) {
			t.Errorf("%s joins an epoch of %s that is not stored: %v", other, c.ends, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w = reopen(t, w.Dir())
		if _, err := w.Commit(t.Context(), c.first, nil); err != nil {
			t.Errorf("%s ended, %s goes on: %v", c.ends, c.first, err)
		}
	}
}

// What an auditor finds in the log: that the joined registry has moved on, and that a
// derived registry's name is not its pinned issuer's.
func TestDerivedAudited(t *testing.T) {
	w := derivedCounty(t)
	r := request(t, "registry: encumbered\nkey: P2\n")
	a, err := w.Agency().Answer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := w.Trust()
	if err != nil {
		t.Fatal(err)
	}
	asOf := func() verifier.Check {
		t.Helper()
		dir := auditable(t, w)
		report, log, err := verifier.AuditLog(t.Context(), dir, trust, nil)
		if err != nil || !report.OK {
			t.Fatalf("audit: %+v, %v", report, err)
		}
		v, err := verifier.Verify(a.Bundle, verifier.Options{Trust: trust, Request: r, Openings: a.Openings, Log: log})
		if err != nil || !v.OK {
			t.Fatalf("verdict: %+v, %v", v, err)
		}
		return v.Checks[slices.IndexFunc(v.Checks, func(c verifier.Check) bool { return c.Check == verifier.CheckAsOf })]
	}
	if c := asOf(); c.Outcome != verifier.Pass {
		t.Errorf("the latest of both registries: %+v", c)
	}
	if _, err := w.Commit(t.Context(), "liens", nil); err != nil {
		t.Fatal(err)
	}
	if c := asOf(); c.Outcome != verifier.Warn || !strings.Contains(c.Observed, "registry liens, of which the audited log has a newer one, epoch 2") {
		t.Errorf("liens that have moved on: %+v", c)
	}

	other := *trust
	other.Registries = slices.Clone(trust.Registries)
	for i, p := range other.Registries {
		if p.Registry == "owners" {
			other.Registries[i].Issuer[0] ^= 1
		}
	}
	report, err := verifier.Audit(t.Context(), auditable(t, w), &other, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The schema that defines it and the epoch that gives its root.
	if len(report.Problems) != 2 || report.Problems[0].Check != verifier.AuditIssuer || report.Problems[1].Check != verifier.AuditIssuer {
		t.Errorf("owners by another issuer than the pinned one: %+v", report.Problems)
	}
}

// auditable exports the log under a new checkpoint.
func auditable(t *testing.T, w *Workspace) string {
	t.Helper()
	if _, err := w.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "export")
	if err := w.Ledger.Export(dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The joined epoch's checkpoint is compared with others like those of all entries.
func TestCheckpointsOfJoined(t *testing.T) {
	w := derivedCounty(t)
	a, err := w.Agency().Answer(t.Context(), request(t, "registry: encumbered\nkey: P2\n"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := a.Bundle.Checkpoints()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), "titles", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	index, _, _, err := w.Ledger.LatestEpoch("liens")
	if err != nil {
		t.Fatal(err)
	}
	joined := logged(t, w, index)
	a.Bundle.Facts[0].Joined = &joined
	if after, err := a.Bundle.Checkpoints(); err != nil || len(after) != len(before)+1 {
		t.Errorf("%d checkpoints before, %d after: %v", len(before), len(after), err)
	}
}
