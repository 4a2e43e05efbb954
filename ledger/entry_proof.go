package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/attestry/attestry/statement"
)

// ProofBytes is the length of a Groth16 proof on BN254 in compressed points, the
// one encoding of a proof: A (32), B (64), C (32).
const ProofBytes = 128

// tagConsent is the tag of the issuer's signature that agrees to a pledge.
const tagConsent = "attestry/consent/v1"

// ProofEntry is one proof as the whole world may see it. What is proved is hidden
// in Q; of the record there is the nullifier alone, and only in a pledge.
type ProofEntry struct {
	Kind   typeOf[*ProofEntry] `json:"type"`
	Public statement.Public    `json:"public"` // what P is made of
	Root   statement.Element   `json:"root"`
	// Nullifier and Scope are 0 unless the proof is a pledge; then neither is.
	Nullifier statement.Element `json:"nullifier"`
	Scope     statement.Element `json:"scope"`
	Q         statement.Element `json:"q"`
	Proof     []byte            `json:"proof"`
	// Consent is the issuer's signature over D, in a pledge whose scope asks for it.
	Consent []byte `json:"consent,omitempty"`
}

// Type implements Entry.
func (*ProofEntry) Type() EntryType { return TypeProof }

// IsPledge tells whether the proof takes its record for a scope.
func (e *ProofEntry) IsPledge() bool { return !e.Scope.IsZero() }

func (e *ProofEntry) validate() error {
	if err := checkName("the origin", e.Public.Origin); err != nil {
		return err
	}
	if err := checkName("the registry's name", e.Public.Registry); err != nil {
		return err
	}
	if len(e.Proof) != ProofBytes {
		return fmt.Errorf("the proof has %d bytes, not %d", len(e.Proof), ProofBytes)
	}
	pledge := e.IsPledge()
	if pledge == e.Nullifier.IsZero() || pledge != (e.Public.ReleaseKey != nil) {
		return errors.New("a pledge has a scope, a nullifier and a release key, and other proofs have none of them")
	}
	if e.Consent == nil {
		return nil
	}
	if !pledge {
		return errors.New("a consent where there is no pledge")
	}
	return checkSignature("the consent", e.Consent)
}

// Statement gives what the entry shows of its statement, with P made from Public.
func (e *ProofEntry) Statement() (statement.Statement, error) {
	p, err := e.Public.P()
	if err != nil {
		return statement.Statement{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return statement.Statement{
		P: p, Root: e.Root.Fr(), Nullifier: e.Nullifier.Fr(), Scope: e.Scope.Fr(), Q: e.Q.Fr(),
	}, nil
}

// D gives the statement's digest, which is the statement's identity and the
// circuit's one public input. It fails only where Public holds a text that is not
// UTF-8, which no parsed entry does.
func (e *ProofEntry) D() (statement.Element, error) {
	s, err := e.Statement()
	if err != nil {
		return statement.Element{}, err
	}
	return s.D(), nil
}

// consentDocument is what an issuer signs to agree to a pledge. D binds all else:
// the log, the registry, the epoch, the record's tag and the question.
type consentDocument struct {
	D statement.Element `json:"d"`
}

// SignConsent signs a pledge's D with the registry's issuer key.
func (e *ProofEntry) SignConsent(key ed25519.PrivateKey) error {
	d, err := e.D()
	if err != nil {
		return err
	}
	e.Consent, err = sign(key, tagConsent, consentDocument{d})
	return err
}

// VerifyConsent tells whether the entry carries a key's consent.
func (e *ProofEntry) VerifyConsent(key PublicKey) error {
	d, err := e.D()
	if err != nil {
		return err
	}
	return verify(key, tagConsent, consentDocument{d}, e.Consent)
}
