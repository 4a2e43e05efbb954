package verifier

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/attestry/attestry/ledger"
)

// apply takes the next entry into the tree and replays the log's rules on it.
func (a *audit) apply(data []byte) {
	a.index = a.report.Entries
	a.report.Entries++
	a.tree.add(ledger.LeafHash(data))
	if err := a.rules.Apply(a.state, a.index, data); err != nil {
		a.problems.add(&a.index, AuditRules, err)
		return
	}
	entry, err := ledger.ParseEntry(data)
	if err != nil {
		return // the rules have said so
	}
	switch e := entry.(type) {
	case *ledger.SchemaEntry:
		err = a.checkIssuers(e.Schema.Registry, e.Schema.DerivedNames(), e.VerifySignature)
	case *ledger.EpochEntry:
		a.report.Epochs++
		err = a.checkIssuers(e.Registry, slices.Sorted(maps.Keys(e.Derived)), e.VerifySignature)
	case *ledger.CircuitEntry:
		a.checkCircuit(e)
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
		a.proofs.jobs <- proofJob{a.index, e, c}
	}
	return nil
}

type proofJob struct {
	index   uint64
	entry   *ledger.ProofEntry
	circuit pinnedCircuit
}

// proofPool verifies proofs on every core that the program may use.
type proofPool struct {
	jobs    chan proofJob
	workers sync.WaitGroup
}

func startProofPool(problems *problemList) *proofPool {
	n := runtime.GOMAXPROCS(0)
	p := &proofPool{jobs: make(chan proofJob, 2*n)}
	for range n {
		p.workers.Go(func() {
			for j := range p.jobs {
				if err := j.circuit.key.VerifyEntry(j.entry); err != nil {
					problems.add(&j.index, AuditProof, err)
				}
			}
		})
	}
	return p
}

// finish waits until every proof that was queued is verified.
func (p *proofPool) finish() {
	close(p.jobs)
	p.workers.Wait()
}

// problemList gathers problems from several goroutines.
type problemList struct {
	mu   sync.Mutex
	list []Problem
	more uint64 // beyond maxProblems
}

func (l *problemList) add(index *uint64, check string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= maxProblems {
		l.more++
		return
	}
	p := Problem{Check: check, Detail: err.Error()}
	if index != nil {
		n := *index // the caller's goes on counting
		p.Index = &n
	}
	l.list = append(l.list, p)
}
