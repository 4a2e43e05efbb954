package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/statement"
)

// The test binary called as "registry.test load-victim STORE FILE WHERE" imports a file and
// commits it as a first epoch, in many transactions, and is killed on the way.
const loadCommand = "load-victim"

func loadVictim(store, file, where string) error {
	die := func(at string) {
		if at == where {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal comes
		}
	}
	s, err := Open(store)
	if err != nil {
		return err
	}
	s.limits = testLimits
	rows, err := os.Open(file)
	if err != nil {
		return err
	}
	accept := func(Counts) error { die("import"); return nil }
	if _, err := s.ImportWith(context.Background(), rows, ImportOptions{Accept: accept}); err != nil {
		return err
	}
	_, err = s.Commit(context.Background(), CommitOptions{
		Time: testTime,
		Progress: func(done, total int) {
			if done > total*3/4 {
				die("commit")
			}
		},
		Publish: func(Epoch) error { die("publish"); return nil },
	})
	return err
}

// loadRows is how many rows the victims load: several transactions in whatever they do.
const loadRows = 6000

func loadFile() string {
	var rows [][]string
	for i := range loadRows {
		row := testRow(fmt.Sprint("LC-", i))
		row[1] = fmt.Sprint("OH-", i%100)
		rows = append(rows, row)
	}
	return csvFile(rows...)
}

// Whoever is killed in an import or a first commit of many transactions leaves what was
// there before to be seen, and what it has begun stands in nobody's way: the epoch that is
// made afterwards is the same as if nothing had happened.
func TestKilledLoad(t *testing.T) {
	want := func() Epoch {
		s := newTestStore(t, testSchema())
		mustImport(t, s, loadFile())
		return mustCommit(t, s)
	}()
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte(loadFile()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"import", "commit", "publish"} {
		t.Run(where, func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "registry.db")
			s, err := create(store, testSchema(), nil, testSecrets())
			if err != nil {
				t.Fatal(err)
			}
			small := mustImport(t, s, csvFile(testRow("LC-A")))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			err = exec.Command(os.Args[0], loadCommand, store, file, where).Run()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Exited() {
				t.Fatalf("the victim was not killed: %v", err)
			}
			checkLoadSurvivor(t, store, where, small, want)
		})
	}
}

func checkLoadSurvivor(t *testing.T, store, where string, small Counts, want Epoch) {
	s, err := Open(store)
	if err != nil {
		t.Fatal(err)
	}
	defer closeChecked(t, s)
	if !hasUnfinished(t, s, where) {
		t.Error("the victim had put nothing in before it was killed")
	}
	if _, ok := s.Latest(); ok {
		t.Error("there is an epoch")
	}
	if _, err := s.Get(1, "LC-1"); !errors.Is(err, ErrNoEpoch) {
		t.Errorf("a record of an epoch that is not: %v", err)
	}
	counts, ok, err := s.Staged()
	if err != nil || !ok {
		t.Fatalf("nothing is staged: %v", err)
	}
	if where == "import" {
		if counts != small {
			t.Errorf("staged is %+v, and was %+v before", counts, small)
		}
		mustImport(t, s, loadFile())
	} else if counts.Rows != loadRows {
		t.Errorf("staged is %+v, of %d rows", counts, loadRows)
	}
	if got := mustCommit(t, s); got != want {
		t.Errorf("epoch %+v, want %+v", got, want)
	}
	if n := len(bySubject(t, s, 1, "OH-7")); n != loadRows/100 {
		t.Errorf("%d records of a subject, want %d", n, loadRows/100)
	}
}

// hasUnfinished tells whether a file has something of what did not end.
func hasUnfinished(t *testing.T, s *Store, where string) (has bool) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		first, _ := tx.Bucket(bucketRecords).Cursor().First()
		has = first != nil
		if where == "import" {
			has = tx.Bucket(bucketImport) != nil
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return has
}

// A first commit that fails when its records are written leaves none of them, and an import
// that is refused leaves the earlier one.
func TestLoadRefused(t *testing.T) {
	s := newTestStore(t, testSchema())
	small := mustImport(t, s, csvFile(testRow("LC-A")))
	refused := errors.New("refused")
	_, err := s.ImportWith(t.Context(), strings.NewReader(loadFile()), ImportOptions{Accept: func(Counts) error { return refused }})
	if counts, _, _ := s.Staged(); !errors.Is(err, refused) || counts != small {
		t.Errorf("%v; staged is %+v, and was %+v", err, counts, small)
	}
	if hasUnfinished(t, s, "import") {
		t.Error("the refused import is left")
	}
	mustImport(t, s, loadFile())
	_, err = s.Commit(t.Context(), CommitOptions{Time: testTime, Publish: func(Epoch) error { return refused }})
	if _, ok := s.Latest(); !errors.Is(err, refused) || ok || hasUnfinished(t, s, "commit") {
		t.Errorf("%v; an epoch: %v; something of it is left: %v", err, ok, hasUnfinished(t, s, "commit"))
	}
	if e := mustCommit(t, s); e.Records != loadRows {
		t.Errorf("%d records, want %d", e.Records, loadRows)
	}
}

// Progress never goes back, tells of all hashes only when the epoch has come to be, and then
// does, with derived registries too.
func TestProgressEnds(t *testing.T) {
	schema := testSchema()
	for _, c := range []struct {
		name    string
		derived bool
	}{{"plain", false}, {"derived", true}} {
		t.Run(c.name, func(t *testing.T) {
			schema := *schema
			if c.derived {
				schema.Holder = ""
				schema.Derived = []statement.Derived{{Registry: "owners", GroupBy: statement.FieldSubject, Attributes: []statement.DerivedAttribute{{Name: "parcels", Type: statement.Int, Compute: statement.Count}}}}
			}
			s := newTestStore(t, &schema)
			mustImport(t, s, loadFile())
			part, whole, published := 0.0, 0, false
			_, err := s.Commit(t.Context(), CommitOptions{
				Time: testTime,
				Progress: func(done, total int) {
					if now := float64(done) / float64(total); now < part {
						t.Errorf("%d of %d is less than before", done, total)
					} else {
						part = now
					}
					if done == total {
						whole++
						if !published {
							t.Error("all is done before the epoch is published")
						}
					}
				},
				Publish: func(Epoch) error { published = true; return nil },
			})
			if err != nil || whole != 1 {
				t.Errorf("it ended %d times: %v", whole, err)
			}
		})
	}
}
