package ledger

import (
	"fmt"
	"slices"

	"github.com/attestry/attestry/statement"
)

// takeNames gives a schema's derived registries their names in the log, where each
// name is one registry's for ever. A new name that is pinned must be its pinned
// issuer's; later keys follow from that one.
func (r *Rules) takeNames(st State, e *SchemaEntry, issuer IssuerKey) error {
	source := e.Schema.Registry
	for _, d := range e.Schema.Derived {
		var state registryState
		found, err := getRow(st, TableRegistries, []byte(d.Registry), &state)
		if err != nil {
			return err
		}
		if found && state.Source != source {
			return fmt.Errorf("%w: registry %s cannot derive from %s: the log has it already", ErrConflict, d.Registry, source)
		}
		if pinned, ok := r.Issuers[d.Registry]; ok && !found && pinned != issuer {
			return fmt.Errorf("%w: registry %s cannot derive from %s", ErrIssuer, d.Registry, source)
		}
	}
	for _, d := range e.Schema.Derived {
		if err := putRow(st, TableRegistries, []byte(d.Registry), registryState{Source: source}); err != nil {
			return err
		}
	}
	return nil
}

// checkDerived: an epoch gives the roots of the registries that its schema derives,
// no fewer and no others, and names the latest epoch of each registry that they join.
func checkDerived(st State, e *EpochEntry, definitions []statement.Derived) error {
	schema := &statement.Schema{Derived: definitions}
	if len(e.Derived) != len(definitions) {
		return fmt.Errorf("%w: epoch %d of registry %s gives %d derived roots, where its schema defines %d", ErrConflict, e.Number, e.Registry, len(e.Derived), len(definitions))
	}
	for name := range e.Derived {
		if _, ok := schema.Definition(name); !ok {
			return fmt.Errorf("%w: epoch %d of registry %s gives a root for %s, which its schema does not define", ErrConflict, e.Number, e.Registry, name)
		}
	}
	joins := schema.Joins()
	if len(e.Joins) != len(joins) {
		return fmt.Errorf("%w: epoch %d of registry %s joins %d epochs, where its schema joins %d registries", ErrConflict, e.Number, e.Registry, len(e.Joins), len(joins))
	}
	for name, identity := range e.Joins {
		var state registryState
		if _, err := getRow(st, TableRegistries, []byte(name), &state); err != nil {
			return err
		}
		switch {
		case !slices.Contains(joins, name):
			return fmt.Errorf("%w: epoch %d of registry %s joins %s, which its schema does not", ErrConflict, e.Number, e.Registry, name)
		case state.Number == 0 || state.Epoch != identity:
			return fmt.Errorf("%w: epoch %d of registry %s joins an epoch of %s that is not its latest", ErrEpochChain, e.Number, e.Registry, name)
		}
		joined, err := getEpoch(st, identity)
		if err == nil {
			err = checkEpochCounts(st, joined, joined.Registry)
		}
		if err != nil {
			return fmt.Errorf("epoch %d of registry %s joins %s: %w", e.Number, e.Registry, name, err)
		}
	}
	return nil
}
