package prover

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/logger"

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
	make    func() frontend.Circuit
}

func definitions() []definition {
	return []definition{
		{verifier.CircuitPresent, 1, func() frontend.Circuit { return &circuits.Present{} }},
		{verifier.CircuitAbsent, 1, func() frontend.Circuit { return &circuits.Absent{} }},
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

// compile builds a circuit's constraint system with gnark's logger off: it writes
// to stdout, and on an unsatisfied constraint it would write the values.
func compile(d definition) (*cs.R1CS, error) {
	logger.Disable()
	return circuits.Compile(d.make())
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

// Circuit is a circuit ready to prove.
type Circuit struct {
	Keys CircuitKeys
	VK   *verifier.VerifyingKey

	system *cs.R1CS
	pk     *groth16.ProvingKey
}

// LoadCircuit compiles the circuit of this name and reads its keys. The proving
// key is read without the checks of its points, because its SHA-256 is the one in
// the manifest; a key or a circuit that differs is refused.
func LoadCircuit(dir, name string) (*Circuit, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range definitions() {
		for _, keys := range m.Circuits {
			if d.name == name && keys.Name == name && keys.Version == d.version {
				return load(dir, d, keys)
			}
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoKeys, name)
}

func load(dir string, d definition, keys CircuitKeys) (*Circuit, error) {
	system, err := compile(d)
	if err != nil {
		return nil, err
	}
	if circuits.Hash(system) != keys.Circuit {
		return nil, fmt.Errorf("%w: %s in %s is of another version of this program", ErrOtherCircuit, d.name, dir)
	}
	vk, err := keys.VerifyingKey(dir)
	if err != nil {
		return nil, err
	}
	raw, err := readKey(dir, keys.PK, ".pk")
	if err != nil {
		return nil, err
	}
	c := &Circuit{Keys: keys, VK: vk, system: system, pk: &groth16.ProvingKey{}}
	if _, err := c.pk.UnsafeReadFrom(bufio.NewReader(bytes.NewReader(raw))); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamagedKeys, keys.PK.Hex(), err)
	}
	if err := c.checkBlinding(); err != nil {
		return nil, err
	}
	return c, nil
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
	if err != nil || !same || c.pk.G2.Delta != delta {
		return fmt.Errorf("%w: the proving key's delta is not the verifying key's", ErrDamagedKeys)
	}
	return nil
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

// Constraints gives the number of constraints of the circuit.
func (c *Circuit) Constraints() int { return c.system.GetNbConstraints() }
