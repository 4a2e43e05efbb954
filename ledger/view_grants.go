package ledger

import "github.com/attestry/attestry/statement"

// GrantStatus is where a grant stands.
type GrantStatus struct {
	Index    uint64
	Identity statement.Digest // of its entry
	Registry string           // that its entry names
	// Revoked is the index of the entry that ended it; nil while it counts.
	Revoked *uint64
	// Void is why it never counted, as everybody knows by now: [ErrRevoked], where its
	// issuer's key was revoked from before its entry.
	Void error
}

// Grant tells where the grant of an entry stands.
func (v View) Grant(index uint64) (GrantStatus, error) {
	row, err := getGrant(v.State, index)
	if err != nil {
		return GrantStatus{}, err
	}
	source, err := v.Source(row.Registry)
	if err != nil {
		return GrantStatus{}, err
	}
	status := GrantStatus{Index: index, Identity: row.Identity, Registry: row.Registry, Revoked: row.Revoked}
	key, err := getKey(v.State, source, row.Issuer)
	if err == nil && key.Revoked != nil && index >= *key.Revoked {
		status.Void = checkCounts(v.State, source, row.Issuer, index)
	}
	return status, err
}
