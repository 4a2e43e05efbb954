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
	schemaEntry            *ledger.SchemaEntry
	epochEntry             *ledger.EpochEntry
	public                 statement.Public
}

// anchor finds the entries that a fact rests on.
func (a *Agency) anchor(fact statement.FactRequest, circuit *Circuit) (anchors, error) {
	epochIndex, epoch, err := a.epoch(fact)
	if err != nil {
		return anchors{}, err
	}
	schemaIndex, schema, err := a.Ledger.SchemaByIdentity(epoch.Schema)
	if err != nil {
		return anchors{}, err
	}
	circuitIndex, _, err := a.Ledger.Circuit(circuit.Keys.Circuit, circuit.Keys.VK)
	if err != nil {
		return anchors{}, err
	}
	identity, err := epoch.Identity()
	if err != nil {
		return anchors{}, err
	}
	an := anchors{
		circuit: circuitIndex, schema: schemaIndex, epoch: epochIndex, schemaEntry: schema, epochEntry: epoch,
		public: statement.Public{
			Origin: a.Ledger.Origin(), Circuit: circuit.Keys.Circuit, VK: circuit.Keys.VK,
			Registry: fact.Registry, Schema: epoch.Schema, Epoch: identity,
		},
	}
	if !fact.AsOf.Time.IsZero() {
		an.successor, err = a.successor(epoch)
	}
	return an, err
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
func timely(r *statement.Request, f statement.FactRequest, e *ledger.EpochEntry, now time.Time) error {
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
	committed, err := statement.ParseTime(e.Time)
	if err != nil {
		return err
	}
	if limit := f.MaxAgeDuration(); limit > 0 && now.Sub(committed) > limit {
		return fmt.Errorf("%w: epoch %d of registry %s is %s old, and the request takes at most %s: commit a new one", ErrNoEpoch, e.Number, f.Registry, now.Sub(committed).Truncate(time.Second), limit)
	}
	return nil
}

// successor finds the epoch after one, which shows that it was the last at an instant.
func (a *Agency) successor(e *ledger.EpochEntry) (*uint64, error) {
	index, _, _, err := a.Ledger.Epoch(e.Registry, uint64(e.Number)+1)
	if errors.Is(err, store.ErrNotFound) {
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
