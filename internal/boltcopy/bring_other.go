//go:build !linux

package boltcopy

import "os"

// bring brings a file to the disk.
func bring(f *os.File, _, _ int64) error { return f.Sync() }
