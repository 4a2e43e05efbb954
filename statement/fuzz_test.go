package statement

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/internal/canon"
)

// FuzzParseSchema: what is accepted is valid, has a canonical form, and reads back
// from it.
func FuzzParseSchema(f *testing.F) {
	for _, seed := range []string{titlesYAML, parcels, minimal, "{}", "\ufeff---\na: &b *b\n", "- - !!x [{", `{"registry":"r"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSchema(data)
		if err != nil {
			if s != nil || !errors.Is(err, ErrBadSchema) {
				t.Fatalf("%v, %v", s, err)
			}
			return
		}
		text, err := canon.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseSchema(text)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		again, err := canon.Marshal(back)
		if err != nil || string(again) != string(text) {
			t.Fatalf("%s became %s, %v", text, again, err)
		}
	})
}

// FuzzParseRequest: what is accepted is valid and reads back from its JSON.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{flatYAML, joinYAML, `{"registry":"r","as_of":7}`, "registry: r\nwhere:\n- |\n  a\n- 'b'\n", "facts: {a: {key: {from: a.key}}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRequest(data)
		if err != nil {
			if r != nil || !errors.Is(err, ErrBadRequest) {
				t.Fatalf("%v, %v", r, err)
			}
			return
		}
		text, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseRequest(text)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if diff := cmp.Diff(r, back); diff != "" {
			t.Fatalf("%s in %s", diff, text)
		}
		for _, name := range r.FactNames() {
			r.OutputClass(name, FieldKey)
		}
	})
}

// FuzzCompileWhere: what compiles has a layout, prints, and compiles to itself;
// what does not says where, inside the expression.
func FuzzCompileWhere(f *testing.F) {
	for _, c := range refusals {
		f.Add(c.src)
	}
	f.Add(`assessed_value >= 1 && garage in ["a", 'b\x41'] && !(wall == null)`)
	f.Add("sale_price * 100 <= assessed_value * 120 && code == ' é' && sale_date < date('2000-01-01')")
	s, err := ParseSchema([]byte(parcels))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		ps, err := CompileWhere(s, []string{src})
		if err != nil {
			var e *ExprError
			if !errors.As(err, &e) || e.Offset > len(src) || e.Column < 1 || e.Msg == "" {
				t.Fatalf("%q: %#v", src, err)
			}
			return
		}
		var printed []string
		for _, p := range ps {
			text, err := p.Expression(s)
			if err != nil {
				t.Fatal(err)
			}
			printed = append(printed, text)
		}
		again, err := CompileWhere(s, printed)
		if diff := cmp.Diff(ps, again); err != nil || diff != "" {
			t.Fatalf("%q printed as %q: %v\n%s", src, printed, err, diff)
		}
		if _, err := Split(s, ps, nil, false); err != nil {
			t.Fatalf("%q: %v", src, err)
		}
	})
}
