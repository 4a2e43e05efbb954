package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/prover"
)

const comparesPeers = `Packages of npm, at the versions of benchmarks/peers/package-lock.json, in one process of node that is measured from within;
their keys and programs are in memory, as this side's are.

snarkjs proves benchmarks/peers/present.circom, compiled by circom2 over circomlib's Poseidon: the statement of the circuit present, with
as many records, the same eight conditions, two outputs, a nullifier and one public input. It is not the same circuit. It is made for this one
question, where attestry's takes any question and any schema, and has no nulls, for which it needs fewer constraints; it has a
binary tree over Poseidon instead of one of eight children over Poseidon2, for which it needs more. So the ratio is of what
a user waits for, and the ratio for each constraint is beside it. Its setup is snarkjs's own from powers of tau made here.

Semaphore proves membership in a group, and nothing about a record: its circuit of 28 levels with the keys of its ceremony. BBS reveals one of 18
signed messages and hides the others, with no conditions, on another curve (BLS12-381). Neither statement is comparable with one of attestry's,
so there is no ratio: the figures say what else can be had at what price.`

//go:embed peers/package.json peers/package-lock.json peers/harness.mjs peers/present.circom
var peerFiles embed.FS

// measurePeers proves beside the peers, where node is.
func measurePeers(ctx context.Context, b *bench) error {
	if reason := b.installPeers(ctx); reason != nil {
		b.note("No peers: %v.", reason)
		return nil
	}
	c, err := b.theCounty(ctx)
	if err != nil {
		return err
	}
	ours, err := c.w.Circuit("present")
	if err != nil {
		return err
	}
	h, err := b.startPeers(ctx)
	if err != nil {
		return err
	}
	return errors.Join(b.besidePeers(ctx, h, ours, c.present), h.close())
}

// installPeers fetches the packages of the lock file into the run's directory. It gives why
// there are none.
func (b *bench) installPeers(ctx context.Context) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	if err := os.CopyFS(b.dir, peerFiles); err != nil {
		return err
	}
	// No package runs a script of its own. What is optional is Semaphore, whose keys are large.
	args := []string{"--prefix", b.path("peers"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"}
	if b.Quick {
		args = append(args, "--omit=optional")
	}
	return command(ctx, "npm", args...)
}

// startPeers starts the peers that are there and waits until they are set up.
func (b *bench) startPeers(ctx context.Context) (*harness, error) {
	if err := writePowers(b.path("peers", "powers.ptau")); err != nil {
		return nil, err
	}
	names := "snarkjs,bbs"
	if _, err := os.Stat(b.path("peers", "node_modules", "@zk-kit", "semaphore-artifacts")); err == nil {
		names += ",semaphore"
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return startHarness(ctx, b.path("peers"), names)
}

// harness is the process of node that the peers are in.
type harness struct {
	cmd   *exec.Cmd
	in    *json.Encoder
	out   *json.Decoder
	end   func() error
	about peersAbout
	// costs are what node measured of each step.
	costs map[string][]cost
}

// peersAbout is what the peers say of themselves.
type peersAbout struct {
	Steps         []string          `json:"steps"`
	Versions      map[string]string `json:"versions"`
	Constraints   int               `json:"constraints"`
	BBSProofBytes int               `json:"bbs_proof_bytes"`
}

// answerOfPeer is a line that the harness writes.
type answerOfPeer struct {
	About *peersAbout
	Error string
	Wall  float64 `json:"wall_ms"`
	CPU   float64 `json:"cpu_ms"`
}

func startHarness(ctx context.Context, dir, names string) (*harness, error) {
	cmd := exec.CommandContext(ctx, "node", filepath.Join(dir, "harness.mjs"), "--only", names)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &harness{cmd: cmd, in: json.NewEncoder(in), out: json.NewDecoder(out), end: in.Close, costs: map[string][]cost{}}
	about, err := h.read()
	if err == nil && about.About == nil {
		err = errors.New("the peers say nothing of themselves")
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.about = *about.About
	return h, nil
}

func (h *harness) read() (a answerOfPeer, err error) {
	if err := h.out.Decode(&a); err != nil {
		return a, fmt.Errorf("the peers gave no answer: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// step gives a run of one of the peers' steps.
func (h *harness) step(name string) func() error {
	return func() error {
		if err := h.in.Encode(name); err != nil {
			return err
		}
		a, err := h.read()
		ms := func(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }
		h.costs[name] = append(h.costs[name], cost{ms(a.Wall), ms(a.CPU)})
		return err
	}
}

func (h *harness) close() error { return errors.Join(h.end(), h.cmd.Wait()) }

// besidePeers measures every step of the peers in turn with a proof of this side.
func (b *bench) besidePeers(ctx context.Context, h *harness, circuit *prover.Circuit, in circuits.Input) error {
	works := []func() error{func() error {
		_, _, err := circuit.Prove(in)
		return err
	}}
	for _, name := range h.about.Steps {
		works = append(works, h.step(name))
	}
	costs, err := interleave(ctx, b.rounds(), works...)
	if err != nil {
		return err
	}
	for _, name := range h.about.Steps {
		measured := h.costs[name][1:] // the first round does not count
		b.add(figure{"peers." + name + ".ms", medianWall(measured), 0, lower, fmt.Sprintf("by the wall; processor time %.3g", medianCPU(measured))})
	}
	b.addSnarkjs(h, circuit, costs[0])
	b.add(figure{"peers.bbs.proof.bytes", float64(h.about.BBSProofBytes), 0, lower, "18 messages, one of them revealed"})
	b.note("Versions: %s.", h.about.versions())
	return nil
}

// addSnarkjs holds a proof to one of snarkjs.
func (b *bench) addSnarkjs(h *harness, circuit *prover.Circuit, ours []cost) {
	snarkjs := h.costs["snarkjs.prove"][1:]
	theirs, own := float64(h.about.Constraints), float64(circuit.Constraints())
	wall, cpu := medianWall(snarkjs)/medianWall(ours), medianCPU(snarkjs)/medianCPU(ours)
	b.add(
		figure{"peers.snarkjs.ratio", wall, 25, higher, fmt.Sprintf("snarkjs's wall time for a proof against this side's %.0f ms; %s constraints against %s", medianWall(ours), number(theirs), number(own))},
		figure{"peers.snarkjs.cpu_ratio", cpu, 0, higher, "the same, processor time"},
		figure{"peers.snarkjs.constraint_ratio", wall * own / theirs, 0, higher, "the ratio by the wall for each constraint"},
	)
}

// versions gives all versions, by name.
func (a peersAbout) versions() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(a.Versions)) {
		out = append(out, name+" "+a.Versions[name])
	}
	return strings.Join(out, ", ")
}
