package budget

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
)

// clock is what tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t testing.TB, path string, l Limits, c *clock) *Budget {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(db, Options{Limits: l, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(registry, name string) prover.Touched {
	return prover.Touched{Registry: registry, By: statement.FieldKey, Name: name}
}

func anyRecord(registry string) prover.Touched { return prover.Touched{Registry: registry} }

// charge charges in a transaction of its own, as a request does that is taken or not.
func (b *Budget) charge(organisation string, touched ...prover.Touched) error {
	return b.db.Update(func(tx *bbolt.Tx) error { return b.Charge(tx, organisation, touched) })
}

func (b *Budget) mustCharge(t testing.TB, organisation string, touched ...prover.Touched) {
	t.Helper()
	if err := b.charge(organisation, touched...); err != nil {
		t.Fatalf("%v: %v", touched, err)
	}
}

// mustRefuse wants a question to be refused, and gives when it may come again.
func (b *Budget) mustRefuse(t testing.TB, organisation string, touched ...prover.Touched) time.Duration {
	t.Helper()
	err := b.charge(organisation, touched...)
	var spent *SpentError
	if !errors.As(err, &spent) || !errors.Is(err, ErrSpent) {
		t.Fatalf("%v: %v", touched, err)
	}
	if spent.After <= 0 || spent.Error() != ErrSpent.Error() {
		t.Fatalf("%v after %s", spent, spent.After)
	}
	return spent.After
}

func TestCharge(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	limits := Limits{Window: 32 * time.Hour, Questions: 3, RegistryQuestions: 7}
	b := open(t, filepath.Join(t.TempDir(), "b.db"), limits, c)
	for range 3 {
		b.mustCharge(t, "a", key("titles", "k1"), key("titles", "k1"))
		c.at = c.at.Add(time.Hour)
	}
	if after := b.mustRefuse(t, "a", key("titles", "k1")); after < 29*time.Hour || after > 30*time.Hour {
		t.Errorf("again after %s", after)
	}
	b.mustRefuse(t, "a", key("titles", "k2"), key("titles", "k1"))
	b.mustRefuse(t, "a", anyRecord("titles")) // it could be the record of k1
	b.mustRefuse(t, "a", key("liens", "k1"), key("titles", "k1"))
	b.mustCharge(t, "a", key("titles", "k2")) // what was refused has cost nothing
	b.mustCharge(t, "a", key("liens", "k1"))
	b.mustCharge(t, "b", key("titles", "k1"))
	b.mustCharge(t, "a", prover.Touched{Registry: "titles", By: statement.FieldSubject, Name: "k1"})
	for i := range 2 {
		b.mustCharge(t, "a", key("titles", fmt.Sprint("other", i)))
	}
	b.mustRefuse(t, "a", key("titles", "yet another")) // 7 about the registry
	usage, err := b.Usage("a", []string{"titles", "ships", "liens"})
	if err != nil || !slices.Equal(usage, []Usage{{"liens", 1, 0, 1, 0}, {"titles", 7, 0, 5, 1}}) {
		t.Errorf("%+v %v", usage, err)
	}
	c.at = c.at.Add(limits.Window + 2*time.Hour)
	for range 3 { // any record is each record
		b.mustCharge(t, "a", anyRecord("titles"))
	}
	b.mustRefuse(t, "a", key("titles", "k9"))
	b.mustRefuse(t, "a", anyRecord("titles"))
	b.mustCharge(t, "a", key("liens", "k9"))
}

// Records are counted apart from names, and no names are spent by them: whose records they
// are must not be told by whether a name is spent.
func TestChargeRecords(t *testing.T) {
	c := &clock{time.Now()}
	b := open(t, filepath.Join(t.TempDir(), "b.db"), Limits{Window: time.Hour, Questions: 2, RegistryQuestions: 3}, c)
	charge := func(organisation string, records ...prover.Touched) error {
		return b.db.Update(func(tx *bbolt.Tx) error { return b.ChargeRecords(tx, organisation, records) })
	}
	k1, k2, k3 := key("titles", "k1"), key("titles", "k2"), key("titles", "k3")
	for i, one := range []struct {
		by      string
		records []prover.Touched
		spent   bool
	}{
		{"a", []prover.Touched{k1, k2}, false},
		{"a", []prover.Touched{k2, k2, key("liens", "k2")}, false},
		{"a", []prover.Touched{k2, k3}, true}, // and k3 is not charged
		{"a", []prover.Touched{k1, k3}, false},
		{"a", []prover.Touched{k3}, false},
		{"a", []prover.Touched{k1}, true},
		{"a", []prover.Touched{anyRecord("titles")}, true},
		{"a", []prover.Touched{key("titles", "k4")}, false},
		{"a", nil, false},
		{"b", []prover.Touched{anyRecord("titles")}, false},
		{"b", []prover.Touched{k1}, false},
		{"b", []prover.Touched{k1}, true},
	} {
		if err := charge(one.by, one.records...); errors.Is(err, ErrSpent) != one.spent || err != nil && !one.spent {
			t.Errorf("%d: %v", i, err)
		}
	}
	for range 2 {
		b.mustCharge(t, "a", k1)
	}
	b.mustRefuse(t, "a", k1)
	b.mustCharge(t, "a", k2)
	b.mustRefuse(t, "a", k3) // the registry's
	c.at = c.at.Add(2 * time.Hour)
	if err := charge("a", k1, k2, k3); err != nil {
		t.Error(err)
	}
}

// What was charged is charged after a restart, and another secret does not find it.
func TestRestart(t *testing.T) {
	c, path := &clock{time.Now()}, filepath.Join(t.TempDir(), "b.db")
	limits := Limits{Window: time.Hour, Questions: 1}
	b := open(t, path, limits, c)
	b.mustCharge(t, "a", key("titles", "k1"))
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, path, limits, c)
	b.mustRefuse(t, "a", key("titles", "k1"))
	c.at = c.at.Add(-24 * time.Hour) // nor does a clock that went back help
	b.mustRefuse(t, "a", key("titles", "k1"))
	if err := b.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put([]byte(metaFormat), []byte("attestry/budget/v2"))
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(b.db, Options{Limits: limits}); !errors.Is(err, ErrFormat) {
		t.Errorf("another format: %v", err)
	}
	for _, bad := range []Limits{{}, {Window: time.Millisecond}, {Window: time.Hour, Questions: -1}, {Window: time.Hour, RegistryQuestions: -1}} {
		if _, err := Open(b.db, Options{Limits: bad}); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// The database holds no name, registry or organisation, and two of them tell nothing of
// each other's names.
func TestNamesAreHidden(t *testing.T) {
	c, path := &clock{time.Now()}, filepath.Join(t.TempDir(), "b.db")
	b := open(t, path, Limits{Window: time.Hour, Questions: 5, RegistryQuestions: 5}, c)
	b.mustCharge(t, "bank-canary", key("registry-canary", "key-canary"))
	b.mustCharge(t, "bank-two", key("registry-canary", "key-canary"))
	rows := map[string]bool{}
	err := b.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, bucket *bbolt.Bucket) error {
			return bucket.ForEach(func(k, v []byte) error {
				if bytes.Contains(append(slices.Clone(k), v...), []byte("canary")) {
					t.Errorf("it holds %q: %q", k, v)
				}
				rows[string(k[len(k)/2:])] = true
				return nil
			})
		})
	})
	if err != nil || len(rows) != 4+2 { // of each bank two rows, and the two of meta
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// Rows that no longer count go, so that the bucket does not grow for ever.
func TestSweep(t *testing.T) {
	c := &clock{time.Now()}
	b := open(t, filepath.Join(t.TempDir(), "b.db"), Limits{Window: time.Hour, Questions: 5, RegistryQuestions: 1000}, c)
	for i := range 300 {
		b.mustCharge(t, "a", key("titles", fmt.Sprint(i)))
		c.at = c.at.Add(2 * time.Minute)
	}
	n := 0
	if err := b.db.View(func(tx *bbolt.Tx) error { n = tx.Bucket([]byte(chargesBucket)).Stats().KeyN; return nil }); err != nil {
		t.Fatal(err)
	}
	if n > 100 {
		t.Errorf("%d rows where some 32 count", n)
	}
	if usage, err := b.Usage("a", []string{"titles"}); err != nil || usage[0].Names > 32 || usage[0].Names < 29 {
		t.Errorf("%+v, %v", usage, err)
	}
}

// asked is one question that was taken.
type asked struct {
	at   time.Time
	by   string
	name []prover.Touched
}

// In no window of time, wherever it begins, is more charged to a name than its budget,
// with what named no record; nor to a registry. What is refused is refused for a reason:
// it passes when the answer says that it will.
func TestNeverMoreThanTheBudget(t *testing.T) {
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		c := &clock{time.UnixMilli(1_800_000_000_000 + rapid.Int64Range(0, 1e6).Draw(t, "begin"))}
		l := Limits{
			Window:            time.Duration(rapid.Int64Range(32, 500).Draw(t, "window")) * time.Millisecond,
			Questions:         rapid.IntRange(1, 4).Draw(t, "questions"),
			RegistryQuestions: rapid.IntRange(0, 9).Draw(t, "of a registry"),
		}
		path := filepath.Join(dir, fmt.Sprint(run))
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		b, err := Open(db, Options{Limits: l, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		var taken []asked
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			c.at = c.at.Add(time.Duration(rapid.Int64Range(0, 120_000).Draw(t, "later")) * time.Microsecond)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				if b, err = Open(db, Options{Limits: l, Now: c.now}); err != nil {
					t.Fatal(err)
				}
			}
			q := asked{by: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "who")}
			for range rapid.IntRange(1, 3).Draw(t, "names") {
				touched := prover.Touched{
					Registry: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "registry"),
					By:       rapid.SampledFrom([]string{"key", "subject", prover.ByNothing}).Draw(t, "by"),
				}
				if touched.By != prover.ByNothing {
					touched.Name = rapid.SampledFrom([]string{"k", "l"}).Draw(t, "name")
				}
				if !slices.Contains(q.name, touched) {
					q.name = append(q.name, touched)
				}
			}
			q.at = c.at
			err := b.charge(q.by, q.name...)
			var spent *SpentError
			switch {
			case err == nil:
				taken = append(taken, q)
			case !errors.As(err, &spent):
				t.Fatal(err)
			case spent.After <= 0 || spent.After > l.Window+l.Window/steps+2*time.Millisecond:
				t.Fatalf("again after %s with a window of %s", spent.After, l.Window)
			}
		}
		holdsTo(t, taken, l)
	})
}

// holdsTo counts what was taken in every window that ends with a question.
func holdsTo(t *rapid.T, taken []asked, l Limits) {
	for i, last := range taken {
		counts, ofAny, ofAll := map[prover.Touched]int{}, map[string]int{}, map[string]int{}
		for _, q := range taken[:i+1] {
			if q.by != last.by || !q.at.Add(l.Window).After(last.at) {
				continue
			}
			of := map[string]bool{}
			for _, touched := range q.name {
				of[touched.Registry] = true
				if touched.By == prover.ByNothing {
					ofAny[touched.Registry]++
				} else {
					counts[touched]++
				}
			}
			for registry := range of {
				ofAll[registry]++
			}
		}
		for touched, n := range counts {
			if n+ofAny[touched.Registry] > l.Questions {
				t.Fatalf("%d and %d of any record are charged to %v, of %d", n, ofAny[touched.Registry], touched, l.Questions)
			}
		}
		for registry, n := range ofAll {
			if ofAny[registry] > l.Questions || l.RegistryQuestions > 0 && n > l.RegistryQuestions {
				t.Fatalf("%d about %s, %d about any record", n, registry, ofAny[registry])
			}
		}
	}
}

// The time that a refusal gives is enough, and no earlier one is.
func TestAfter(t *testing.T) {
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	b := open(t, filepath.Join(t.TempDir(), "b.db"), Limits{Window: time.Hour, Questions: 2, RegistryQuestions: 5}, c)
	for i := range 5 {
		b.mustCharge(t, "a", key("titles", fmt.Sprint(i%3)))
		c.at = c.at.Add(7 * time.Minute)
	}
	for _, touched := range []prover.Touched{key("titles", "0"), key("titles", "new"), anyRecord("titles")} {
		start := c.at
		after := b.mustRefuse(t, "a", touched)
		c.at = start.Add(after - time.Millisecond)
		b.mustRefuse(t, "a", touched)
		c.at = start.Add(after)
		err := b.db.Update(func(tx *bbolt.Tx) error { // tried, and not kept
			return errors.Join(b.Charge(tx, "a", []prover.Touched{touched}), errRollback)
		})
		if !errors.Is(err, errRollback) || errors.Is(err, ErrSpent) {
			t.Errorf("%v: %v after %s", touched, err, after)
		}
		c.at = start
	}
}

var errRollback = errors.New("not kept")

// FuzzCharges: a row that is read is the one that was written.
func FuzzCharges(f *testing.F) {
	f.Add(charges{{1, 1}, {2, 3}}.bytes())
	f.Add([]byte{})
	f.Add(charges{{2, 1}, {1, 3}}.bytes())
	f.Fuzz(func(t *testing.T, row []byte) {
		c, err := readCharges(row)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(c.bytes(), row) {
			t.Fatal("another row")
		}
	})
}
