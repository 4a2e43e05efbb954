package store

import (
	"errors"

	"github.com/attestry/attestry/ledger"
)

// Errors of opening.
var (
	ErrExists    = errors.New("there is a ledger already")
	ErrLocked    = errors.New("used by another process")
	ErrNotLedger = errors.New("not a ledger of this version")
	ErrVersion   = errors.New("made by another version of this program, which can read it")
	ErrReadOnly  = errors.New("opened for reading only")
	ErrClosed    = errors.New("the ledger is closed")
)

// Errors of use.
var (
	ErrGuard        = errors.New("refused by the guard")
	ErrNoCheckpoint = errors.New("no checkpoint yet")
	ErrOtherLog     = errors.New("of another log")
	ErrDamaged      = errors.New("the ledger is damaged")
	// ErrFailed says that the disk refused a transaction. Whether its entries are in the
	// log is known when it is opened again; until then it does not grow.
	ErrFailed = errors.New("the ledger could not be written, and must be opened again before it grows")
)

// ErrNotFound says that the log has no such entry, tile or tree. It is
// [ledger.ErrUnknown], so that a lookup fails alike on disk and in a replay.
var ErrNotFound = ledger.ErrUnknown

// DuplicateError is [ledger.DuplicateError].
type DuplicateError = ledger.DuplicateError
