package ledger

import (
	"fmt"

	"github.com/attestry/attestry/statement"
)

// View looks things up in a state that [Rules] built. What it gives are indexes of
// entries; what is not there fails with [ErrUnknown].
type View struct{ State State }

// EpochRef is where an epoch is.
type EpochRef struct {
	Index    uint64
	Identity statement.Digest
	Number   uint64
	Time     string
	Root     statement.Element
	Schema   statement.Digest
}

// Statement gives the entry that first carried a statement's D.
func (v View) Statement(d statement.Element) (uint64, error) {
	key := d.Bytes()
	index, found, err := getIndex(v.State, tableDigests, key[:])
	if err == nil && !found {
		err = fmt.Errorf("%w: statement %s", ErrUnknown, d)
	}
	return index, err
}

// Schema gives a schema's entry by its identity.
func (v View) Schema(identity statement.Digest) (uint64, error) {
	row, err := getSchema(v.State, identity)
	return row.Index, err
}

// LatestSchema gives a registry's present schema.
func (v View) LatestSchema(registry string) (uint64, statement.Digest, error) {
	state, err := v.registry(registry)
	if err != nil {
		return 0, statement.Digest{}, err
	}
	index, err := v.Schema(state.Schema)
	return index, state.Schema, err
}

// Circuit gives a circuit's entry by the hashes of its constraint system and of
// its verifying key.
func (v View) Circuit(circuit, vk statement.Digest) (uint64, error) {
	row, err := getCircuit(v.State, circuit, vk)
	return row.Index, err
}

// Epoch gives an epoch by its identity.
func (v View) Epoch(identity statement.Digest) (EpochRef, error) {
	row, err := getEpoch(v.State, identity)
	if err != nil {
		return EpochRef{}, err
	}
	return EpochRef{row.Index, identity, row.Number, row.Time, row.Root, row.Schema}, nil
}

// EpochNumber gives a registry's epoch by its number.
func (v View) EpochNumber(registry string, number uint64) (EpochRef, error) {
	source, err := v.Source(registry)
	if err != nil {
		return EpochRef{}, err
	}
	data, err := v.State.Get(tableNumbers, namedKey(source, indexKey(number)))
	if err != nil {
		return EpochRef{}, err
	}
	if len(data) != len(statement.Digest{}) {
		return EpochRef{}, fmt.Errorf("%w: epoch %d of registry %s", ErrUnknown, number, registry)
	}
	return v.Epoch(statement.Digest(data))
}

// LatestEpoch gives a registry's latest epoch.
func (v View) LatestEpoch(registry string) (EpochRef, error) {
	state, err := v.registry(registry)
	if err != nil {
		return EpochRef{}, err
	}
	if state.Number == 0 {
		return EpochRef{}, fmt.Errorf("%w: registry %s has no epoch yet", ErrUnknown, registry)
	}
	return v.Epoch(state.Epoch)
}

// EpochAt gives a registry's last epoch at an instant, as [statement.FormatTime]
// writes it.
func (v View) EpochAt(registry, instant string) (EpochRef, error) {
	state, err := v.registry(registry)
	if err != nil {
		return EpochRef{}, err
	}
	// Times never fall from one epoch to the next: search the first that is later.
	low, high := uint64(1), state.Number+1
	for low < high {
		middle := low + (high-low)/2
		ref, err := v.EpochNumber(registry, middle)
		if err != nil {
			return EpochRef{}, err
		}
		if ref.Time > instant {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == 1 {
		return EpochRef{}, fmt.Errorf("%w: registry %s has no epoch at %s", ErrUnknown, registry, instant)
	}
	return v.EpochNumber(registry, low-1)
}

// PledgeStatus is where a pledge stands.
type PledgeStatus struct {
	Live bool
	// Released is the index of the release, where the pledge is not live.
	Released uint64
	Forced   bool // by the recovery key and not by the release key
}

// Pledge tells whether the pledge of an entry lives.
func (v View) Pledge(index uint64) (PledgeStatus, error) {
	var row pledgeState
	found, err := getRow(v.State, TablePledges, indexKey(index), &row)
	if err == nil && !found {
		err = fmt.Errorf("%w: entry %d is not a pledge", ErrUnknown, index)
	}
	return PledgeStatus{Live: row.Live, Released: row.Released, Forced: row.Forced}, err
}

// LivePledge gives the index of the pledge that holds a record in a scope.
func (v View) LivePledge(registry string, scope, nullifier statement.Element) (uint64, error) {
	index, found, err := getIndex(v.State, tableLive, liveKey(registry, scope, nullifier))
	if err == nil && !found {
		err = fmt.Errorf("%w: no live pledge of this nullifier in registry %s", ErrUnknown, registry)
	}
	return index, err
}

func (v View) registry(name string) (registryState, error) {
	var state registryState
	source, err := v.Source(name)
	if err != nil {
		return state, err
	}
	_, err = getRow(v.State, TableRegistries, []byte(source), &state)
	return state, err
}

// Source gives the registry that one derives from: its own name where it has
// records of its own.
func (v View) Source(name string) (string, error) {
	var state registryState
	found, err := getRow(v.State, TableRegistries, []byte(name), &state)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", fmt.Errorf("%w: registry %s", ErrUnknown, name)
	case state.Source != "":
		return state.Source, nil
	}
	return name, nil
}
