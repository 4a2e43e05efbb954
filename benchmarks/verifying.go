package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	groth16 "github.com/consensys/gnark/backend/groth16/bn254"

	"github.com/attestry/attestry/internal/simulator"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

const comparesVerifying = `Both sides start from bytes: this one from a proof's 128, gnark's from what its WriteTo makes of the same proof (164: a
count of commitments and a point at infinity come on top), and both check that every point is in its subgroup. The keys are read
before, with what either precomputes of them. The proofs are simulated (of statements that need not be true, made with the key's
trapdoor), which no verifier can tell from others. A single proof is checked on one core, a batch on two: gnark has no batch, so
two goroutines check its proofs one by one. That a proof of a batch costs less than one alone is what the ratio is about, and a bank
that checks one bundle has nothing of it.`

// someProofs are simulated proofs in both encodings.
type someProofs struct {
	vk      *verifier.VerifyingKey
	gnarkVK groth16.VerifyingKey
	ours    [][]byte
	gnark   [][]byte
	ds      []fr.Element
}

func newProofs(n int) (*someProofs, error) {
	key, p := simulator.New(), &someProofs{}
	var err error
	if p.vk, err = verifier.NewVerifyingKey(key.Alpha, key.Beta, key.Gamma, key.Delta, key.K0, key.K1); err != nil {
		return nil, err
	}
	p.gnarkVK.G1.Alpha, p.gnarkVK.G1.K = key.Alpha, []curve.G1Affine{key.K0, key.K1}
	p.gnarkVK.G2.Beta, p.gnarkVK.G2.Gamma, p.gnarkVK.G2.Delta = key.Beta, key.Gamma, key.Delta
	if err := p.gnarkVK.Precompute(); err != nil {
		return nil, err
	}
	for range n {
		d := statement.RandomElement().Fr()
		proof := key.Prove(d)
		encoded, err := gnarkEncoding(proof)
		if err != nil {
			return nil, err
		}
		p.ds, p.ours, p.gnark = append(p.ds, d), append(p.ours, proof), append(p.gnark, encoded)
	}
	return p, nil
}

// gnarkEncoding gives a proof as gnark writes it.
func gnarkEncoding(proof []byte) ([]byte, error) {
	var p groth16.Proof
	d := curve.NewDecoder(bytes.NewReader(proof))
	if err := errors.Join(d.Decode(&p.Ar), d.Decode(&p.Bs), d.Decode(&p.Krs)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err := p.WriteTo(&out)
	return out.Bytes(), err
}

func (p *someProofs) verifyOurs(i int) error {
	proof, err := verifier.ParseProof(p.ours[i])
	if err != nil {
		return err
	}
	return p.vk.Verify(proof, statement.Element(p.ds[i]))
}

func (p *someProofs) verifyGnark(i int) error {
	var proof groth16.Proof
	if _, err := proof.ReadFrom(bytes.NewReader(p.gnark[i])); err != nil {
		return err
	}
	return groth16.Verify(&proof, &p.gnarkVK, fr.Vector{p.ds[i]})
}

// readAll reads all proofs on so many cores.
func (p *someProofs) readAll(cores int) ([]verifier.BatchItem, error) {
	items := make([]verifier.BatchItem, len(p.ours))
	err := inParallel(cores, len(items), func(i int) (err error) {
		items[i] = verifier.BatchItem{Key: p.vk, D: statement.Element(p.ds[i])}
		items[i].Proof, err = verifier.ParseProof(p.ours[i])
		return err
	})
	return items, err
}

// batchCores is on how many cores a batch is compared.
const batchCores = 2

// measureVerifying holds the verifier to gnark's.
func measureVerifying(ctx context.Context, b *bench) error {
	p, err := newProofs(256)
	if err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if err := p.measureSingle(ctx, b); err != nil {
		return err
	}
	runtime.GOMAXPROCS(batchCores)
	return p.measureBatch(ctx, b)
}

func (p *someProofs) measureSingle(ctx context.Context, b *bench) error {
	const some = 64
	each := func(verify func(int) error) func() error {
		return func() error { return inParallel(1, some, verify) }
	}
	costs, err := interleave(ctx, b.rounds(), each(p.verifyGnark), each(p.verifyOurs))
	if err != nil {
		return err
	}
	gnark, ours := medianCPU(costs[0])/some, medianCPU(costs[1])/some
	b.add(
		figure{"verify.single.cpu_ms", ours, 0, lower, fmt.Sprintf("one proof from its 128 bytes on one core; gnark %.3f", gnark)},
		figure{"verify.single.cpu_ratio", gnark / ours, 1.5, higher, "gnark's Verify from its bytes against it"},
	)
	return nil
}

func (p *someProofs) measureBatch(ctx context.Context, b *bench) error {
	n := float64(len(p.ours))
	var items []verifier.BatchItem
	gnark := func() error { return inParallel(batchCores, len(p.gnark), p.verifyGnark) }
	batch := func() (err error) {
		if items, err = p.readAll(batchCores); err != nil {
			return err
		}
		return errors.Join(verifier.VerifyBatch(items)...)
	}
	read := func() error { return errors.Join(verifier.VerifyBatch(items)...) }
	costs, err := interleave(ctx, b.rounds(), gnark, repeat(4, batch), repeat(4, read))
	if err != nil {
		return err
	}
	stock, ours, alone := medianWall(costs[0])/n, medianWall(costs[1])/4/n, medianWall(costs[2])/4/n
	b.add(
		figure{"verify.batch256.ms", ours, 0, lower, fmt.Sprintf("a proof of a batch of 256 from bytes, by the wall on %d cores; %.3f where it was read before; gnark %.3f", batchCores, alone, stock)},
		figure{"verify.batch256.ratio", stock / ours, 4, higher, fmt.Sprintf("gnark's Verify from its bytes on %d goroutines against it", batchCores)},
	)
	return nil
}
