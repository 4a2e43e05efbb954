package ledger_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// grantLog is [ledgertest.DerivedLog] and a grant of the first registry at index 15.
func grantLog(t *testing.T, more ...ledger.Entry) (*ledger.MemoryState, uint64) {
	t.Helper()
	st := ledger.NewMemoryState()
	var index uint64
	for _, e := range ledgertest.DerivedLog(t) {
		accept(t, st, index, e.Entry)
		index++
	}
	for _, e := range append([]ledger.Entry{ledgertest.GrantEntry(t, registry, "grant", issuer)}, more...) {
		accept(t, st, index, e)
		index++
	}
	return st, index
}

func TestGrants(t *testing.T) {
	grant := ledgertest.GrantEntry(t, registry, "grant", issuer)
	st, index := grantLog(t, ledgertest.GrantEntry(t, "owners", "grant", issuer), ledgertest.GrantRevocation(t, grant, 15, issuer))
	view := ledger.View{State: st}
	if got, err := view.Grant(15); err != nil || got.Registry != registry || got.Identity != ledgertest.Identity(t, grant) || got.Revoked == nil || *got.Revoked != 17 || got.Void != nil {
		t.Errorf("a revoked grant: %+v, %v", got, err)
	}
	if got, err := view.Grant(16); err != nil || got.Registry != "owners" || got.Revoked != nil {
		t.Errorf("a grant of a derived registry: %+v, %v", got, err)
	}
	if _, err := view.Grant(3); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("an epoch as a grant: %v", err)
	}
	// Who took the issuer's key could grant with it: what counts no more is void.
	accept(t, st, index, ledgertest.Rotation(t, registry, issuer, "next issuer"))
	accept(t, st, index+1, ledgertest.Revocation(t, registry, issuer, 16, "log"))
	if got, err := view.Grant(15); err != nil || got.Void != nil {
		t.Errorf("granted before the theft: %+v, %v", got, err)
	}
	if got, err := view.Grant(16); err != nil || !errors.Is(got.Void, ledger.ErrRevoked) {
		t.Errorf("granted after the theft: %+v, %v", got, err)
	}
}

func TestGrantRulesRefuse(t *testing.T) {
	grant := ledgertest.GrantEntry(t, registry, "grant", issuer)
	revocation := ledgertest.GrantRevocation(t, grant, 15, issuer)
	changed := func(change func(*ledger.GrantRevocationEntry)) *ledger.GrantRevocationEntry {
		e := *revocation
		change(&e)
		mustSign(t, e.Sign(ledgertest.Key(issuer)))
		return &e
	}
	foreign := &ledger.GrantEntry{Origin: "elsewhere.test/log", Registry: registry, Grant: ledgertest.Digest("x")}
	mustSign(t, foreign.Sign(ledgertest.Key(issuer)))
	moved := *ledgertest.GrantEntry(t, registry, "x", issuer)
	moved.Registry = "lucas-liens"
	rotated := []ledger.Entry{ledgertest.Rotation(t, registry, issuer, "next issuer")}
	for name, tt := range map[string]struct {
		before []ledger.Entry
		entry  ledger.Entry
		want   error
	}{
		"twice":                            {nil, grant, ledger.ErrDuplicate},
		"twice, after its end":             {[]ledger.Entry{revocation}, grant, ledger.ErrDuplicate},
		"of another log":                   {nil, foreign, ledger.ErrForeign},
		"of an unknown registry":           {nil, ledgertest.GrantEntry(t, "elsewhere", "x", issuer), ledger.ErrUnknown},
		"by another key":                   {nil, ledgertest.GrantEntry(t, registry, "x", "intruder"), ledger.ErrIssuer},
		"by the log's key":                 {nil, ledgertest.GrantEntry(t, registry, "x", "log"), ledger.ErrIssuer},
		"signature of another registry's":  {nil, &moved, ledger.ErrIssuer},
		"by a key that was replaced":       {rotated, ledgertest.GrantEntry(t, registry, "x", issuer), ledger.ErrIssuer},
		"of a derived registry, likewise":  {rotated, ledgertest.GrantEntry(t, "owners", "x", issuer), ledger.ErrIssuer},
		"end: twice":                       {[]ledger.Entry{revocation}, revocation, ledger.ErrDuplicate},
		"end: of no grant":                 {nil, changed(func(e *ledger.GrantRevocationEntry) { e.Grant = 4 }), ledger.ErrUnknown},
		"end: of another leaf":             {nil, changed(func(e *ledger.GrantRevocationEntry) { e.Leaf = ledgertest.Digest("x") }), ledger.ErrConflict},
		"end: of another registry":         {nil, changed(func(e *ledger.GrantRevocationEntry) { e.Registry = "lucas-liens" }), ledger.ErrConflict},
		"end: in another log":              {nil, changed(func(e *ledger.GrantRevocationEntry) { e.Origin = "elsewhere.test/log" }), ledger.ErrForeign},
		"end: by the bank":                 {nil, ledgertest.GrantRevocation(t, grant, 15, "bank"), ledger.ErrIssuer},
		"end: by a key that was replaced":  {rotated, revocation, ledger.ErrIssuer},
		"end: by the key that replaced it": {rotated, ledgertest.GrantRevocation(t, grant, 15, "next issuer"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			st, index := grantLog(t, tt.before...)
			before := dump(st)
			err := ledgertest.Rules().Apply(st, index, ledgertest.Marshal(t, tt.entry))
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v; want %v", err, tt.want)
			}
			if err != nil && !bytes.Equal(before, dump(st)) {
				t.Error("the refusal changed the state")
			}
		})
	}
}
