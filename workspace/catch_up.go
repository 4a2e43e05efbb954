package workspace

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/registry"
)

// Errors of [Workspace.CatchUp].
var (
	ErrNotBehind    = errors.New("the registry is not behind the ledger")
	ErrOtherRecords = errors.New("these are not the records of that epoch")
)

// CatchUp makes, of a file of all its records or of their changes, the next epoch that the ledger has of a
// registry and the registry itself lacks, since it comes from an older backup than the
// ledger: what a commit makes of the same records is the same. It gives the epoch that the
// registry is at then, and the ledger's last. It fails with [ErrOtherRecords] where the
// ledger has another root, and with [ErrNotBehind].
func (w *Workspace) CatchUp(ctx context.Context, name string, records io.Reader, f registry.Format, changes bool) (at, last uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.registry(name); err == nil {
		return 0, 0, fmt.Errorf("%w: %s", ErrNotBehind, name)
	} else if !errors.Is(err, registry.ErrDiverged) {
		return 0, 0, err
	}
	s, err := w.asItIs(name)
	if err != nil {
		return 0, 0, err
	}
	err = w.catchUp(ctx, s, records, registry.ImportOptions{Format: f, Changes: changes, Replace: true})
	at, last, standing := w.standing(s)
	return at, last, errors.Join(err, standing, s.Close())
}

// catchUp makes the next epoch of a registry, and those after it that change nothing.
func (w *Workspace) catchUp(ctx context.Context, s *registry.Store, records io.Reader, opts registry.ImportOptions) error {
	name := s.Schema().Registry
	before, last, err := w.standing(s)
	if err != nil {
		return err
	}
	if before >= last { // what it has is not what the ledger has
		return fmt.Errorf("registry %s: %w", name, registry.ErrDiverged)
	}
	if _, err := s.ImportWith(ctx, records, opts); err != nil {
		return err
	}
	err = w.rollForward(ctx, name, s)
	if !errors.Is(err, registry.ErrDiverged) {
		return err
	}
	if after, _ := s.Latest(); after.Number > before {
		return nil
	}
	return fmt.Errorf("%w: registry %s, epoch %d: %w", ErrOtherRecords, name, before+1, err)
}

// standing gives the number of a registry's last epoch, and that of the ledger's.
func (w *Workspace) standing(s *registry.Store) (at, last uint64, err error) {
	latest, _ := s.Latest()
	_, entry, _, err := w.Ledger.LatestEpoch(s.Schema().Registry)
	if err != nil {
		return 0, 0, err
	}
	return latest.Number, uint64(entry.Number), nil
}

// asItIs opens a registry without bringing it up to the ledger.
func (w *Workspace) asItIs(name string) (*registry.Store, error) {
	path, err := w.registryPath(name)
	if err != nil {
		return nil, err
	}
	return registry.OpenSealed(path, w.atRest)
}

// isBehind tells whether all that a registry lacks is epochs that the ledger has.
func (w *Workspace) isBehind(name string) bool {
	s, err := w.asItIs(name)
	if err != nil {
		return false
	}
	at, last, err := w.standing(s)
	if err == nil && at > 0 {
		var entry *ledger.EpochEntry
		if _, entry, _, err = w.Ledger.Epoch(name, at); err == nil {
			err = w.redo(context.Background(), s, entry)
		}
	}
	return errors.Join(err, s.Close()) == nil && at < last
}
