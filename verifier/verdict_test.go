package verifier

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestVerdictOK(t *testing.T) {
	cases := map[string]struct {
		checks []Check
		ok     bool
	}{
		"nothing":         {nil, true},
		"a pass":          {[]Check{pass("a", OnPinned, "", "")}, true},
		"a failure":       {[]Check{pass("a", OnPinned, "", ""), fail("b", OnPinned, "", "")}, false},
		"a warning":       {[]Check{{Check: "a", Outcome: Warn}}, true},
		"skipped":         {[]Check{skip("a", "", "")}, true},
		"skipped, needed": {[]Check{required(skip("a", "", ""))}, false},
	}
	for name, c := range cases {
		if v := newVerdict(c.checks); v.OK != c.ok {
			t.Errorf("%s: ok is %v", name, v.OK)
		}
	}
}

func TestVerdictText(t *testing.T) {
	checks := []Check{
		pass(CheckFormat, OnComputation, "x", BundleFormat),
		{Check: CheckExpiry, Fact: "title", Outcome: Fail, Expected: "not expired", Observed: "expired at 2026-01-01T00:00:00Z", RestsOn: OnComputation},
		{Check: CheckTies, Outcome: Skipped, Observed: "nothing", RestsOn: OnNothing},
	}
	want := strings.Join([]string{
		"  pass     format        computed     attestry/bundle/v1",
		"fact title",
		"  fail     expiry        computed     expired at 2026-01-01T00:00:00Z",
		"                                      expected: not expired",
		"  skipped  ties          not checked  nothing",
		"NOT VERIFIED: expiry of title", "",
	}, "\n")
	if got := newVerdict(checks).Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := newVerdict(checks[:1]).Text(); !strings.Contains(got, "\nVERIFIED") {
		t.Errorf("%s", got)
	}
}

// TestVerdictTextIsPlain: a bundle does not get to write to the reader's terminal.
func TestVerdictTextIsPlain(t *testing.T) {
	c := fail(CheckAudience, OnPinned, "a\x1b[2Jb", "\u202egnp\r\nVERIFIED")
	c.Fact = "x\x1b]0;y\x07"
	text := newVerdict([]Check{c}).Text()
	if strings.ContainsAny(text, "\x1b\r\x07\u202e") || strings.Contains(text, "\nVERIFIED") {
		t.Errorf("%q", text)
	}
	if plain("面积 is 12.50") != "面积 is 12.50" {
		t.Error("plain text of other scripts is changed")
	}
}

func TestVerdictJSON(t *testing.T) {
	v := newVerdict([]Check{required(skip(CheckProof, "a", "b"))})
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ok":false,"checks":[{"check":"proof","outcome":"skipped","expected":"a","observed":"b","rests_on":"not checked"}]}`
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}
