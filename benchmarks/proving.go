package main

import (
	"context"
	"fmt"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark/backend"
	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/rs/zerolog"

	"github.com/attestry/attestry/circuits"
	"github.com/attestry/attestry/prover"
)

const comparesProving = `Stock gnark is what its documentation leads to: the circuit as gnark's builder compiles it (no side of a row is
swapped), keys of its own setup in memory, the logger off, groth16.Prove. This side is prover.Circuit.Prove, which verifies
every proof before it gives it; gnark's does not. Both make the assignment's vector from the same statement, a parcel of the
county's 25,357 under eight conditions with a nullifier (present) and a key that no parcel has (absent). Wall time is with all
cores for one proof; proofs a second are of the best of one, two or four at a time on each side.`

// stock is gnark's own prover of a circuit.
type stock struct {
	system *cs.R1CS
	pk     groth16.ProvingKey
}

func newStock(circuit frontend.Circuit) (*stock, error) {
	compiled, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, circuit)
	if err != nil {
		return nil, err
	}
	s := &stock{}
	s.system = compiled.(*cs.R1CS) // what this builder makes for this field
	var vk groth16.VerifyingKey
	return s, groth16.Setup(s.system, &s.pk, &vk)
}

func (s *stock) prove(in circuits.Input) error {
	w, err := frontend.NewWitness(in.Circuit(), ecc.BN254.ScalarField())
	if err != nil {
		return err
	}
	_, err = groth16.Prove(s.system, &s.pk, w, backend.WithSolverOptions(solver.WithLogger(zerolog.Nop())))
	return err
}

// sides are the two provers of one circuit.
type sides struct {
	stock *stock
	ours  *prover.Circuit
	in    circuits.Input
}

func (s *sides) proveStock() error { return s.stock.prove(s.in) }

func (s *sides) proveOurs() error {
	_, _, err := s.ours.Prove(s.in)
	return err
}

// measureProving holds the prover to stock gnark on each circuit.
func measureProving(ctx context.Context, b *bench) error {
	c, err := b.theCounty(ctx)
	if err != nil {
		return err
	}
	for _, p := range []struct {
		name     string
		circuit  frontend.Circuit
		in       circuits.Input
		wallGoal float64
		cpuGoal  float64
	}{
		{"present", &circuits.Present{}, c.present, 3.2, 3.2},
		{"absent", &circuits.Absent{}, c.absent, 3, 0},
	} {
		s := &sides{in: p.in}
		if s.stock, err = newStock(p.circuit); err != nil {
			return err
		}
		if s.ours, err = c.w.Circuit(p.name); err != nil {
			return err
		}
		costs, err := interleave(ctx, b.count(5, 15), s.proveStock, s.proveOurs)
		if err != nil {
			return err
		}
		name := "prove." + p.name
		b.add(
			figure{"circuit." + p.name + ".constraints", float64(s.ours.Constraints()), 8192, lower, fmt.Sprintf("the domain is 2^13; gnark's own compilation has %s", number(float64(s.stock.system.GetNbConstraints())))},
			figure{name + ".ms", medianWall(costs[1]), 0, lower, fmt.Sprintf("one proof, self-verified; stock gnark %.0f", medianWall(costs[0]))},
			figure{name + ".cpu_ms", medianCPU(costs[1]), 0, lower, fmt.Sprintf("the same, processor time; stock gnark %.0f", medianCPU(costs[0]))},
			figure{name + ".wall_ratio", medianWall(costs[0]) / medianWall(costs[1]), p.wallGoal, higher, "stock gnark's wall time against it"},
			figure{name + ".cpu_ratio", medianCPU(costs[0]) / medianCPU(costs[1]), p.cpuGoal, higher, "the same, processor time"},
		)
		if p.name == "present" {
			if err := b.throughput(ctx, s); err != nil {
				return err
			}
		}
	}
	b.add(figure{"prove.rss_mib", peakMemory(), 0, lower, "peak resident size of this process, both provers and the setups of their keys included"})
	return nil
}

// throughput compares proofs a second, each side at the concurrency that suits it best.
func (b *bench) throughput(ctx context.Context, s *sides) error {
	proofs := b.count(8, 24)
	memory := map[int]float64{}
	best := map[string]float64{}
	at := map[string]int{}
	for _, together := range []int{1, 2, 4} {
		many := func(prove func() error) func() error {
			return func() error { return inParallel(together, proofs, func(int) error { return prove() }) }
		}
		costs, err := interleave(ctx, b.count(2, 5), many(s.proveStock), many(s.proveOurs))
		if err != nil {
			return err
		}
		alone, err := measured(many(s.proveOurs))
		if err != nil {
			return err
		}
		memory[together] = alone.peak.anon
		for i, side := range []string{"stock", "ours"} {
			if rate := float64(proofs) / medianWall(costs[i]) * 1000; rate > best[side] {
				best[side], at[side] = rate, together
			}
		}
	}
	b.add(
		figure{"prove.per_s", best["ours"], 0, higher, fmt.Sprintf("proofs of present a second, %d at a time; stock gnark %.1f, %d at a time", at["ours"], best["stock"], at["stock"])},
		figure{"prove.throughput_ratio", best["ours"] / best["stock"], 3, higher, "the same against stock gnark's best"},
		figure{"prove.memory_mib", max(0, memory[4]-memory[1]) / 3, 0, lower, fmt.Sprintf("anonymous memory (RssAnon) that a further proof at the same time takes: at most %.0f with one, %.0f with four", memory[1], memory[4])},
	)
	return nil
}
