package workspace

import (
	"context"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// Revocation says which key is to be revoked, and from where on.
type Revocation struct {
	Role ledger.Role
	Key  ledger.PublicKey
	// Registry is the one whose issuer the key was; empty: all of them.
	Registry string
	// From is the log index from which nothing counts that the key signed; nil: the
	// rotation that replaced it or, where it was not replaced, the present size.
	From *uint64
}

// Revoked is what a revocation does to a role.
type Revoked struct {
	Registry string // empty: the log
	From     uint64
	// Closes says that the key is the registry's present one: nobody can sign for the
	// registry any more.
	Closes bool
	// What stops counting: schemas and epochs that the key signed, and the proofs and
	// live pledges that rest on them or on a consent of the key.
	Schemas, Epochs, Proofs, LivePledges int
	// Checkpoints is the number of log sizes whose checkpoints stop counting.
	Checkpoints uint64
	Entry       uint64 // that revoked it

	renew bool // the registry's present schema stops counting
}

// Voids tells whether anything stops counting.
func (r Revoked) Voids() bool {
	return r.Closes || r.Schemas+r.Epochs+r.Proofs > 0 || r.Checkpoints > 0
}

// ErrNeverHeld says that a key never had the role in which it is to be revoked.
var ErrNeverHeld = errors.New("the key never had this role")

// PlanRevocation tells what a revocation would do, and changes nothing. Roles in which
// the key is revoked from there on already are left out; where that leaves none, it
// fails with a [ledger.DuplicateError].
func (w *Workspace) PlanRevocation(r Revocation) ([]Revoked, error) {
	roles := []string{""}
	if r.Role == ledger.RoleIssuer {
		var err error
		if roles, err = w.Issued(); err != nil {
			return nil, err
		}
	}
	var plan []Revoked
	var done *ledger.DuplicateError // of what is revoked already
	for _, registry := range roles {
		if r.Registry != "" && registry != r.Registry {
			continue
		}
		span, held, err := w.spanOf(registry, r.Key)
		if err != nil {
			return nil, err
		}
		if !held {
			continue
		}
		one, err := w.planOne(registry, span, r.From)
		if err != nil {
			return nil, err
		}
		if span.Revoked != nil && *span.Revoked <= one.From {
			done = &ledger.DuplicateError{Index: span.RevokedBy}
			continue
		}
		plan = append(plan, one)
	}
	if len(plan) == 0 && done != nil {
		return nil, done
	}
	if len(plan) == 0 {
		return nil, fmt.Errorf("%w: %s (attestry key list shows those that there are)", ErrNeverHeld, r.Key)
	}
	return plan, nil
}

// spanOf gives a key's time in a role: that of the issuer of a registry or, without
// one, of the log.
func (w *Workspace) spanOf(registry string, key ledger.PublicKey) (ledger.KeySpan, bool, error) {
	keys, err := w.keysOf(registry)
	for _, span := range keys {
		if span.Key == key {
			return span, true, nil
		}
	}
	return ledger.KeySpan{}, false, err
}

func (w *Workspace) keysOf(registry string) ([]ledger.KeySpan, error) {
	if registry != "" {
		return w.Ledger.IssuerKeys(registry)
	}
	return w.LogKeys()
}

// LogKeys gives the keys that the log has had, in their order, the present one last.
func (w *Workspace) LogKeys() ([]ledger.KeySpan, error) {
	keys, err := w.Ledger.LogKeys()
	if err != nil || len(keys) > 0 {
		return keys, err
	}
	key, err := ledger.LogPublicKey(w.logKey) // no entry tells yet
	return []ledger.KeySpan{{Key: key}}, err
}

func (w *Workspace) planOne(registry string, span ledger.KeySpan, from *uint64) (Revoked, error) {
	size := w.Ledger.Size()
	r := Revoked{Registry: registry, From: size}
	switch {
	case from != nil:
		r.From = *from
	case span.Until != nil:
		r.From = *span.Until
	}
	end := size
	if span.Until != nil {
		end = *span.Until
	}
	if registry == "" {
		if r.From < end {
			r.Checkpoints = end - r.From
		}
		return r, nil
	}
	r.Closes = span.Until == nil
	return r, w.countVoided(&r, span.From, end)
}

// countVoided goes through the entries since the key came.
func (w *Workspace) countVoided(r *Revoked, first, end uint64) error {
	present, _, err := w.Ledger.Schema(r.Registry)
	if err != nil {
		return err
	}
	v := voiding{r: r, first: max(r.From, first), end: end, present: present, identities: map[statement.Digest]bool{}}
	for index := first; index < w.Ledger.Size(); index++ {
		data, err := w.Ledger.Entry(index)
		if err != nil {
			return err
		}
		entry, err := ledger.ParseEntry(data)
		if err != nil {
			return err
		}
		if err := v.count(w, entry, index); err != nil {
			return err
		}
	}
	return nil
}

// voiding counts what stops counting: what the key signed at first or later and before
// end, where it was replaced, and what rests on it.
type voiding struct {
	r          *Revoked
	first, end uint64
	present    uint64                    // index of the registry's present schema
	identities map[statement.Digest]bool // of schemas and epochs
}

func (v *voiding) signed(index uint64) bool { return index >= v.first && index < v.end }

func (v *voiding) count(w *Workspace, entry ledger.Entry, index uint64) error {
	switch e := entry.(type) {
	case *ledger.SchemaEntry:
		if e.Schema.Registry == v.r.Registry && v.signed(index) {
			v.r.Schemas++
			v.r.renew = v.r.renew || index == v.present
			return mark(v.identities, e)
		}
	case *ledger.EpochEntry:
		if e.Registry == v.r.Registry && (v.signed(index) || v.identities[e.Schema]) {
			v.r.Epochs++
			return mark(v.identities, e)
		}
	case *ledger.ProofEntry:
		consented := e.Consent != nil && v.signed(index)
		if v.identities[e.Public.Epoch] || (consented && e.Public.Registry == v.r.Registry) {
			return w.countProof(v.r, e, index)
		}
	}
	return nil
}

func mark(voided map[statement.Digest]bool, e interface {
	Identity() (statement.Digest, error)
}) error {
	identity, err := e.Identity()
	voided[identity] = true
	return err
}

func (w *Workspace) countProof(r *Revoked, e *ledger.ProofEntry, index uint64) error {
	r.Proofs++
	if !e.IsPledge() {
		return nil
	}
	status, err := w.Ledger.Pledge(index)
	if status.Live {
		r.LivePledges++
	}
	return err
}

// Revoke revokes a key, in all its roles that are meant at once, and tells what it
// did. Where the present schema of a registry stops counting, the present issuer signs
// it anew in the same transaction, so that epochs can go on.
func (w *Workspace) Revoke(ctx context.Context, r Revocation) ([]Revoked, error) {
	plan, err := w.PlanRevocation(r)
	if err != nil {
		return nil, err
	}
	key, err := w.logPrivate()
	if err != nil {
		return nil, err
	}
	var entries []ledger.Entry
	for _, one := range plan {
		e := &ledger.RevocationEntry{
			Origin: w.Ledger.Origin(), Role: r.Role, Registry: one.Registry, Key: r.Key, From: canon.Uint64(one.From),
		}
		if err := e.Sign(key); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	for _, one := range plan {
		if one.renew && !one.Closes {
			e, err := w.renewedSchema(one.Registry)
			if err != nil {
				return nil, err
			}
			entries = append(entries, e)
		}
	}
	indexes, err := w.Ledger.Append(ctx, entries...)
	if err != nil {
		return nil, err
	}
	for i := range plan {
		plan[i].Entry = indexes[i]
	}
	return plan, nil
}

// renewedSchema gives the registry's present schema signed anew by its present issuer.
func (w *Workspace) renewedSchema(name string) (*ledger.SchemaEntry, error) {
	_, present, err := w.Ledger.Schema(name)
	if err != nil {
		return nil, err
	}
	e := *present
	identity, err := present.Identity()
	if err != nil {
		return nil, err
	}
	e.Previous = &identity
	return &e, e.Sign(w.issuer)
}

// Sunset ends the use of a circuit under one verifying key, and gives the entry.
func (w *Workspace) Sunset(ctx context.Context, circuit, vk statement.Digest) (uint64, error) {
	key, err := w.logPrivate()
	if err != nil {
		return 0, err
	}
	e := &ledger.SunsetEntry{Origin: w.Ledger.Origin(), Circuit: circuit, VK: vk}
	if err := e.Sign(key); err != nil {
		return 0, err
	}
	indexes, err := w.Ledger.Append(ctx, e)
	if err != nil {
		return 0, err
	}
	return indexes[0], nil
}
