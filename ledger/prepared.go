package ledger

import (
	"reflect"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/statement"
)

// Prepared is an entry that has been read, for [Rules.ApplyPrepared]: what reading
// it costs, and what checking its proof costs, need not be spent where entries are
// decided one at a time.
type Prepared struct {
	entry Entry
	leaf  tlog.Hash
	d     statement.Element // of a proof

	// What Ahead found out: result is what Verify says of the proof under checked.
	checked *CircuitEntry
	result  error
}

// Prepare reads an entry. It fails as [ParseEntry] does. The data must not change
// afterwards.
func Prepare(data []byte) (*Prepared, error) {
	entry, err := ParseEntry(data)
	if err != nil {
		return nil, err
	}
	p := &Prepared{entry: entry, leaf: LeafHash(data)}
	if e, ok := entry.(*ProofEntry); ok {
		p.d, err = e.D()
	}
	return p, err
}

// Ahead gives the check of an entry's proof as a function that needs no state: it
// may run anywhere, and must have ended before the entry is applied. It gives nil
// where there is nothing to check, or where the entry, as the state is now, would be
// refused for less.
//
// The rules lose nothing by it. [Rules.ApplyPrepared] takes what the function found
// only for the very circuit entry that it would check the proof under itself, and only
// after everything else; Verify, which depends on nothing but its two arguments, is
// the same.
func (r *Rules) Ahead(st State, p *Prepared) func() {
	e, ok := p.entry.(*ProofEntry)
	if !ok || r.Verify == nil {
		return nil
	}
	key := p.d.Bytes()
	if _, known, err := getIndex(st, tableDigests, key[:]); err != nil || known {
		return nil
	}
	circuit, _, err := r.checkPublic(st, e)
	if err != nil {
		return nil
	}
	return func() { p.checked, p.result = circuit, r.Verify(e, circuit) }
}

// verify gives what Verify says of the prepared proof under a circuit entry.
func (r *Rules) verify(p *Prepared, e *ProofEntry, circuit *CircuitEntry) error {
	if p.checked != nil && (p.checked == circuit || reflect.DeepEqual(p.checked, circuit)) {
		return p.result
	}
	return r.Verify(e, circuit)
}
