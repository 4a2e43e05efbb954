package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/workspace"
)

// watch adds what a workspace tells to the metrics.
func (s *service) watch(w *workspace.Workspace) {
	s.metrics.Gauge("ledger_entries", "Entries of the log.", func() float64 { return float64(w.Ledger.Size()) })
	s.metrics.Gauge("registry_epochs", "Epochs of all registries in the log.", func() float64 { return epochs(w) })
	s.metrics.Gauge("ledger_grows", "1 while the log takes entries, 0 where the disk or the guard refuses them.", func() float64 {
		if w.Ledger.Grows() != nil {
			return 0
		}
		return 1
	})
	s.metrics.Gauge("disk_free_bytes", "Free room on the workspace's disk.", func() float64 {
		free, err := freeDisk(w.Dir())
		if err != nil {
			return -1
		}
		return float64(free)
	})
}

// epochs counts the epochs of all registries: their numbers have no gaps.
func epochs(w *workspace.Workspace) (n float64) {
	names, err := w.Ledger.Registries()
	if err != nil {
		return -1
	}
	for _, name := range names {
		if _, e, _, err := w.Ledger.LatestEpoch(name); err == nil && e.Registry == name {
			n += float64(e.Number)
		}
	}
	return n
}

// errDisk: what is written next could be cut off.
var errDisk = errors.New("the workspace's disk is nearly full")

// readiness gives what has to hold for a workspace's server to take requests.
func (s *service) readiness(w *workspace.Workspace) []server.Check {
	keys := w.CheckKeys()
	return []server.Check{
		{Name: "keys", Holds: func(context.Context) error { return keys.Holds() }},
		{Name: "ledger", Holds: func(context.Context) error { return w.Ledger.Grows() }},
		{Name: "disk", Holds: func(context.Context) error {
			free, err := freeDisk(w.Dir())
			if least := uint64(s.settings.Limits.FreeDiskMiB) << 20; err == nil && free < least {
				err = fmt.Errorf("%w: %s free, where limits.free_disk_mib wants %s", errDisk, cli.Bytes(int64(free)), cli.Bytes(int64(least)))
			}
			return err
		}},
	}
}

// freeDisk gives the room that an ordinary user has on a directory's disk, in bytes.
func freeDisk(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("how much room is left in %s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}
