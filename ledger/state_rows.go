package ledger

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/attestry/attestry/statement"
)

// schemaState is a schema entry as the rules need it.
type schemaState struct {
	Index     uint64               `json:"index"`
	Registry  string               `json:"registry"`
	Issuer    IssuerKey            `json:"issuer"`
	Serial    statement.Digest     `json:"serial"`
	KeyDomain statement.TextDomain `json:"key_domain"`
	Scopes    []scopeRule          `json:"scopes"`
	Derived   []statement.Derived  `json:"derived,omitempty"`
}

// scope gives the rule of a scope by its element.
func (s *schemaState) scope(element statement.Element) (scopeRule, bool) {
	for _, rule := range s.Scopes {
		if rule.Element == element {
			return rule, true
		}
	}
	return scopeRule{}, false
}

type circuitState struct {
	Index    uint64           `json:"index"`
	Identity statement.Digest `json:"identity"`
	Entry    *CircuitEntry    `json:"entry"`
	Sunset   *uint64          `json:"sunset,omitempty"` // index of the entry that ended its use
}

type epochState struct {
	Index    uint64            `json:"index"`
	Registry string            `json:"registry"`
	Schema   statement.Digest  `json:"schema"`
	Number   uint64            `json:"number"`
	Time     string            `json:"time"`
	Root     statement.Element `json:"root"`
	Issuer   IssuerKey         `json:"issuer"` // who signed it
	// Derived gives the roots of the registries that derive from this one, by name.
	Derived map[string]statement.Element `json:"derived,omitempty"`
	// Joins gives the identities of the epochs that those join, by their registries.
	Joins map[string]statement.Digest `json:"joins,omitempty"`
}

// keyState is a key's time in a role.
type keyState struct {
	From     uint64     `json:"from"`               // index of the entry that brought it; 0 for the log's first key
	Previous *PublicKey `json:"previous,omitempty"` // which key handed the role to it
	Until    *uint64    `json:"until,omitempty"`    // index of the rotation that replaced it
	// Revoked is the index from which nothing that it signed counts, as the entry
	// RevokedBy says.
	Revoked   *uint64 `json:"revoked,omitempty"`
	RevokedBy uint64  `json:"revoked_by,omitempty"`
}

// rootOf gives the epoch's root for its registry or for one that derives from it.
func (e *epochState) rootOf(registry string) (statement.Element, bool) {
	if registry == e.Registry {
		return e.Root, true
	}
	root, ok := e.Derived[registry]
	return root, ok
}

// registryState is where a registry's two chains stand. A derived registry has
// those of its source, and nothing but that one's name here.
type registryState struct {
	Source string           `json:"source,omitempty"` // of a derived registry
	Schema statement.Digest `json:"schema"`
	Epoch  statement.Digest `json:"epoch"`  // zero before the first
	Number uint64           `json:"number"` // of that epoch; 0 before the first
}

// pledgeState is one pledge, live or released.
type pledgeState struct {
	Registry   string            `json:"registry"`
	Scope      statement.Element `json:"scope"`
	Nullifier  statement.Element `json:"nullifier"`
	Leaf       statement.Digest  `json:"leaf"`
	ReleaseKey PublicKey         `json:"release_key"`
	Recovery   *PublicKey        `json:"recovery,omitempty"`
	// Released is the index of the entry that ended the pledge, while Live is false.
	Live     bool   `json:"live"`
	Released uint64 `json:"released,omitempty"`
	Forced   bool   `json:"forced,omitempty"` // by the recovery key
}

func indexKey(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }

// roleKey names a key in a role: the issuer of a registry or, without one, the log.
func roleKey(registry string, key PublicKey) []byte { return namedKey(registry, key[:]) }

func circuitKey(circuit, vk statement.Digest) []byte { return append(circuit[:], vk[:]...) }

// namedKey begins with a name's length, so that no two of them run together.
func namedKey(name string, parts ...[]byte) []byte {
	key := binary.BigEndian.AppendUint16(nil, uint16(len(name)))
	key = append(key, name...)
	for _, part := range parts {
		key = append(key, part...)
	}
	return key
}

func liveKey(registry string, scope, nullifier statement.Element) []byte {
	s, n := scope.Bytes(), nullifier.Bytes()
	return namedKey(registry, s[:], n[:])
}

// getRow reads a row into a value and tells whether it is there.
func getRow[T any](st State, table Table, key []byte, value *T) (bool, error) {
	data, err := st.Get(table, key)
	if err != nil || data == nil {
		return false, err
	}
	memo := memoOf(st, table)
	if recall(memo, data, value) {
		return true, nil
	}
	if err := json.Unmarshal(data, value); err != nil {
		return false, fmt.Errorf("the ledger's table %s is damaged: %w", table, err)
	}
	remember(memo, data, *value)
	return true, nil
}

func putRow(st State, table Table, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return st.Put(table, key, data)
}

func getIndex(st State, table Table, key []byte) (uint64, bool, error) {
	data, err := st.Get(table, key)
	if err != nil || data == nil {
		return 0, false, err
	}
	if len(data) != 8 {
		return 0, false, fmt.Errorf("the ledger's table %s is damaged: a value of %d bytes", table, len(data))
	}
	return binary.BigEndian.Uint64(data), true, nil
}
