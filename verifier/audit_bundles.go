package verifier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/attestry/attestry/ledger"
)

// BundleReport says what an audit made of a directory of bundles. What is wrong with
// bundles of the audited log is among the report's problems.
type BundleReport struct {
	Bundles  uint64 `json:"bundles"`  // with a fact of the audited log
	Proofs   uint64 `json:"proofs"`   // of theirs that are in the audited log
	Unlogged uint64 `json:"unlogged"` // proofs that were never logged, as a holder's need not be
	Later    uint64 `json:"later"`    // proofs logged after what was audited
	// OtherLogs are the files with facts of other logs, and NotBundles those that are
	// no bundles, of each the first ones.
	OtherLogs  []string `json:"other_logs"`
	NotBundles []string `json:"not_bundles"`
}

// bundleAudit checks bundles against an audited log.
type bundleAudit struct {
	verifier *Verifier
	log      *AuditedLog
	problems *problemList
	dir      string
	mu       sync.Mutex
	report   BundleReport
}

// checkBundles checks every bundle (a file whose name ends in .json) of a directory,
// on every core.
func (a *audit) checkBundles(ctx context.Context, dir string, log *AuditedLog) error {
	b := &bundleAudit{verifier: &Verifier{a.pins}, log: log, problems: a.problems, dir: dir}
	names := make(chan string)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for name := range names {
				b.checkFile(name)
			}
		})
	}
	err := eachFile(ctx, dir, names)
	close(names)
	workers.Wait()
	slices.Sort(b.report.OtherLogs)
	slices.Sort(b.report.NotBundles)
	a.report.Bundles = &b.report
	return err
}

// eachFile gives the names of a directory's bundles, a few at a time.
func eachFile(ctx context.Context, dir string, names chan<- string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("the bundles: %w", err)
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(1000)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if filepath.Ext(e.Name()) == ".json" && e.Type()&^fs.ModeSymlink == 0 { // no directory, no pipe
				names <- e.Name()
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the bundles: %w", err)
		}
	}
}

// checkFile reads a file and, if it is a bundle, checks its facts of the audited log.
func (b *bundleAudit) checkFile(name string) {
	data, err := readFile(b.dir, name, MaxBundleBytes)
	var head struct {
		Format string `json:"format"`
	}
	if err == nil && (json.Unmarshal(data, &head) != nil || head.Format != BundleFormat) {
		b.note(func(r *BundleReport) { listFile(&r.NotBundles, name) })
		return
	}
	var bundle *Bundle
	if err == nil {
		bundle, err = ParseBundle(data)
	}
	var r *run
	if err == nil {
		r, err = b.verifier.newRun(bundle, Options{Log: b.log}, newHeads())
	}
	if err != nil {
		b.problems.add(nil, AuditBundle, fmt.Errorf("%s: %w", name, err))
		return
	}
	b.checkFacts(name, r)
}

func (b *bundleAudit) note(change func(*BundleReport)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.report)
}

func listFile(list *[]string, name string) {
	if len(*list) < maxRegistries {
		*list = append(*list, name)
	}
}

func (b *bundleAudit) checkFacts(name string, r *run) {
	ours := 0
	for _, f := range r.facts {
		if f.origin() != b.log.checkpoint.Origin {
			continue
		}
		ours++
		for _, c := range b.checkFact(r, f) {
			if c.Outcome == Fail {
				b.problems.add(b.indexOf(f), AuditBundle, fmt.Errorf("%s: fact %s: %s: %s", name, f.Name, c.Check, c.Observed))
			}
		}
	}
	for _, c := range []Check{r.checkContext(), r.checkTies()} {
		if ours > 0 && c.Outcome == Fail {
			b.problems.add(nil, AuditBundle, fmt.Errorf("%s: %s: %s", name, c.Check, c.Observed))
		}
	}
	b.note(func(report *BundleReport) {
		if ours > 0 {
			report.Bundles++
		}
		if ours < len(r.facts) {
			listFile(&report.OtherLogs, name)
		}
	})
}

// indexOf gives the place of a fact's first proof, if it is in the audited log.
func (b *bundleAudit) indexOf(f *view) *uint64 {
	if p := f.proofs[0]; p.logged && b.log.knows(f.origin(), p.index) {
		return &p.index
	}
	return nil
}

// checkFact makes the checks of a verdict that do not depend on who looks, when, and
// what they asked: an auditor is nobody's audience.
func (b *bundleAudit) checkFact(r *run, f *view) []Check {
	checks := []Check{
		r.checkCircuit(f), r.checkSetup(f), r.checkProof(f), r.checkQuestion(f), r.checkLinked(f),
		r.checkRoot(f), r.checkSchema(f), r.checkEpoch(f), r.checkInclusion(f), r.checkCheckpoint(f),
	}
	if e := f.proofs[0].entry; e.IsPledge() {
		scope, err := f.scope(e.Scope)
		if err == nil {
			err = r.checkConsent(f, scope)
		}
		checks = append(checks, judge(CheckNullifier, OnComputation, "the consent that the scope asks for", "given", err))
	}
	checks = append(checks, r.judgeGrant(f, false))
	for i, p := range f.proofs {
		checks = append(checks, judge(CheckInclusion, OnAudit, "the log's entry at its index", "it is", b.checkEntry(f, i, p)))
	}
	return checks
}

// checkEntry holds a proof's entry to the log's at its index, byte by byte where the
// export has it; that it is the same statement has been checked.
func (b *bundleAudit) checkEntry(f *view, i int, p located[*ledger.ProofEntry]) error {
	if !p.logged {
		b.note(func(r *BundleReport) { r.Unlogged++ })
		return nil
	}
	if !b.log.knows(f.origin(), p.index) {
		b.note(func(r *BundleReport) { r.Later++ })
		return nil
	}
	b.note(func(r *BundleReport) { r.Proofs++ })
	path := bundlePath(p.index/ledger.TileWidth, b.log.checkpoint.Size)
	entries, err := readEntries(b.log.dir, path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // entries that an earlier audit read may be gone
	}
	if err == nil && !bytes.Equal(entries[p.index%ledger.TileWidth], f.Proofs[i].Entry) {
		err = fmt.Errorf("proof %d is not entry %d of the log", i, p.index)
	}
	return err
}
