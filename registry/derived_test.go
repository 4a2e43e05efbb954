package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attestry/attestry/statement"
)

// derivingTitles has a registry grouped by owner, one grouped by a text, and one
// grouped by key that joins the liens; lienCounts joins them by subject.
func derivingTitles() *statement.Schema {
	none := "0"
	return &statement.Schema{
		Registry: "titles", Key: "parcel", Subject: "owner",
		Attributes: []statement.Attribute{
			{Name: "value", Type: statement.Int},
			{Name: "area", Type: statement.Decimal, Scale: 1, Optional: true},
			{Name: "wall", Type: statement.Text, Optional: true},
		},
		Derived: []statement.Derived{
			{Registry: "owners", GroupBy: "subject", Attributes: []statement.DerivedAttribute{
				{Name: "parcels", Type: statement.Int, Compute: statement.Count},
				{Name: "value", Type: statement.Int, Compute: statement.Sum, Of: "value"},
				{Name: "least", Type: statement.Int, Compute: statement.Min, Of: "value"},
				{Name: "area", Type: statement.Decimal, Scale: 1, Optional: true, Compute: statement.Max, Of: "area"},
			}},
			{Registry: "walls", GroupBy: "wall", Attributes: []statement.DerivedAttribute{
				{Name: "parcels", Type: statement.Int, Compute: statement.Count},
			}},
			{Registry: "encumbered", GroupBy: "key", Join: &statement.Join{Registry: "liens", By: "key"}, Attributes: []statement.DerivedAttribute{
				{Name: "value", Type: statement.Int, Compute: statement.Copy, Of: "value"},
				{Name: "total", Type: statement.Int, Compute: statement.Sum, Of: "total", From: "liens", Default: &none},
			}},
			{Registry: "debtors", GroupBy: "subject", Join: &statement.Join{Registry: "liens", By: "subject"}, Attributes: []statement.DerivedAttribute{
				{Name: "liens", Type: statement.Int, Compute: statement.Count, From: "liens"},
				{Name: "total", Type: statement.Int, Compute: statement.Sum, Of: "total", From: "liens", Default: &none},
			}},
		},
	}
}

func lienSchema() *statement.Schema {
	return &statement.Schema{
		Registry: "liens", Key: "parcel", Subject: "owner",
		Attributes: []statement.Attribute{{Name: "total", Type: statement.Int}},
	}
}

// pair is a registry and the one that its derived ones join.
type pair struct {
	titles, liens *Store
	at            time.Time
}

func newPair(t testing.TB) *pair {
	p := &pair{titles: newTestStore(t, derivingTitles()), liens: newTestStore(t, lienSchema()), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	return p
}

func (p *pair) join(name string) (*Store, error) {
	if name != "liens" {
		return nil, fmt.Errorf("no registry %s", name)
	}
	return p.liens, nil
}

func (p *pair) commit(ctx context.Context, s *Store, file string) (Epoch, error) {
	if _, err := s.Import(ctx, strings.NewReader(file), CSV, nil); err != nil {
		return Epoch{}, err
	}
	p.at = p.at.Add(time.Hour)
	return s.Commit(ctx, CommitOptions{Time: p.at, Join: p.join})
}

type titleRow struct {
	owner, wall string
	value       int64
	area        int64 // tenths; below 0: none
}

type lienRow struct {
	owner string
	total int64
}

func titleFile(rows map[string]titleRow) string {
	lines := []string{"parcel,owner,value,area,wall"}
	for key, r := range rows {
		area := ""
		if r.area >= 0 {
			area = fmt.Sprintf("%d.%d", r.area/10, r.area%10)
		}
		lines = append(lines, fmt.Sprintf("%s,%s,%d,%s,%s", key, r.owner, r.value, area, r.wall))
	}
	return strings.Join(lines, "\n") + "\n"
}

func lienFile(rows map[string]lienRow) string {
	lines := []string{"parcel,owner,total"}
	for key, r := range rows {
		lines = append(lines, fmt.Sprintf("%s,%s,%d", key, r.owner, r.total))
	}
	return strings.Join(lines, "\n") + "\n"
}

// naive computes all derived registries from the rows alone: by name and key, the
// values as text.
func naive(titles map[string]titleRow, liens map[string]lienRow) map[string]map[string]string {
	out := map[string]map[string]string{"owners": {}, "walls": {}, "encumbered": {}, "debtors": {}}
	byOwner, byWall := map[string][]titleRow{}, map[string]int{}
	for key, r := range titles {
		out["encumbered"][key] = fmt.Sprint(r.value, liens[key].total)
		if r.owner != "" {
			byOwner[r.owner] = append(byOwner[r.owner], r)
		}
		if r.wall != "" {
			byWall[r.wall]++
		}
	}
	for wall, n := range byWall {
		out["walls"][wall] = fmt.Sprint(n)
	}
	for owner, rows := range byOwner {
		var sum, count, total int64
		area := int64(-1)
		for _, r := range rows {
			sum += r.value
			area = max(area, r.area)
		}
		least := slices.MinFunc(rows, func(a, b titleRow) int { return cmp.Compare(a.value, b.value) }).value
		text := "none"
		if area >= 0 {
			text = fmt.Sprint(area)
		}
		out["owners"][owner] = fmt.Sprintf("%d %d %d %s", len(rows), sum, least, text)
		for _, l := range liens {
			if l.owner == owner {
				count, total = count+1, total+l.total
			}
		}
		out["debtors"][owner] = fmt.Sprint(count, total)
	}
	return out
}

// stored reads all derived registries of an epoch.
func stored(t require, s *Store, epoch uint64) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, definition := range s.Schema().Derived {
		d, ok := s.Derived(definition.Registry)
		if !ok {
			t.Fatalf("no store of %s", definition.Registry)
		}
		records := map[string]string{}
		err := d.Scan(epoch, func(r *Record) (bool, error) {
			var values []any
			for _, v := range r.Values {
				if v.Absent {
					values = append(values, "none")
				} else {
					values = append(values, v.Int)
				}
			}
			records[r.Key] = strings.TrimSuffix(fmt.Sprintln(values...), "\n")
			if _, err := d.Open(epoch, r); err != nil { // follows the path to the root
				return false, err
			}
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := d.Epoch(epoch); err != nil || e.Records != len(records) {
			t.Errorf("%s: epoch %d of %d records, %d found, %v", definition.Registry, epoch, e.Records, len(records), err)
		}
		out[definition.Registry] = records
	}
	return out
}

type require interface {
	Errorf(string, ...any)
	Fatalf(string, ...any)
	Fatal(...any)
}

func compareDerived(t require, got, want map[string]map[string]string) {
	for name, records := range want {
		for key, values := range records {
			if g := got[name][key]; g != values {
				t.Errorf("%s of %s: %q, the rows give %q", name, key, g, values)
			}
		}
		if len(got[name]) != len(records) {
			t.Errorf("%s: %d records, the rows give %d", name, len(got[name]), len(records))
		}
	}
}

// Whatever the snapshots of both registries, what is derived step by step is what
// the rows give at once, at every past epoch too, and the check agrees.
func TestDerivedIsWhatTheRowsGive(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		p := &pair{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		var err error
		if p.titles, err = create(filepath.Join(dir, fmt.Sprint("t", runs)), derivingTitles(), testKey(), testSecrets()); err != nil {
			rt.Fatal(err)
		}
		defer p.titles.Close()
		if p.liens, err = create(filepath.Join(dir, fmt.Sprint("l", runs)), lienSchema(), testKey(), testSecrets()); err != nil {
			rt.Fatal(err)
		}
		defer p.liens.Close()
		owner := rapid.SampledFrom([]string{"", "anna", "bert", "carl"})
		title := rapid.Custom(func(t *rapid.T) titleRow {
			return titleRow{
				owner: owner.Draw(t, "owner"), wall: rapid.SampledFrom([]string{"", "brick", "stone"}).Draw(t, "wall"),
				value: rapid.Int64Range(-3, 3).Draw(t, "value"), area: rapid.Int64Range(-1, 3).Draw(t, "area"),
			}
		})
		lien := rapid.Custom(func(t *rapid.T) lienRow {
			return lienRow{owner.Draw(t, "debtor"), rapid.Int64Range(0, 5).Draw(t, "total")}
		})
		key := rapid.SampledFrom([]string{"P1", "P2", "P3", "P4", "P5", "P6"})
		past := map[uint64]map[string]map[string]string{}
		if _, err := p.commit(rt.Context(), p.liens, lienFile(nil)); err != nil {
			rt.Fatal(err)
		}
		liens := map[string]lienRow{}
		for range rapid.IntRange(1, 4).Draw(rt, "epochs") {
			for range rapid.IntRange(0, 2).Draw(rt, "lien epochs") {
				liens = rapid.MapOfN(key, lien, 0, 6).Draw(rt, "liens")
				if _, err := p.commit(rt.Context(), p.liens, lienFile(liens)); err != nil {
					rt.Fatal(err)
				}
			}
			titles := rapid.MapOfN(key, title, 0, 6).Draw(rt, "titles")
			file := titleFile(titles)
			e, err := p.commit(rt.Context(), p.titles, file)
			if err != nil {
				rt.Fatal(err)
			}
			past[e.Number] = naive(titles, liens)
			if err := p.titles.Check(rt.Context(), strings.NewReader(file), CSV, p.join); err != nil {
				rt.Fatalf("check of epoch %d: %v", e.Number, err)
			}
		}
		for epoch, want := range past {
			compareDerived(rt, stored(rt, p.titles, epoch), want)
		}
	})
}

func TestDerivedRefusals(t *testing.T) {
	p := newPair(t)
	owners, _ := p.titles.Derived("owners")
	if _, err := owners.Import(t.Context(), strings.NewReader("key\n"), CSV, nil); !errors.Is(err, ErrDerived) {
		t.Errorf("an import: %v", err)
	}
	if _, err := owners.Commit(t.Context(), CommitOptions{Time: p.at}); !errors.Is(err, ErrDerived) {
		t.Errorf("a commit: %v", err)
	}
	rows := map[string]titleRow{"P1": {owner: "anna", value: 1, area: -1}}
	if _, err := p.commit(t.Context(), p.titles, titleFile(rows)); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("a join of a registry without an epoch: %v", err)
	}
	if _, err := p.commit(t.Context(), p.liens, lienFile(nil)); err != nil {
		t.Fatal(err)
	}
	big := map[string]titleRow{"P1": {owner: "anna", value: 1<<63 - 1, area: -1}, "P2": {owner: "anna", value: 1, area: -1}}
	if _, err := p.commit(t.Context(), p.titles, titleFile(big)); !errors.Is(err, statement.ErrBadValue) || strings.Contains(err.Error(), "anna") {
		t.Errorf("a sum beyond 64 bits: %v", err)
	}
	if _, ok := p.titles.Latest(); ok {
		t.Error("a failed commit left an epoch")
	}
	if _, err := p.commit(t.Context(), p.titles, titleFile(rows)); err != nil {
		t.Fatal(err)
	}
	// A derived record has no serial: no preimage of 0 is known, so nobody can pledge it.
	r, err := owners.Get(1, "anna")
	if err != nil {
		t.Fatal(err)
	}
	o, err := owners.Open(1, r)
	if err != nil || !o.Leaf.SerialHash.IsZero() || !o.Serial.IsZero() {
		t.Errorf("a derived record has a serial: %v", err)
	}
	if _, err := owners.OpenAbsent(1, "bert"); err != nil {
		t.Errorf("who owns nothing: %v", err)
	}
	if _, err := owners.OpenAbsent(1, "anna"); !errors.Is(err, ErrRecordExists) {
		t.Errorf("who owns something: %v", err)
	}
}

// The process ends after the ledger has the epoch, and the joined registry has moved
// on by the time of the redo: the same roots come out.
func TestDerivedRedo(t *testing.T) {
	p := newPair(t)
	if _, err := p.commit(t.Context(), p.liens, lienFile(map[string]lienRow{"P1": {"anna", 5}})); err != nil {
		t.Fatal(err)
	}
	rows := map[string]titleRow{"P1": {owner: "anna", value: 1, area: -1}, "P2": {owner: "bert", value: 2, area: 4}}
	if _, err := p.titles.Import(t.Context(), strings.NewReader(titleFile(rows)), CSV, nil); err != nil {
		t.Fatal(err)
	}
	var published Epoch
	ended := errors.New("the process ended")
	_, err := p.titles.Commit(t.Context(), CommitOptions{Time: p.at, Join: p.join, Publish: func(e Epoch) error {
		published = e
		return ended
	}})
	if !errors.Is(err, ended) {
		t.Fatal(err)
	}
	if _, err := p.commit(t.Context(), p.liens, lienFile(map[string]lienRow{"P1": {"anna", 7}})); err != nil {
		t.Fatal(err)
	}
	other := published
	other.Derivation = &Derivation{Roots: map[string]statement.Element{}, Joins: published.Derivation.Joins}
	if err := p.titles.Redo(t.Context(), other, p.join); !errors.Is(err, ErrDiverged) {
		t.Errorf("other derived roots: %v", err)
	}
	shut := errors.New("cannot be opened")
	if err := p.titles.Redo(t.Context(), published, func(string) (*Store, error) { return nil, shut }); !errors.Is(err, shut) || errors.Is(err, ErrDiverged) {
		t.Errorf("a joined registry that cannot be opened: %v", err)
	}
	if err := p.titles.Redo(t.Context(), published, p.join); err != nil {
		t.Fatal(err)
	}
	latest, _ := p.titles.Latest()
	if !latest.Derivation.Equal(published.Derivation) || latest.Root != published.Root {
		t.Error("the redo gave another epoch")
	}
	if err := p.titles.Redo(t.Context(), published, p.join); err != nil {
		t.Errorf("an epoch that is there: %v", err)
	}
}

// A schema that replaces another adds derived registries to a registry with epochs;
// what changes the leaves is refused.
func TestReplaceSchema(t *testing.T) {
	plain := derivingTitles()
	plain.Derived = nil
	path := filepath.Join(t.TempDir(), "r.db")
	s, err := create(path, plain, testKey(), testSecrets())
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]titleRow{"P1": {owner: "anna", value: 1, area: -1}, "P2": {owner: "anna", value: 2, area: -1}}
	p := &pair{titles: s, liens: newTestStore(t, lienSchema()), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, file := range []struct {
		s    *Store
		text string
	}{{p.liens, lienFile(nil)}, {s, titleFile(rows)}} {
		if _, err := p.commit(t.Context(), file.s, file.text); err != nil {
			t.Fatal(err)
		}
	}
	for what, change := range map[string]func(*statement.Schema){
		"another attribute": func(s *statement.Schema) { s.Attributes[0].Name = "worth" },
		"another type":      func(s *statement.Schema) { s.Attributes[0].Type = statement.Date },
		"one more attribute": func(s *statement.Schema) {
			s.Attributes = append(s.Attributes, statement.Attribute{Name: "x", Type: statement.Int})
		},
		"another key domain": func(s *statement.Schema) { s.Domains = map[string]statement.TextDomain{"key": {Name: "k"}} },
		"no subject":         func(s *statement.Schema) { s.Subject = "" },
	} {
		changed := derivingTitles()
		changed.Derived = nil
		change(changed)
		if err := s.Replace(changed); !errors.Is(err, ErrReplace) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := errors.Join(s.Replace(derivingTitles()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if p.titles, err = OpenSealed(path, testKey()); err != nil {
		t.Fatal(err)
	}
	defer p.titles.Close()
	p.at = p.at.Add(time.Hour)
	e, err := p.titles.Commit(t.Context(), CommitOptions{Time: p.at, Join: p.join})
	if err != nil || e.Number != 2 || len(e.Derivation.Roots) != 4 {
		t.Fatalf("epoch %+v, %v", e, err)
	}
	compareDerived(t, stored(t, p.titles, 2), naive(rows, nil))
	owners, _ := p.titles.Derived("owners")
	if _, err := owners.Get(1, "anna"); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("an epoch before the definition: %v", err)
	}
	fewer := derivingTitles()
	fewer.Derived = fewer.Derived[1:]
	if err := p.titles.Replace(fewer); !errors.Is(err, ErrReplace) {
		t.Errorf("a definition dropped: %v", err)
	}
}

// The check finds a derived record with other values than its group gives.
func TestCheckFindsAWrongDerivedValue(t *testing.T) {
	p := newPair(t)
	if _, err := p.commit(t.Context(), p.liens, lienFile(nil)); err != nil {
		t.Fatal(err)
	}
	file := titleFile(map[string]titleRow{"P1": {owner: "anna", value: 1, area: -1}})
	if _, err := p.commit(t.Context(), p.titles, file); err != nil {
		t.Fatal(err)
	}
	owners, _ := p.titles.Derived("owners")
	var key, good []byte
	change := func(fn func(tx state) error) {
		t.Helper()
		if err := owners.update(fn); err != nil {
			t.Fatal(err)
		}
	}
	change(func(tx state) error {
		k, v := tx.Bucket(bucketRecords).Cursor().First()
		plain, err := tx.open(bucketRecords, k, v)
		if err != nil {
			return err
		}
		key, good = slices.Clone(k), slices.Clone(v)
		bad := slices.Clone(plain)
		bad[len(bad)-3] ^= 1
		return tx.put(bucketRecords, key, bad)
	})
	if err := p.titles.Check(t.Context(), strings.NewReader(file), CSV, p.join); !errors.Is(err, ErrMismatch) {
		t.Errorf("a changed value: %v", err)
	}
	change(func(tx state) error { return tx.Bucket(bucketRecords).Put(key, good) })
}

// Between a definition and the next commit a file still gives the epoch's root.
func TestCheckBeforeTheFirstDerivation(t *testing.T) {
	plain := derivingTitles()
	plain.Derived = plain.Derived[:1]
	path := filepath.Join(t.TempDir(), "r.db")
	s, err := create(path, plain, testKey(), testSecrets())
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{titles: s, liens: newTestStore(t, lienSchema()), at: testTime}
	if _, err := p.commit(t.Context(), p.liens, lienFile(nil)); err != nil {
		t.Fatal(err)
	}
	file := titleFile(map[string]titleRow{"P1": {owner: "anna", value: 1, area: -1}})
	if _, err := p.commit(t.Context(), s, file); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Replace(derivingTitles()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if p.titles, err = OpenSealed(path, testKey()); err != nil {
		t.Fatal(err)
	}
	defer p.titles.Close()
	for range 2 { // then with what was defined later
		if err := p.titles.Check(t.Context(), strings.NewReader(file), CSV, p.join); err != nil {
			t.Error(err)
		}
		p.at = p.at.Add(time.Hour)
		if _, err := p.titles.Commit(t.Context(), CommitOptions{Time: p.at, Join: p.join}); err != nil {
			t.Fatal(err)
		}
	}
}

// A record that is renumbered leaves its derived record for another one, in a registry
// grouped by key, and its owner's group stays what it was.
func TestDerivedRenumbered(t *testing.T) {
	schema := derivingTitles()
	schema.RenamedFrom = "former"
	p := &pair{titles: newTestStore(t, schema), liens: newTestStore(t, lienSchema()), at: testTime}
	if _, err := p.commit(t.Context(), p.liens, lienFile(map[string]lienRow{"P9": {"anna", 7}})); err != nil {
		t.Fatal(err)
	}
	const header = "parcel,owner,value,area,wall,former\n"
	for _, file := range []string{header + "P1,anna,5,,brick,\nP2,bert,6,,,\n", header + "P9,anna,5,,brick,P1\nP2,bert,6,,,\n"} {
		if _, err := p.commit(t.Context(), p.titles, file); err != nil {
			t.Fatal(err)
		}
		if err := p.titles.Check(t.Context(), strings.NewReader(file), CSV, p.join); err != nil {
			t.Error(err)
		}
	}
	owned := map[string]string{"anna": "1 5 5 none", "bert": "1 6 6 none"}
	compareDerived(t, stored(t, p.titles, 1), map[string]map[string]string{"owners": owned, "encumbered": {"P1": "5 0", "P2": "6 0"}})
	compareDerived(t, stored(t, p.titles, 2), map[string]map[string]string{"owners": owned, "encumbered": {"P9": "5 7", "P2": "6 0"}})
}

// Sums meet both ends of 64 bits, whatever is passed on the way.
func TestDerivedBoundaries(t *testing.T) {
	p := newPair(t)
	if _, err := p.commit(t.Context(), p.liens, lienFile(nil)); err != nil {
		t.Fatal(err)
	}
	const lowest, highest = -1 << 63, 1<<63 - 1
	rows := map[string]titleRow{
		"P1": {owner: "anna", value: highest, area: -1}, "P2": {owner: "anna", value: highest, area: -1}, "P3": {owner: "anna", value: lowest, area: -1},
		"P4": {owner: "anna", value: lowest, area: -1}, "P5": {owner: "bert", value: lowest, area: -1},
	}
	if _, err := p.commit(t.Context(), p.titles, titleFile(rows)); err != nil {
		t.Fatal(err)
	}
	compareDerived(t, stored(t, p.titles, 1), map[string]map[string]string{"owners": {
		"anna": "4 -2 -9223372036854775808 none", "bert": "1 -9223372036854775808 -9223372036854775808 none",
	}})
}
