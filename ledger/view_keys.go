package ledger

import (
	"slices"

	"github.com/attestry/attestry/statement"
)

// KeySpan is a key's time in a role, in log indexes.
type KeySpan struct {
	Key PublicKey
	// From is the entry that brought the key: a registry's first schema or a
	// rotation. For the log's first key it is 0.
	From uint64
	// Previous is the key that handed the role on; nil for the role's first.
	Previous *PublicKey
	// Until is the rotation that replaced the key, which counts until before it; nil
	// while it is in force.
	Until *uint64
	// Revoked is the index from which nothing counts that the key signed, as the
	// entry RevokedBy says; nil if it was not revoked.
	Revoked   *uint64
	RevokedBy uint64
}

// End gives the index from which the key no longer counts, or nil.
func (k KeySpan) End() *uint64 {
	if k.Until == nil || (k.Revoked != nil && *k.Revoked < *k.Until) {
		return k.Revoked
	}
	return k.Until
}

// LogKeys gives the keys that the log has had, in their order, as far as its
// entries tell: none before the first entry that the log's key signed.
func (v View) LogKeys() ([]KeySpan, error) { return v.keys("") }

// IssuerKeys gives the keys that a registry's issuer has had, in their order. The
// last one is the present one. A derived registry has its source's issuer.
func (v View) IssuerKeys(registry string) ([]KeySpan, error) {
	source, err := v.Source(registry)
	if err != nil {
		return nil, err
	}
	return v.keys(source)
}

func (v View) keys(role string) ([]KeySpan, error) {
	var key PublicKey
	found, err := getRow(v.State, tableSigners, namedKey(role), &key)
	if err != nil || !found {
		return nil, err
	}
	var spans []KeySpan
	for {
		row, err := getKey(v.State, role, key)
		if err != nil {
			return nil, err
		}
		spans = append(spans, KeySpan{
			Key: key, From: row.From, Previous: row.Previous, Until: row.Until, Revoked: row.Revoked, RevokedBy: row.RevokedBy,
		})
		if row.Previous == nil {
			slices.Reverse(spans)
			return spans, nil
		}
		key = *row.Previous
	}
}

// Sunset gives the index of the entry that ended a circuit's use, or nil.
func (v View) Sunset(circuit, vk statement.Digest) (*uint64, error) {
	row, err := getCircuit(v.State, circuit, vk)
	return row.Sunset, err
}

// EpochCounts fails with [ErrRevoked] where an epoch, its schema, or what a registry
// that it derives joins, no longer counts: no new proof about the registry is
// accepted on it.
func (v View) EpochCounts(identity statement.Digest, registry string) error {
	row, err := getEpoch(v.State, identity)
	if err != nil {
		return err
	}
	return checkEpochCounts(v.State, row, registry)
}
