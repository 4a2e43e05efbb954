package registry

import "errors"

// Errors of opening a store.
var (
	ErrExists = errors.New("the registry's store exists already")
	ErrFormat = errors.New("not a registry store of this version")
	ErrLocked = errors.New("the registry's store is used by another process")
	ErrSealed = errors.New("the registry's store cannot be opened with this key")
)

// Errors of imports. [ImportError] says where.
var (
	ErrBadImport     = errors.New("bad import")
	ErrUnknownFormat = errors.New("unknown file format")
	ErrStaged        = errors.New("an earlier import waits for its commit")
)

// Errors of commits.
var (
	ErrClock    = errors.New("the time is before the last epoch's")
	ErrFull     = errors.New("the registry's tree is full")
	ErrDiverged = errors.New("the store and the ledger have diverged")
	ErrUnstored = errors.New("the epoch was published but not stored")
	ErrDerived  = errors.New("a derived registry has no records of its own")
	ErrReplace  = errors.New("the schema cannot replace the registry's")
)

// Errors of reading.
var (
	ErrNoEpoch      = errors.New("no such epoch")
	ErrNoRecord     = errors.New("no such record")
	ErrRecordExists = errors.New("the key has a record")
	ErrMismatch     = errors.New("the file and the registry's root do not match")
	ErrCorrupt      = errors.New("the registry's store is damaged")
)
