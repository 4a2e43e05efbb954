package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// file writes a configuration file.
func file(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "attestry.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExample: the documented file says what is so anyway, names every setting, and has
// a comment on each.
func TestExample(t *testing.T) {
	got, err := Read(file(t, string(Example)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("(-default +example):\n%s", diff)
	}
	paths := 0
	_ = eachText("", reflect.ValueOf(&got).Elem(), func(path string, _ reflect.Value) error {
		paths++
		steps := strings.Split(path, ".")
		key := strings.Repeat("  ", len(steps)-1) + steps[len(steps)-1] + ":"
		before, _, ok := strings.Cut(string(Example), "\n"+key+" ")
		if last := before[strings.LastIndexByte(before, '\n')+1:]; !ok || !strings.HasPrefix(strings.TrimSpace(last), "# ") {
			t.Errorf("%s is not in the example, or without a comment: %q", path, last)
		}
		return nil
	})
	if paths < 30 {
		t.Errorf("%d settings", paths)
	}
}

func TestRead(t *testing.T) {
	_, err := Read(file(t, `
# What differs.
listen: 0.0.0.0:8443
verify_only: true
trust: trust.json
tls: {cert: "a.pem", key: 'b.pem'}
auth:
  oidc:
    - issuer: https://id.example/realm
      audience: attestry
      organisation_claim: org
    - {issuer: http://127.0.0.1:9000, audience: a, organisation_claim: o}
queue:
  jobs: 0x10
  deadline: 90m
  jobs_per_organisation: 3
at_rest:
  command: [vault, read, "secret/attestry"]
tracing: {sample: 1}
log: {format: json}
`), nil, nil)
	if err == nil || !strings.Contains(err.Error(), `:14:9: queue.jobs: "0x10" is not a whole number`) {
		t.Fatalf("a number of another form: %v", err)
	}
	got, err := Read(file(t, `{listen: ":1", verify_only: true, trust: trust.json, queue: {deadline: 90m}, at_rest: {command: [vault, read]}, tracing: {sample: 1}}`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.VerifyOnly, want.Trust, want.Queue.Deadline = ":1", true, "trust.json", 90*time.Minute
	want.AtRest.Command, want.Tracing.Sample = []string{"vault", "read"}, 1
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNothingToRead(t *testing.T) {
	for _, content := range []string{"", "\n", "# nothing\n", "---\n"} {
		if got, err := Read(file(t, content), nil, nil); err != nil || !cmp.Equal(got, Default()) {
			t.Errorf("%q: %+v, %v", content, got, err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.yaml"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Read(file(t, strings.Repeat("#", maxFile+1)), nil, nil); !errors.Is(err, ErrBad) {
		t.Errorf("a huge file: %v", err)
	}
}

// TestRefused: what is no setting, or not as a setting is, is refused with its place.
func TestRefused(t *testing.T) {
	for content, want := range map[string]string{
		"listn: :1":                             "1:1: no such setting: listn (known are dir, listen, ",
		"queue:\n  worker: 1":                   "2:3: no such setting: queue.worker (known are workers, jobs, ",
		"listen: :1\nlisten: :2":                "2:1: ",
		"queue: {jobs: 1, jobs: 2}":             "1:18: ",
		"queue: 7":                              "1:8: queue is to have settings below it: workers",
		"queue: [1]":                            "1:8: queue is to have settings",
		"listen: [a]":                           "1:9: listen is to be one plain value",
		"listen: {a: b}":                        "listen is to be one plain value",
		"listen:":                               "listen is to be one plain value",
		"listen: ~":                             "listen is to be one plain value",
		"listen: &a x\ntrust: *a":               "listen is to be one plain value",
		"listen: !!str x":                       "listen is to be one plain value",
		"<<: {listen: x}":                       "a setting's name is to be a plain word",
		"1: 2":                                  "a setting's name is to be a plain word",
		"[]":                                    "the document is to have settings below it: dir",
		"just words":                            "the document is to have settings below it: dir",
		"listen: :1\n---\nlisten: :2":           "3:1: a second document",
		"listen: \"unfinished":                  "1:",
		"listen: a\n\tb: c":                     "2:",
		"auth: {oidc: {issuer: x}}":             "auth.oidc is to be a list",
		"auth: {oidc: [{issuers: x}]}":          "no such setting: auth.oidc[0].issuers",
		"at_rest: {command: [[a]]}":             "at_rest.command[0] is to be one plain value",
		"verify_only: yes":                      `verify_only: "yes" is neither true nor false`,
		"drain: {timeout: 30}":                  `drain.timeout: "30" is not a time such as 30s`,
		"queue: {jobs: 1e3}":                    "is not a whole number",
		"queue: {jobs: 99999999999999999999}":   "is not a whole number",
		"tracing: {sample: half}":               "is not a number",
		"listen: localhost":                     `1:9: listen: "localhost" is not host:port`,
		"listen: localhost:http":                `"http" is not a port`,
		"listen: :70000":                        `"70000" is not a port`,
		"tls: {cert: a}":                        "tls.cert: there is no tls.key",
		"tls: {key: a}":                         "tls.key: there is no tls.cert",
		"tls: {client_ca: a}":                   "tls.client_ca: clients show certificates over TLS alone",
		"private: {pprof: true}":                "private.pprof: there is no private.listen",
		"private: {listen: \"127.0.0.1:8080\"}": "private.listen: the same as listen",
		"auth: {oidc: [{issuer: \"http://id.example\", audience: a, organisation_claim: o}]}":                                                                      "auth.oidc[0].issuer: it is not an https URL",
		"auth: {oidc: [{issuer: \"https://id.example\", organisation_claim: o}]}":                                                                                  "auth.oidc[0].audience: it is needed",
		"auth: {oidc: [{issuer: \"https://id.example\", audience: a}]}":                                                                                            "auth.oidc[0].organisation_claim: it is needed",
		"auth: {oidc: [{issuer: \"https://a:b@id.example\", audience: a, organisation_claim: o}]}":                                                                 "auth.oidc[0].issuer: it is not a URL",
		"auth: {oidc: [{issuer: \"https://i.example\", audience: a, organisation_claim: o}, {issuer: \"https://i.example\", audience: a, organisation_claim: p}]}": "auth.oidc[1].issuer: twice",
		"trusted_proxies: [10.0.0.300]":                    `trusted_proxies[0]: "10.0.0.300" is no address or network`,
		"trusted_proxies: [10.0.0.1, \"::ffff:10.0.0.1\"]": `trusted_proxies[1]: "::ffff:10.0.0.1" is no address`,
		"trusted_proxies: [\"fe80::1%eth0\"]":              "is no address",
		"trusted_proxies: [0.0.0.0/0]":                     "trusted_proxies[0]: 0.0.0.0/0 is everybody",
		"trusted_proxies: [10.0.0.1/8]":                    "has bits beyond its length: is 10.0.0.0/8 meant?",
		"trusted_proxies: 10.0.0.0/8":                      "trusted_proxies is to be a list",
		"auth: {oidc: [{issuer: \"https://i.example\", audience: a, organisation_claim: o, organisations: [Bank]}]}":           `auth.oidc[0].organisations[0]: "Bank" is no organisation's id`,
		"auth: {oidc: [{issuer: \"https://i.example\", audience: a, organisation_claim: o, organisations: [bank-a, bank-a]}]}": `auth.oidc[0].organisations[1]: "bank-a" is no organisation's id, or named twice`,
		"queue: {workers: -1}":                             "queue.workers: -1 is less than 0",
		"queue: {jobs: 0}":                                 "queue.jobs: 0 is less than 1",
		"queue: {jobs: 10}":                                "queue.jobs_per_organisation: more than queue.jobs",
		"queue: {backoff: 10m}":                            "queue.max_backoff: less than queue.backoff",
		"queue: {backoff: 0s}":                             "queue.backoff: it is to be more than nothing",
		"queue: {retain: -1h}":                             "queue.retain: ",
		"queue: {deadline: -1s}":                           "queue.deadline: a negative time",
		"answer: {automatic: some}":                        `answer.automatic: "some" is none of granted, all, none`,
		"budget: {window: 0s}":                             "budget.window: ",
		"budget: {questions: -1}":                          "budget.questions: ",
		"budget: {registry_questions: -1}":                 "budget.registry_questions: ",
		"at_rest: {file: a, env: B}":                       "at_rest.file: there is at_rest.env as well",
		"webhooks: {timeout: 0s}":                          "webhooks.timeout: ",
		"webhooks: {attempts: 0}":                          "webhooks.attempts: ",
		"limits: {body_mib: 1}":                            "limits.body_mib: 1 is less than 8",
		"limits: {waste: 2}":                               "limits.waste: it is not from 0 to 1",
		"limits: {connections: 0}":                         "limits.connections: ",
		"drain: {delay: -1s}":                              "drain.delay: ",
		"drain: {timeout: 0s}":                             "drain.timeout: ",
		"tracing: {endpoint: \"ftp://x\"}":                 "tracing.endpoint: it is not an https URL",
		"tracing: {sample: 2}":                             "tracing.sample: it is not from 0 to 1",
		"tracing: {sample: NaN}":                           "tracing.sample: it is not from 0 to 1",
		"log: {format: xml}":                               "log.format: ",
		"log: {level: loud}":                               "log.level: ",
		"log: {level: loud, format: xml}\nlisten: nowhere": "log.level: ",
	} {
		_, err := Read(file(t, content), nil, nil)
		if !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", content, err, want)
		}
	}
}

// TestSources: flags win over the environment, and that over the file.
func TestSources(t *testing.T) {
	path := file(t, "listen: :1\nlog: {level: warn}\nqueue: {workers: 1}\n")
	environ := []string{"ATTESTRY_LISTEN=:2", "ATTESTRY_QUEUE_WORKERS=2", "ATTESTRY_TRUST=other.json", "ATTESTRY_LOG_FORMAT=", "PATH=/bin"}
	got, err := Read(path, environ, map[string]string{"listen": ":3"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.Log.Level, want.Queue.Workers = ":3", "warn", 2
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// ATTESTRY_TRUST is other commands' but where nothing else says what to trust.
	if got, err = Read(path, environ, map[string]string{"verify_only": "true"}); err != nil || got.Trust != "other.json" {
		t.Errorf("%q, %v", got.Trust, err)
	}
	for want, read := range map[string]func() (Config, error){
		"ATTESTRY_QUEUE_WORKERS: \"two\" is not": func() (Config, error) { return Read(path, []string{"ATTESTRY_QUEUE_WORKERS=two"}, nil) },
		"ATTESTRY_QUEUE_WORKERS: -2 is less":     func() (Config, error) { return Read(path, []string{"ATTESTRY_QUEUE_WORKERS=-2"}, nil) },
		"--listen: \"x\" is not host:port":       func() (Config, error) { return Read(path, environ, map[string]string{"listen": "x"}) },
	} {
		if _, err := read(); !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
}

// TestEveryVariable: each setting that is one value can be given in the environment, under
// a name of its own.
func TestEveryVariable(t *testing.T) {
	seen := map[string]string{}
	_ = eachText("", reflect.ValueOf(new(Config)).Elem(), func(path string, v reflect.Value) error {
		if other, ok := seen[Variable(path)]; ok {
			t.Errorf("%s is %s and %s", Variable(path), path, other)
		}
		seen[Variable(path)] = path
		r := &reading{places: map[string]string{}}
		values := map[reflect.Kind]string{reflect.String: "text", reflect.Bool: "true", reflect.Int: "7", reflect.Int64: "7s", reflect.Float64: "0.7"}
		err := r.override([]string{"ATTESTRY_VERIFY_ONLY=true", Variable(path) + "=" + values[v.Kind()]}, nil)
		if set, _ := r.places[path]; err != nil || set != Variable(path) {
			t.Errorf("%s: %v, set by %q", path, err, set)
		}
		return nil
	})
	environ := []string{"ATTESTRY_QUEUE_WORKERS=1", "ATTESTRY_QUEUE_WORKER=1", "ATTESTRY_AUDITOR_KEY=x", "HOME=/"}
	if got := Strangers(environ, "ATTESTRY_AUDITOR_KEY"); !cmp.Equal(got, []string{"ATTESTRY_QUEUE_WORKER"}) {
		t.Errorf("%q", got)
	}
}

func TestWarnings(t *testing.T) {
	for content, want := range map[string]int{
		"":                                     0,
		"listen: :8080":                        1,
		"listen: 0.0.0.0:1":                    1,
		"listen: localhost:1":                  0,
		"listen: \"[::1]:1\"":                  0,
		"{listen: :1, tls: {cert: a, key: b}}": 0,
		"private: {listen: 10.0.0.1:9090}":     1,
		"private: {listen: 127.0.0.1:9090}":    0,
		"{answer: {automatic: all}, budget: {questions: 0}}": 1,
		"at_rest: {env: KEY}":                                1,
	} {
		c, err := Read(file(t, content), nil, nil)
		if got := c.Warnings(); err != nil || len(got) != want {
			t.Errorf("%q: %v, %q", content, err, got)
		}
	}
}

// TestShow: what is shown is read again as it was.
func TestShow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.StringOf(rapid.RuneFrom(nil, unicode.L, unicode.P, unicode.Zs, unicode.Cc))
		c := Default()
		c.Listen = rapid.SampledFrom([]string{":0", "[::1]:443", "host.example:80"}).Draw(rt, "listen")
		c.Trust = words.Draw(rt, "trust")
		c.Queue.Deadline = time.Duration(rapid.Int64Range(0, 1e15).Draw(rt, "deadline"))
		c.Tracing.Sample = rapid.Float64Range(0, 1).Draw(rt, "sample")
		c.Auth.OIDC = []OIDC{
			{Issuer: "https://id.example", Audience: words.Draw(rt, "audience") + "a", OrganisationClaim: "b", Organisations: []string{"bank-a", "bank-b"}},
			{Issuer: "https://id.example", Audience: "c", OrganisationClaim: "d"},
		}
		c.TrustedProxies = []string{"10.0.0.0/8", "::1"}
		c.AtRest.Command = rapid.SliceOfN(words, 1, 3).Draw(rt, "command")
		r := &reading{Default(), "f", map[string]string{}}
		if err := r.readYAML(c.YAML()); err != nil {
			rt.Fatalf("%v\n%s", err, c.YAML())
		}
		if diff := cmp.Diff(c, r.Config); diff != "" {
			rt.Fatalf("(-shown +read):\n%s", diff)
		}
	})
	if m := Default().Map(); m["queue"].(map[string]any)["backoff"] != "1s" || m["listen"] != "127.0.0.1:8080" {
		t.Errorf("%v", m)
	}
}

func TestProxies(t *testing.T) {
	c, err := Read(file(t, "trusted_proxies: [10.1.0.0/16, 192.0.2.7, \"2001:db8::/32\", \"::1\"]"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Proxies()); got != "[10.1.0.0/16 192.0.2.7/32 2001:db8::/32 ::1/128]" {
		t.Error(got)
	}
	if got := Default().Proxies(); got != nil {
		t.Error(got)
	}
}

func TestFormatTime(t *testing.T) {
	for _, d := range []time.Duration{0, time.Second, 90 * time.Second, 5 * time.Minute, 10 * time.Second, 24 * time.Hour, 90 * time.Minute, time.Millisecond, 100 * time.Hour} {
		s := FormatTime(d)
		if got, err := time.ParseDuration(s); err != nil || got != d {
			t.Errorf("%v is written %q", d, s)
		}
	}
	if s := FormatTime(24 * time.Hour); s != "24h" {
		t.Errorf("%q", s)
	}
}

// FuzzRead: no file makes the reader panic, and what it refuses it places.
func FuzzRead(f *testing.F) {
	f.Add(Example)
	for _, s := range []string{"a: b", "queue: {workers: 1}", "- a", "? a\n: b", "listen: |\n  x\n", "&a [*a]", "\"a\": 'b'", "auth: {oidc: [{issuer: x}]}", "!!map {}", "{"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reading{Default(), "f", map[string]string{}}
		if err := r.readYAML(data); err != nil && !errors.Is(err, ErrBad) {
			t.Fatal(err)
		}
		_ = r.check()
	})
}
