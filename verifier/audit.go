package verifier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/attestry/attestry/ledger"
)

// Report is the outcome of an audit. OK says that there is no problem.
type Report struct {
	OK       bool      `json:"ok"`
	Entries  uint64    `json:"entries"`
	Proofs   uint64    `json:"proofs"`
	Epochs   uint64    `json:"epochs"`
	Problems []Problem `json:"problems"`
	// Followed says what the log's own entries changed of what the trust file pins:
	// keys that pinned ones handed over to, keys and circuits that ended.
	Followed []string `json:"followed,omitempty"`
}

// Problem is one thing that is wrong with a ledger.
type Problem struct {
	// Index is the entry's; nil where the problem is not of one entry.
	Index  *uint64 `json:"index,omitempty"`
	Check  string  `json:"check"`
	Detail string  `json:"detail"`
}

// String gives the problem as a line for people.
func (p Problem) String() string {
	if p.Index == nil {
		return plain(fmt.Sprintf("%s: %s", p.Check, p.Detail))
	}
	return plain(fmt.Sprintf("entry %d: %s: %s", *p.Index, p.Check, p.Detail))
}

// The names of an audit's checks. Like a verdict's they are stable.
const (
	AuditCheckpoint = "checkpoint" // the pinned log signed the export's checkpoint
	AuditQuorum     = "quorum"     // enough pinned witnesses cosigned it
	AuditEntries    = "entries"    // every entry is there
	AuditTiles      = "tiles"      // every tile is there and has the entries' hashes
	AuditRoot       = "root"       // the entries give the checkpoint's root
	AuditRules      = "rules"      // the log's rules accept the entry where it is
	AuditIssuer     = "issuer"     // a pinned issuer signed the schema or epoch
	AuditCircuit    = "circuit"    // a proof's circuit is pinned and in force
	AuditSetup      = "setup"      // the circuit's setup is acceptable
	AuditProof      = "proof"      // the proof holds
)

// maxProblems bounds a report: beyond it one more only says that there are more.
const maxProblems = 1000

// Audit replays a whole ledger from its export, a tlog-tiles directory, with
// nothing else than the trust file: it holds the checkpoint to the pinned log's
// key, rebuilds the tree from the entries and compares root and tiles, applies the
// log's rules to every entry in order, and verifies every signature and proof under
// pinned keys. progress, which may be nil, is told how many entries are done.
//
// What is wrong with the ledger is in the report. The error is for what keeps the
// audit from being made: an unreadable directory, a checkpoint that is none
// ([ErrMalformed]), a bad trust file ([ErrBadTrust]), an ended context.
func Audit(ctx context.Context, dir string, t *Trust, progress func(done, total uint64)) (*Report, error) {
	report, _, err := AuditLog(ctx, dir, t, progress)
	return report, err
}

// AuditLog is [Audit], and gives what the log says once it is audited, for
// [Options.Log]; nil where the report has problems.
func AuditLog(ctx context.Context, dir string, t *Trust, progress func(done, total uint64)) (*Report, *AuditedLog, error) {
	v, err := New(t)
	if err != nil {
		return nil, nil, err
	}
	signed, err := readFile(dir, ledger.CheckpointPath, ledger.MaxCheckpointBytes)
	if err != nil {
		return nil, nil, err
	}
	c, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the export's checkpoint: %w", ErrMalformed, err)
	}
	a := newAudit(v.pins, dir, c)
	a.checkCheckpoint(signed)
	err = a.replay(ctx, progress)
	if err == nil {
		err = a.checkKeys(signed)
	}
	report := a.conclude()
	if err != nil || !report.OK {
		return report, nil, err
	}
	return report, &AuditedLog{dir: dir, checkpoint: c, view: ledger.View{State: a.state}}, nil
}

// AuditedLog is a log as an audit without problems found it, up to a checkpoint.
type AuditedLog struct {
	dir        string // of the export
	checkpoint ledger.Checkpoint
	view       ledger.View
}

// knows tells whether the audit covered an entry of a log.
func (l *AuditedLog) knows(origin string, index uint64) bool {
	return l != nil && l.checkpoint.Origin == origin && index < l.checkpoint.Size
}

// audit is the audit of one ledger.
type audit struct {
	pins       *pins
	dir        string
	checkpoint ledger.Checkpoint
	report     *Report
	problems   *problemList
	tree       *treeBuilder
	rules      *ledger.Rules
	state      *ledger.MemoryState
	proofs     *proofPool
	index      uint64 // of the entry that the rules look at
	unpinned   []unpinnedEntry
}

func newAudit(p *pins, dir string, c ledger.Checkpoint) *audit {
	a := &audit{pins: p, dir: dir, checkpoint: c, report: &Report{}, problems: &problemList{}, state: ledger.NewMemoryState()}
	a.tree = &treeBuilder{full: a.compareTile}
	a.proofs = startProofPool(a.problems)
	a.rules = &ledger.Rules{Origin: c.Origin, Verify: a.queueProof, LogKeys: p.logKeys(c.Origin)}
	return a
}

func (a *audit) checkCheckpoint(signed []byte) {
	if w := a.pins.trust.Witnesses; w != nil {
		// Cosignatures of witnesses that nobody pinned say nothing, and harm nothing here.
		if err := w.met(a.pins.cosigners(signed)); err != nil {
			a.problems.add(nil, AuditQuorum, err)
		}
	}
}

// replay goes through the entries in order. It stops at a bundle that is not there
// or not readable, since nothing after it can be judged.
func (a *audit) replay(ctx context.Context, progress func(done, total uint64)) error {
	defer a.proofs.finish()
	size := a.checkpoint.Size
	for a.report.Entries < size {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("audit stopped at entry %d of %d: %w", a.report.Entries, size, err)
		}
		entries, err := a.readEntries(a.report.Entries / ledger.TileWidth)
		if err != nil {
			a.problems.add(nil, AuditEntries, err)
			return nil
		}
		for _, data := range entries {
			a.apply(data)
		}
		if progress != nil {
			progress(a.report.Entries, size)
		}
	}
	a.compareRoot()
	return nil
}

func (a *audit) readEntries(bundle uint64) ([][]byte, error) {
	path := ledger.TilePath{Entries: true, Index: bundle}
	path.Width = int(min(a.checkpoint.Size-bundle*ledger.TileWidth, ledger.TileWidth))
	data, err := readFile(a.dir, path.String(), ledger.TileWidth*(2+ledger.MaxEntryBytes))
	if err != nil {
		return nil, err
	}
	entries, err := ledger.DecodeBundle(data, path.Width)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}

func (a *audit) conclude() *Report {
	a.report.Problems = a.problems.sorted()
	a.report.OK = len(a.report.Problems) == 0
	return a.report
}

// readFile reads a file of the export, up to a limit.
func readFile(dir, path string, limit int64) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(path)))
	if err != nil {
		return nil, fmt.Errorf("the export's %s: %w", path, pathless(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("the export's %s: %w", path, pathless(err))
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: the export's %s is over the limit of %d bytes", ErrMalformed, path, limit)
	}
	return data, nil
}

// pathless drops the path of a file error, which the caller names by itself.
func pathless(err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

func compareProblems(a, b Problem) int {
	switch {
	case a.Index == nil || b.Index == nil:
		return boolOrder(b.Index == nil, a.Index == nil)
	case *a.Index != *b.Index:
		return boolOrder(*a.Index > *b.Index, *a.Index < *b.Index)
	}
	return strings.Compare(a.Check, b.Check)
}

// boolOrder gives 1 or -1 by which of the two is true, and 0 where they agree.
func boolOrder(after, before bool) int {
	switch {
	case after == before:
		return 0
	case after:
		return 1
	}
	return -1
}

func (l *problemList) sorted() []Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortStableFunc(l.list, compareProblems)
	out := append([]Problem{}, l.list...) // an empty list in JSON, never null
	if l.more > 0 {
		out = append(out, Problem{Check: AuditRules, Detail: fmt.Sprintf("%d more problems are not listed", l.more)})
	}
	return out
}
