package prover

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// anchors are the ledger's entries that a fact rests on, by their indexes.
type anchors struct {
	circuit, schema, epoch uint64
	successor              *uint64
	joined                 *uint64 // the epoch that a derived registry joins
	grant                  *grant  // that the request names
	oldest                 string  // the instant of the epoch, or of the joined one where that is older
	circuitEntry           *ledger.CircuitEntry
	schemaEntry            *ledger.SchemaEntry
	epochEntry             *ledger.EpochEntry
	public                 statement.Public
}

// anchor finds the entries that a fact rests on, and refuses those that do not count.
func (a *Agency) anchor(fact statement.FactRequest, circuit *Circuit) (anchors, error) {
	index, epoch, err := a.epoch(fact)
	if err != nil {
		return anchors{}, err
	}
	an, err := a.anchorAt(index, epoch, fact, circuit.Keys.Circuit, circuit.Keys.VK)
	if err != nil {
		return anchors{}, err
	}
	if err := a.counts(an.public.Epoch, fact.Registry, circuit); err != nil {
		return anchors{}, fmt.Errorf("epoch %d of registry %s: %w", epoch.Number, fact.Registry, err)
	}
	return an, nil
}

// anchorAt finds the entries that a fact rests on at an epoch.
func (a *Agency) anchorAt(epochIndex uint64, epoch *ledger.EpochEntry, fact statement.FactRequest, circuit, vk statement.Digest) (anchors, error) {
	schemaIndex, schema, err := a.Ledger.SchemaByIdentity(epoch.Schema)
	if err != nil {
		return anchors{}, err
	}
	if _, ok := epoch.RootOf(fact.Registry); !ok {
		return anchors{}, fmt.Errorf("%w: epoch %d of registry %s has no %s yet, which its schema defines later", ErrNoEpoch, epoch.Number, epoch.Registry, fact.Registry)
	}
	circuitIndex, circuitEntry, err := a.Ledger.Circuit(circuit, vk)
	if err != nil {
		return anchors{}, err
	}
	identity, err := epoch.Identity()
	if err != nil {
		return anchors{}, err
	}
	an := anchors{
		circuit: circuitIndex, schema: schemaIndex, epoch: epochIndex,
		circuitEntry: circuitEntry, schemaEntry: schema, epochEntry: epoch,
		public: statement.Public{
			Origin: a.Ledger.Origin(), Circuit: circuit, VK: vk,
			Registry: fact.Registry, Schema: epoch.Schema, Epoch: identity,
		},
	}
	if err := a.join(&an, fact.Registry); err != nil {
		return an, err
	}
	if !fact.AsOf.Time.IsZero() {
		an.successor, err = a.successor(epoch)
	}
	return an, err
}

// about gives the schema of the facts about a registry that the anchors are of.
func (an *anchors) about(registry string) (*statement.Schema, error) {
	schema, ok := an.schemaEntry.Schema.Of(registry)
	if !ok {
		return nil, fmt.Errorf("%w: the schema of registry %s does not define %s", ErrNoRegistry, an.schemaEntry.Schema.Registry, registry)
	}
	return schema, nil
}

// join finds the epoch that a derived registry joins.
func (a *Agency) join(an *anchors, registry string) error {
	an.oldest = an.epochEntry.Time
	definition, derived := an.schemaEntry.Schema.Definition(registry)
	if !derived || definition.Join == nil {
		return nil
	}
	index, joined, err := a.Ledger.EpochByIdentity(an.epochEntry.Joins[definition.Join.Registry])
	if err != nil {
		return err
	}
	an.joined, an.oldest = &index, min(an.oldest, joined.Time) // in this format the order of texts is that of instants
	return nil
}

// counts refuses, before anything is proved, what the ledger would refuse afterwards:
// an epoch that a revocation has voided, a circuit that is sunset.
func (a *Agency) counts(epoch statement.Digest, registry string, circuit *Circuit) error {
	if err := a.Ledger.EpochCounts(epoch, registry); err != nil {
		return fmt.Errorf("%w (a new epoch counts: import and commit)", err)
	}
	sunset, err := a.Ledger.Sunset(circuit.Keys.Circuit, circuit.Keys.VK)
	if err == nil && sunset != nil {
		err = fmt.Errorf("%w: %s version %d, by entry %d", ledger.ErrSunset, circuit.Keys.Name, circuit.Keys.Version, *sunset)
	}
	return err
}

// epoch finds the epoch that a fact asks for.
func (a *Agency) epoch(fact statement.FactRequest) (index uint64, e *ledger.EpochEntry, err error) {
	switch {
	case fact.AsOf.Number != 0:
		index, e, _, err = a.Ledger.Epoch(fact.Registry, fact.AsOf.Number)
	case !fact.AsOf.Time.IsZero():
		index, e, _, err = a.Ledger.EpochAt(fact.Registry, fact.AsOf.Time)
	default:
		index, e, _, err = a.Ledger.LatestEpoch(fact.Registry)
	}
	if errors.Is(err, store.ErrNotFound) {
		if _, _, err := a.Ledger.Schema(fact.Registry); errors.Is(err, store.ErrNotFound) {
			return 0, nil, fmt.Errorf("%w: %q", ErrNoRegistry, fact.Registry)
		}
		return 0, nil, fmt.Errorf("%w: registry %s as of %s: see registry epochs, or commit one", ErrNoEpoch, fact.Registry, fact.AsOf)
	}
	return index, e, err
}

// timely refuses what no verifier would take at this time: a request that has
// expired, an instant to come, an epoch older than the request allows.
func timely(r *statement.Request, f statement.FactRequest, an anchors, now time.Time) error {
	if r.Expires != "" {
		expires, err := statement.ParseTime(r.Expires)
		if err == nil && !now.Before(expires) {
			err = fmt.Errorf("%w: it expired at %s", statement.ErrBadRequest, r.Expires)
		}
		if err != nil {
			return err
		}
	}
	if f.AsOf.Time.After(now) {
		return fmt.Errorf("%w: as of %s: nobody knows the last epoch of an instant to come", ErrNoEpoch, f.AsOf)
	}
	committed, err := statement.ParseTime(an.oldest)
	if err != nil {
		return err
	}
	if limit := f.MaxAgeDuration(); limit > 0 && now.Sub(committed) > limit {
		return fmt.Errorf("%w: epoch %d of registry %s is %s old, and the request takes at most %s: commit a new one", ErrNoEpoch, an.epochEntry.Number, f.Registry, now.Sub(committed).Truncate(time.Second), limit)
	}
	return nil
}

// successor finds the epoch after one, which shows that it was the last at an instant.
// One that a revocation has voided shows nothing.
func (a *Agency) successor(e *ledger.EpochEntry) (*uint64, error) {
	index, _, identity, err := a.Ledger.Epoch(e.Registry, uint64(e.Number)+1)
	if err == nil {
		err = a.Ledger.EpochCounts(identity, e.Registry)
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, ledger.ErrRevoked) {
		return nil, nil
	}
	return &index, err
}

// show fills in what a fact of the bundle shows of its anchors.
func (a *Agency) show(an anchors, f *verifier.Fact, checkpoint []byte) (err error) {
	if f.Circuit, err = a.logged(an.circuit, checkpoint); err != nil {
		return err
	}
	if f.Schema, err = a.logged(an.schema, checkpoint); err != nil {
		return err
	}
	if f.Epoch, err = a.logged(an.epoch, checkpoint); err != nil {
		return err
	}
	if an.joined != nil {
		joined, err := a.logged(*an.joined, checkpoint)
		if err != nil {
			return err
		}
		f.Joined = &joined
	}
	if an.grant != nil {
		if f.Grant, err = a.showGrant(an.grant, checkpoint); err != nil {
			return err
		}
	}
	if an.successor == nil {
		return nil
	}
	successor, err := a.logged(*an.successor, checkpoint)
	f.Successor = &successor
	return err
}

// logged gives an entry of the ledger with the proof that it is in it.
func (a *Agency) logged(index uint64, checkpoint []byte) (verifier.Logged, error) {
	data, err := a.Ledger.Entry(index)
	if err != nil {
		return verifier.Logged{}, err
	}
	inclusion, err := a.Ledger.Prove(index, checkpoint)
	if err != nil {
		return verifier.Logged{}, err
	}
	return verifier.Logged{Entry: json.RawMessage(data), Inclusion: string(ledger.FormatInclusion(inclusion))}, nil
}
