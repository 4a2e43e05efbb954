package ledger

import (
	"fmt"

	"github.com/attestry/attestry/statement"
)

// Rules decides which entries a log accepts. It is one state machine for the
// store's transaction, which asks it before an entry is written, and for an audit,
// which asks it again about every entry of a finished log.
//
// The zero value of a member is the strict choice.
type Rules struct {
	// Origin is the log's. Whatever names another origin is refused.
	Origin string
	// Verify checks the Groth16 proof of an entry, against the entry's D, under the
	// verifying key of its circuit entry. Without it every proof is refused. What it
	// says depends on nothing but its arguments, and it may run in several goroutines.
	Verify func(*ProofEntry, *CircuitEntry) error
	// Issuers pins the issuers of some registries. The issuer of a registry that is
	// not among them is whoever signs its first schema.
	Issuers map[string]IssuerKey
	// LogKeys are the keys of which the log's first one is one. Without them, entries
	// that the log's key signs are refused.
	LogKeys []PublicKey
}

// Apply decides on the entry that is to have an index, and takes it into the
// state if it is accepted. A refusal leaves the state as it was; an error of the
// state itself does not, and the caller must then discard it.
//
// It fails with [ErrMalformed] or [ErrUnknownType] for what [ParseEntry] refuses,
// with a [DuplicateError] for what the log has already, and with the error of the
// rule that the entry breaks.
func (r *Rules) Apply(st State, index uint64, data []byte) error {
	p, err := Prepare(data)
	if err != nil {
		return err
	}
	return r.ApplyPrepared(st, index, p)
}

// ApplyPrepared is [Rules.Apply] for an entry that has been read.
func (r *Rules) ApplyPrepared(st State, index uint64, p *Prepared) error {
	if err := CheckOrigin(r.Origin); err != nil {
		return err
	}
	switch e := p.entry.(type) {
	case *SchemaEntry:
		return r.applySchema(st, index, e)
	case *CircuitEntry:
		return r.applyCircuit(st, index, e)
	case *EpochEntry:
		return r.applyEpoch(st, index, e)
	case *ProofEntry:
		return r.applyProof(st, index, p, e)
	case *ReleaseEntry:
		return r.applyRelease(st, index, e)
	case *ForcedReleaseEntry:
		return r.applyForcedRelease(st, index, e)
	case *GrantEntry:
		return r.applyGrant(st, index, p, e)
	case *GrantRevocationEntry:
		return r.applyGrantRevocation(st, index, e)
	case *KeyRotationEntry:
		return r.applyKeyRotation(st, index, e)
	case *RevocationEntry:
		return r.applyRevocation(st, index, e)
	case *SunsetEntry:
		return r.applySunset(st, index, e)
	}
	return fmt.Errorf("%w: entries of type %s", ErrNotAccepted, p.entry.Type())
}

// applySchema: the first schema of a registry introduces its issuer, and each
// later one is signed by the issuer of its time and replaces the one before it,
// keeping what serials depend on.
func (r *Rules) applySchema(st State, index uint64, e *SchemaEntry) error {
	identity, err := e.Identity()
	if err != nil {
		return err
	}
	var known schemaState
	if found, err := getRow(st, tableSchemas, identity[:], &known); err != nil || found {
		return duplicate(err, known.Index)
	}
	registry := e.Schema.Registry
	issuer, err := r.schemaIssuer(st, e)
	if err != nil {
		return err
	}
	if err := e.VerifySignature(issuer); err != nil {
		return fmt.Errorf("%w: schema of registry %s: %w", ErrIssuer, registry, err)
	}
	scopes, err := scopeRules(&e.Schema)
	if err != nil {
		return err
	}
	row := schemaState{
		Index: index, Registry: registry, Issuer: issuer, Serial: e.Serial,
		KeyDomain: e.Schema.Domain("key"), Scopes: scopes, Derived: e.Schema.Derived,
	}
	if err := r.takeNames(st, e, issuer); err != nil {
		return err
	}
	if err := putRow(st, tableSchemas, identity[:], row); err != nil {
		return err
	}
	if e.Previous == nil {
		if err := putSigner(st, registry, issuer, keyState{From: index}); err != nil {
			return err
		}
	}
	return replaceSchema(st, registry, identity)
}

// schemaIssuer checks how a schema stands to its registry's present one, and gives
// the key that must have signed it.
func (r *Rules) schemaIssuer(st State, e *SchemaEntry) (IssuerKey, error) {
	registry := e.Schema.Registry
	pinned, isPinned := r.Issuers[registry]
	var state registryState
	found, err := getRow(st, TableRegistries, []byte(registry), &state)
	if err != nil {
		return IssuerKey{}, err
	}
	if state.Source != "" {
		return IssuerKey{}, fmt.Errorf("%w: registry %s derives from %s", ErrConflict, registry, state.Source)
	}
	if !found {
		if e.Previous != nil {
			return IssuerKey{}, fmt.Errorf("%w: the first schema of registry %s replaces another", ErrUnknown, registry)
		}
		issuer := e.Issuer
		if isPinned {
			issuer = pinned
		}
		return issuer, checkNeverRevoked(st, issuer)
	}
	old, err := getSchema(st, state.Schema)
	if err != nil {
		return IssuerKey{}, err
	}
	switch {
	case e.Previous == nil || *e.Previous != state.Schema:
		return IssuerKey{}, fmt.Errorf("%w: a schema of registry %s must replace its present one, entry %d", ErrConflict, registry, old.Index)
	case e.Serial != old.Serial:
		return IssuerKey{}, fmt.Errorf("%w: registry %s has another serial secret, which would free every pledge", ErrConflict, registry)
	case !e.Schema.Domain("key").Equal(old.KeyDomain):
		return IssuerKey{}, fmt.Errorf("%w: registry %s has another domain of keys, which would free pledges", ErrConflict, registry)
	case !statement.KeepsDerived(&statement.Schema{Derived: old.Derived}, &e.Schema):
		return IssuerKey{}, fmt.Errorf("%w: registry %s has other definitions of its derived registries, whose names would mean something else", ErrConflict, registry)
	}
	return presentIssuer(st, registry)
}

// replaceSchema makes a schema its registry's present one.
func replaceSchema(st State, registry string, identity statement.Digest) error {
	var state registryState
	if _, err := getRow(st, TableRegistries, []byte(registry), &state); err != nil {
		return err
	}
	state.Schema = identity
	return putRow(st, TableRegistries, []byte(registry), state)
}

// applyCircuit: a circuit is in the table once under each of its verifying keys.
func (r *Rules) applyCircuit(st State, index uint64, e *CircuitEntry) error {
	identity, err := e.Identity()
	if err != nil {
		return err
	}
	key := circuitKey(e.Circuit, e.VKHash())
	var known circuitState
	found, err := getRow(st, tableCircuits, key, &known)
	if err != nil {
		return err
	}
	if found && known.Identity == identity {
		return &DuplicateError{Index: known.Index}
	}
	if found {
		return fmt.Errorf("%w: entry %d has this circuit and verifying key under another name, version or setup", ErrConflict, known.Index)
	}
	return putRow(st, tableCircuits, key, circuitState{Index: index, Identity: identity, Entry: e})
}

// applyEpoch: an epoch follows the registry's latest, under its present schema,
// no earlier in time, signed by its issuer.
func (r *Rules) applyEpoch(st State, index uint64, e *EpochEntry) error {
	identity, err := e.Identity()
	if err != nil {
		return err
	}
	var known epochState
	if found, err := getRow(st, tableEpochs, identity[:], &known); err != nil || found {
		return duplicate(err, known.Index)
	}
	state, issuer, err := r.checkEpoch(st, e)
	if err != nil {
		return err
	}
	row := epochState{
		Index: index, Registry: e.Registry, Schema: e.Schema,
		Number: uint64(e.Number), Time: e.Time, Root: e.Root, Derived: e.Derived, Joins: e.Joins, Issuer: issuer,
	}
	if err := putRow(st, tableEpochs, identity[:], row); err != nil {
		return err
	}
	if err := st.Put(tableNumbers, namedKey(e.Registry, indexKey(uint64(e.Number))), identity[:]); err != nil {
		return err
	}
	state.Epoch, state.Number = identity, uint64(e.Number)
	return putRow(st, TableRegistries, []byte(e.Registry), state)
}

func (r *Rules) checkEpoch(st State, e *EpochEntry) (registryState, IssuerKey, error) {
	var state registryState
	var issuer IssuerKey
	found, err := getRow(st, TableRegistries, []byte(e.Registry), &state)
	if err != nil {
		return state, issuer, err
	}
	if !found || state.Source != "" {
		return state, issuer, fmt.Errorf("%w: registry %s has no schema entry", ErrUnknown, e.Registry)
	}
	if e.Schema != state.Schema {
		return state, issuer, fmt.Errorf("%w: epoch %d of registry %s is not under its present schema", ErrEpochChain, e.Number, e.Registry)
	}
	schema, err := getSchema(st, state.Schema)
	if err != nil {
		return state, issuer, err
	}
	if err := checkPredecessor(st, e, state); err != nil {
		return state, issuer, err
	}
	if err := checkDerived(st, e, schema.Derived); err != nil {
		return state, issuer, err
	}
	if err := checkCounts(st, e.Registry, schema.Issuer, schema.Index); err != nil {
		return state, issuer, fmt.Errorf("the present schema needs to be replaced first: %w", err)
	}
	if issuer, err = presentIssuer(st, e.Registry); err != nil {
		return state, issuer, err
	}
	if err := e.VerifySignature(issuer); err != nil {
		return state, issuer, fmt.Errorf("%w: epoch %d of registry %s: %w", ErrIssuer, e.Number, e.Registry, err)
	}
	return state, issuer, nil
}

func checkPredecessor(st State, e *EpochEntry, state registryState) error {
	if uint64(e.Number) != state.Number+1 {
		return fmt.Errorf("%w: epoch %d of registry %s comes after its epoch %d", ErrEpochChain, e.Number, e.Registry, state.Number)
	}
	if state.Number == 0 {
		return nil // epoch 1, which by its format names no predecessor
	}
	if *e.Previous != state.Epoch {
		return fmt.Errorf("%w: epoch %d of registry %s names another predecessor", ErrEpochChain, e.Number, e.Registry)
	}
	previous, err := getEpoch(st, state.Epoch)
	if err != nil {
		return err
	}
	if e.Time < previous.Time { // in this format the order of texts is that of instants
		return fmt.Errorf("%w: epoch %d of registry %s is of %s, before its predecessor's %s", ErrEpochChain, e.Number, e.Registry, e.Time, previous.Time)
	}
	return nil
}

// getSchema gives a schema that must be there.
func getSchema(st State, identity statement.Digest) (schemaState, error) {
	var row schemaState
	found, err := getRow(st, tableSchemas, identity[:], &row)
	if err == nil && !found {
		err = fmt.Errorf("%w: schema %s", ErrUnknown, identity.Hex())
	}
	return row, err
}

// getEpoch gives an epoch that must be there.
func getEpoch(st State, identity statement.Digest) (epochState, error) {
	var row epochState
	found, err := getRow(st, tableEpochs, identity[:], &row)
	if err == nil && !found {
		err = fmt.Errorf("%w: epoch %s", ErrUnknown, identity.Hex())
	}
	return row, err
}

func duplicate(err error, index uint64) error {
	if err != nil {
		return err
	}
	return &DuplicateError{Index: index}
}
