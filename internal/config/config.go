// Package config is the configuration of attestry serve: one struct, [Config], whose
// comments are its documentation, how it is read and how it is checked.
//
// A setting has a path, such as queue.workers. It is taken from the command line's flags,
// else from the environment (ATTESTRY_QUEUE_WORKERS), else from the configuration file
// (YAML, with the struct's own nesting), else it is the default. What is not a setting is
// refused with its place, so that a slip of the pen does not go unnoticed.
//
//	c, err := config.Read("/etc/attestry/attestry.yaml", os.Environ(), nil)
//
// [Example] is a file of all settings, at their defaults, with the struct's comments. It is
// generated from them.
package config

import (
	_ "embed"
	"time"
)

//go:generate go run ./example

// Example is a configuration file that says what is so anyway: every setting at its
// default, with what it means.
//
//go:embed attestry.yaml
var Example []byte

// Config is the configuration of a server. It holds no secret, only where secrets are:
// it may be readable by everybody.
type Config struct {
	// The workspace's directory. Whoever can read it has the log's and the issuer's key.
	// In the environment: ATTESTRY_DIR, as for every command.
	Dir string `yaml:"dir"`
	// Where to listen: host and port. An address that others can reach should have tls, or a
	// proxy that speaks TLS before it: credentials travel in headers.
	Listen string `yaml:"listen"`
	// Addresses and networks (10.0.0.7, 10.1.0.0/16) of proxies before the server. Clients
	// behind them are told apart by X-Forwarded-For, to which each proxy has to append the
	// address that it was called from; from anybody else the header counts for nothing. In
	// the file alone, not in the environment.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Serve verification alone: no log, no credentials, and of all that follows only trust,
	// tls, private, limits, drain, tracing and log count.
	VerifyOnly bool `yaml:"verify_only"`
	// The trust file to verify against. Empty: what trust export would write of the
	// workspace. Whoever can change it decides what this server calls verified. With
	// verify_only alone ATTESTRY_TRUST names it, too, and it makes a workspace needless.
	Trust string `yaml:"trust"`

	TLS      TLS      `yaml:"tls"`
	Auth     Auth     `yaml:"auth"`
	Private  Private  `yaml:"private"`
	Queue    Queue    `yaml:"queue"`
	Prover   Prover   `yaml:"prover"`
	Answer   Answer   `yaml:"answer"`
	Budget   Budget   `yaml:"budget"`
	AtRest   AtRest   `yaml:"at_rest"`
	Webhooks Webhooks `yaml:"webhooks"`
	Limits   Limits   `yaml:"limits"`
	Drain    Drain    `yaml:"drain"`
	Tracing  Tracing  `yaml:"tracing"`
	Log      Log      `yaml:"log"`
}

// TLS is what the listener speaks. Without a certificate it speaks plain HTTP.
type TLS struct {
	// The certificate chain (PEM). It is read again when the file changes, so that a
	// renewal needs no restart; where the new one cannot be used, the former stays. TLS 1.3
	// alone is spoken: in 1.2 clients' certificates travel in the clear.
	Cert string `yaml:"cert"`
	// The certificate's private key (PEM), readable by the server's user alone.
	Key string `yaml:"key"`
	// Certificates (PEM) of who may issue clients' certificates: mutual TLS for those who
	// have one, and whose certificate is bound to an organisation (attestry org bind). A
	// client without one is asked for another credential. Whoever holds a key of this file
	// can be any organisation whose certificates are bound by subject. Read again as cert is:
	// whom it names no longer is refused within seconds, on open connections too.
	ClientCA string `yaml:"client_ca"`
}

// Auth is who may call, beside holders of API keys and of certificates, which
// attestry key and attestry org manage.
type Auth struct {
	// Identity providers whose bearer tokens are taken (OpenID Connect). Each is trusted
	// to say who is an organisation's. In the file alone, not in the environment.
	OIDC []OIDC `yaml:"oidc"`
}

// OIDC is one identity provider.
type OIDC struct {
	// The issuer's URL, where /.well-known/openid-configuration is found. While it gives no
	// answer its tokens get 503; other credentials are good meanwhile.
	Issuer string `yaml:"issuer"`
	// Which audience its tokens must name: this server's, and nobody else's.
	Audience string `yaml:"audience"`
	// The claim that names the organisation, by its id, in one text. The organisation's role
	// counts, whatever else a token says.
	OrganisationClaim string `yaml:"organisation_claim"`
	// The organisations that it may speak for. Empty: all of them, operators too. A bank's own
	// provider should have that bank alone.
	Organisations []string `yaml:"organisations"`
}

// Private is a second listener for whoever operates the server: /metrics and, if wanted,
// /debug/pprof/. It asks for no credential, so only the machine or a network of the
// operator's own should reach it.
type Private struct {
	// Where to listen. Empty: nowhere, and there are no metrics.
	Listen string `yaml:"listen"`
	// Serve profiles at /debug/pprof/ there. A profile of the heap may show parts of
	// requests to whoever fetches it.
	Pprof bool `yaml:"pprof"`
}

// Queue is how requests wait for their proofs.
type Queue struct {
	// How many proofs are made at once. 0: one for each core, and no more than the memory
	// limit of the process (GOMEMLIMIT) has room for.
	Workers int `yaml:"workers"`
	// How many jobs may wait or run. Beyond it, 503 with Retry-After.
	Jobs int `yaml:"jobs"`
	// How many of them one organisation may have. Beyond it, 429 with Retry-After.
	JobsPerOrganisation int `yaml:"jobs_per_organisation"`
	// How long after it was asked a job that is not done fails. 0: never.
	Deadline time.Duration `yaml:"deadline"`
	// How many runs a job gets that fails in a way which another run may mend.
	Attempts int `yaml:"attempts"`
	// How long it waits after its first failed run, twice as long after each further one.
	Backoff time.Duration `yaml:"backoff"`
	// How long it waits at most.
	MaxBackoff time.Duration `yaml:"max_backoff"`
	// How long finished jobs and their events can be asked for.
	Retain time.Duration `yaml:"retain"`
}

// Prover is how proofs are made.
type Prover struct {
	// Have gnark's own prover make them, which takes three times as long, and not the engine:
	// for whoever doubts the engine. Proofs of either verify alike.
	Reference bool `yaml:"reference"`
}

// Answer is the agency's policy.
type Answer struct {
	// Which requests are answered without anybody's doing: granted (those that a live grant
	// covers), all, or none. With all, every bank learns whatever it asks, up to its budget.
	Automatic string `yaml:"automatic"`
}

// Budget bounds what one organisation can find out by asking again and again. A condition
// tells one bit of a hidden value. Each request is charged, before anything is looked at
// and whatever comes of it; beyond the bounds it is refused with 429 and Retry-After.
type Budget struct {
	// The time over which questions are counted.
	Window time.Duration `yaml:"window"`
	// How many questions of one organisation may in that time ask by one name, a key or a
	// subject, and be about one record, by whatever names. One that names neither counts for
	// all of the registry. 0: no bound, and a hidden value can be found by halving.
	Questions int `yaml:"questions"`
	// How many may be about one registry. 0: no bound, and keys can be gone through to see
	// which there are.
	RegistryQuestions int `yaml:"registry_questions"`
}

// AtRest is where the identity comes from that opens what is encrypted at rest: records,
// their secrets, requests. At most one source is named. Without it the workspace has to be
// in the clear.
type AtRest struct {
	// A file of age identities, readable by the server's user alone.
	File string `yaml:"file"`
	// The name of an environment variable that holds one. Other processes of the same user
	// can read it.
	Env string `yaml:"env"`
	// A program and its arguments that print one: a vault's client, say. It is run when the
	// server starts, without a shell. In the file alone, not in the environment.
	Command []string `yaml:"command"`
}

// Webhooks is how banks are told that their answer is ready.
type Webhooks struct {
	// How long one delivery may take.
	Timeout time.Duration `yaml:"timeout"`
	// How often it is tried.
	Attempts int `yaml:"attempts"`
	// Deliver to addresses of private networks and of this machine, too. A bank names the
	// address: with this it can make the server call what only the server reaches.
	AllowPrivate bool `yaml:"allow_private"`
}

// Limits bound what clients can make the server spend. Sizes of bodies and times to send
// them are fixed: docs/spec/http.md lists them.
type Limits struct {
	// Open connections. Further ones wait to be accepted.
	Connections int `yaml:"connections"`
	// Verifications at once. 0: twice as many as there are cores.
	Verifications int `yaml:"verifications"`
	// MiB that the bodies of requests in progress may take together. Beyond it, 503 with
	// Retry-After.
	BodyMiB int `yaml:"body_mib"`
	// Which part of a core one address (or IPv6 /64) may have computed with, on average,
	// for requests to verify that are no good: malformed bodies and false proofs. What
	// that makes in 200 seconds it may at once; then it gets 429 with Retry-After before
	// its bodies are read. Clients of this machine itself are not bounded; behind a proxy of
	// another one that trusted_proxies does not name, all clients are one. 0: nobody is.
	Waste float64 `yaml:"waste"`
	// MiB of free room on the workspace's disk below which /readyz says no.
	FreeDiskMiB int `yaml:"free_disk_mib"`
}

// Drain is how the server stops.
type Drain struct {
	// How long /readyz says no before the listener closes, for a load balancer to notice.
	Delay time.Duration `yaml:"delay"`
	// How long requests and jobs in progress may take to finish after that. Jobs that do
	// not are run again after the next start. What the service manager waits before it kills
	// has to be longer than both, by five seconds where traces are sent.
	Timeout time.Duration `yaml:"timeout"`
}

// Tracing sends traces of requests to a collector (OpenTelemetry, OTLP over HTTP). Spans
// hold routes, codes and times, and nothing of what was asked or by whom. Headers and
// certificates for the collector are OpenTelemetry's own environment variables
// (OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_CERTIFICATE).
type Tracing struct {
	// The collector's URL, such as http://127.0.0.1:4318/v1/traces. Empty: no traces.
	Endpoint string `yaml:"endpoint"`
	// Which part of the requests is traced, from 0 to 1. A caller's own decision
	// (traceparent) is not followed: anybody could have all of theirs traced.
	Sample float64 `yaml:"sample"`
}

// Log is what goes to standard error.
type Log struct {
	// text or json.
	Format string `yaml:"format"`
	// debug, info, warn or error. Requests are info.
	Level string `yaml:"level"`
}

// Values of settings that are one of a few.
const (
	AnswerGranted, AnswerAll, AnswerNone = "granted", "all", "none"
	FormatText, FormatJSON               = "text", "json"
)

// Default gives the configuration of a server that nobody has configured.
func Default() Config {
	return Config{
		Dir:    "./attestry-data",
		Listen: "127.0.0.1:8080",
		Queue: Queue{
			Jobs: 10_000, JobsPerOrganisation: 2_000, Attempts: 5,
			Backoff: time.Second, MaxBackoff: 5 * time.Minute, Retain: 7 * 24 * time.Hour,
		},
		Answer:   Answer{Automatic: AnswerGranted},
		Budget:   Budget{Window: 30 * 24 * time.Hour, Questions: 8, RegistryQuestions: 10_000},
		Webhooks: Webhooks{Timeout: 10 * time.Second, Attempts: 8},
		Limits:   Limits{Connections: 4096, BodyMiB: 64, Waste: 0.05, FreeDiskMiB: 256},
		Drain:    Drain{Timeout: 30 * time.Second},
		Tracing:  Tracing{Sample: 0.1},
		Log:      Log{Format: FormatText, Level: "info"},
	}
}
