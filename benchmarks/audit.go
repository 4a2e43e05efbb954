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
	"sync"
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
	vk    *verifier.VerifyingKey
	// The proofs' bytes and what they are of.
	proofs [][]byte
	ds     []statement.Element
}

// measureAudit compares a whole audit with the checking of its proofs alone.
func measureAudit(ctx context.Context, dir string, o options) ([]figure, error) {
	n := 10_000
	if o.Quick {
		n = 2000
	}
	l, err := newAuditLog(ctx, subdir(dir, "audit"), n)
	if err != nil {
		return nil, err
	}
	var items []verifier.BatchItem
	batch := func() error { items, err = l.verifyBatch(); return err }
	single := func() error { return verifySingly(items[:256]) }
	together := func() error { return errors.Join(verifier.VerifyBatch(items[:256])...) }
	audit := func() error { return l.audit(ctx) }
	costs, err := interleave(o.rounds(), batch, audit, single, together)
	if err != nil {
		return nil, err
	}
	batches, audits := medianWall(costs[0]), medianWall(costs[1])
	return []figure{
		{"audit.proofs_per_s", float64(n) / audits * 1000, 0, "higher", fmt.Sprintf("a whole audit of a log of %d proofs", n)},
		{"audit.throughput_ratio", batches / audits, 0.8, "higher", "the same proofs in batches alone, against the whole audit"},
		{"verify.batch.cpu_ms", medianCPU(costs[0]) / float64(n), 0, "lower", "one proof of a batch, from its 128 bytes, key cached"},
		{"verify.batch.x_single", medianCPU(costs[2]) / medianCPU(costs[3]), 0, "higher", "256 proofs one by one against a batch, both read before"},
	}, nil
}

func (l *auditLog) audit(ctx context.Context) error {
	report, err := verifier.Audit(ctx, l.dir, l.trust, nil)
	if err == nil && (!report.OK || report.Proofs != uint64(len(l.proofs))) {
		err = fmt.Errorf("the audit found %v", report.Problems)
	}
	return err
}

// verifyBatch reads the proofs from their bytes on all cores and checks them in
// batches. It gives them read.
func (l *auditLog) verifyBatch() ([]verifier.BatchItem, error) {
	items, errs := make([]verifier.BatchItem, len(l.proofs)), make([]error, len(l.proofs))
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		wait.Go(func() {
			for i := worker; i < len(items); i += workers {
				items[i].Key, items[i].D = l.vk, l.ds[i]
				items[i].Proof, errs[i] = verifier.ParseProof(l.proofs[i])
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return items, errors.Join(verifier.VerifyBatch(items)...)
}

func verifySingly(items []verifier.BatchItem) error {
	for _, item := range items {
		if err := item.Key.Verify(item.Proof, item.D); err != nil {
			return err
		}
	}
	return nil
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
	l := &auditLog{dir: filepath.Join(dir, "export"), vk: vk}
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
		l.proofs, l.ds, entries = append(l.proofs, e.Proof), append(l.ds, d), append(entries, e)
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
