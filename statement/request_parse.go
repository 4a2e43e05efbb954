package statement

import (
	"encoding"
	"fmt"

	"github.com/attestry/attestry/internal/canon"
)

// ParseRequest reads a request in YAML or JSON and validates it. It is strict:
// unknown and repeated members and values of another type give an error that
// wraps [ErrBadRequest] and names line and column. Texts are taken as they are
// spelled, so that the key 0012 stays 0012, and instants are brought to UTC.
func ParseRequest(data []byte) (*Request, error) {
	n, err := parseDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	r := &Request{Format: RequestFormat}
	if err := r.read(n); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Request) read(n *node) error {
	// A later version's document is refused for what it is, not for its members.
	for _, m := range n.members {
		if m.name.text == "format" && m.value.text != RequestFormat {
			return m.value.errorf("format %q: this version reads %s", m.value.text, RequestFormat)
		}
	}
	if err := n.object(r.fields()); err != nil {
		return err
	}
	if !n.has("facts") {
		r.defaults()
	}
	if len(r.ReleaseKeys) == 0 {
		r.ReleaseKeys = nil
	}
	if len(r.Grants) == 0 {
		r.Grants = nil
	}
	return nil
}

func (r *Request) fields() fields {
	f := r.FactRequest.fields()
	f["format"] = intoText(&r.Format)
	f["id"] = intoText(&r.ID)
	f["facts"] = intoMap(&r.Facts, intoFact)
	f["audience"] = intoText(&r.Audience)
	f["purpose"] = intoText(&r.Purpose)
	f["expires"] = intoInstant(&r.Expires)
	f["grant"] = intoGrant(&r.Grant)
	f["grants"] = intoMap(&r.Grants, intoGrantIndex)
	f["nonce"] = intoPointer(&r.Nonce)
	f["seed"] = intoPointer(&r.Seed)
	f["release_key"] = intoPointer(&r.ReleaseKey)
	f["release_keys"] = intoMap(&r.ReleaseKeys, func(k *ReleaseKey) func(*node) error { return intoDecoded(k) })
	f["seal_to"] = intoText(&r.SealTo)
	return f
}

func (f *FactRequest) fields() fields {
	return fields{
		"registry": intoText(&f.Registry),
		"as_of":    intoAsOf(&f.AsOf),
		"max_age":  intoText(&f.MaxAge),
		"subject":  intoRef(&f.Subject),
		"key":      intoRef(&f.Key),
		"where":    intoList(&f.Where, intoText[string]),
		"reveal":   intoList(&f.Reveal, intoText[string]),
		"absent":   intoBool(&f.Absent),
		"once":     intoText(&f.Once),
		"holder":   intoBool(&f.Holder),
	}
}

func (f *FactRequest) defaults() { f.AsOf.Latest = f.AsOf.IsLatest() }

func intoFact(f *FactRequest) func(*node) error {
	return func(n *node) error {
		err := n.object(f.fields())
		f.defaults()
		return err
	}
}

// intoAsOf takes an epoch's number as a number or as a text.
func intoAsOf(to *AsOf) func(*node) error {
	return func(n *node) error {
		if err := n.scalar("latest, an epoch's number or an instant"); err != nil {
			return err
		}
		return n.decode(to)
	}
}

func intoRef(to **Ref) func(*node) error {
	return func(n *node) error {
		r := &Ref{}
		*to = r
		if n.kind != nodeObject {
			if err := intoText(&r.Value)(n); err != nil {
				return err
			}
			if r.Value == "" {
				return n.errorf("the text is empty: leave the member out")
			}
			return nil
		}
		if !n.has("from") {
			return n.errorf("expected a text or {from: fact.key}")
		}
		return n.object(fields{"from": intoText(&r.From)})
	}
}

func intoInstant(to *string) func(*node) error {
	return func(n *node) error {
		var text string
		if err := intoText(&text)(n); err != nil {
			return err
		}
		instant, err := normaliseTime(text)
		if err != nil {
			return n.errorf("%v", err)
		}
		*to = instant
		return nil
	}
}

func intoGrant(to **uint64) func(*node) error {
	return func(n *node) error {
		var v canon.Uint64
		if err := intoGrantIndex(&v)(n); err != nil {
			return err
		}
		*to = new(uint64(v))
		return nil
	}
}

func intoGrantIndex(to *canon.Uint64) func(*node) error {
	return func(n *node) error {
		if err := n.scalar("a grant's index"); err != nil {
			return err
		}
		if err := n.decode(to); err != nil {
			return n.errorf("expected a grant's index, a number from 0")
		}
		return nil
	}
}

// intoPointer reads base64 into a new value.
func intoPointer[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](to **T) func(*node) error {
	return func(n *node) error {
		v := new(T)
		*to = v
		return intoDecoded(P(v))(n)
	}
}

func intoDecoded(to encoding.TextUnmarshaler) func(*node) error {
	return func(n *node) error {
		var text string
		if err := intoText(&text)(n); err != nil {
			return err
		}
		return n.decode(to)
	}
}

func (n *node) decode(to encoding.TextUnmarshaler) error {
	if err := to.UnmarshalText([]byte(n.text)); err != nil {
		return n.errorf("%v", err)
	}
	return nil
}
