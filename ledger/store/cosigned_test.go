package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// cosigned gives a checkpoint with the signature of another key after the log's.
func cosigned(t *testing.T, signed []byte, name string) []byte {
	t.Helper()
	skey, _, err := ledger.NewLogKey(name)
	if err != nil {
		t.Fatal(err)
	}
	witness, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		t.Fatal(err)
	}
	by, err := note.Sign(&note.Note{Text: c.Text()}, witness)
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(signed), bytes.TrimPrefix(by, []byte(c.Text()+"\n"))...)
}

func TestKeepCosigned(t *testing.T) {
	s := newStore(t)
	key, vkey := signer(t)
	if err := s.KeepCosigned(cosigned(t, must(t)(ledger.SignCheckpoint(ledger.Checkpoint{Origin: ledgertest.Origin}, key)), "w.example/1")); !errors.Is(err, ErrSuperseded) {
		t.Errorf("nothing published: %v", err)
	}
	fill(t, s, 8)
	bare := publish(t, s, key)
	kept := cosigned(t, bare, "w.example/1")
	if err := s.KeepCosigned(kept); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Checkpoint(); err != nil || !bytes.Equal(got, kept) {
		t.Errorf("%q, %v", got, err)
	}
	// What rests on it has it, the guard does not.
	if in, err := s.Prove(3, nil); err != nil || !bytes.Equal(in.Checkpoint, kept) {
		t.Errorf("%+v, %v", in, err)
	} else if _, err := in.Verify(must(t)(s.Entry(3)), vkey); err != nil {
		t.Error(err)
	}
	dir := filepath.Join(t.TempDir(), "export")
	if err := s.Export(dir, nil); err != nil {
		t.Fatal(err)
	}
	if got := must(t)(os.ReadFile(filepath.Join(dir, ledger.CheckpointPath))); !bytes.Equal(got, kept) {
		t.Errorf("exported %q", got)
	}
	if got := must(t)(s.LastSigned()); !bytes.Equal(got, bare) {
		t.Errorf("guard %q", got)
	}
	for name, bad := range map[string][]byte{
		"other text":      cosigned(t, must(t)(ledger.SignCheckpoint(ledger.Checkpoint{Origin: ledgertest.Origin, Size: 8}, key)), "w.example/1"),
		"not its own key": cosigned(t, kept, "w.example/1")[len(bare):],
		"a line cut":      kept[:len(kept)-3],
		"nothing":         nil,
	} {
		if err := s.KeepCosigned(bad); err == nil {
			t.Errorf("%s is kept", name)
		}
	}
	// The same tree published again keeps its cosignatures, another tree has none.
	if again := publish(t, s, key); !bytes.Equal(again, bare) {
		t.Errorf("%q", again)
	}
	if got := must(t)(s.Checkpoint()); !bytes.Equal(got, kept) {
		t.Errorf("published again: %q", got)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Append(t.Context(), entries(t)[8:]...); err != nil {
		t.Fatal(err)
	}
	next := publish(t, s, key)
	if got := must(t)(s.Checkpoint()); !bytes.Equal(got, next) {
		t.Errorf("after growth: %q", got)
	}
	if err := s.KeepCosigned(kept); !errors.Is(err, ErrSuperseded) {
		t.Errorf("an earlier one: %v", err)
	}
}

func must(t *testing.T) func([]byte, error) []byte {
	return func(data []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
}

func TestBeforeGrowth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	key, _ := signer(t)
	asked := 0
	opts := options()
	opts.BeforeGrowth = func(s *Store) error {
		asked++
		if signed, err := s.LastSigned(); err != nil || signed != nil {
			t.Errorf("%q, %v", signed, err)
		}
		return nil
	}
	s, err := Create(path, ledgertest.Origin, opts)
	if err != nil {
		t.Fatal(err)
	}
	if asked != 0 {
		t.Error("asked on opening")
	}
	fill(t, s, 8)
	publish(t, s, key)
	if err := s.Close(); err != nil || asked != 1 {
		t.Fatalf("asked %d times, %v", asked, err)
	}
	betrayed := errors.New("another history")
	opts.BeforeGrowth = func(*Store) error { asked++; return betrayed }
	if s, err = Open(path, opts); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if _, err := s.Append(t.Context(), entries(t)[8]); !errors.Is(err, ErrGuard) || !errors.Is(err, betrayed) {
			t.Errorf("append: %v", err)
		}
		if _, err := s.PublishCheckpoint(key); !errors.Is(err, ErrGuard) || !errors.Is(err, betrayed) {
			t.Errorf("publish: %v", err)
		}
	}
	if asked != 2 || s.Size() != 8 {
		t.Errorf("asked %d times, size %d", asked, s.Size())
	}
}

func TestHold(t *testing.T) {
	s := newStore(t)
	key, _ := signer(t)
	fill(t, s, 8)
	publish(t, s, key)
	reason := errors.New("a witness saw another")
	s.Hold(reason)
	if _, err := s.Append(t.Context(), entries(t)[8]); !errors.Is(err, ErrGuard) || !errors.Is(err, reason) {
		t.Errorf("append: %v", err)
	}
	if _, err := s.PublishCheckpoint(key); !errors.Is(err, reason) {
		t.Errorf("publish: %v", err)
	}
	if _, err := s.Checkpoint(); err != nil {
		t.Errorf("read: %v", err)
	}
}
