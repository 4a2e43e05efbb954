package workspace

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/attestry/attestry/ledger/store"
)

// Maintenance is a workspace whose ledger is being looked after: nobody else uses it,
// and neither the ledger nor a registry need be whole.
type Maintenance struct {
	w      *Workspace
	origin string
}

// Maintain opens a workspace for work on its ledger's file. It fails as [OpenWith] does.
func Maintain(dir string, o Options) (*Maintenance, error) {
	w, origin, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	w.unlock = o.Unlock
	if err := w.loadKeys(origin); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &Maintenance{w, origin}, nil
}

// Close gives the workspace up.
func (m *Maintenance) Close() error { return m.w.Close() }

func (m *Maintenance) path() string { return filepath.Join(m.w.dir, ledgerFile) }

// Fsck checks the ledger, see [store.Store.Fsck].
func (m *Maintenance) Fsck(ctx context.Context, progress func(done, total uint64)) (*store.Report, error) {
	if err := m.w.openLedger(m.origin); err != nil {
		return nil, err
	}
	keys, err := m.w.allLogKeys()
	if err != nil {
		return nil, err
	}
	return m.w.Ledger.Fsck(ctx, store.FsckOptions{LogKeys: keys, Progress: progress})
}

// Backup copies the ledger into a new file, see [store.Store.Backup].
func (m *Maintenance) Backup(path string) (entries uint64, err error) {
	if err := m.w.openLedger(m.origin); err != nil {
		return 0, err
	}
	return m.w.Ledger.Backup(path)
}

// Restore puts a copy in the place of a missing or damaged ledger, see
// [store.Restore].
func (m *Maintenance) Restore(ctx context.Context, from, tiles string, progress func(done, total uint64)) (store.Restored, error) {
	options, err := m.w.ledgerOptions()
	if err != nil {
		return store.Restored{}, err
	}
	keys, err := m.w.allLogKeys()
	if err != nil {
		return store.Restored{}, err
	}
	return store.Restore(ctx, m.path(), from, store.RestoreOptions{
		Options: options, Origin: m.origin, LogKeys: keys, Tiles: tiles, Progress: progress,
	})
}

// allLogKeys gives the verifier keys that the workspace's files say the log has had, the
// present one last.
func (w *Workspace) allLogKeys() ([]string, error) {
	former, err := w.readFormerLogKeys()
	return append(former, w.logKey), err
}

// Compact writes the ledger's file anew, see [store.Compact].
func (m *Maintenance) Compact() (before, after int64, err error) { return store.Compact(m.path()) }
