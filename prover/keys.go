package prover

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/logger"
	"github.com/rs/zerolog"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// manifestName is the file in a key directory that lists the keys.
const manifestName = "manifest.json"

// manifestFormat is the manifest's format member.
const manifestFormat = "attestry/keys/v1"

// Manifest lists the circuit keys of a directory. A key's file is named by the
// SHA-256 of its content, in hexadecimal, with the ending .pk or .vk.
type Manifest struct {
	Format   string        `json:"format"`
	Circuits []CircuitKeys `json:"circuits"`
}

// CircuitKeys names the keys of one circuit.
type CircuitKeys struct {
	Name    string           `json:"name"`
	Version int              `json:"version"`
	Circuit statement.Digest `json:"circuit"` // hash of the constraint system
	PK      statement.Digest `json:"pk"`      // of the proving key's file
	VK      statement.Digest `json:"vk"`      // of the verifying key's file
	Setup   ledger.Setup     `json:"setup"`
}

// definition is a circuit that this version can prove.
type definition struct {
	name    string
	version int
	hash    string // of the constraint system, in hexadecimal
	system  string // the same of what gnark writes of it
	make    func() frontend.Circuit
}

func definitions() []definition {
	return []definition{
		{verifier.CircuitPresent, 1, circuits.PresentHash, circuits.PresentSystem, func() frontend.Circuit { return &circuits.Present{} }},
		{verifier.CircuitAbsent, 1, circuits.AbsentHash, circuits.AbsentSystem, func() frontend.Circuit { return &circuits.Absent{} }},
	}
}

// SetupDevelopment makes fresh keys for every circuit in dir, which must have no
// manifest yet. Whoever runs it could keep the setup's randomness and forge proofs,
// so the keys are for development alone, and verifiers must allow them by name.
// report is told what is being made.
func SetupDevelopment(dir string, report func(what string)) (*Manifest, error) {
	if _, err := os.Stat(filepath.Join(dir, manifestName)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s already has circuit keys", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	m := &Manifest{Format: manifestFormat}
	for _, d := range definitions() {
		report(fmt.Sprintf("development keys for the circuit %s", d.name))
		keys, err := setup(dir, d)
		if err != nil {
			return nil, fmt.Errorf("keys for the circuit %s: %w", d.name, err)
		}
		m.Circuits = append(m.Circuits, keys)
	}
	document, err := canon.Marshal(m)
	if err != nil {
		return nil, err
	}
	return m, atomicfile.Write(filepath.Join(dir, manifestName), append(document, '\n'), 0o600)
}

func setup(dir string, d definition) (CircuitKeys, error) {
	system, err := compile(d)
	if err != nil {
		return CircuitKeys{}, err
	}
	var pk groth16.ProvingKey
	var gnarkVK groth16.VerifyingKey
	if err := groth16.Setup(system, &pk, &gnarkVK); err != nil {
		return CircuitKeys{}, err
	}
	vk, err := convertVK(&gnarkVK)
	if err != nil {
		return CircuitKeys{}, err
	}
	var raw bytes.Buffer
	if _, err := pk.WriteRawTo(&raw); err != nil {
		return CircuitKeys{}, err
	}
	keys := CircuitKeys{
		Name: d.name, Version: d.version, Circuit: circuits.Hash(system),
		PK: sha256.Sum256(raw.Bytes()), VK: vk.Digest(), Setup: ledger.SetupDevelopment,
	}
	if err := atomicfile.Write(keyFile(dir, keys.PK, ".pk"), raw.Bytes(), 0o600); err != nil {
		return CircuitKeys{}, err
	}
	return keys, atomicfile.Write(keyFile(dir, keys.VK, ".vk"), vk.Marshal(), 0o644)
}

func keyFile(dir string, d statement.Digest, ending string) string {
	return filepath.Join(dir, d.Hex()+ending)
}

// compile builds a circuit's constraint system.
func compile(d definition) (*cs.R1CS, error) {
	silence()
	return circuits.Compile(d.make())
}

// silence turns gnark's logger off: it writes to stdout, and on an unsatisfied
// constraint it writes the values. The logger is gnark's for the whole process, so it is
// set only where it is on.
func silence() {
	if log := logger.Logger(); log.GetLevel() != zerolog.Disabled {
		logger.Disable()
	}
}

// convertVK gives gnark's verifying key as the verifier's, which refuses infinity
// among K: an input that the key ignores.
func convertVK(vk *groth16.VerifyingKey) (*verifier.VerifyingKey, error) {
	if len(vk.G1.K) != 2 || len(vk.CommitmentKeys) != 0 {
		return nil, fmt.Errorf("%w: a key of %d inputs and %d commitments", ErrOtherCircuit, len(vk.G1.K)-1, len(vk.CommitmentKeys))
	}
	return verifier.NewVerifyingKey(vk.G1.Alpha, vk.G2.Beta, vk.G2.Gamma, vk.G2.Delta, vk.G1.K[0], vk.G1.K[1])
}

// ReadManifest reads a key directory's manifest.
func ReadManifest(dir string) (*Manifest, error) {
	document, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	m := &Manifest{}
	if err := canon.Unmarshal(document, m); err != nil || m.Format != manifestFormat {
		return nil, fmt.Errorf("%w: %s is malformed", ErrDamagedKeys, manifestName)
	}
	return m, nil
}

// VerifyingKey reads and checks one verifying key of a directory.
func (k CircuitKeys) VerifyingKey(dir string) (*verifier.VerifyingKey, error) {
	encoded, err := readKey(dir, k.VK, ".vk")
	if err != nil {
		return nil, err
	}
	return verifier.ParseVerifyingKey(encoded)
}

// Entry gives the ledger entry that publishes the keys.
func (k CircuitKeys) Entry(vk *verifier.VerifyingKey) *ledger.CircuitEntry {
	return &ledger.CircuitEntry{Name: k.Name, Version: k.Version, Circuit: k.Circuit, VK: vk.Marshal(), Setup: k.Setup}
}

// readKey reads a file that is named by its content's hash, and checks the name.
func readKey(dir string, d statement.Digest, ending string) ([]byte, error) {
	content, err := os.ReadFile(keyFile(dir, d, ending))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	if sha256.Sum256(content) != d {
		return nil, fmt.Errorf("%w: %s%s has another hash than its name: restore it from a backup", ErrDamagedKeys, d.Hex(), ending)
	}
	return content, nil
}
