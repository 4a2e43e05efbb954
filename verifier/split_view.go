package verifier

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/ledger"
)

// Shown is what somebody was shown of logs: the signed checkpoints in a bundle, an
// export's, one that a witness kept.
type Shown struct {
	Name        string // in findings
	Checkpoints [][]byte
}

// SplitView is the finding that a log signed two trees of one size: it shows two
// histories, and the two checkpoints prove it to anybody.
type SplitView struct {
	Log   string       `json:"log"`
	Size  uint64       `json:"size"`
	Names [2]string    `json:"shown_in"`
	Roots [2]tlog.Hash `json:"roots"`
}

// String gives the finding as a line for people.
func (s SplitView) String() string {
	return plain(fmt.Sprintf("split view: log %s signed two trees of size %d: root %s in %s, %s in %s: keep both as evidence", s.Log, s.Size, s.Roots[0], s.Names[0], s.Roots[1], s.Names[1]))
}

// Checkpoints gives the signed checkpoints that a bundle's entries are shown in, each
// once.
func (b *Bundle) Checkpoints() ([][]byte, error) {
	var out [][]byte
	seen := map[string]bool{}
	for _, f := range b.Facts {
		logged := []string{f.Circuit.Inclusion, f.Schema.Inclusion, f.Epoch.Inclusion}
		for _, l := range []*Logged{f.Successor, f.Joined} {
			if l != nil {
				logged = append(logged, l.Inclusion)
			}
		}
		for _, p := range f.Proofs {
			logged = append(logged, p.Inclusion)
		}
		for _, inclusion := range logged {
			if inclusion == "" {
				continue
			}
			in, err := ledger.ParseInclusion([]byte(inclusion))
			if err != nil {
				return nil, fmt.Errorf("%w: fact %q: %w", ErrMalformed, f.Name, err)
			}
			if !seen[string(in.Checkpoint)] {
				seen[string(in.Checkpoint)] = true
				out = append(out, in.Checkpoint)
			}
		}
	}
	return out, nil
}

// SplitViews looks for two trees of one size among checkpoints. Only those that a
// pinned key of their log signed prove anything: another one is an error, as is one
// that does not read ([ErrMalformed]). Trees of different sizes cannot be compared
// without the log: see [Options.Log].
func SplitViews(t *Trust, shown ...Shown) ([]SplitView, error) {
	v, err := New(t)
	if err != nil {
		return nil, err
	}
	type first struct {
		root tlog.Hash
		name string
	}
	views := []SplitView{}
	firsts := map[treeHead]first{}
	for _, s := range shown {
		for _, signed := range s.Checkpoints {
			c, err := ledger.ReadCheckpoint(signed)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, s.Name, err)
			}
			if err := v.pins.checkLogSignature(signed, c); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			head := treeHead{c.Origin, c.Size}
			f, ok := firsts[head]
			if !ok {
				firsts[head] = first{c.Root, s.Name}
			} else if f.root != c.Root {
				views = append(views, SplitView{c.Origin, c.Size, [2]string{f.name, s.Name}, [2]tlog.Hash{f.root, c.Root}})
			}
		}
	}
	return views, nil
}
