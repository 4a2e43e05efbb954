package store

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// keyOptions are those of a log whose first key is known.
func keyOptions() Options {
	o := options()
	o.LogKeys = []ledger.PublicKey{ledgertest.PublicKey("log")}
	return o
}

// TestKeyEntries appends entries of keys after the tests' log in one call, and finds
// them again on opening, where everything is replayed.
func TestKeyEntries(t *testing.T) {
	s := newStore(t)
	fill(t, s, 11)
	var keys []ledger.Entry
	for _, e := range ledgertest.Keys(t) {
		keys = append(keys, e.Entry)
	}
	if _, err := s.Append(t.Context(), keys...); !errors.Is(err, ledger.ErrLogKey) || s.Size() != 11 {
		t.Errorf("without the log's first key: %v, %d entries", err, s.Size())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(s.Path(), keyOptions())
	if err != nil {
		t.Fatal(err)
	}
	closeAndExamine(t, s)
	if _, err := s.Append(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	for i, e := range keys {
		_, err := s.Append(t.Context(), e)
		if d, ok := errors.AsType[*DuplicateError](err); !ok || d.Index != uint64(11+i) {
			t.Errorf("%s again: %v", e.Type(), err)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if log, err := s.LogKeys(); err != nil || len(log) != 2 || log[1].From != 14 {
		t.Errorf("the log's keys: %+v, %v", log, err)
	}
	if issuers, err := s.IssuerKeys(registry); err != nil || len(issuers) != 2 || *issuers[0].Revoked != 11 {
		t.Errorf("the issuers: %+v, %v", issuers, err)
	}
	if _, _, identity, err := s.Epoch(registry, 2); err != nil || s.EpochCounts(identity, registry) != nil {
		t.Errorf("an epoch of a key that was revoked from later on does not count: %v", err)
	}
	if _, err := s.Append(t.Context(), ledgertest.Revocation(t, registry, "issuer", 3, "next log")); err != nil {
		t.Fatal(err)
	}
	if _, _, identity, err := s.Epoch(registry, 2); err != nil || !errors.Is(s.EpochCounts(identity, registry), ledger.ErrRevoked) {
		t.Errorf("an epoch that was voided counts: %v", err)
	}
	circuit := ledgertest.CircuitEntry("present")
	if at, err := s.Sunset(circuit.Circuit, circuit.VKHash()); err != nil || at == nil || *at != 13 {
		t.Errorf("the sunset: %v, %v", at, err)
	}
}

// TestPublishByTwoKeys: where one key replaces another, either can be pinned.
func TestPublishByTwoKeys(t *testing.T) {
	s := newStore(t)
	fill(t, s, 11)
	one, oneKey := signer(t)
	two, twoKey := signer(t)
	signed, err := s.PublishCheckpoint(two, one)
	if err != nil {
		t.Fatal(err)
	}
	for _, vkey := range []string{oneKey, twoKey} {
		if c, err := ledger.OpenCheckpoint(signed, vkey); err != nil || c.Size != 11 {
			t.Errorf("%s: %v, %v", vkey, c, err)
		}
	}
	if n, err := note.Open(signed, note.VerifierList()); err == nil || n != nil {
		t.Error("opens without any key")
	}
	if _, err := s.PublishCheckpoint(); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("no signer: %v", err)
	}
	again, err := s.PublishCheckpoint(two)
	if err != nil || !bytes.Equal(again, signed) {
		t.Errorf("the same tree by the next key alone: %q, %v; want what was published", again, err)
	}
	if _, err := s.Append(t.Context(), ledgertest.CircuitEntry("another")); err != nil {
		t.Fatal(err)
	}
	if signed, err = s.PublishCheckpoint(two); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenCheckpoint(signed, oneKey); err == nil {
		t.Error("the former key signs a later tree")
	}
}
