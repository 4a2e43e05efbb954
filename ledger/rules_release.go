package ledger

import (
	"fmt"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/statement"
)

// release is what the two kinds of release have in common.
type release struct {
	origin, registry string
	nullifier        statement.Element
	pledge           canon.Uint64
	leaf             statement.Digest
}

// applyRelease: a pledge ends by the signature of the release key that it names.
func (r *Rules) applyRelease(st State, index uint64, e *ReleaseEntry) error {
	pledge, err := r.findPledge(st, release{e.Origin, e.Registry, e.Nullifier, e.Pledge, e.Leaf})
	if err != nil {
		return err
	}
	if err := e.VerifySignature(pledge.ReleaseKey); err != nil {
		return fmt.Errorf("%w: entry %d: %w", ErrRelease, e.Pledge, err)
	}
	return endPledge(st, index, uint64(e.Pledge), pledge)
}

// applyForcedRelease: a pledge ends by the signature of the recovery key that its
// scope had in the schema of its epoch.
func (r *Rules) applyForcedRelease(st State, index uint64, e *ForcedReleaseEntry) error {
	pledge, err := r.findPledge(st, release{e.Origin, e.Registry, e.Nullifier, e.Pledge, e.Leaf})
	if err != nil {
		return err
	}
	if pledge.Recovery == nil {
		return fmt.Errorf("%w: entry %d: its scope has no recovery key", ErrRelease, e.Pledge)
	}
	if err := e.VerifySignature(*pledge.Recovery); err != nil {
		return fmt.Errorf("%w: entry %d: %w", ErrRelease, e.Pledge, err)
	}
	pledge.Forced = pledge.Live
	return endPledge(st, index, uint64(e.Pledge), pledge)
}

// findPledge gives the pledge that a release means, live or not.
func (r *Rules) findPledge(st State, want release) (*pledgeState, error) {
	if want.origin != r.Origin {
		return nil, fmt.Errorf("%w: a release for %s, not %s", ErrForeign, want.origin, r.Origin)
	}
	var pledge pledgeState
	found, err := getRow(st, TablePledges, indexKey(uint64(want.pledge)), &pledge)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("%w: entry %d is not a pledge", ErrUnknown, want.pledge)
	}
	if pledge.Registry != want.registry || pledge.Nullifier != want.nullifier || pledge.Leaf != want.leaf {
		return nil, fmt.Errorf("%w: entry %d has another registry, nullifier or leaf hash", ErrRelease, want.pledge)
	}
	return &pledge, nil
}

// endPledge frees the record. A release that comes twice changes nothing.
func endPledge(st State, index, at uint64, pledge *pledgeState) error {
	if !pledge.Live {
		return &DuplicateError{Index: pledge.Released}
	}
	pledge.Live, pledge.Released = false, index
	if err := putRow(st, TablePledges, indexKey(at), pledge); err != nil {
		return err
	}
	return st.Delete(tableLive, liveKey(pledge.Registry, pledge.Scope, pledge.Nullifier))
}
