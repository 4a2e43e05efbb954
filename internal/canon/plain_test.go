package canon

import (
	"bytes"
	"testing"
)

// byTree is Canonicalize without its short cut.
func byTree(data []byte) ([]byte, error) {
	tree, err := parse(data)
	if err != nil {
		return nil, err
	}
	return appendValue(nil, tree), nil
}

var plainDocuments = []string{
	`{}`, `[]`, `true`, `false`, `0`, `-1`, `"a"`, ` { "b" : [ 1 , { } ] , "a" : "x" } `,
	`"\b\t\n\f\r\"\\"`, "{\"note\":\"a\\n\\n\u2014 log é\u2028\U0001f3e0\"}",
	`{"a":"x \u003e\u003C y\u0026\u0026"}`, `"\u003e"`,
	`{"b":{"d":1,"c":2},"a":[{"z":0,"y":[true]}]}`, `{"a":1,"a":1}`, `{"b":1,"a":1,"b":1}`, `{"a":{"a":1},"b":2}`,
	`{"a":1,}`, `[1,]`, `[,1]`, `{,"a":1}`, `[1 2]`, `01`, `-0`, `1.0`, `1e3`, `9007199254740992`, `null`, `tru`, `truefalse`, `"`, `{"a"`, `{"a":`,
	`"\u003c"`, `"\u003d"`, `"\u003`, `"\u003e`, `{"\u003e":1,"a":2}`, `"\\u003e"`, `"é"`, `"\ud800"`, `"\/"`, `"\`, `"\x"`, `"\"`, "\"\ufffd\"", "\"\xff\"", "\"\xe2\x80\"", `{"\n":1}`, "\"\x7f\"", "\"\t\"", `{"é":1,"a":2}`, `1 2`, ``, ` `, `{"a":-}`, `-`, `[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`,
}

// FuzzPlain: the short cut gives what the long way gives, or leaves it to that.
func FuzzPlain(f *testing.F) {
	for _, s := range plainDocuments {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := canonicalizePlain(data)
		want, err := byTree(data)
		if ok && (err != nil || !bytes.Equal(got, want)) {
			t.Fatalf("%q: the short cut gives %q, the long way %q, %v", data, got, want, err)
		}
		all, allErr := Canonicalize(data)
		if (err == nil) != (allErr == nil) || !bytes.Equal(all, want) {
			t.Fatalf("%q: %q, %v; want %q, %v", data, all, allErr, want, err)
		}
	})
}

func TestPlainIsTaken(t *testing.T) {
	for _, s := range plainDocuments[:13] {
		if _, ok := canonicalizePlain([]byte(s)); !ok {
			t.Errorf("%s goes the long way", s)
		}
	}
}
