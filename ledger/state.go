package ledger

import (
	"bytes"
	"maps"
	"slices"
)

// Table names one key-value table of a log's state.
type Table string

// The tables that [Rules] keeps. Their contents follow from the entries alone;
// their encoding is the program's own and no permanent format.
const (
	tableDigests  Table = "digests"  // D -> index
	tableSchemas  Table = "schemas"  // identity -> schemaState
	tableCircuits Table = "circuits" // circuit hash, vk hash -> circuitState
	tableEpochs   Table = "epochs"   // identity -> epochState
	tableNumbers  Table = "numbers"  // registry, epoch number -> identity
	tableLive     Table = "live"     // registry, scope, nullifier -> index
	tableSigners  Table = "signers"  // role -> the key that signs for it now
	tableKeys     Table = "keys"     // role, key -> keyState
	tableRevoked  Table = "revoked"  // key -> index of its first revocation in any role
	tableGranted  Table = "granted"  // identity -> index of the grant's entry
)

// Tables whose keys tell what there is.
const (
	TableRegistries Table = "registries" // a row for each registry, under its name
	TablePledges    Table = "pledges"    // a row for each pledge, under its index in 8 bytes
)

// TableGrants has one row for each grant, under its entry's index, big-endian.
const TableGrants Table = "grants"

// Tables lists all tables of a state.
func Tables() []Table {
	return []Table{
		tableDigests, tableSchemas, tableCircuits, tableEpochs,
		tableNumbers, TableRegistries, TablePledges, tableLive,
		tableSigners, tableKeys, tableRevoked, TableGrants, tableGranted,
	}
}

// LaterTables lists the tables that were not there from the first version on. A state
// that lacks one is of a log without the entries that it is about.
func LaterTables() []Table { return []Table{TableGrants, tableGranted} }

// State is what the rules remember of a log: tables of keys and values. A
// database transaction is one, and so is [MemoryState].
type State interface {
	// Get gives a key's value, or nil. The caller does not change it, and does not
	// keep it past the next Put or Delete.
	Get(table Table, key []byte) ([]byte, error)
	// Put sets a key's value; the state may keep both slices.
	Put(table Table, key, value []byte) error
	// Delete removes a key, if it is there.
	Delete(table Table, key []byte) error
}

// MemoryState is a State in memory, for an audit's replay.
type MemoryState struct {
	tables map[Table]map[string][]byte
}

// NewMemoryState gives an empty state.
func NewMemoryState() *MemoryState {
	m := &MemoryState{tables: map[Table]map[string][]byte{}}
	for _, t := range Tables() {
		m.tables[t] = map[string][]byte{}
	}
	return m
}

// Get implements State.
func (m *MemoryState) Get(table Table, key []byte) ([]byte, error) {
	return m.tables[table][string(key)], nil
}

// Put implements State.
func (m *MemoryState) Put(table Table, key, value []byte) error {
	m.tables[table][string(key)] = bytes.Clone(value)
	return nil
}

// Delete implements State.
func (m *MemoryState) Delete(table Table, key []byte) error {
	delete(m.tables[table], string(key))
	return nil
}

// Rows gives a table's rows in the byte order of their keys.
func (m *MemoryState) Rows(table Table) func(yield func(key, value []byte) bool) {
	return func(yield func(key, value []byte) bool) {
		for _, key := range slices.Sorted(maps.Keys(m.tables[table])) {
			if !yield([]byte(key), m.tables[table][key]) {
				return
			}
		}
	}
}
