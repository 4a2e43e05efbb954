package ledger

import (
	"errors"
	"fmt"

	"github.com/attestry/attestry/statement"
)

// applyProof: a statement is accepted once for ever, made for this log, under a
// circuit and an epoch of this log and the epoch's own root; a pledge meets its
// scope's rules; and the proof holds, which is checked last because it costs most.
func (r *Rules) applyProof(st State, index uint64, p *Prepared, e *ProofEntry) error {
	key := p.d.Bytes()
	if first, found, err := getIndex(st, tableDigests, key[:]); err != nil || found {
		return duplicate(err, first)
	}
	circuit, epoch, err := r.checkPublic(st, e)
	if err != nil {
		return err
	}
	var pledge *pledgeState
	if e.IsPledge() {
		if pledge, err = checkPledge(st, e, epoch); err != nil {
			return err
		}
		pledge.Leaf = statement.Digest(p.leaf)
	}
	if err := r.checkProof(p, e, circuit); err != nil {
		return err
	}
	if err := st.Put(tableDigests, key[:], indexKey(index)); err != nil {
		return err
	}
	if pledge == nil {
		return nil
	}
	return putPledge(st, index, pledge)
}

// checkPublic looks up everything that P is made of, and the root.
func (r *Rules) checkPublic(st State, e *ProofEntry) (*CircuitEntry, epochState, error) {
	p := e.Public
	if p.Origin != r.Origin {
		return nil, epochState{}, fmt.Errorf("%w: a proof for %s, not %s", ErrForeign, p.Origin, r.Origin)
	}
	circuit, err := getCircuit(st, p.Circuit, p.VK)
	if err != nil {
		return nil, epochState{}, err
	}
	if circuit.Sunset != nil {
		return nil, epochState{}, fmt.Errorf("%w: %s version %d with verifying key %s, by entry %d", ErrSunset, circuit.Entry.Name, circuit.Entry.Version, p.VK.Hex(), *circuit.Sunset)
	}
	epoch, err := getEpoch(st, p.Epoch)
	if err != nil {
		return nil, epochState{}, err
	}
	root, ok := epoch.rootOf(p.Registry)
	switch {
	case !ok:
		return nil, epochState{}, fmt.Errorf("%w: the epoch is of registry %s, and gives no root for %s", ErrConflict, epoch.Registry, p.Registry)
	case p.Schema != epoch.Schema:
		return nil, epochState{}, fmt.Errorf("%w: epoch %d of registry %s has another schema", ErrConflict, epoch.Number, p.Registry)
	case e.Root != root:
		return nil, epochState{}, fmt.Errorf("%w: epoch %d of registry %s", ErrWrongRoot, epoch.Number, p.Registry)
	}
	return circuit.Entry, epoch, checkEpochCounts(st, epoch, p.Registry)
}

// checkPledge holds a pledge to its registry's latest epoch, to its scope's rule of
// consent, and to the one live pledge of a record in a scope. It gives the row
// of the pledge without its leaf.
func checkPledge(st State, e *ProofEntry, epoch epochState) (*pledgeState, error) {
	registry := e.Public.Registry
	if registry != epoch.Registry {
		return nil, fmt.Errorf("%w: a pledge of registry %s, which derives from %s", ErrConflict, registry, epoch.Registry)
	}
	var state registryState
	if _, err := getRow(st, TableRegistries, []byte(registry), &state); err != nil {
		return nil, err
	}
	if e.Public.Epoch != state.Epoch {
		return nil, fmt.Errorf("%w: epoch %d of registry %s, where the latest is %d", ErrStaleEpoch, epoch.Number, registry, state.Number)
	}
	schema, err := getSchema(st, epoch.Schema)
	if err != nil {
		return nil, err
	}
	scope, found := schema.scope(e.Scope)
	if !found {
		return nil, fmt.Errorf("%w: the schema of registry %s declares no such scope", ErrUnknown, registry)
	}
	if err := checkConsent(st, e, scope); err != nil {
		return nil, err
	}
	first, live, err := getIndex(st, tableLive, liveKey(registry, e.Scope, e.Nullifier))
	if err != nil {
		return nil, err
	}
	if live {
		return nil, fmt.Errorf("%w: in registry %s by entry %d", ErrPledged, registry, first)
	}
	return &pledgeState{
		Registry: registry, Scope: e.Scope, Nullifier: e.Nullifier,
		ReleaseKey: PublicKey(*e.Public.ReleaseKey), Recovery: scope.Recovery, Live: true,
	}, nil
}

// checkConsent: where the scope asks for the issuer's consent, the entry has the
// issuer's signature over D; where it asks for the holder's, the question (which
// the log does not see) requires the holder's secret, and the entry has nothing.
func checkConsent(st State, e *ProofEntry, scope scopeRule) error {
	if scope.Consent == statement.ConsentIssuer {
		issuer, err := presentIssuer(st, e.Public.Registry)
		if err != nil {
			return err
		}
		if err := e.VerifyConsent(issuer); err != nil {
			return fmt.Errorf("%w: the scope needs the issuer's signature over the statement: %w", ErrConsent, err)
		}
		return nil
	}
	if e.Consent != nil {
		return fmt.Errorf("%w: the scope takes the holder's consent, not the issuer's", ErrConsent)
	}
	return nil
}

func (r *Rules) checkProof(p *Prepared, e *ProofEntry, circuit *CircuitEntry) error {
	if r.Verify == nil {
		return fmt.Errorf("%w: proofs cannot be accepted unchecked", ErrNoVerifier)
	}
	if err := r.verify(p, e, circuit); err != nil {
		if errors.Is(err, ErrProofInvalid) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrProofInvalid, err)
	}
	return nil
}

func putPledge(st State, index uint64, pledge *pledgeState) error {
	if err := putRow(st, TablePledges, indexKey(index), pledge); err != nil {
		return err
	}
	return st.Put(tableLive, liveKey(pledge.Registry, pledge.Scope, pledge.Nullifier), indexKey(index))
}
