package verifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// Report is the outcome of an audit. OK says that there is no problem. Entries,
// Proofs and Epochs count from the log's beginning, also where the audit continues an
// earlier one; Registries and Timeline are of what this audit read.
type Report struct {
	OK       bool      `json:"ok"`
	Entries  uint64    `json:"entries"`
	Proofs   uint64    `json:"proofs"`
	Epochs   uint64    `json:"epochs"`
	Problems []Problem `json:"problems"`
	// Followed says what the log's own entries changed of what the trust file pins:
	// keys that pinned ones handed over to, keys and circuits that ended.
	Followed []string `json:"followed,omitempty"`

	Origin     string `json:"origin"`
	Size       uint64 `json:"size"`       // of the checkpoint
	Root       string `json:"root"`       // of the checkpoint, in base64
	Checkpoint string `json:"checkpoint"` // the signed text
	// Since is the size of the log at the end of the audit that this one continues.
	Since *uint64 `json:"since,omitempty"`
	// Witnesses are the pinned ones; nil where the trust file names none.
	Witnesses  *WitnessCount   `json:"witnesses,omitempty"`
	Registries []RegistryCount `json:"registries"`
	Timeline   Timeline        `json:"timeline"`
	Bundles    *BundleReport   `json:"bundles,omitempty"`
	RestsOn    []Ground        `json:"rests_on"`
	// At is when the audit began, as [statement.FormatTime] writes it.
	At string `json:"at"`
	// Milliseconds is how long the audit took.
	Milliseconds int64 `json:"duration_ms"`
}

// WitnessCount says which of the pinned witnesses cosigned a checkpoint.
type WitnessCount struct {
	Cosigners []string `json:"cosigners"`
	Quorum    int      `json:"quorum"`
	Pinned    int      `json:"pinned"`
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
	// AuditConsistency: the log has only grown since the audit that this one continues.
	AuditConsistency = "consistency"
	AuditBundle      = "bundle" // a bundle's proofs are the log's, and hide what it shows
)

// maxProblems bounds a report: of each check so many problems are listed, and beyond
// that one more says how many there are.
const maxProblems = 1000

// AuditOptions are the options of an audit. All may be left out.
type AuditOptions struct {
	// Progress is told how many entries are done.
	Progress func(done, total uint64)
	// Since is an earlier audit of the log, which this one continues: only the entries
	// since are read. It is taken over, and closed where the new one has problems.
	Since *AuditedLog
	// Bundles is a directory of bundles, whose proofs and questions are checked too.
	Bundles string
	// Temporary is where what does not fit into memory goes; "": the system's
	// directory for temporary files.
	Temporary string
}

// Audit is [AuditExport] with no options but progress, which may be nil, for the report
// alone.
func Audit(ctx context.Context, dir string, t *Trust, progress func(done, total uint64)) (*Report, error) {
	report, log, err := AuditLog(ctx, dir, t, progress)
	return report, errors.Join(err, log.Close())
}

// AuditLog is [AuditExport] with no options but progress, which may be nil.
func AuditLog(ctx context.Context, dir string, t *Trust, progress func(done, total uint64)) (*Report, *AuditedLog, error) {
	return AuditExport(ctx, dir, t, AuditOptions{Progress: progress})
}

// AuditExport replays a whole ledger from its export, a tlog-tiles directory, with
// nothing else than the trust file: it holds the checkpoint to the pinned log's
// key, rebuilds the tree from the entries and compares root and tiles, applies the
// log's rules to every entry in order, and verifies every signature and proof under
// pinned keys. It works on every core, and its memory does not grow with the log.
//
// What is wrong with the ledger is in the report. Where nothing is, the log as audited
// is given too, for [Options.Log] and [AuditOptions.Since]; the caller closes it. The
// error is for what keeps the audit from being made: an unreadable directory, a
// checkpoint that is none ([ErrMalformed]), a bad trust file ([ErrBadTrust]), an
// earlier audit of another log ([ErrBadState]), a full disk, an ended context.
func AuditExport(ctx context.Context, dir string, t *Trust, o AuditOptions) (_ *Report, log *AuditedLog, err error) {
	start := time.Now()
	a, err := startAudit(dir, t, o)
	if err != nil {
		return nil, nil, errors.Join(err, o.Since.Close())
	}
	defer func() {
		if log == nil {
			err = errors.Join(err, a.state.Close())
		}
	}()
	a.checkCheckpoint(a.signed)
	if err := a.replay(ctx, o.Progress); err != nil {
		return nil, nil, err
	}
	if err := a.checkKeys(a.signed); err != nil {
		return nil, nil, err
	}
	audited := a.audited()
	switch {
	case o.Bundles == "":
	case a.report.Entries != a.checkpoint.Size:
		a.problems.add(nil, AuditBundle, errors.New("the bundles were not checked: the log could not be replayed to its checkpoint"))
	default:
		if err := a.checkBundles(ctx, o.Bundles, audited); err != nil {
			return nil, nil, err
		}
	}
	report := a.conclude()
	report.At, report.Milliseconds = statement.FormatTime(start), time.Since(start).Milliseconds()
	if report.OK {
		log = audited
	}
	return report, log, nil
}

// startAudit reads the checkpoint and takes over the earlier audit.
func startAudit(dir string, t *Trust, o AuditOptions) (*audit, error) {
	v, err := New(t)
	if err != nil {
		return nil, err
	}
	signed, err := readFile(dir, ledger.CheckpointPath, ledger.MaxCheckpointBytes)
	if err != nil {
		return nil, err
	}
	c, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		return nil, fmt.Errorf("%w: the export's checkpoint: %w", ErrMalformed, err)
	}
	trust, err := v.pins.digest()
	if err != nil {
		return nil, err
	}
	if o.Since == nil {
		return newAudit(v.pins, trust, dir, signed, c, ledger.NewSpillState(o.Temporary)), nil
	}
	if err := o.Since.continues(c.Origin, trust); err != nil {
		return nil, err
	}
	a := newAudit(v.pins, trust, dir, signed, c, o.Since.state)
	a.continueFrom(o.Since)
	return a, nil
}

// AuditedLog is a log as an audit without problems found it, up to a checkpoint.
type AuditedLog struct {
	dir        string // of the export; "" where there is none
	signed     []byte // the checkpoint
	checkpoint ledger.Checkpoint
	view       ledger.View
	state      *ledger.SpillState
	edge       [][]tlog.Hash    // of the tree, as [treeBuilder.edge] gives it
	trust      statement.Digest // of the trust file that it was audited under
	proofs     uint64
	epochs     uint64
}

// Size gives the number of entries that were audited.
func (l *AuditedLog) Size() uint64 { return l.checkpoint.Size }

// Origin gives the log's name.
func (l *AuditedLog) Origin() string { return l.checkpoint.Origin }

// Close removes the temporary files. The log can no longer be used. A nil log has
// nothing to close.
func (l *AuditedLog) Close() error {
	if l == nil {
		return nil
	}
	return l.state.Close()
}

// knows tells whether the audit covered an entry of a log.
func (l *AuditedLog) knows(origin string, index uint64) bool {
	return l != nil && l.checkpoint.Origin == origin && index < l.checkpoint.Size
}

// audit is the audit of one ledger.
type audit struct {
	pins       *pins
	dir        string
	signed     []byte
	checkpoint ledger.Checkpoint
	since      *AuditedLog // nil: from the beginning
	trust      statement.Digest
	report     *Report
	problems   *problemList
	tree       *treeBuilder
	suspects   []suspect // entries whose hash the export's tile has otherwise
	rules      *ledger.Rules
	state      *ledger.SpillState
	proofs     *proofPool
	counts     *counter
	index      uint64 // of the entry that the rules look at
	unpinned   []unpinnedEntry
	current    *ledger.Prepared
}

func newAudit(p *pins, trust statement.Digest, dir string, signed []byte, c ledger.Checkpoint, state *ledger.SpillState) *audit {
	a := &audit{pins: p, trust: trust, dir: dir, signed: signed, checkpoint: c, problems: &problemList{}, state: state}
	a.report = &Report{Origin: c.Origin, Size: c.Size, Root: c.Root.String(), Checkpoint: string(signed)}
	a.tree = &treeBuilder{full: a.compareTile}
	a.counts = newCounter(0, c.Size)
	a.proofs = startProofPool(a.problems)
	a.rules = &ledger.Rules{Origin: c.Origin, Verify: a.queueProof, LogKeys: p.logKeys(c.Origin)}
	return a
}

// continueFrom begins where an earlier audit ended.
func (a *audit) continueFrom(l *AuditedLog) {
	a.since = l
	a.tree.restore(l.checkpoint.Size, l.edge)
	a.report.Since, a.report.Entries = &l.checkpoint.Size, l.checkpoint.Size
	a.report.Proofs, a.report.Epochs = l.proofs, l.epochs
	a.counts = newCounter(min(l.checkpoint.Size, a.checkpoint.Size), a.checkpoint.Size)
}

// audited gives the log as far as it was replayed.
func (a *audit) audited() *AuditedLog {
	return &AuditedLog{
		dir: a.dir, signed: a.signed, checkpoint: a.checkpoint, view: ledger.View{State: a.state}, state: a.state,
		edge: a.tree.edge(), trust: a.trust, proofs: a.report.Proofs, epochs: a.report.Epochs,
	}
}

func (a *audit) checkCheckpoint(signed []byte) {
	if w := a.pins.trust.Witnesses; w != nil {
		// Cosignatures of witnesses that nobody pinned say nothing, and harm nothing here.
		cosigners := a.pins.cosigners(signed)
		a.report.Witnesses = &WitnessCount{Cosigners: append([]string{}, cosigners...), Quorum: w.Quorum, Pinned: len(w.Keys)}
		if err := w.met(cosigners); err != nil {
			a.problems.add(nil, AuditQuorum, err)
		}
	}
}

// replay goes through the entries in order. It stops at a bundle that is not there
// or not readable, since nothing after it can be judged.
func (a *audit) replay(ctx context.Context, progress func(done, total uint64)) error {
	defer a.proofs.finish()
	size := a.checkpoint.Size
	if a.report.Entries > size {
		a.problems.add(nil, AuditConsistency, fmt.Errorf("the log has shrunk: it was audited up to %d entries and the checkpoint is of %d: keep both as evidence", a.report.Entries, size))
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	chunks := a.readAhead(ctx)
	defer cancel() // the readers may be ahead of a bundle that is not there
	for a.report.Entries < size {
		c := <-chunks
		if c == nil || ctx.Err() != nil {
			return fmt.Errorf("audit stopped at entry %d of %d: %w", a.report.Entries, size, ctx.Err())
		}
		<-c.read
		if c.err != nil {
			a.problems.add(nil, AuditEntries, c.err)
			return nil
		}
		for i, e := range c.entries {
			if err := a.take(c.first+uint64(i), e); err != nil {
				return err
			}
		}
		if progress != nil {
			progress(a.report.Entries, size)
		}
	}
	a.compareRoot()
	return nil
}

func (a *audit) conclude() *Report {
	a.report.Problems = a.problems.sorted()
	a.report.OK = len(a.report.Problems) == 0
	a.report.Registries, a.report.Timeline = a.counts.result()
	a.report.RestsOn = a.grounds()
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
	return cmp.Or(strings.Compare(a.Check, b.Check), strings.Compare(a.Detail, b.Detail))
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
	for _, check := range slices.Sorted(maps.Keys(l.count)) {
		if n := l.count[check]; n > maxProblems {
			out = append(out, Problem{Check: check, Detail: fmt.Sprintf("%d more problems of this check are not listed", n-maxProblems)})
		}
	}
	return out
}
