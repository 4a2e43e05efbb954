package prover

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"

	cs "github.com/consensys/gnark/constraint/bn254"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/prover/groth16"
)

// TablesEnding is the ending of the files beside the keys that the engine's tables are in.
// They are a cache, made from the keys: they hold nothing secret, and need no backup.
const TablesEnding = ".tables"

// binding is what a circuit's tables are made for.
func (k CircuitKeys) binding() groth16.Binding {
	b := groth16.Binding{Circuit: k.Circuit, Key: k.PK}
	for _, d := range definitions() {
		if d.hash == k.Circuit.Hex() {
			_, _ = hex.Decode(b.System[:], []byte(d.system)) // a constant
		}
	}
	return b
}

// readTables reads the tables of a circuit, and its constraint system.
func readTables(dir string, keys CircuitKeys) (*cs.R1CS, *groth16.Tables, error) {
	f, err := os.Open(keyFile(dir, keys.PK, TablesEnding))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // only read
	about, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	return groth16.ReadTables(f, about.Size(), keys.binding())
}

// startEngine makes the engine. It goes without where that is not possible: gnark's
// prover makes the same proofs.
func (c *Circuit) startEngine(tables *groth16.Tables, o LoadOptions) {
	if err := c.tryEngine(tables, o); err != nil {
		o.Warn("proofs of the circuit %s will take three times as long, for want of tables: %v", c.Keys.Name, err)
	}
}

func (c *Circuit) tryEngine(tables *groth16.Tables, o LoadOptions) (err error) {
	if tables == nil {
		if tables, err = c.makeTables(o); err != nil {
			return err
		}
	}
	engine, err := groth16.New(c.system, c.pk, tables, groth16.Options{})
	if err != nil {
		return err
	}
	c.engine.Store(engine)
	return nil
}

// makeTables makes the tables and writes them. A directory that takes no file is known
// before: making them for one proof would take longer than they save.
func (c *Circuit) makeTables(o LoadOptions) (*groth16.Tables, error) {
	f, err := atomicfile.Create(c.tables, 0o600)
	if err != nil {
		return nil, err
	}
	o.Report(fmt.Sprintf("tables for faster proofs of the circuit %s", c.Keys.Name))
	tables, err := groth16.MakeTables(c.system, c.pk)
	if err != nil {
		_ = f.Discard() // the error is told
		return nil, err
	}
	err = f.CommitFrom(func(w io.Writer) error { return groth16.WriteTables(w, c.Keys.binding(), c.system, tables) })
	if err != nil { // a full disk, say: they are there all the same
		o.Warn("the tables of the circuit %s are used, but could not be kept, and will be made again: %v", c.Keys.Name, err)
	}
	return tables, nil
}
