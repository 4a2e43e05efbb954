package ledger

import "sync"

// Memo remembers what rows of a state's small tables decode to, which nearly every
// entry looks up again. It goes by a row's bytes, so that it is never out of date,
// and serves any number of states and goroutines.
type Memo struct {
	mu   sync.RWMutex
	rows map[string]any // a row's bytes -> a pointer to what they say
}

// maxMemo bounds a memo: a log has few circuits and registries, and deals with few
// epochs at a time.
const maxMemo = 256

// memoState is a State that has a memo.
type memoState interface{ Memo() *Memo }

// memoOf gives the memo for a table's rows, or nil. What it remembers is shared, so
// that it serves only tables whose rows the rules read and do not change in place.
func memoOf(st State, table Table) *Memo {
	switch table {
	case tableSchemas, tableCircuits, tableEpochs, TableRegistries, tableKeys:
		if s, ok := st.(memoState); ok {
			return s.Memo()
		}
	}
	return nil
}

// recall copies what a row says, as remembered, into a value.
func recall[T any](m *Memo, row []byte, value *T) bool {
	if m == nil {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	known, ok := m.rows[string(row)].(*T)
	if ok {
		*value = *known
	}
	return ok
}

// remember keeps what a row says.
func remember[T any](m *Memo, row []byte, value T) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil || len(m.rows) >= maxMemo {
		m.rows = map[string]any{}
	}
	m.rows[string(row)] = &value
}
