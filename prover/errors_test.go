package prover

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// sentinels are the errors of this package, by name.
var sentinels = map[string]error{
	"ErrNoKeys": ErrNoKeys, "ErrDamagedKeys": ErrDamagedKeys, "ErrOtherCircuit": ErrOtherCircuit,
	"ErrFalse": ErrFalse, "ErrPledged": ErrPledged, "ErrNotProvable": ErrNotProvable, "ErrNoRegistry": ErrNoRegistry,
	"ErrNoEpoch": ErrNoEpoch, "ErrNoGrant": ErrNoGrant, "ErrNotSatisfied": ErrNotSatisfied, "ErrSelfCheck": ErrSelfCheck,
	"ErrUnprovable": ErrUnprovable, "ErrBadRecord": ErrBadRecord, "ErrBadPrepared": ErrBadPrepared, "errHolder": errHolder, "errNoHolder": errNoHolder, "errUnfit": errUnfit,
}

// TestSentinels: no error of the package is missing above.
func TestSentinels(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, id := range s.(*ast.ValueSpec).Names {
					if strings.HasPrefix(strings.ToLower(id.Name), "err") {
						found++
						if sentinels[id.Name] == nil {
							t.Errorf("%s is not among the tested errors", id.Name)
						}
					}
				}
			}
		}
	}
	if found != len(sentinels) {
		t.Errorf("%d errors found, %d tested", found, len(sentinels))
	}
}

// TestAskerError: an asker learns "not provable", or since when the record is pledged,
// and nothing that the agency's own error says.
func TestAskerError(t *testing.T) {
	const secret = `"LC-00001" fails "assessed_value >= 900000"`
	all := map[string]error{
		"bad request": statement.ErrBadRequest, "pledged by the ledger": ledger.ErrPledged, "stale": ledger.ErrStaleEpoch,
		"logged": &LoggedError{Indexes: []uint64{3}, Cause: errors.New("disk full")}, "another": errors.New("read /var/titles.db"),
	}
	maps.Copy(all, sentinels)
	for name, err := range all {
		if got := AskerError(fmt.Errorf("%w: %s", err, secret)); got != ErrUnprovable || got.Error() != "not provable" {
			t.Errorf("%s: the asker is told %q", name, got)
		}
	}
	pledged := &PledgedError{Entry: 7}
	for name, err := range map[string]error{
		"alone":           pledged,
		"wrapped":         fmt.Errorf("%s: %w", secret, pledged),
		"with the rule's": errors.Join(pledged, fmt.Errorf("%w: in registry titles", ledger.ErrPledged)),
	} {
		got := AskerError(err)
		if got.Error() != "already pledged in this scope since entry 7" || !errors.Is(got, ErrPledged) || errors.Unwrap(got) != nil {
			t.Errorf("%s: the asker is told %q", name, got)
		}
	}
	// Of several records that none answers is all that is told: how many there are is not.
	if got := AskerError(fmt.Errorf("%w: of the 3 records none satisfies (the last one: %w)", ErrFalse, pledged)); got != ErrUnprovable {
		t.Errorf("several records: the asker is told %q", got)
	}
	if AskerError(nil) != nil {
		t.Error("no error is told as one")
	}
}
