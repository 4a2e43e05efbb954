package prover

import (
	"bufio"
	"bytes"
	"fmt"
	"sync/atomic"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	gnark "github.com/consensys/gnark/backend/groth16/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
	"golang.org/x/sync/errgroup"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/prover/groth16"
	"github.com/attestry/attestry/verifier"
)

// Circuit is a circuit ready to prove.
type Circuit struct {
	Keys CircuitKeys
	VK   *verifier.VerifyingKey

	system *cs.R1CS
	pk     *gnark.ProvingKey
	engine atomic.Pointer[groth16.Engine] // nil: gnark's prover proves
	tables string                         // the engine's file
	warn   func(format string, args ...any)
}

// LoadOptions say how a circuit is loaded. The zero value is the default.
type LoadOptions struct {
	// Reference has gnark's own prover make the proofs, which takes three times as long.
	Reference bool
	// Report is told what is being made that takes seconds. It may be nil.
	Report func(what string)
	// Warn is told why the circuit goes without the engine. It may be nil.
	Warn func(format string, args ...any)
}

// LoadCircuit is [LoadCircuitWith] the default options.
func LoadCircuit(dir, name string) (*Circuit, error) {
	return LoadCircuitWith(dir, name, LoadOptions{})
}

// LoadCircuitWith reads the keys of the circuit of this name, and the tables beside them;
// a key or a circuit that differs from the manifest is refused. The proving key is read
// without the checks of its points, because its SHA-256 is the one in the manifest.
//
// Tables that are missing, damaged or made for something else are made anew and written,
// where the directory can be written to. Where it cannot, gnark's prover proves.
func LoadCircuitWith(dir, name string, o LoadOptions) (*Circuit, error) {
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Warn == nil {
		o.Warn = func(string, ...any) {}
	}
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range definitions() {
		for _, keys := range m.Circuits {
			if d.name == name && keys.Name == name && keys.Version == d.version {
				return load(dir, d, keys, o)
			}
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoKeys, name)
}

func load(dir string, d definition, keys CircuitKeys, o LoadOptions) (*Circuit, error) {
	if keys.Circuit.Hex() != d.hash {
		return nil, fmt.Errorf("%w: %s in %s is of another version of this program", ErrOtherCircuit, d.name, dir)
	}
	silence() // before anything proves: then nothing sets the logger while proofs read it
	c := &Circuit{Keys: keys, tables: keyFile(dir, keys.PK, TablesEnding), warn: o.Warn}
	var tables *groth16.Tables
	var both errgroup.Group
	both.Go(func() (err error) { return c.readKeys(dir) })
	both.Go(func() (err error) {
		tables, err = c.readSystem(dir, d, o)
		return err
	})
	if err := both.Wait(); err != nil {
		return nil, err
	}
	if err := c.checkBlinding(); err != nil {
		return nil, err
	}
	if !o.Reference {
		c.startEngine(tables, o)
	}
	return c, nil
}

// readKeys reads the verifying and the proving key.
func (c *Circuit) readKeys(dir string) (err error) {
	if c.VK, err = c.Keys.VerifyingKey(dir); err != nil {
		return err
	}
	raw, err := readKey(dir, c.Keys.PK, ".pk")
	if err != nil {
		return err
	}
	c.pk = &gnark.ProvingKey{}
	if _, err := c.pk.UnsafeReadFrom(bufio.NewReader(bytes.NewReader(raw))); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamagedKeys, c.Keys.PK.Hex(), err)
	}
	return nil
}

// readSystem takes the constraint system from the tables' file, with the tables, or
// compiles it where there is none.
func (c *Circuit) readSystem(dir string, d definition, o LoadOptions) (*groth16.Tables, error) {
	if !o.Reference {
		system, tables, err := readTables(dir, c.Keys)
		if err == nil {
			c.system = system
			return tables, nil
		}
	}
	var err error
	if c.system, err = compile(d); err != nil {
		return nil, err
	}
	if circuits.Hash(c.system) != c.Keys.Circuit {
		return nil, fmt.Errorf("%w: %s in %s is of another version of this program", ErrOtherCircuit, d.name, dir)
	}
	return nil, nil
}

// checkBlinding holds the proving key's delta, in both groups, to the verifying
// key's, which is not infinity. The prover multiplies it with fresh randomness to
// make A and B uniform; the verifying equation then fixes C. So a key that passes
// gives perfect zero knowledge whatever else is wrong with it, and a setup that
// put infinity here to see through the proofs is refused.
func (c *Circuit) checkBlinding() error {
	delta := c.VK.Delta()
	_, _, g1, g2 := curve.Generators()
	var negative curve.G1Affine
	negative.Neg(&g1)
	same, err := curve.PairingCheck([]curve.G1Affine{c.pk.G1.Delta, negative}, []curve.G2Affine{g2, delta})
	if err != nil || !same || !c.pk.G1.Delta.IsOnCurve() || c.pk.G2.Delta != delta {
		return fmt.Errorf("%w: the proving key's delta is not the verifying key's", ErrDamagedKeys)
	}
	return nil
}

// Constraints gives the number of constraints of the circuit.
func (c *Circuit) Constraints() int { return c.system.GetNbConstraints() }
