package ledger

import (
	"fmt"

	"github.com/attestry/attestry/statement"
)

// grantState is a grant as far as a log sees it.
type grantState struct {
	Registry string           `json:"registry"`
	Issuer   IssuerKey        `json:"issuer"` // who signed it
	Identity statement.Digest `json:"identity"`
	Leaf     statement.Digest `json:"leaf"`
	Revoked  *uint64          `json:"revoked,omitempty"` // index of the entry that ended it
}

// applyGrant: the registry's issuer grants something, once.
func (r *Rules) applyGrant(st State, index uint64, p *Prepared, e *GrantEntry) error {
	if e.Origin != r.Origin {
		return fmt.Errorf("%w: a grant for %s, not %s", ErrForeign, e.Origin, r.Origin)
	}
	identity, err := e.Identity()
	if err != nil {
		return err
	}
	if first, found, err := getIndex(st, tableGranted, identity[:]); err != nil || found {
		return duplicate(err, first)
	}
	issuer, err := checkPresentIssuer(st, e.Registry, e.VerifySignature)
	if err != nil {
		return fmt.Errorf("a grant of registry %s: %w", e.Registry, err)
	}
	row := grantState{Registry: e.Registry, Issuer: issuer, Identity: identity, Leaf: statement.Digest(p.leaf)}
	if err := putRow(st, TableGrants, indexKey(index), row); err != nil {
		return err
	}
	return st.Put(tableGranted, identity[:], indexKey(index))
}

// applyGrantRevocation: the registry's issuer ends one of its grants.
func (r *Rules) applyGrantRevocation(st State, index uint64, e *GrantRevocationEntry) error {
	if e.Origin != r.Origin {
		return fmt.Errorf("%w: a grant's revocation for %s, not %s", ErrForeign, e.Origin, r.Origin)
	}
	row, err := getGrant(st, uint64(e.Grant))
	if err != nil {
		return err
	}
	if row.Registry != e.Registry || row.Leaf != e.Leaf {
		return fmt.Errorf("%w: entry %d has another registry or leaf hash", ErrConflict, e.Grant)
	}
	if row.Revoked != nil {
		return &DuplicateError{Index: *row.Revoked}
	}
	if _, err := checkPresentIssuer(st, e.Registry, e.VerifySignature); err != nil {
		return fmt.Errorf("the revocation of grant %d: %w", e.Grant, err)
	}
	row.Revoked = &index
	return putRow(st, TableGrants, indexKey(uint64(e.Grant)), row)
}

// checkPresentIssuer gives the key that signs now for a registry, or for the one that it
// derives from, if it signed what verify checks.
func checkPresentIssuer(st State, registry string, verify func(PublicKey) error) (IssuerKey, error) {
	source, err := View{State: st}.Source(registry)
	if err != nil {
		return IssuerKey{}, err
	}
	issuer, err := presentIssuer(st, source)
	if err != nil {
		return issuer, err
	}
	if err := verify(issuer); err != nil {
		return issuer, fmt.Errorf("%w: %w", ErrIssuer, err)
	}
	return issuer, nil
}

// getGrant gives the grant of an entry, which must be there.
func getGrant(st State, index uint64) (grantState, error) {
	var row grantState
	found, err := getRow(st, TableGrants, indexKey(index), &row)
	if err == nil && !found {
		err = fmt.Errorf("%w: entry %d is not a grant", ErrUnknown, index)
	}
	return row, err
}
