package extsort

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// What comes out is what was put in, in order, wherever it was meanwhile.
func TestSorter(t *testing.T) {
	for _, c := range []struct{ items, longest, memory, runs int }{
		{0, 0, 1 << 20, 0},
		{1, 10, 0, 0},
		{5000, 40, 1 << 20, 0},
		{5000, 40, 1 << 14, 5},
		{300, 300_000, 1 << 22, 5}, // an item takes several frames' room
	} {
		t.Run(fmt.Sprintf("%d of %d in %d", c.items, c.longest, c.memory), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(c.items)))
			dir := t.TempDir()
			s := New(dir, c.memory)
			var want [][]byte
			for range c.items {
				item := make([]byte, 1+random.IntN(c.longest))
				for i := range item {
					item[i] = byte(random.Uint32() % 3) // many are alike in their beginnings, or whole
				}
				want = append(want, item)
				if err := s.Add(item); err != nil {
					t.Fatal(err)
				}
			}
			slices.SortFunc(want, bytes.Compare)
			for range 2 {
				at := 0
				err := s.Each(func(item []byte) error {
					if at >= len(want) || !bytes.Equal(item, want[at]) {
						return fmt.Errorf("item %d of %d is another one", at, len(want))
					}
					at++
					return nil
				})
				if err != nil || at != len(want) {
					t.Fatalf("%d items of %d: %v", at, len(want), err)
				}
			}
			if len(s.runs) < c.runs {
				t.Errorf("%d runs, want %d or more", len(s.runs), c.runs)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("the directory has %d files: %v", len(left), err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The file shows nothing, and what it was changed to is not given.
func TestRunsAreSealed(t *testing.T) {
	s := New(t.TempDir(), 1<<12)
	secret := []byte("an owner's name, again and again")
	for range 1000 {
		if err := s.Add(secret); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.wait(); err != nil {
		t.Fatal(err)
	}
	onDisk, err := io.ReadAll(io.NewSectionReader(s.file, 0, s.end))
	if err != nil || len(onDisk) < 10_000 || bytes.Contains(onDisk, secret[:8]) {
		t.Errorf("%d bytes on disk show the items, or are not there: %v", len(onDisk), err)
	}
	onDisk[len(onDisk)/2] ^= 1
	if _, err := s.file.WriteAt(onDisk, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Each(func([]byte) error { return nil }); err == nil {
		t.Error("a changed run was read")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestEachGivesTheError(t *testing.T) {
	s := New(t.TempDir(), 1<<12)
	if err := s.Add([]byte("x")); err != nil {
		t.Fatal(err)
	}
	want := errors.New("enough")
	if err := s.Each(func([]byte) error { return want }); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}
