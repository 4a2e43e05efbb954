package canon

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestCanonicalize(t *testing.T) {
	for in, want := range map[string]string{
		` { "b" : 1 , "a" : [ true , false , "x" ] } `: `{"a":[true,false,"x"],"b":1}`,
		`{"\u20ac":"\u000a\u001f\/","€2":"<&>\u2028"}`: "{\"€\":\"\\n\\u001f/\",\"€2\":\"<&>\u2028\"}",
		// RFC 8785 section 3.2.3: members in the order of their UTF-16 code units.
		`{"\ufb33":1,"\ud83d\ude02":2,"\u0080":3}`: "{\"\u0080\":3,\"😂\":2,\"\ufb33\":1}",
	} {
		got, err := Canonicalize([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("Canonicalize(%s) = %s, %v; want %s", in, got, err, want)
		}
	}
}

type sample struct {
	Name  string `json:"name"`
	Bytes []byte `json:"bytes"`
	Size  Uint64 `json:"size"`
	Note  string `json:"note,omitempty"`
}

func TestUnmarshalIsStrict(t *testing.T) {
	var s sample
	if err := Unmarshal([]byte(`{ "size":"18", "bytes":"AQI=","name":"n"}`), &s); err != nil || s.Size != 18 {
		t.Fatalf("a plain document: %v, %+v", err, s)
	}
	for name, doc := range map[string]string{
		"unknown member":     `{"size":"18","bytes":"AQI=","name":"n","x":1}`,
		"duplicate member":   `{"size":"18","size":"18","bytes":"AQI=","name":"n"}`,
		"escaped duplicate":  `{"size":"18","s\u0069ze":"18","bytes":"AQI=","name":"n"}`,
		"missing member":     `{"size":"18","name":"n"}`,
		"other case":         `{"Size":"18","bytes":"AQI=","name":"n"}`,
		"leading zero":       `{"size":"018","bytes":"AQI=","name":"n"}`,
		"number, not string": `{"size":18,"bytes":"AQI=","name":"n"}`,
		"over 63 bits":       `{"size":"18446744073709551615","bytes":"AQI=","name":"n"}`,
		"unpadded base64":    `{"size":"18","bytes":"AQI","name":"n"}`,
		"loose base64 bits":  `{"size":"18","bytes":"AQJ=","name":"n"}`,
		"newline in base64":  `{"size":"18","bytes":"AQ\nI=","name":"n"}`,
		"empty optional":     `{"size":"18","bytes":"AQI=","name":"n","note":""}`,
		"null":               `{"size":"18","bytes":null,"name":"n"}`,
		"trailing data":      `{"size":"18","bytes":"AQI=","name":"n"}{}`,
		"ends early":         `{"size":"18","bytes":"AQI=","name":"n"`,
		"float":              `{"size":"18","bytes":"AQI=","name":1.0}`,
		"lone surrogate":     `{"size":"18","bytes":"AQI=","name":"\ud800"}`,
		"not UTF-8":          "{\"size\":\"18\",\"bytes\":\"AQI=\",\"name\":\"\xff\"}",
		"too deep":           strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"empty":              "",
	} {
		var s sample
		if err := Unmarshal([]byte(doc), &s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want ErrMalformed", name, err)
		}
	}
}

// Messages name what the document has, once, and not what Go makes of it.
func TestMessages(t *testing.T) {
	type Embedded struct {
		From *Uint64 `json:"from,omitempty"`
	}
	type outer struct {
		Samples []sample `json:"samples"`
		Embedded
	}
	for doc, want := range map[string]string{
		`{"samples":[{"name":7}]}`:      "malformed JSON: member samples.name is of another type than this number",
		`{"samples":{}}`:                "malformed JSON: member samples is of another type than this object",
		`[]`:                            "malformed JSON: the document is of another type than this array",
		`{"from":true,"samples":[]}`:    "malformed JSON: member from is of another type than this bool",
		`{"from":"01","samples":[]}`:    "malformed JSON: 2 bytes are not a canonical decimal integer",
		`{"samples":[],"x":1}`:          `malformed JSON: unknown member "x"`,
		`{"samples":[{"bytes":"A"}]}`:   "malformed JSON: illegal base64 data at input byte 0",
		`{"samples":[{"name":"n"}],"a"`: "malformed JSON: offset 29: the document ends early",
	} {
		if err := Unmarshal([]byte(doc), &outer{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"size":"18","bytes":"AQI=","name":"n"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s sample
		if Unmarshal(data, &s) != nil {
			return
		}
		want, err := Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Canonicalize(data)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("accepted %q, which is not what it decodes to", data)
		}
	})
}
