package prover

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/verifier"
)

// keyDir holds development keys, made once for all tests of the package that need them.
var keyDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "attestry-prover-test-*")
	if err != nil {
		panic(err)
	}
	made = dir
	dir = filepath.Join(dir, "circuits")
	if _, err := SetupDevelopment(dir, func(string) {}); err != nil {
		panic(err)
	}
	return dir
})

var made string // what keyDir made, to be removed

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(made); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// copyKeys gives a directory of its own with the same keys.
func copyKeys(t *testing.T) (dir string, keys CircuitKeys) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "circuits")
	if err := os.CopyFS(dir, os.DirFS(keyDir())); err != nil {
		t.Fatal(err)
	}
	m, err := ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, m.Circuits[0]
}

func TestSetupRefusesASecondTime(t *testing.T) {
	dir, _ := copyKeys(t)
	if _, err := SetupDevelopment(dir, func(string) {}); err == nil {
		t.Error("keys were made over keys")
	}
}

// A key file that differs from its name by one bit is refused, whichever it is.
func TestDamagedKeysAreRefused(t *testing.T) {
	for _, ending := range []string{".pk", ".vk"} {
		dir, keys := copyKeys(t)
		digest := keys.PK
		if ending == ".vk" {
			digest = keys.VK
		}
		name := keyFile(dir, digest, ending)
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 1
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadCircuit(dir, "present"); !errors.Is(err, ErrDamagedKeys) {
			t.Errorf("%s with a flipped bit: %v", ending, err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadCircuit(dir, "present"); !errors.Is(err, ErrNoKeys) {
			t.Errorf("%s missing: %v", ending, err)
		}
	}
}

func TestOtherCircuitIsRefused(t *testing.T) {
	_, keys := copyKeys(t)
	keys.Circuit[0] ^= 1
	if _, err := load(keyDir(), definitions()[0], keys, LoadOptions{Reference: true}); !errors.Is(err, ErrOtherCircuit) {
		t.Errorf("keys for another constraint system: %v", err)
	}
	if _, err := LoadCircuit(keyDir(), "future"); !errors.Is(err, ErrNoKeys) {
		t.Errorf("a circuit without keys: %v", err)
	}
	if _, err := LoadCircuit(t.TempDir(), "present"); !errors.Is(err, ErrNoKeys) {
		t.Errorf("a directory without keys: %v", err)
	}
}

// Rule 1: the verifying key ignores no input. gnark does not report unused inputs;
// their points would be infinity, which the verifier's reader refuses.
func TestVerifyingKeyUsesItsInput(t *testing.T) {
	c, err := LoadCircuit(keyDir(), "present")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.ParseVerifyingKey(c.VK.Marshal()); err != nil {
		t.Error(err)
	}
	if len(c.pk.CommitmentKeys) != 0 {
		t.Error("the key has Groth16 commitments")
	}
	if n := c.system.GetNbPublicVariables(); n != 2 {
		t.Errorf("%d public wires, want the constant one and D", n)
	}
	if circuits.Hash(c.system) != c.Keys.Circuit {
		t.Error("the loaded circuit is not the one that the keys name")
	}
}

// A proving key whose delta is infinity still makes proofs that verify, and they
// show the record: the blinding of A and B is gone. It is refused.
func TestKeyWithoutBlindingIsRefused(t *testing.T) {
	c, err := LoadCircuit(keyDir(), "present")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.checkBlinding(); err != nil {
		t.Fatal(err)
	}
	honest := *c.pk
	c.pk.G1.Delta.SetInfinity()
	if err := c.checkBlinding(); !errors.Is(err, ErrDamagedKeys) {
		t.Errorf("delta at infinity in G1: %v", err)
	}
	*c.pk = honest
	c.pk.G2.Delta.SetInfinity()
	if err := c.checkBlinding(); !errors.Is(err, ErrDamagedKeys) {
		t.Errorf("delta at infinity in G2: %v", err)
	}
}
