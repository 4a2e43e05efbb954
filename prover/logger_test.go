package prover

import (
	"bytes"
	"errors"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/logger"
	"github.com/rs/zerolog"
)

// gnark's prover logs nothing, least of all the values of an unsatisfied constraint, when
// it stands in for an engine whose circuit was read with its tables and never compiled.
// (In tests gnark's logger is off by itself; in programs it is on, and writes to stdout.)
func TestReferenceIsSilent(t *testing.T) {
	if _, err := LoadCircuit(keyDir(), "present"); err != nil { // makes the tables
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger.Set(zerolog.New(&log))
	defer logger.Disable()
	c, err := LoadCircuit(keyDir(), "present")
	if err != nil || !c.Engine() {
		t.Fatalf("engine %v: %v", c != nil && c.Engine(), err)
	}
	c.engine.Store(nil)
	if _, _, err := c.Prove(trueInput()); err != nil {
		t.Error(err)
	}
	in := trueInput()
	in.Layout.Slots[0].Operand = fr.NewElement(43)
	if _, _, err := c.Prove(in); !errors.Is(err, ErrNotSatisfied) {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
}
