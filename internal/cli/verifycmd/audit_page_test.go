package verifycmd

import (
	"encoding/xml"
	"regexp"
	"strings"
	"testing"

	"github.com/attestry/attestry/verifier"
)

// hostile is a name that a log's operator may try on the reader of a report.
const hostile = `<script src="https://evil.example/x.js">alert(1)</script>" onload='x' &amp; ` + "\x1b[31m\u202e"

func hostileReport() (*verifier.Report, pinned) {
	index, since := uint64(7), uint64(5)
	r := &verifier.Report{
		Entries: 9, Size: 9, Proofs: 2, Epochs: 1, Origin: hostile, Root: hostile, Checkpoint: hostile + "\n9\n", Since: &since, At: hostile,
		Problems:   []verifier.Problem{{Index: &index, Check: hostile, Detail: hostile}, {Check: hostile, Detail: hostile}},
		Followed:   []string{hostile},
		Witnesses:  &verifier.WitnessCount{Cosigners: []string{hostile}, Quorum: 1, Pinned: 1},
		Registries: []verifier.RegistryCount{{Registry: hostile, Epochs: 1, Proofs: 2, Scopes: []verifier.ScopeCount{{Scope: hostile, Pledges: 1}}}},
		Timeline: verifier.Timeline{
			Buckets: []verifier.Bucket{{First: 5, Proofs: 2, Pledges: 1}, {First: 7, Epochs: 1}, {First: 8, Others: 1}},
			Epochs:  []verifier.EpochMark{{Index: 7, Registry: hostile, Number: 1, Time: hostile}}, Omitted: 3,
		},
		Bundles: &verifier.BundleReport{Bundles: 1, Proofs: 2, Unlogged: 1, Later: 1, OtherLogs: []string{hostile}, NotBundles: []string{hostile}},
		RestsOn: []verifier.Ground{{What: hostile, RestsOn: verifier.OnLog, Detail: hostile}},
	}
	trust := &verifier.Trust{
		Logs: []verifier.TrustedLog{{Key: hostile}}, Registries: []verifier.TrustedRegistry{{Registry: hostile, Log: hostile}},
		Circuits:  []verifier.TrustedCircuit{{Name: hostile, Version: 1}},
		Witnesses: &verifier.TrustedWitnesses{Quorum: 1, Keys: []string{hostile}},
	}
	return r, pinned{trust, hostile}
}

// TestPageIsEscaped: no text of the report becomes markup, and the page is well
// formed and needs nothing else.
func TestPageIsEscaped(t *testing.T) {
	text := string(auditPage(hostileReport()))
	if n := strings.Count(text, "alert(1)"); n < 15 {
		t.Errorf("the hostile text is shown %d times: the test looks at nothing", n)
	}
	lower := strings.ToLower(text)
	for _, never := range []string{"<script", "<img", "<link", "<iframe", " onload='", "\x1b", "\u202e", "@import", "url("} {
		if strings.Contains(lower, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	if found := regexp.MustCompile(`<[^>]*\s(?:src|href)=`).FindString(text); found != "" {
		t.Errorf("the page points outside: %s", found)
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.Entity = true, xml.HTMLEntity
	for {
		if _, err := d.Token(); err != nil {
			if err.Error() != "EOF" {
				t.Errorf("not well formed: %v", err)
			}
			break
		}
	}
}

// TestPageSays: findings come first, and every part is there.
func TestPageSays(t *testing.T) {
	text := string(auditPage(hostileReport()))
	last := -1
	for _, want := range []string{
		"NOT AUDITED: 2 problems", "what is wrong", "Continued from an earlier audit of the first 5 entries",
		"<h2>Timeline", "<svg", "fill=\"var(--bad)\"", "the latest 1 epoch; 3 before them", "<h2>Registries and scopes",
		"<h2>Bundles", "1 bundle of this log, with 2 proofs in it, 1 never logged, 1 logged after", "<h2>What this rests on",
		"<h2>Who was pinned", "The checkpoint is cosigned by", "<h2>Checkpoint",
	} {
		at := strings.Index(text, want)
		if at <= last {
			t.Errorf("%q is not there, or not after what goes before it", want)
		}
		last = at
	}
	quiet := string(auditPage(&verifier.Report{OK: true}, pinned{&verifier.Trust{}, ""}))
	if !strings.Contains(quiet, "AUDITED: every entry") || strings.Contains(quiet, "what is wrong") || strings.Contains(quiet, "<svg") {
		t.Errorf("an empty log: %s", quiet)
	}
}
