package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/verifier"
)

// batchOf writes the body of a batch.
func batchOf(items ...string) string {
	return `{"items": [` + strings.Join(items, ", ") + `]}`
}

func resultsOf(t testing.TB, r *http.Response) api.VerifyBatchResult {
	t.Helper()
	body := text(t, r)
	var out api.VerifyBatchResult
	if err := json.Unmarshal([]byte(body), &out); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %.300s", r.StatusCode, err, body)
	}
	return out
}

// TestBatch: each item gets what it would get alone, in its place.
func TestBatch(t *testing.T) {
	a := newAgency(t)
	x, y := a.answer(t), a.answer(t)
	h := newTestServer(t, Config{Trust: a.trust()}, testLimits()).Handler()
	items := []string{
		object("bundle", x.bundle),
		object("bundle", y.bundle, "request", y.request, "openings", y.openings, "audience", `"bank-a"`),
		object("bundle", flipProof(t, x.bundle)),
		object("bundle", "{}"),
		object("bundle", y.bundle, "audience", `"bank-b"`),
		object("bundle", y.bundle, "request", y.request),
		object("bundle", x.bundle, "at", `"2027-01-01T00:00:00Z"`),
		`7`,
		object("bundle", x.bundle),
	}
	r := do(h, request("POST", "/v1/verify/batch", batchOf(items...)))
	conform(t, "/v1/verify/batch", "POST", r)
	r = do(h, request("POST", "/v1/verify/batch", batchOf(items...)))
	got := resultsOf(t, r)
	if got.Ok || len(got.Results) != len(items) {
		t.Fatalf("ok %v, %d results of %d items", got.Ok, len(got.Results), len(items))
	}
	for i, item := range items {
		alone := do(h, request("POST", "/v1/verify", item))
		var want api.VerifyResult
		if alone.StatusCode == http.StatusOK {
			v := verdictOf(t, alone)
			want.Verdict = &v
		} else {
			p := wantProblem(t, alone, Code(got.Results[i].Problem.Code))
			p.Instance = "" // which names the request, and not the item
			want.Problem = &p
		}
		if diff := cmp.Diff(want, got.Results[i]); diff != "" {
			t.Errorf("item %d (-alone +in the batch):\n%s", i, diff)
		}
	}
	if all := resultsOf(t, do(h, request("POST", "/v1/verify/batch", batchOf(items[0], items[1])))); !all.Ok {
		t.Error("a batch of what is verified is not ok")
	}
}

// malformedItem holds a body that is refused alone to what becomes of it between two
// good items: its own problem, and nobody else's. What is no JSON is the whole body's.
func malformedItem(t *testing.T, h http.Handler, good, bad string, alone api.Problem) {
	t.Helper()
	r := do(h, request("POST", "/v1/verify/batch", batchOf(good, bad, good)))
	isJSON := json.Valid([]byte(bad)) && utf8.ValidString(bad)
	if !isJSON && r.StatusCode == http.StatusBadRequest {
		wantProblem(t, r, CodeMalformed)
		return
	}
	got := resultsOf(t, r)
	if got.Ok || len(got.Results) != 3 || got.Results[1].Problem == nil {
		t.Fatalf("ok %v, %d results, %+v", got.Ok, len(got.Results), got.Results)
	}
	for _, i := range []int{0, 2} {
		if v := got.Results[i].Verdict; v == nil || !v.OK {
			t.Errorf("item %d suffers for another", i)
		}
	}
	if p := got.Results[1].Problem; p.Code != alone.Code || isJSON && p.Detail != alone.Detail {
		t.Errorf("alone %+v, in a batch %+v", alone, p)
	}
}

func TestMalformedBatch(t *testing.T) {
	a := newAgency(t)
	good := object("bundle", a.answer(t).bundle)
	l := testLimits()
	l.batch = 300 << 10
	h := newTestServer(t, Config{Trust: a.trust()}, l).Handler()
	for name, c := range map[string]struct {
		body string
		code Code
	}{
		"nothing":          {" ", CodeMalformed},
		"a list":           {"[" + good + "]", CodeMalformed},
		"one bundle":       {good, CodeMalformed},
		"no items":         {"{}", CodeMalformed},
		"no item":          {batchOf(), CodeMalformed},
		"null":             {`{"items": null}`, CodeMalformed},
		"an object":        {`{"items": {}}`, CodeMalformed},
		"twice":            {`{"items": [` + good + `], "items": [` + good + `]}`, CodeMalformed},
		"unknown member":   {`{"items": [` + good + `], "more": 1}`, CodeMalformed},
		"another case":     {`{"Items": [` + good + `]}`, CodeMalformed},
		"a trailing comma": {`{"items": [` + good + `,]}`, CodeMalformed},
		"no comma":         {`{"items": [` + good + good + `]}`, CodeMalformed},
		"no end":           {`{"items": [` + good, CodeMalformed},
		"after the end":    {batchOf(good) + "x", CodeMalformed},
		"not UTF-8":        {batchOf(good, "\"\xff\""), CodeMalformed},
		"too many":         {batchOf(strings.Split(strings.Repeat("{} ", maxBatch+1), " ")[:maxBatch+1]...), CodeTooLarge},
		"too large":        {batchOf(good) + strings.Repeat(" ", 300<<10), CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblem(t, do(h, request("POST", "/v1/verify/batch", c.body)), c.code)
		})
	}
	most := resultsOf(t, do(h, request("POST", "/v1/verify/batch", batchOf(strings.Split(strings.Repeat("{} ", maxBatch), " ")[:maxBatch]...))))
	if len(most.Results) != maxBatch {
		t.Errorf("%d results", len(most.Results))
	}
}

// TestOwnReaders: what the document's schemas refuse, the readers of the bodies under
// load refuse, too, and their bounds are the document's.
func TestOwnReaders(t *testing.T) {
	document := must(api.Document())(t)
	batch := document.Components.Schemas["VerifyBatchRequest"].Value.Properties["items"].Value
	one := document.Components.Schemas["VerifyRequest"].Value.Properties
	if *batch.MaxItems != maxBatch || batch.MinItems != 1 || *one["audience"].Value.MaxLength != maxAudience ||
		*one["at"].Value.MaxLength != maxAt || one["at"].Value.MinLength != minAt {
		t.Error("the document has other bounds than the code")
	}
	item := document.Paths.Find("/v1/verify")
	route := &routers.Route{Spec: document, Path: "/v1/verify", PathItem: item, Method: "POST", Operation: item.Post}
	values := []string{`{}`, `[]`, `"x"`, `""`, `null`, `7`, `true`, quote(strings.Repeat("é", 1024)), quote(strings.Repeat("é", 1025)), `"2026-08-01T12:00:00Z"`, quote(strings.Repeat("1", 36))}
	refused, taken := 0, 0
	for _, name := range []string{"bundle", "request", "openings", "audience", "at", "more"} {
		for _, value := range values {
			body := object("bundle", "{}", name, value)
			if name == "bundle" {
				body = object("bundle", value)
			}
			r := request("POST", "/v1/verify", body)
			theirs := openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{Request: r, Route: route})
			ours := readVerifyRequest([]byte(body), new(api.VerifyRequest))
			if (theirs == nil) != (ours == nil) {
				t.Errorf("%s: the document says %v, the reader %v", fmt.Sprintf("%.80s", body), theirs, ours)
			}
			if ours == nil {
				taken++
			} else {
				refused++
			}
		}
	}
	if refused < 30 || taken < 7 {
		t.Errorf("%d refused and %d taken: the values test little", refused, taken)
	}
}

// FuzzMembers: what is taken apart is what encoding/json finds, and values that are
// JSON make a document that is.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : 1 , "b" : [ {"x":"]\"}"} ] } `, `{"a":{]}}`, `{"a":1,}`, `{"a"}`, `{"a":"\\"}`, `{"a":"\"}`, `{"\u0061":1,"a":2}`,
		`{"a":1 2}`, `{"a":tru,"b":-}`, `{"a":[}`, `[{}]`, `{"a":1}x`, `{"a":}`, `{"a":{"b":"}`, `{,}`, `{"\ud800":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := members(data)
		var want map[string]json.RawMessage
		isObject := json.Unmarshal(data, &want) == nil && want != nil
		if err != nil {
			return
		}
		valid := true
		for _, value := range got {
			valid = valid && json.Valid(value)
		}
		if valid != isObject {
			t.Fatalf("%q: all values are JSON: %v, it is an object: %v", data, valid, isObject)
		}
		if valid {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%q (-encoding/json +members):\n%s", data, diff)
			}
		}
	})
}

// TestMembersTakesObjects: every object with distinct names is taken.
func TestMembersTakesObjects(t *testing.T) {
	for _, s := range []string{`{}`, " \n{ }\t", `{"a":-1.5e3,"b":"\"","c":{"d":[]},"e":null}`, `{"é\n":true}`} {
		if m, err := members([]byte(s)); err != nil {
			t.Errorf("%s: %v (%v)", s, err, m)
		}
	}
}

// BenchmarkVerify gives the costs of a bundle by the library, by the endpoint and in a
// batch.
func BenchmarkVerify(b *testing.B) {
	a := newAgency(b)
	v := must(verifier.New(a.trust()))(b)
	bundle := a.answer(b).bundle
	items := make([]string, 64)
	for i := range items {
		items[i] = object("bundle", a.answer(b).bundle)
	}
	l := testLimits()
	l.batch = MaxBatchBytes
	h := newTestServer(b, Config{Trust: a.trust()}, l).Handler()
	post := func(b *testing.B, path, body string) {
		if r := do(h, request("POST", path, body)); r.StatusCode != http.StatusOK {
			b.Fatal(text(b, r))
		}
	}
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			if verdict, err := v.Verify(must(verifier.ParseBundle([]byte(bundle)))(b), verifier.Options{At: verifyAt}); err != nil || !verdict.OK {
				b.Fatal(err)
			}
		}
	})
	b.Run("endpoint", func(b *testing.B) {
		for b.Loop() {
			post(b, "/v1/verify", items[0])
		}
	})
	b.Run("batch of 64", func(b *testing.B) {
		for b.Loop() {
			post(b, "/v1/verify/batch", batchOf(items...))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(items)), "ns/bundle")
	})
}
