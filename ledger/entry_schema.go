package ledger

import (
	"crypto/ed25519"
	"fmt"

	"github.com/attestry/attestry/statement"
)

// SchemaEntry says what a registry's records look like and who answers for them.
// The first one of a registry introduces its issuer; a later one replaces it.
type SchemaEntry struct {
	Kind   typeOf[*SchemaEntry] `json:"type"`
	Schema statement.Schema     `json:"schema"`
	// Serial commits to the secret from which the records' serials derive. It
	// never changes, or every pledge of the registry would come free.
	Serial statement.Digest `json:"serial"`
	Issuer IssuerKey        `json:"issuer"`
	// Previous is the identity of the schema entry that this one replaces.
	Previous  *statement.Digest `json:"previous,omitempty"`
	Signature []byte            `json:"signature,omitempty"` // by the issuer
}

// Type implements Entry.
func (*SchemaEntry) Type() EntryType { return TypeSchema }

func (e *SchemaEntry) validate() error {
	if err := e.Schema.Validate(); err != nil {
		return err
	}
	if _, err := scopeRules(&e.Schema); err != nil {
		return err
	}
	return checkSignature("the signature", e.Signature)
}

func (e SchemaEntry) unsigned() SchemaEntry {
	e.Signature = nil
	return e
}

// Identity gives the SHA-256 over the entry without its signature: what P and the
// epochs name the schema by.
func (e *SchemaEntry) Identity() (statement.Digest, error) {
	return statement.HashJSON(string(TypeSchema), e.unsigned())
}

// Sign signs the entry with its issuer's key, after setting Issuer to it.
func (e *SchemaEntry) Sign(key ed25519.PrivateKey) (err error) {
	if e.Issuer, err = PublicKeyOf(key); err != nil {
		return err
	}
	e.Signature, err = sign(key, string(TypeSchema), e.unsigned())
	return err
}

// VerifySignature tells whether the entry is signed by a key, which the caller
// trusts for the registry: the Issuer that it names is only its own word.
func (e *SchemaEntry) VerifySignature(key PublicKey) error {
	if e.Issuer != key {
		return fmt.Errorf("%w: the schema of registry %s names issuer %s, not %s", ErrBadSignature, e.Schema.Registry, e.Issuer, key)
	}
	return verify(key, string(TypeSchema), e.unsigned(), e.Signature)
}

// scopeRule is what the rules need of a scope, by its element in the entries.
type scopeRule struct {
	Element  statement.Element `json:"element"`
	Consent  statement.Consent `json:"consent"`
	Recovery *PublicKey        `json:"recovery,omitempty"`
}

// scopeRules gives the rules of a valid schema's scopes.
func scopeRules(s *statement.Schema) ([]scopeRule, error) {
	rules := make([]scopeRule, 0, len(s.Scopes))
	for _, scope := range s.Scopes {
		element, err := statement.ScopeElement(scope.Name)
		if err != nil {
			return nil, fmt.Errorf("scope %q: %w", scope.Name, err)
		}
		rule := scopeRule{Element: statement.Element(element), Consent: scope.Consent}
		if scope.Recovery != "" {
			key, err := ParsePublicKey(scope.Recovery)
			if err != nil {
				return nil, fmt.Errorf("scope %q: %w", scope.Name, err)
			}
			rule.Recovery = &key
		}
		rules = append(rules, rule)
	}
	return rules, nil
}
