package verifier

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// take takes an entry into the tree and replays the log's rules on it. An entry that
// an earlier audit took is only held to the hash that it had then. The error is of the
// state, and ends the audit.
func (a *audit) take(index uint64, e readEntry) error {
	if index < a.report.Entries {
		if e.leaf != a.tree.levels[0].hashes[index%ledger.TileWidth] {
			a.problems.add(&index, AuditConsistency, errors.New("another entry than the one that was audited before"))
		}
		return nil
	}
	a.index, a.current = index, e.prepared
	a.report.Entries++
	a.tree.add(e.leaf)
	err := e.err
	if err == nil {
		err = a.rules.ApplyPrepared(a.state, a.index, e.prepared)
	}
	if err := a.state.Err(); err != nil {
		return fmt.Errorf("audit stopped at entry %d: %w", index, err)
	}
	if err != nil {
		a.problems.add(&a.index, AuditRules, err)
		return nil
	}
	a.checkPinned(e.prepared.Entry())
	return nil
}

// checkPinned holds an entry that the rules accepted to the trust file, and counts it.
func (a *audit) checkPinned(entry ledger.Entry) {
	a.counts.add(a.index, entry)
	var err error
	switch e := entry.(type) {
	case *ledger.SchemaEntry:
		err = a.checkIssuers(e.Schema.Registry, e.Schema.DerivedNames(), e.VerifySignature)
	case *ledger.EpochEntry:
		a.report.Epochs++
		err = a.checkIssuers(e.Registry, slices.Sorted(maps.Keys(e.Derived)), e.VerifySignature)
	case *ledger.CircuitEntry:
		a.checkCircuit(e)
	case *ledger.GrantEntry:
		err = a.checkIssuer(e.Registry, e.VerifySignature)
	case *ledger.GrantRevocationEntry:
		err = a.checkIssuer(e.Registry, e.VerifySignature)
	case *ledger.ProofEntry:
		a.report.Proofs++
	}
	if err != nil {
		a.problems.add(&a.index, AuditIssuer, err)
	}
}

// checkIssuers wants a registry's pinned issuer to be that of each registry which
// derives from it too: as in a verdict, these are pinned by their own names.
func (a *audit) checkIssuers(registry string, derived []string, verify func(ledger.IssuerKey) error) error {
	for _, name := range append(derived, registry) {
		if err := a.checkIssuer(name, verify); err != nil {
			return err
		}
	}
	return nil
}

// checkIssuer wants a signature by an issuer that is pinned for the registry in
// this log; the rules alone take the registry's first schema at its word.
func (a *audit) checkIssuer(registry string, verify func(ledger.IssuerKey) error) error {
	err := fmt.Errorf("no issuer of registry %s in log %s is pinned", registry, a.checkpoint.Origin)
	for _, t := range a.pins.trust.Registries {
		if t.Registry != registry || t.Log != a.checkpoint.Origin {
			continue
		}
		if !t.holds(a.index) {
			err = fmt.Errorf("outside the window of the issuer's key (%s)", t.Window)
			continue
		}
		if err = verify(t.Issuer); err == nil {
			return nil
		}
	}
	return a.checkHandedOver(registry, err)
}

// checkCircuit holds a row of the log's table of circuits to the trust file's. One
// that is not pinned matters only once a proof uses it.
func (a *audit) checkCircuit(e *ledger.CircuitEntry) {
	c, ok := a.pins.circuit(e.Circuit, e.VKHash(), a.checkpoint.Origin)
	if !ok {
		return
	}
	if e.Name != c.Name || e.Version != c.Version || e.Setup != c.Setup {
		a.problems.add(&a.index, AuditCircuit, fmt.Errorf("the log calls %s version %d of a %s setup what the trust file calls %s version %d of a %s setup", e.Name, e.Version, e.Setup, c.Name, c.Version, c.Setup))
	}
	if c.Setup == ledger.SetupDevelopment && a.pins.trust.Development != allowDevelopment {
		a.problems.add(&a.index, AuditSetup, errors.New("a development setup, which the trust file does not allow: whoever made its keys can forge proofs"))
	}
}

// queueProof is the rules' callback: it leaves the costly part to the pool, whose
// findings become problems of this entry, and lets the replay go on.
func (a *audit) queueProof(e *ledger.ProofEntry, _ *ledger.CircuitEntry) error {
	c, ok := a.pins.circuit(e.Public.Circuit, e.Public.VK, a.checkpoint.Origin)
	switch {
	case !ok:
		a.problems.add(&a.index, AuditCircuit, fmt.Errorf("circuit %s with verifying key %s is not pinned", short(e.Public.Circuit), short(e.Public.VK)))
	case !c.holds(a.index):
		a.problems.add(&a.index, AuditCircuit, fmt.Errorf("outside the circuit's window (%s)", c.Window))
	case c.known() != nil:
		a.problems.add(&a.index, AuditCircuit, c.known())
	default:
		a.proofs.add(proofJob{a.index, c.key, e.Proof, a.current.D()})
	}
	return nil
}

type proofJob struct {
	index uint64
	key   *VerifyingKey
	proof []byte
	d     statement.Element
}

// proofPool verifies proofs in batches, one on each core that the program may use.
type proofPool struct {
	next     []proofJob
	batches  chan []proofJob
	workers  sync.WaitGroup
	problems *problemList
}

func startProofPool(problems *problemList) *proofPool {
	n := runtime.GOMAXPROCS(0)
	p := &proofPool{batches: make(chan []proofJob, n), problems: problems}
	for range n {
		p.workers.Go(func() {
			for batch := range p.batches {
				p.verify(batch)
			}
		})
	}
	return p
}

// add queues a proof. It waits while enough batches do.
func (p *proofPool) add(j proofJob) {
	if p.next = append(p.next, j); len(p.next) == maxTogether {
		p.batches <- p.next
		p.next = nil
	}
}

// verify makes a problem of every proof of a batch that does not hold.
func (p *proofPool) verify(batch []proofJob) {
	items := make([]BatchItem, 0, len(batch))
	indexes := make([]uint64, 0, len(batch))
	for _, j := range batch {
		proof, err := ParseProof(j.proof)
		if err != nil {
			p.problems.add(&j.index, AuditProof, err)
			continue
		}
		items, indexes = append(items, BatchItem{j.key, proof, j.d}), append(indexes, j.index)
	}
	for i, err := range verifyBatch(items, 1) {
		if err != nil {
			p.problems.add(&indexes[i], AuditProof, err)
		}
	}
}

// finish waits until every proof that was queued is verified.
func (p *proofPool) finish() {
	if len(p.next) > 0 {
		p.batches <- p.next
	}
	close(p.batches)
	p.workers.Wait()
}

// problemList gathers problems from several goroutines, up to [maxProblems] of each
// check: who floods a report with one kind of problem hides no other.
type problemList struct {
	mu    sync.Mutex
	list  []Problem
	count map[string]uint64 // by check, those that are not listed too
}

func (l *problemList) add(index *uint64, check string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == nil {
		l.count = map[string]uint64{}
	}
	if l.count[check]++; l.count[check] > maxProblems {
		return
	}
	p := Problem{Check: check, Detail: err.Error()}
	if index != nil {
		n := *index // the caller's goes on counting
		p.Index = &n
	}
	l.list = append(l.list, p)
}
