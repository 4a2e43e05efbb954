package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// spillRows gives the rows of a table of a spilled state.
func spillRows(t testing.TB, s *SpillState, table Table) (rows []string) {
	t.Helper()
	err := s.Rows(table, func(key, value []byte) error {
		rows = append(rows, fmt.Sprintf("%x=%x", key, value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func memoryRows(m *MemoryState, table Table) (rows []string) {
	for key, value := range m.Rows(table) {
		rows = append(rows, fmt.Sprintf("%x=%x", key, value))
	}
	return rows
}

// TestSpillLaw: a state that spills, and is written and read again on the way, says
// what one in memory says.
func TestSpillLaw(t *testing.T) {
	dir := t.TempDir()
	tables := []Table{tableDigests, tableLive, TableRegistries}
	rapid.Check(t, func(rt *rapid.T) {
		s, m := NewSpillState(dir), NewMemoryState()
		s.limit = rapid.IntRange(1, 3000).Draw(rt, "limit")
		defer func() { _ = s.Close() }()
		key := rapid.SliceOfN(rapid.ByteRange(0, 3), 0, 3)
		for range rapid.IntRange(0, 200).Draw(rt, "steps") {
			table, k := rapid.SampledFrom(tables).Draw(rt, "table"), key.Draw(rt, "key")
			switch rapid.IntRange(0, 19).Draw(rt, "step") {
			case 0, 1, 2, 3:
				must(rt, errors.Join(s.Delete(table, k), m.Delete(table, k)))
			case 4:
				s = reopen(rt, t, s, dir)
			default:
				v := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(rt, "value")
				must(rt, errors.Join(s.Put(table, k, v), m.Put(table, k, v)))
			}
			got, err := s.Get(table, k)
			want, _ := m.Get(table, k)
			if err != nil || !bytes.Equal(got, want) {
				rt.Fatalf("%s %x: %x, %v; want %x", table, k, got, err, want)
			}
		}
		for _, table := range tables {
			if got, want := spillRows(t, s, table), memoryRows(m, table); fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("%s: %v, want %v", table, got, want)
			}
		}
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) > 1 { // the file of reopen
		t.Errorf("left behind: %v, %v", left, err)
	}
}

type failer interface{ Fatal(...any) }

func must(t failer, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// reopen writes a state to a file and begins it again from there.
func reopen(rt failer, t *testing.T, s *SpillState, dir string) *SpillState {
	var out bytes.Buffer
	out.WriteString("before")
	must(rt, s.WriteRows(&out))
	end := out.Len()
	out.WriteString("after")
	path := filepath.Join(dir, "rows")
	must(rt, errors.Join(os.RemoveAll(path), os.WriteFile(path, out.Bytes(), 0o600)))
	file, err := os.Open(path)
	must(rt, err)
	var read bytes.Buffer
	again, err := OpenSpillState(dir, file, int64(len("before")), int64(end), &read)
	must(rt, err)
	if !bytes.Equal(read.Bytes(), out.Bytes()[len("before"):end]) {
		rt.Fatal("other bytes were read than written")
	}
	again.limit = s.limit
	must(rt, s.Close())
	return again
}

// TestSpillMemory: however many rows, few are in memory, in few runs of few marks.
func TestSpillMemory(t *testing.T) {
	s := NewSpillState(t.TempDir())
	defer func() { _ = s.Close() }()
	s.limit = 20_000
	value := make([]byte, 1000)
	const rows = 30_000
	for i := range uint64(rows) {
		must(t, s.Put(tableDigests, indexKey(i*0x9e3779b97f4a7c15), value))
		if len(s.recent) > s.limit/len(value) || len(s.runs) > 14 {
			t.Fatalf("after %d rows %d in memory and %d runs", i, len(s.recent), len(s.runs))
		}
	}
	marks := 0
	for _, r := range s.runs {
		marks += len(r.marks)
	}
	if marks == 0 || marks > rows*1000/minStride {
		t.Errorf("%d marks", marks)
	}
	for i := range uint64(rows) {
		if got, err := s.Get(tableDigests, indexKey(i*0x9e3779b97f4a7c15)); err != nil || len(got) != len(value) {
			t.Fatalf("row %d: %d bytes, %v", i, len(got), err)
		}
		if got, err := s.Get(tableDigests, indexKey(i*0x9e3779b97f4a7c15+1)); err != nil || got != nil {
			t.Fatalf("no row: %x, %v", got, err)
		}
	}
}

// TestMarksAreBounded: a longer run has marks farther apart, not more of them.
func TestMarksAreBounded(t *testing.T) {
	r := &run{stride: minStride}
	const rows = 5*maxMarks + 3
	for i := range int64(rows) {
		r.note(string(indexKey(uint64(i))), i*minStride)
	}
	if len(r.marks) > maxMarks || len(r.marks) < maxMarks/2 || r.stride != 8*minStride {
		t.Errorf("%d marks at %d bytes", len(r.marks), r.stride)
	}
	r.end = rows * minStride
	for _, i := range []uint64{0, 1, 12345, rows - 1} {
		from, to := r.block(string(indexKey(i)))
		if at := int64(i) * minStride; from > at || to <= at || to-from > 2*r.stride {
			t.Errorf("row %d at %d is looked for from %d to %d", i, at, from, to)
		}
	}
}

func TestOpenSpillStateRefuses(t *testing.T) {
	row := func(key string, length uint32, value string) []byte {
		head := []byte{0, byte(len(key)), byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}
		return append(append(head, key...), value...)
	}
	for name, data := range map[string][]byte{
		"a deleted row":  row("a", deleted, ""),
		"out of order":   append(row("b", 1, "x"), row("a", 1, "x")...),
		"a row twice":    append(row("a", 1, "x"), row("a", 1, "x")...),
		"no key":         row("", 1, "x"),
		"cut in a row":   row("a", 2, "x"),
		"cut in a head":  row("a", 1, "x")[:4],
		"an endless row": row("a", maxRowBytes+1, "x"),
	} {
		path := filepath.Join(t.TempDir(), "rows")
		must(t, os.WriteFile(path, data, 0o600))
		file, err := os.Open(path)
		must(t, err)
		if _, err := OpenSpillState("", file, 0, int64(len(data)), io.Discard); err == nil {
			t.Errorf("%s: read", name)
		}
		if file.Close() == nil {
			t.Errorf("%s: the file is left open", name)
		}
	}
}

// TestSpillKeepsErrors: after an error of the disk nothing is said any more.
func TestSpillKeepsErrors(t *testing.T) {
	s := NewSpillState(filepath.Join(t.TempDir(), "missing"))
	s.limit = 1
	if err := s.Put(tableDigests, []byte{1}, []byte{2}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Get(tableDigests, []byte{1}); err == nil || s.Err() == nil {
		t.Errorf("get: %v", err)
	}
	if err := s.WriteRows(io.Discard); err == nil {
		t.Error("rows after an error")
	}
}

func BenchmarkSpillMiss(b *testing.B) {
	s := NewSpillState(b.TempDir())
	defer func() { _ = s.Close() }()
	s.limit = 1 << 20
	for i := range uint64(200_000) {
		must(b, s.Put(tableDigests, indexKey(i*0x9e3779b97f4a7c15), make([]byte, 32)))
	}
	b.ReportMetric(float64(len(s.runs)), "runs")
	i := uint64(1)
	for b.Loop() {
		i++
		if v, err := s.Get(tableDigests, indexKey(i*0x9e3779b97f4a7c15+1)); err != nil || v != nil {
			b.Fatal(v, err)
		}
	}
}
