package verifier

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/attestry/attestry/ledger"
)

// BundleItem is one bundle of many, with what it is checked against.
type BundleItem struct {
	Bundle  *Bundle
	Options Options
}

// BundleResult is what [Verifier.Verify] gives for an item.
type BundleResult struct {
	Verdict *Verdict
	Err     error
}

// VerifyAll gives for each item what [Verifier.Verify] gives, in their order, for less:
// all proofs are checked together (see [VerifyBatch], whose soundness error of 2^-128
// comes with it), and a checkpoint that several bundles show has its signatures
// verified once. An error of one item is none of the others'. It uses so many cores;
// 0: every one that the program may use.
func (v *Verifier) VerifyAll(items []BundleItem, cores int) []BundleResult {
	if cores < 1 {
		cores = runtime.GOMAXPROCS(0)
	}
	results, runs := make([]BundleResult, len(items)), make([]*run, len(items))
	heads := newHeads()
	spread(len(items), cores, func(i int) {
		runs[i], results[i].Err = v.newRun(items[i].Bundle, items[i].Options, heads)
		if results[i].Err == nil {
			runs[i].readProofs()
		}
	})
	proveTogether(runs, cores)
	spread(len(items), cores, func(i int) {
		if results[i].Err == nil {
			results[i].Verdict, results[i].Err = runs[i].verdict()
		}
	})
	return results
}

// spread calls work for each number below n, on so many cores.
func spread(n, cores int, work func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(cores, n) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				work(int(i))
			}
		})
	}
	workers.Wait()
}

// batched are proofs of a run that are checked with those of other runs.
type batched struct {
	items   []BatchItem
	entries []*ledger.ProofEntry         // whose proofs the items are
	errs    map[*ledger.ProofEntry]error // what was found
}

// readProofs reads the proofs that [run.checkProof] is going to look at.
func (r *run) readProofs() {
	r.batched.errs = map[*ledger.ProofEntry]error{}
	for _, f := range r.facts {
		pinned, ok := r.pinnedCircuit(f)
		if !ok {
			continue
		}
		for _, p := range f.proofs {
			if f.checkPublic(p.entry.Public) != nil {
				break
			}
			item, err := pinned.key.batchItem(p.entry)
			if err != nil {
				r.batched.errs[p.entry] = err
				break
			}
			r.batched.items, r.batched.entries = append(r.batched.items, item), append(r.batched.entries, p.entry)
		}
	}
}

// proveTogether checks the proofs of all runs in batches.
func proveTogether(runs []*run, cores int) {
	var all []BatchItem
	for _, r := range runs {
		if r != nil {
			all = append(all, r.batched.items...)
		}
	}
	errs := verifyBatch(all, cores)
	for _, r := range runs {
		if r == nil {
			continue
		}
		for i, entry := range r.batched.entries {
			r.batched.errs[entry] = errs[i]
		}
		errs = errs[len(r.batched.entries):]
	}
}

// checkEntry checks the proof of an entry, or says what was found when it was checked
// with others.
func (r *run) checkEntry(key *VerifyingKey, e *ledger.ProofEntry) error {
	if err, done := r.batched.errs[e]; done {
		return err
	}
	return key.VerifyEntry(e)
}
