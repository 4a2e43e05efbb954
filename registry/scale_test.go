package registry

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/attestry/attestry/statement"
)

var (
	scaleRecords = flag.Int("records", 3000, "records of TestScale")
	scaleChanges = flag.Int("changes", 100, "records that a second epoch of TestScale changes")
	scaleDir     = flag.String("scale-dir", "", "directory of TestScale's file, which it leaves there; default: a temporary one")
)

// scaleSample is of how many records the bare permutations are timed at most.
const scaleSample = 200_000

// TestScale imports and commits a registry of 16 attributes, then an epoch of few changes,
// opens records of both, and reports what that takes. The full count is
//
//	go test ./registry -run TestScale$ -v -timeout 0 -args -records 10000000 -changes 10000
//
// in the clear with -clear, and sealed without.
func TestScale(t *testing.T) {
	schema, _ := benchRegistry(0)
	dir := *scaleDir
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, "scale.db")
	s, err := CreateSealed(path, schema, testKey())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	n := *scaleRecords
	stage := func(name string, do func() error) time.Duration {
		t.Helper()
		cpu, start := cpuTime(), time.Now()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-26s %8.1f s, %8.1f s of CPU; anonymous memory %s kB now, peak of all memory %s kB, mapped pages %s kB; file %d MB",
			name, took.Seconds(), (cpuTime() - cpu).Seconds(), memory("RssAnon"), memory("VmHWM"), memory("RssFile"), info.Size()>>20)
		return took
	}
	peak := watchAnonymous(t)
	importing := func(changed int) func() error {
		return func() error {
			counts, err := s.Import(t.Context(), scaleFile(schema, n, changed), CSV, nil)
			if err == nil && counts.Rows != n {
				err = fmt.Errorf("%d rows, want %d", counts.Rows, n)
			}
			return err
		}
	}
	commit := func() error {
		_, err := s.Commit(t.Context(), CommitOptions{Time: testTime})
		return err
	}
	imported := stage("import", importing(0))
	sample := min(n, scaleSample)
	bare := stage(fmt.Sprintf("permutations for %d", sample), func() error { barePermutations(t, sample); return nil })
	committed := stage("commit", commit)
	ratio := bare.Seconds() / float64(sample) * float64(n) / committed.Seconds()
	t.Logf("the bare permutations to the commit, by record: %.2f; peak of anonymous memory %d MB", ratio, peak()>>10)
	stage("whole file with changes", importing(*scaleChanges))
	staged, _, err := s.Staged()
	if err != nil {
		t.Fatal(err)
	}
	read := stage("the changes alone", func() error {
		opts := ImportOptions{Changes: true, Replace: true}
		counts, err := s.ImportWith(t.Context(), scaleChangesFile(schema, n, *scaleChanges), opts)
		if err == nil && counts.Updated != staged.Updated {
			err = fmt.Errorf("%+v, and the whole file has %+v", counts, staged)
		}
		return err
	})
	changed := stage("commit of the changes", commit)
	whole := imported + committed
	t.Logf("import and commit to those of %d changes: %.0f; to the commit alone: %.0f", *scaleChanges,
		whole.Seconds()/(read+changed).Seconds(), whole.Seconds()/changed.Seconds())
	stage("1,000 openings", func() error { return openMany(s, n) })
	t.Logf("peak of anonymous memory %d MB", peak()>>10)
	if latest, _ := s.Latest(); latest.Records != n || latest.Changed != *scaleChanges {
		t.Errorf("epoch %d has %d records, of which %d changed", latest.Number, latest.Records, latest.Changed)
	}
	if n <= 10_000 {
		checkState(t, s)
	}
}

// openMany opens records and absences from all over the registry, in both epochs; each path
// is followed to its epoch's root.
func openMany(s *Store, n int) error {
	for i := range 1000 {
		epoch := uint64(1 + i%2)
		if i%4 > 1 {
			if _, err := s.OpenAbsent(epoch, fmt.Sprint("NO-", i)); err != nil {
				return err
			}
			continue
		}
		r, err := s.Get(epoch, fmt.Sprintf("LC-%08d", i*7919%n))
		if err != nil {
			return err
		}
		if _, err := s.Open(epoch, r); err != nil {
			return err
		}
	}
	return nil
}

// scaleFile gives so many rows of a bench registry, of which some have other values than
// before.
func scaleFile(schema *statement.Schema, n, changed int) io.Reader {
	return scaleRows(schema, n, changed, false)
}

// scaleChangesFile gives the rows that changed, as changes.
func scaleChangesFile(schema *statement.Schema, n, changed int) io.Reader {
	return scaleRows(schema, n, changed, true)
}

func scaleRows(schema *statement.Schema, n, changed int, changes bool) io.Reader {
	in, out := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(out, 1<<16)
		header := []string{"parcel", "owner"}
		for _, a := range schema.Attributes {
			header = append(header, a.Name)
		}
		end := "\n"
		if changes {
			header = append(header, ChangeColumn)
			end = "," + changePutText + "\n"
		}
		fmt.Fprintln(w, strings.Join(header, ","))
		for i := range n {
			value := i
			if changed > 0 && i%max(n/changed, 1) == 0 && i/max(n/changed, 1) < changed {
				value++
			} else if changes {
				continue
			}
			fmt.Fprintf(w, "LC-%08d,OH-%08d", i, i*7919%(n*4/5+1))
			for a := range 12 {
				fmt.Fprintf(w, ",%d", value+a)
			}
			fmt.Fprintf(w, ",19%02d-%02d-%02d,wall-%d,garage-%d,stories-%d%s", i%100, i%12+1, i%28+1, i%9, i%4, i%5, end)
		}
		_ = out.CloseWithError(w.Flush())
	}()
	return in
}

// memory reads a line of what the system says of this process, in kB.
func memory(name string) string {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSuffix(strings.TrimSpace(value), " kB")
		}
	}
	return "?"
}

// watchAnonymous looks at the anonymous memory many times a second; peak gives the most, in kB.
func watchAnonymous(t *testing.T) (peak func() int) {
	var most atomic.Int64
	look := func() {
		if now, err := strconv.ParseInt(memory("RssAnon"), 10, 64); err == nil && now > most.Load() {
			most.Store(now)
		}
	}
	go func() {
		for ; t.Context().Err() == nil; time.Sleep(20 * time.Millisecond) {
			look()
		}
	}()
	return func() int { look(); return int(most.Load()) }
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
