package circuits

import (
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"

	"github.com/attestry/attestry/statement"
)

// part is Present with one part of its definition alone.
type part struct {
	Present
	define func(c *Present, api frontend.API, h *hasher) `gnark:"-"`
}

func (p *part) Define(api frontend.API) error {
	h, err := newHasher(api)
	if err != nil {
		return err
	}
	// The bits' own constraints are a part of their own: in the others they are marked.
	for _, b := range p.Bits {
		if p.define == nil {
			api.AssertIsBoolean(b)
		} else {
			api.Compiler().MarkBoolean(b)
		}
	}
	if p.define == nil {
		return nil
	}
	p.define(&p.Present, api, h)
	return nil
}

// The parts of present add up to the whole, so that docs/spec/present.md can say
// what each costs.
func TestPresentBreakdown(t *testing.T) {
	parts := []struct {
		name   string
		want   int
		define func(c *Present, api frontend.API, h *hasher)
	}{
		{"path of 9 levels", 3440, func(c *Present, api frontend.API, h *hasher) { membership(api, h, c.Key, c.Path, c.PathTop, c.Root) }},
		{"leaf", 918, func(c *Present, _ frontend.API, h *hasher) { c.leaf(h) }},
		{"key is not the sentinel", 1, func(c *Present, api frontend.API, _ *hasher) { api.AssertIsDifferent(c.Key, 0) }},
		{"packed bits are boolean", numBits, nil},
		{"6 literal slots", 630, func(c *Present, api frontend.API, _ *hasher) {
			slots, _, _ := c.unpack()
			for _, s := range slots[:statement.FirstPairSlot] {
				c.literalSlot(api, s)
			}
		}},
		{"2 slots that compare attributes too", 284, func(c *Present, api frontend.API, _ *hasher) {
			slots, _, _ := c.unpack()
			for _, s := range slots[statement.FirstPairSlot:] {
				c.pairSlot(api, s)
			}
		}},
		{"2 outputs", 566, func(c *Present, api frontend.API, h *hasher) {
			_, outputs, _ := c.unpack()
			for i, b := range outputs {
				c.output(api, h, b, c.Key, c.OutputRandomness[i])
			}
		}},
		{"holder", 220, func(c *Present, api frontend.API, h *hasher) {
			_, _, required := c.unpack()
			c.holder(api, h, required)
		}},
		{"nullifier", 485, func(c *Present, api frontend.API, h *hasher) { c.nullifier(api, h) }},
		{"question digest Q", 1110, func(c *Present, api frontend.API, h *hasher) {
			c.question(api, h, [statement.NumOutputs]frontend.Variable{c.P, c.Root})
		}},
		{"statement digest D", 364, func(c *Present, api frontend.API, h *hasher) {
			api.AssertIsEqual(c.D, h.compress(0, statement.TagStatement, c.P, c.Root, c.Key, c.Scope, c.Blind, 0, 0))
		}},
	}
	total := 0
	for _, p := range parts {
		system, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, &part{define: p.define}, frontend.IgnoreUnconstrainedInputs())
		if err != nil {
			t.Fatal(p.name, err)
		}
		n := system.GetNbConstraints()
		t.Logf("%5d  %s", n, p.name)
		if n != p.want {
			t.Errorf("%s: %d constraints, want %d", p.name, n, p.want)
		}
		total += n
	}
	if total != presentConstraints {
		t.Errorf("the parts add up to %d, the whole is %d", total, presentConstraints)
	}
}

// absentPart is Absent with one part of its definition alone.
type absentPart struct {
	Absent
	define func(c *Absent, api frontend.API, h *hasher) `gnark:"-"`
}

func (p *absentPart) Define(api frontend.API) error {
	h, err := newHasher(api)
	if err != nil {
		return err
	}
	p.define(&p.Absent, api, h)
	return nil
}

// The parts of absent add up to the whole, for docs/spec/absent.md.
func TestAbsentBreakdown(t *testing.T) {
	parts := []struct {
		name   string
		want   int
		define func(c *Absent, api frontend.API, h *hasher)
	}{
		{"path of 9 levels", 3440, func(c *Absent, api frontend.API, h *hasher) { membership(api, h, c.Key, c.Path, c.PathTop, c.Root) }},
		{"low leaf and its link", 627, func(c *Absent, _ frontend.API, h *hasher) { c.low(h) }},
		{"key between its neighbours", 498, func(c *Absent, api frontend.API, _ *hasher) { c.between(api) }},
		{"commitment and question digest Q", 528, func(c *Absent, _ frontend.API, h *hasher) { c.question(h) }},
		{"statement digest D", 364, func(c *Absent, api frontend.API, h *hasher) {
			api.AssertIsEqual(c.D, h.compress(0, statement.TagStatement, c.P, c.Root, 0, 0, c.Key, 0, 0))
		}},
	}
	total := 0
	for _, p := range parts {
		system, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, &absentPart{define: p.define}, frontend.IgnoreUnconstrainedInputs())
		if err != nil {
			t.Fatal(p.name, err)
		}
		n := system.GetNbConstraints()
		t.Logf("%5d  %s", n, p.name)
		if n != p.want {
			t.Errorf("%s: %d constraints, want %d", p.name, n, p.want)
		}
		total += n
	}
	if total != absentConstraints {
		t.Errorf("the parts add up to %d, the whole is %d", total, absentConstraints)
	}
}
