package ledger

import (
	"fmt"

	"github.com/attestry/attestry/statement"
)

// The rules of keys: who signs for a role at an index, how a role passes from one
// key to the next, and from which index on what a key signed no longer counts.
//
// A role is the log itself, or the issuer of one registry. Its keys follow each
// other: each counts from the entry that brought it up to the rotation that
// replaced it, or up to the index from which it was revoked, if that is earlier.

// applyKeyRotation: the key in force hands its role to one that never had it, and
// both sign.
func (r *Rules) applyKeyRotation(st State, index uint64, e *KeyRotationEntry) error {
	if e.Origin != r.Origin {
		return fmt.Errorf("%w: a rotation for %s, not %s", ErrForeign, e.Origin, r.Origin)
	}
	if err := checkNewKey(st, e); err != nil {
		return err
	}
	if err := r.checkOldKey(st, index, e); err != nil {
		return err
	}
	if err := e.VerifySignatures(); err != nil {
		return fmt.Errorf("%w: %w", ErrRotation, err)
	}
	var old keyState // the zero value is that of the log's first key
	if _, err := getRow(st, tableKeys, roleKey(e.Registry, e.Old), &old); err != nil {
		return err
	}
	old.Until = &index
	if err := putRow(st, tableKeys, roleKey(e.Registry, e.Old), old); err != nil {
		return err
	}
	return putSigner(st, e.Registry, e.New, keyState{From: index, Previous: &e.Old})
}

// checkNewKey: a key holds a role once, so that its time in it is one interval, and
// one that was revoked in any role of this log takes none.
func checkNewKey(st State, e *KeyRotationEntry) error {
	var known keyState
	found, err := getRow(st, tableKeys, roleKey(e.Registry, e.New), &known)
	if err != nil {
		return err
	}
	if found && known.Previous != nil && *known.Previous == e.Old {
		return &DuplicateError{Index: known.From}
	}
	if found {
		return fmt.Errorf("%w: key %s has had the role before, and no key gets it back", ErrRotation, e.New)
	}
	return checkNeverRevoked(st, e.New)
}

func checkNeverRevoked(st State, key PublicKey) error {
	at, revoked, err := getIndex(st, tableRevoked, key[:])
	if err == nil && revoked {
		err = fmt.Errorf("%w: key %s, by entry %d: make another one", ErrRevoked, key, at)
	}
	return err
}

// checkOldKey: the key in force is the only one that can hand its role on.
func (r *Rules) checkOldKey(st State, index uint64, e *KeyRotationEntry) error {
	if e.Role == RoleIssuer {
		issuer, err := presentIssuer(st, e.Registry)
		if err == nil && issuer != e.Old {
			err = fmt.Errorf("%w: the issuer of registry %s is %s, not %s", ErrRotation, e.Registry, issuer, e.Old)
		}
		return err
	}
	if index == 0 {
		return fmt.Errorf("%w: the log has no entry yet, so its key has signed nothing: begin the log with another key", ErrRotation)
	}
	keys, err := r.logKeys(st)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key == e.Old {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is not the log's key", ErrRotation, e.Old)
}

// logKeys gives the log's key or, as long as no entry shows which one it is, those
// that it may be.
func (r *Rules) logKeys(st State) ([]PublicKey, error) {
	var key PublicKey
	found, err := getRow(st, tableSigners, namedKey(""), &key)
	if err != nil {
		return nil, err
	}
	if found {
		return []PublicKey{key}, nil
	}
	if len(r.LogKeys) == 0 {
		return nil, fmt.Errorf("%w: the first key of log %s is not known here", ErrLogKey, r.Origin)
	}
	return r.LogKeys, nil
}

// checkLogSigned gives the key in force of the log if it signed what verify checks.
func (r *Rules) checkLogSigned(st State, verify func(PublicKey) error) (PublicKey, error) {
	keys, err := r.logKeys(st)
	if err != nil {
		return PublicKey{}, err
	}
	for _, key := range keys {
		if err = verify(key); err == nil {
			return key, nil
		}
	}
	return PublicKey{}, fmt.Errorf("%w: %w", ErrLogKey, err)
}

// noteLogKey keeps which key of [Rules.LogKeys] turned out to be the log's.
func noteLogKey(st State, key PublicKey) error {
	found, err := st.Get(tableSigners, namedKey(""))
	if err != nil || found != nil {
		return err
	}
	return putSigner(st, "", key, keyState{})
}

// applyRevocation: the log's key says from which index on nothing that a key
// signed counts. It undoes nothing in the log: chains go on and pledges live on.
func (r *Rules) applyRevocation(st State, index uint64, e *RevocationEntry) error {
	row, signer, err := r.checkRevocation(st, index, e)
	if err != nil {
		return err
	}
	if err := noteLogKey(st, signer); err != nil {
		return err
	}
	from := uint64(e.From)
	row.Revoked, row.RevokedBy = &from, index
	if err := putRow(st, tableKeys, roleKey(e.Registry, e.Key), row); err != nil {
		return err
	}
	if _, known, err := getIndex(st, tableRevoked, e.Key[:]); err != nil || known {
		return err
	}
	return st.Put(tableRevoked, e.Key[:], indexKey(index))
}

// checkRevocation gives the row of the key that a revocation means, and the log's key
// that signed it.
func (r *Rules) checkRevocation(st State, index uint64, e *RevocationEntry) (row keyState, signer PublicKey, err error) {
	if e.Origin != r.Origin {
		return row, signer, fmt.Errorf("%w: a revocation for %s, not %s", ErrForeign, e.Origin, r.Origin)
	}
	found, err := getRow(st, tableKeys, roleKey(e.Registry, e.Key), &row)
	if err != nil {
		return row, signer, err
	}
	if row.Revoked != nil && uint64(e.From) >= *row.Revoked {
		return row, signer, &DuplicateError{Index: row.RevokedBy}
	}
	if signer, err = r.checkLogSigned(st, e.VerifySignature); err != nil {
		return row, signer, err
	}
	switch from := uint64(e.From); {
	case e.Role == RoleLog && e.Key == signer:
		err = fmt.Errorf("%w: the log's present key cannot revoke itself, since nothing could show that: rotate it first", ErrConflict)
	case !found:
		err = fmt.Errorf("%w: key %s never had the role of %s %s", ErrUnknown, e.Key, e.Role, e.Registry)
	case from <= row.From || from > index:
		err = fmt.Errorf("%w: a revocation from %d of a key that came with entry %d, by entry %d: it is from after the one and not after the other", ErrConflict, from, row.From, index)
	}
	return row, signer, err
}

// applySunset: the log's key ends the use of a circuit under one verifying key.
func (r *Rules) applySunset(st State, index uint64, e *SunsetEntry) error {
	if e.Origin != r.Origin {
		return fmt.Errorf("%w: a sunset for %s, not %s", ErrForeign, e.Origin, r.Origin)
	}
	circuit, err := getCircuit(st, e.Circuit, e.VK)
	if err != nil {
		return err
	}
	if circuit.Sunset != nil {
		return &DuplicateError{Index: *circuit.Sunset}
	}
	signer, err := r.checkLogSigned(st, e.VerifySignature)
	if err != nil {
		return err
	}
	if err := noteLogKey(st, signer); err != nil {
		return err
	}
	circuit.Sunset = &index
	return putRow(st, tableCircuits, circuitKey(e.Circuit, e.VK), circuit)
}

// presentIssuer gives the key that signs for a registry now. A registry whose
// present key was revoked is closed: nobody can sign for it any more.
func presentIssuer(st State, registry string) (IssuerKey, error) {
	var issuer IssuerKey
	found, err := getRow(st, tableSigners, namedKey(registry), &issuer)
	if err != nil {
		return issuer, err
	}
	if !found {
		return issuer, fmt.Errorf("%w: registry %s has no schema entry", ErrUnknown, registry)
	}
	row, err := getKey(st, registry, issuer)
	if err == nil && row.Revoked != nil {
		err = fmt.Errorf("%w: entry %d revoked the present key of registry %s and closed the registry", ErrRevoked, row.RevokedBy, registry)
	}
	return issuer, err
}

// checkCounts tells whether what an issuer signed at an index still counts.
func checkCounts(st State, registry string, issuer IssuerKey, index uint64) error {
	row, err := getKey(st, registry, issuer)
	if err == nil && row.Revoked != nil && index >= *row.Revoked {
		err = fmt.Errorf("%w: entry %d of registry %s does not count, since its issuer's key %s was revoked from %d by entry %d", ErrRevoked, index, registry, issuer, *row.Revoked, row.RevokedBy)
	}
	return err
}

// checkEpochCounts tells whether an epoch and its schema still count and, for a
// registry that it derives, the epoch that this one joins.
func checkEpochCounts(st State, epoch epochState, registry string) error {
	schema, err := getSchema(st, epoch.Schema)
	if err != nil {
		return err
	}
	if err := checkCounts(st, epoch.Registry, epoch.Issuer, epoch.Index); err != nil {
		return err
	}
	if err := checkCounts(st, epoch.Registry, schema.Issuer, schema.Index); err != nil || registry == epoch.Registry {
		return err
	}
	definition, _ := (&statement.Schema{Derived: schema.Derived}).Definition(registry)
	if definition.Join == nil {
		return nil
	}
	joined, err := getEpoch(st, epoch.Joins[definition.Join.Registry])
	if err != nil {
		return err
	}
	return checkEpochCounts(st, joined, joined.Registry)
}

// getKey gives the row of a key that has had a role.
func getKey(st State, registry string, key PublicKey) (keyState, error) {
	var row keyState
	found, err := getRow(st, tableKeys, roleKey(registry, key), &row)
	if err == nil && !found {
		err = fmt.Errorf("%w: key %s", ErrUnknown, key)
	}
	return row, err
}

// getCircuit gives a circuit that must be there.
func getCircuit(st State, circuit, vk statement.Digest) (circuitState, error) {
	var row circuitState
	found, err := getRow(st, tableCircuits, circuitKey(circuit, vk), &row)
	if err == nil && !found {
		err = fmt.Errorf("%w: circuit %s with verifying key %s", ErrUnknown, circuit.Hex(), vk.Hex())
	}
	return row, err
}

// putSigner gives a role to a key.
func putSigner(st State, registry string, key PublicKey, row keyState) error {
	if err := putRow(st, tableKeys, roleKey(registry, key), row); err != nil {
		return err
	}
	return putRow(st, tableSigners, namedKey(registry), key)
}
