package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/verifier"
)

// object writes a JSON object of members whose values are JSON already.
func object(members ...string) string {
	var pairs []string
	for i := 0; i < len(members); i += 2 {
		pairs = append(pairs, strconv.Quote(members[i])+": "+members[i+1])
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

func quote(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return string(out)
}

func verdictOf(t testing.TB, r *http.Response) verifier.Verdict {
	t.Helper()
	body := text(t, r)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", r.StatusCode, body)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := r.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q: a cache would keep the verdict", got)
	}
	var v verifier.Verdict
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// failed lists the checks that a verdict fails for.
func failed(v verifier.Verdict) []string {
	var names []string
	for _, c := range v.Checks {
		if c.Outcome == verifier.Fail {
			names = append(names, c.Check)
		}
	}
	return names
}

func TestVerdict(t *testing.T) {
	a := newAgency(t)
	x := a.answer(t)
	h := newTestServer(t, Config{Trust: a.trust(), Log: a.store}, testLimits()).Handler()
	proof := flipProof(t, x.bundle)
	otherSubject := strings.Replace(x.request, askedSubject, "OH-0009999", 1)
	for _, c := range []struct {
		name string
		body string
		fail []string
	}{
		{"bundle alone", object("bundle", x.bundle), nil},
		{"everything", object("bundle", x.bundle, "request", x.request, "openings", x.openings, "audience", `"bank-a"`, "at", `"2026-08-01T14:00:00+02:00"`), nil},
		{"request as JSON in a string", object("bundle", x.bundle, "request", quote(x.request), "openings", x.openings), nil},
		{"other order and white space", "\n\t" + object("openings", x.openings, "request", x.request, "bundle", " "+strings.ReplaceAll(x.bundle, `":`, `" : `)+" ") + "\r\n", nil},
		{"another audience", object("bundle", x.bundle, "audience", `"bank-b"`), []string{verifier.CheckAudience}},
		{"expired", object("bundle", x.bundle, "at", `"2027-01-01T00:00:00Z"`), []string{verifier.CheckExpiry}},
		{"another subject asked", object("bundle", x.bundle, "request", otherSubject, "openings", x.openings), []string{verifier.CheckOpenings}},
		{"another question", object("bundle", x.bundle, "request", strings.Replace(x.request, "200000", "200001", 1), "openings", x.openings), []string{verifier.CheckRequest}},
		{"another proof", object("bundle", proof), []string{verifier.CheckProof, verifier.CheckInclusion}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verdictOf(t, do(h, request("POST", "/v1/verify", c.body)))
			if diff := cmp.Diff(c.fail, failed(v)); diff != "" || v.OK != (c.fail == nil) {
				t.Errorf("ok %v, failed (-want +got):\n%s", v.OK, diff)
			}
		})
	}
}

// flipProof changes the proof in a bundle into the proof of its negation: another
// point of the curve, so that it is well formed.
func flipProof(t *testing.T, bundle string) string {
	t.Helper()
	b := must(verifier.ParseBundle([]byte(bundle)))(t)
	entry := string(b.Facts[0].Proofs[0].Entry)
	_, rest, ok := strings.Cut(entry, `"proof":"`)
	if !ok {
		t.Fatal("the entry has no proof")
	}
	old, _, _ := strings.Cut(rest, `"`)
	raw := must(base64.StdEncoding.DecodeString(old))(t)
	raw[0] ^= 0x40 // the sign of a compressed point's y: 0x80 says that it is compressed
	b.Facts[0].Proofs[0].Entry = []byte(strings.Replace(entry, old, base64.StdEncoding.EncodeToString(raw), 1))
	return string(must(b.Marshal())(t))
}

func TestVerdictIsTheVerifiers(t *testing.T) {
	a := newAgency(t)
	x := a.answer(t)
	h := newTestServer(t, Config{Trust: a.trust()}, testLimits()).Handler()
	got := verdictOf(t, do(h, request("POST", "/v1/verify", object("bundle", x.bundle, "request", quote(x.request), "openings", x.openings))))
	r, err := readRequest([]byte(x.request))
	if err != nil {
		t.Fatal(err)
	}
	want := must(verifier.Verify(must(verifier.ParseBundle([]byte(x.bundle)))(t), verifier.Options{
		Trust: a.trust(), Request: r, Openings: must(verifier.ParseOpenings([]byte(x.openings)))(t), At: verifyAt,
	}))(t)
	for i := range want.Checks {
		want.Checks[i].Required = false // which JSON does not carry
	}
	if diff := cmp.Diff(*want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPlainRequestInYAML(t *testing.T) {
	a := newAgency(t)
	x := a.answer(t)
	h := newTestServer(t, Config{Trust: a.trust()}, testLimits()).Handler()
	r := do(h, request("POST", "/v1/verify", object("bundle", x.bundle, "request", quote(x.requestYAML), "openings", x.openings)))
	// It names a subject without the seed, and the openings have none of it.
	wantProblem(t, r, CodeCannotCheck)
	withSeed := x.requestYAML + "seed: " + base64.StdEncoding.EncodeToString(append([]byte{2}, make([]byte, 31)...)) + "\n"
	v := verdictOf(t, do(h, request("POST", "/v1/verify", object("bundle", x.bundle, "request", quote(withSeed), "openings", x.openings))))
	if !v.OK {
		t.Errorf("failed: %v", failed(v))
	}
}

func TestSetTrust(t *testing.T) {
	a := newAgency(t)
	body := object("bundle", a.answer(t).bundle)
	s := newTestServer(t, Config{}, testLimits()) // trusts nobody
	if v := verdictOf(t, do(s.Handler(), request("POST", "/v1/verify", body))); v.OK {
		t.Error("verified without a pinned log")
	}
	if err := s.SetTrust(a.trust()); err != nil {
		t.Fatal(err)
	}
	if v := verdictOf(t, do(s.Handler(), request("POST", "/v1/verify", body))); !v.OK {
		t.Errorf("failed: %v", failed(v))
	}
	bad := a.trust()
	bad.MaxAge = "never"
	if err := s.SetTrust(bad); err == nil {
		t.Error("a trust file that contradicts itself is taken")
	}
	if v := verdictOf(t, do(s.Handler(), request("POST", "/v1/verify", body))); !v.OK {
		t.Error("a refused trust file replaced the old one")
	}
}

// TestMalformed: whatever is not exactly what the interface says is 400, and its
// problem holds none of the values sent.
func TestMalformed(t *testing.T) {
	a := newAgency(t)
	x := a.answer(t)
	logged := &logLines{}
	h := newTestServer(t, Config{Trust: a.trust(), Logger: logged.logger()}, testLimits()).Handler()
	const canary = "canary7731"
	cases := map[string]struct {
		body string
		code Code
	}{
		"nothing":                     {" ", CodeMalformed},
		"no JSON":                     {canary, CodeMalformed},
		"an array":                    {"[" + x.bundle + "]", CodeMalformed},
		"null":                        {"null", CodeMalformed},
		"a torso":                     {object("bundle", x.bundle)[:200], CodeMalformed},
		"trailing bytes":              {object("bundle", x.bundle) + canary, CodeMalformed},
		"a second document":           {object("bundle", x.bundle) + object("bundle", x.bundle), CodeMalformed},
		"a trailing brace":            {object("bundle", x.bundle) + "}", CodeMalformed},
		"no bundle":                   {object("request", x.request), CodeMalformed},
		"unknown member":              {object("bundle", x.bundle, "force", quote(canary)), CodeMalformed},
		"duplicate bundle":            {object("bundle", x.bundle, "bundle", x.bundle), CodeMalformed},
		"duplicate by escape":         {`{"bundle": ` + x.bundle + `, "\u0062undle": ` + x.bundle + `}`, CodeMalformed},
		"duplicate audience":          {object("bundle", x.bundle, "audience", quote(canary), "audience", quote(canary)), CodeMalformed},
		"another spelling":            {object("Bundle", x.bundle), CodeMalformed},
		"another spelling beside":     {object("bundle", x.bundle, "Audience", quote(canary)), CodeMalformed},
		"null bundle":                 {object("bundle", "null"), CodeMalformed},
		"null request":                {object("bundle", x.bundle, "request", "null"), CodeMalformed},
		"null audience":               {object("bundle", x.bundle, "audience", "null"), CodeMalformed},
		"bundle as a string":          {object("bundle", quote(x.bundle)), CodeMalformed},
		"empty bundle":                {object("bundle", "{}"), CodeMalformed},
		"unknown member in bundle":    {object("bundle", strings.Replace(x.bundle, "{", `{"`+canary[:3]+`": "`+canary+`", `, 1)), CodeMalformed},
		"duplicate member in bundle":  {object("bundle", strings.Replace(x.bundle, "{", `{"format": "`+canary+`", `, 1)), CodeMalformed},
		"null member in bundle":       {object("bundle", strings.Replace(x.bundle, "{", `{"more": null, `, 1)), CodeMalformed},
		"a number in another form":    {object("bundle", strings.Replace(x.bundle, `"context":{`, `"context":{"grant": 77.310,`, 1)), CodeMalformed},
		"a format of tomorrow":        {object("bundle", strings.Replace(x.bundle, "bundle/v1", "bundle/v2", 1)), CodeMalformed},
		"not UTF-8":                   {object("bundle", x.bundle, "audience", "\"\xff\xfe\""), CodeMalformed},
		"half a surrogate":            {object("bundle", x.bundle, "audience", `"\ud800"`), CodeMalformed},
		"half a surrogate for a name": {object("bundle", x.bundle, "x", "1")[:len(object("bundle", x.bundle))-1] + `, "\ud800": 1}`, CodeMalformed},
		"empty audience":              {object("bundle", x.bundle, "audience", `""`), CodeMalformed},
		"a long audience":             {object("bundle", x.bundle, "audience", quote(strings.Repeat(canary, 200))), CodeMalformed},
		"an audience that is a list":  {object("bundle", x.bundle, "audience", `["`+canary+`"]`), CodeMalformed},
		"at without a zone":           {object("bundle", x.bundle, "at", `"2026-08-01T12:00:00"`), CodeMalformed},
		"at of a day there is not":    {object("bundle", x.bundle, "at", `"2026-02-30T12:00:00Z"`), CodeMalformed},
		"at the zero instant":         {object("bundle", x.bundle, "at", `"0001-01-01T00:00:00Z"`), CodeMalformed},
		"at is a number":              {object("bundle", x.bundle, "at", "1785585600"), CodeMalformed},
		"an empty request":            {object("bundle", x.bundle, "request", "{}"), CodeMalformed},
		"a request that is a list":    {object("bundle", x.bundle, "request", "["+x.request+"]"), CodeMalformed},
		"unknown member in request":   {object("bundle", x.bundle, "request", strings.Replace(x.request, "{", `{"wher": "`+canary+`", `, 1)), CodeMalformed},
		"duplicate in request":        {object("bundle", x.bundle, "request", strings.Replace(x.request, "{", `{"subject": "`+canary+`", `, 1)), CodeMalformed},
		"an alias in YAML":            {object("bundle", x.bundle, "request", quote("registry: &a titles\nsubject: "+canary+"\npurpose: *a\n")), CodeMalformed},
		"two documents in YAML":       {object("bundle", x.bundle, "request", quote(x.requestYAML+"---\nsubject: "+canary+"\n")), CodeMalformed},
		"openings as a string":        {object("bundle", x.bundle, "openings", quote(x.openings)), CodeMalformed},
		"unknown member in openings":  {object("bundle", x.bundle, "openings", strings.Replace(x.openings, "{", `{"secret": "`+canary+`", `, 1)), CodeMalformed},
		"duplicate in openings":       {object("bundle", x.bundle, "openings", strings.Replace(x.openings, `"value":`, `"value": "`+canary+`", "value":`, 1)), CodeMalformed},
		"openings of a number":        {object("bundle", x.bundle, "openings", strings.Replace(x.openings, `"`+revealedValue+`"`, revealedValue, 1)), CodeMalformed},
		"openings with a bad output":  {object("bundle", x.bundle, "openings", strings.Replace(x.openings, `"output":1`, `"output":9`, 1)), CodeMalformed},
		"a bad request in openings":   {object("bundle", x.bundle, "openings", strings.Replace(x.openings, "{", `{"request": {"format": "`+canary+`"}, `, 1)), CodeMalformed},
		"a release secret":            {object("bundle", x.bundle, "openings", strings.Replace(x.openings, "{", `{"release_secret": "`+canary+`", `, 1)), CodeReleaseSecret},
		"an escaped release secret":   {object("bundle", x.bundle, "openings", strings.Replace(x.openings, "{", `{"releas\u0065_secrets": {"fact": "`+canary+`"}, `, 1)), CodeReleaseSecret},
		"a reveal without openings":   {object("bundle", x.bundle, "request", x.request), CodeCannotCheck},
		"an abyss":                    {object("bundle", `{"a":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+"}"), CodeMalformed},
		"a long name":                 {object("bundle", x.bundle, strings.Repeat("n", 5000), "1", strings.Repeat("n", 5000), "2"), CodeMalformed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(c.body, x.bundle) && c.body == object("bundle", x.bundle) {
				t.Fatal("the case changes nothing")
			}
			p := wantProblem(t, do(h, request("POST", "/v1/verify", c.body)), c.code)
			for _, private := range []string{canary, askedSubject, revealedValue, "verifier.", "Go struct", "json:"} {
				if strings.Contains(p.Detail, private) {
					t.Errorf("the detail holds %q: %s", private, p.Detail)
				}
			}
			if len(p.Detail) > maxDetail+len("…") {
				t.Errorf("a detail of %d bytes", len(p.Detail))
			}
			malformedItem(t, h, object("bundle", x.bundle), c.body, p)
		})
	}
	for _, private := range []string{canary, askedSubject, revealedValue, x.bundle[:40], "bank-a"} {
		if strings.Contains(logged.String(), private) {
			t.Errorf("the log holds %q", private)
		}
	}
	if n := strings.Count(logged.String(), `"msg":"request"`); n != 2*len(cases) {
		t.Errorf("%d lines in the access log for %d requests", n, 2*len(cases))
	}
}

// TestEveryByte: no byte of a bundle can be changed without the answer being no or
// 400, through the endpoint as without it.
func TestEveryByte(t *testing.T) {
	a := newAgency(t)
	x := a.answer(t)
	h := newTestServer(t, Config{Trust: a.trust()}, testLimits()).Handler()
	step := max(len(x.bundle)/300, 1)
	refused := 0
	for i := 0; i < len(x.bundle); i += step {
		changed := []byte(x.bundle)
		changed[i] ^= 1
		r := do(h, request("POST", "/v1/verify", object("bundle", string(changed), "request", x.request, "openings", x.openings)))
		switch body := text(t, r); r.StatusCode {
		case http.StatusBadRequest:
			refused++
		case http.StatusOK:
			if !strings.HasPrefix(body, `{"ok":false`) {
				t.Errorf("byte %d: %s", i, fmt.Sprintf("%.60s", body))
			}
		default:
			t.Errorf("byte %d: status %d", i, r.StatusCode)
		}
	}
	if refused == 0 {
		t.Error("no change was malformed")
	}
}
