package verifier

import (
	"strings"
	"testing"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/statement"
	"github.com/consensys/gnark/frontend"
)

// The table names the constraint systems that this repository compiles.
func TestRelationsAreTheCircuits(t *testing.T) {
	for name, circuit := range map[string]frontend.Circuit{CircuitPresent: &circuits.Present{}, CircuitAbsent: &circuits.Absent{}} {
		system, err := circuits.Compile(circuit)
		if err != nil {
			t.Fatal(err)
		}
		if hash, known := Relation(name, 1); !known || hash != circuits.Hash(system) {
			t.Errorf("the table's hash of %s is not the circuit's", name)
		}
	}
	if _, known := Relation(CircuitPresent, 2); known {
		t.Error("a version to come is known")
	}
}

// A trust file cannot make another constraint system pass for a released one: the
// questions would be read with a meaning that its proofs do not have.
func TestUnknownRelationFails(t *testing.T) {
	c := TrustedCircuit{Name: CircuitPresent, Version: 1, Circuit: statement.Digest{1}}
	if err := (pinnedCircuit{TrustedCircuit: c}).known(); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("another constraint system as present: %v", err)
	}
	c.Version = 2
	if err := (pinnedCircuit{TrustedCircuit: c}).known(); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("a version to come: %v", err)
	}
}
