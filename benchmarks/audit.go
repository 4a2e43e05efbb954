package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/simulator"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// auditLog is a log of simulated proofs, exported, with what its auditor needs.
type auditLog struct {
	dir   string
	trust *verifier.Trust
	someProofs
}

const comparesAudit = `The logs' proofs are simulated, of as many statements. The whole audit reads the export, rebuilds its tree, replays every
rule and checks every signature and proof; beside it the same proofs are read from their bytes and checked in batches, on the same
cores, and nothing else.`

// measureAudit compares whole audits of ever larger logs with the checking of their proofs
// alone.
func measureAudit(ctx context.Context, b *bench) error {
	rates := plotted{Name: "audit", Title: "Audits by size", X: "proofs in the log", Y: "proofs a second", Series: []series{{Name: "whole audit"}, {Name: "proofs alone, in batches"}}}
	largest := b.count(5_000, 100_000)
	for n := 100; n < largest; n *= 10 {
		if _, err := b.audits(ctx, n, &rates); err != nil {
			return err
		}
	}
	costs, err := b.audits(ctx, largest, &rates)
	if err != nil {
		return err
	}
	n := float64(largest)
	batches, audits := medianWall(costs[0]), medianWall(costs[1])
	b.add(
		figure{"audit.proofs_per_s", n / audits * 1000, 0, higher, fmt.Sprintf("a whole audit of a log of %s proofs", number(n))},
		figure{"audit.throughput_ratio", batches / audits, 0.8, higher, "the same proofs in batches alone, against the whole audit"},
		figure{"verify.batch.cpu_ms", medianCPU(costs[0]) / n, 0, lower, "one proof of a batch, from its 128 bytes, key cached"},
	)
	b.found.Curves = append(b.found.Curves, rates)
	return nil
}

// audits measures a log of so many proofs, and puts the rates into a curve: first the
// proofs alone, then whole audits.
func (b *bench) audits(ctx context.Context, proofs int, rates *plotted) ([][]cost, error) {
	l, err := newAuditLog(ctx, b.path(fmt.Sprintf("audit-%d", proofs)), proofs)
	if err != nil {
		return nil, err
	}
	alone := func() error { return errors.Join(l.verifyBatch()...) }
	audit := func() error { return l.audit(ctx) }
	costs, err := interleave(ctx, b.count(3, 5), alone, audit)
	if err != nil {
		return nil, err
	}
	for i, side := range []int{1, 0} {
		at := [2]float64{float64(proofs), float64(proofs) / medianWall(costs[side]) * 1000}
		rates.Series[i].Points = append(rates.Series[i].Points, at)
	}
	return costs, nil
}

func (l *auditLog) audit(ctx context.Context) error {
	report, err := verifier.Audit(ctx, l.dir, l.trust, nil)
	if err == nil && (!report.OK || report.Proofs != uint64(len(l.ours))) {
		err = fmt.Errorf("the audit found %v", report.Problems)
	}
	return err
}

// verifyBatch reads the proofs from their bytes on all cores and checks them in batches.
func (l *auditLog) verifyBatch() []error {
	items, err := l.readAll(runtime.GOMAXPROCS(0))
	if err != nil {
		return []error{err}
	}
	return verifier.VerifyBatch(items)
}

// newAuditLog makes a log of simulated proofs, which an auditor cannot tell from real
// ones, and exports it.
func newAuditLog(ctx context.Context, dir string, proofs int) (*auditLog, error) {
	const origin = "benchmarks.example/log"
	key := simulator.New()
	vk, err := verifier.NewVerifyingKey(key.Alpha, key.Beta, key.Gamma, key.Delta, key.K0, key.K1)
	if err != nil {
		return nil, err
	}
	_, issuer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	skey, vkey, err := ledger.NewLogKey(origin)
	if err != nil {
		return nil, err
	}
	l := &auditLog{dir: filepath.Join(dir, "export"), someProofs: someProofs{vk: vk}}
	entries, err := l.entries(key, issuer, origin, proofs)
	if err != nil {
		return nil, err
	}
	schema, circuit := entries[0].(*ledger.SchemaEntry), entries[1].(*ledger.CircuitEntry)
	l.trust = &verifier.Trust{
		Format: verifier.TrustFormat, Development: "allow", Logs: []verifier.TrustedLog{{Key: vkey}},
		Registries: []verifier.TrustedRegistry{{Registry: schema.Schema.Registry, Issuer: schema.Issuer, Log: origin}},
		Circuits:   []verifier.TrustedCircuit{{Name: circuit.Name, Version: 1, Circuit: circuit.Circuit, VK: circuit.VK, Setup: circuit.Setup}},
	}
	return l, l.export(ctx, filepath.Join(dir, "ledger.db"), skey, origin, entries)
}

// entries gives a schema, a circuit, an epoch and proofs on it.
func (l *auditLog) entries(key *simulator.Key, issuer ed25519.PrivateKey, origin string, proofs int) ([]ledger.Entry, error) {
	schema := &ledger.SchemaEntry{Schema: statement.Schema{Registry: "titles", Key: "parcel", Attributes: []statement.Attribute{{Name: "value", Type: statement.Int}}}}
	hash, _ := verifier.Relation(verifier.CircuitPresent, 1)
	circuit := &ledger.CircuitEntry{Name: verifier.CircuitPresent, Version: 1, Circuit: hash, VK: l.vk.Marshal(), Setup: ledger.SetupDevelopment}
	if err := schema.Sign(issuer); err != nil {
		return nil, err
	}
	schemaID, err := schema.Identity()
	if err != nil {
		return nil, err
	}
	epoch := &ledger.EpochEntry{Registry: "titles", Schema: schemaID, Number: 1, Time: statement.FormatTime(time.Now())}
	if err := epoch.Sign(issuer); err != nil {
		return nil, err
	}
	epochID, err := epoch.Identity()
	if err != nil {
		return nil, err
	}
	entries := []ledger.Entry{schema, circuit, epoch}
	for i := range proofs {
		var q fr.Element
		q.SetUint64(uint64(i))
		e := &ledger.ProofEntry{Root: epoch.Root, Q: statement.Element(q), Public: statement.Public{
			Origin: origin, Circuit: hash, VK: circuit.VKHash(), Registry: "titles", Schema: schemaID, Epoch: epochID,
		}}
		d, err := e.D()
		if err != nil {
			return nil, err
		}
		e.Proof = key.Prove(d.Fr())
		l.ours, l.ds, entries = append(l.ours, e.Proof), append(l.ds, d.Fr()), append(entries, e)
	}
	return entries, nil
}

// export puts the entries into a log, which takes their proofs unseen, and exports it.
func (l *auditLog) export(ctx context.Context, path, skey, origin string, entries []ledger.Entry) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	unseen := func(*ledger.ProofEntry, *ledger.CircuitEntry) error { return nil }
	s, err := store.Create(path, origin, store.Options{Verify: unseen})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(entries, 512) {
		if _, err := s.Append(ctx, part...); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	if _, err := s.PublishCheckpoint(signer); err != nil {
		return errors.Join(err, s.Close())
	}
	return errors.Join(s.Export(l.dir, nil), s.Close())
}
