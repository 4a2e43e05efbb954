package verifier

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// TrustFormat is the format member of every trust file.
const TrustFormat = "attestry/trust/v1"

const (
	allowDevelopment = "allow"
	statusSunset     = "sunset"
	maxTrustBytes    = 1 << 20
)

// Trust is a trust file: what a verifier pins beforehand, from a source that it
// trusts and never from a bundle. In its JSON, logs come before any other member
// that holds a signed-note verifier key.
type Trust struct {
	Format string `json:"format"`
	// Logs are the logs whose checkpoints count.
	Logs []TrustedLog `json:"logs"`
	// Registries say who may speak for a registry, and in which log.
	Registries []TrustedRegistry `json:"registries"`
	// Circuits are the circuits and keys under which proofs count.
	Circuits []TrustedCircuit `json:"circuits"`
	// Development is "allow" where keys of a development setup are accepted: whoever
	// made them can prove anything. Every verdict warns.
	Development string `json:"development,omitempty"`
	// Audience is who the verifier is: a bundle for another fails.
	Audience string `json:"audience,omitempty"`
	// MaxAge is the largest age of an epoch, as a Go duration (720h).
	MaxAge string `json:"max_age,omitempty"`
	// Witnesses are whose cosignatures a checkpoint needs. An operator's own
	// witnesses are no protection against it and do not belong here.
	Witnesses *TrustedWitnesses `json:"witnesses,omitempty"`
	// RequireLogged asks for the inclusion of every proof's own entry, so that a
	// holder's proof which was never logged fails. Pledges need it in any case.
	RequireLogged bool `json:"require_logged,omitempty"`
	// RequireGrants asks for a grant for every fact that an agency proved; a holder needs
	// nobody's.
	RequireGrants bool `json:"require_grants,omitempty"`
}

// Window bounds the log indexes at which a key or a circuit counts: from From on,
// and before Until. A log's key counts by the index of its checkpoint's last entry.
type Window struct {
	From  *canon.Uint64 `json:"from,omitempty"`
	Until *canon.Uint64 `json:"until,omitempty"`
}

// TrustedLog is a log's key, as a signed-note verifier key (name+hash+key) whose
// name is the log's origin.
type TrustedLog struct {
	Key string `json:"key"`
	Window
}

// TrustedRegistry is the key that signs a registry's schemas and epochs, and the
// origin of the log that they are in.
type TrustedRegistry struct {
	Registry string           `json:"registry"`
	Issuer   ledger.IssuerKey `json:"issuer"`
	Log      string           `json:"log"`
	Window
}

// TrustedCircuit is a circuit with the verifying key of one setup.
type TrustedCircuit struct {
	Name    string           `json:"name"` // present or absent
	Version int              `json:"version"`
	Circuit statement.Digest `json:"circuit"` // hash of the constraint system
	VK      []byte           `json:"vk"`      // as [ParseVerifyingKey] reads it
	Setup   ledger.Setup     `json:"setup"`   // how the keys were made: development or ceremony
	Status  string           `json:"status,omitempty"`
	// Log is the origin of the log whose indexes the window is in, and for whose
	// proofs alone this row counts. Left out, the row counts for every log that has
	// none of its own.
	Log string `json:"log,omitempty"`
	Window
}

// TrustedWitnesses asks for the cosignatures of Quorum of the Keys, which are
// signed-note verifier keys of C2SP cosignatures.
type TrustedWitnesses struct {
	Quorum int      `json:"quorum"`
	Keys   []string `json:"keys"`
}

// ParseTrust reads a trust file, strictly, and checks that every key in it can be
// used and that it does not contradict itself. It fails with [ErrBadTrust].
func ParseTrust(data []byte) (*Trust, error) {
	if len(data) > maxTrustBytes {
		return nil, fmt.Errorf("%w: %d bytes, over the limit of %d", ErrBadTrust, len(data), maxTrustBytes)
	}
	t := &Trust{}
	if err := canon.Unmarshal(data, t); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadTrust, err)
	}
	if _, err := t.pin(); err != nil {
		return nil, err
	}
	return t, nil
}

// Marshal gives the trust file as people read it: indented JSON, after the checks
// of [ParseTrust].
func (t *Trust) Marshal() ([]byte, error) {
	full := t.full()
	if _, err := full.pin(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(full)
	return out.Bytes(), err
}

// full gives the trust file with empty lists in the place of none.
func (t *Trust) full() *Trust {
	full := *t
	full.Logs = append([]TrustedLog{}, t.Logs...)
	full.Registries = append([]TrustedRegistry{}, t.Registries...)
	full.Circuits = append([]TrustedCircuit{}, t.Circuits...)
	return &full
}

// fingerprintBytes is how much of the digest people compare: 160 bits, so that
// even who writes two files needs 2^80 work to make them look alike.
const fingerprintBytes = 20

// Fingerprint gives the start of SHA-256 of the trust file's canonical form in
// groups of four hexadecimal digits, to compare by telephone.
func (t *Trust) Fingerprint() (string, error) {
	d, err := statement.HashJSON(TrustFormat, t)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadTrust, err)
	}
	digits := []byte(hex.EncodeToString(d[:fingerprintBytes]))
	return string(bytes.Join(slices.Collect(slices.Chunk(digits, 4)), []byte(" "))), nil
}

// pins is a trust file made ready: its keys parsed, its circuits by their digests.
type pins struct {
	trust     *Trust
	logs      []pinnedLog
	circuits  map[circuitID]pinnedCircuit
	witnesses []*ledger.WitnessKey
	maxAge    time.Duration // 0: none
}

type pinnedLog struct {
	TrustedLog
	origin   string
	verifier note.Verifier
}

// circuitID names a circuit under one setup, as a statement does, in a log or in all.
type circuitID struct {
	circuit, vk statement.Digest
	log         string
}

type pinnedCircuit struct {
	TrustedCircuit
	key *VerifyingKey
}

func (t *Trust) pin() (*pins, error) {
	p := &pins{trust: t, circuits: map[circuitID]pinnedCircuit{}}
	if t.Format != TrustFormat {
		return nil, fmt.Errorf("%w: format is not %q", ErrBadTrust, TrustFormat)
	}
	if t.Development != "" && t.Development != allowDevelopment {
		return nil, fmt.Errorf("%w: development is %q or left out", ErrBadTrust, allowDevelopment)
	}
	steps := []func() error{p.pinLogs, p.pinRegistries, p.pinCircuits, p.pinWitnesses, p.pinMaxAge}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadTrust, err)
		}
	}
	return p, nil
}

func (p *pins) pinLogs() error {
	seen := map[string]bool{}
	for i, l := range p.trust.Logs {
		origin, err := ledger.LogKeyOrigin(l.Key) // stricter than note's reader
		if err != nil {
			return fmt.Errorf("log %d: %w", i, err)
		}
		v, err := note.NewVerifier(l.Key)
		if err != nil {
			return fmt.Errorf("log %d: %w", i, err)
		}
		if seen[l.Key] {
			return fmt.Errorf("log %d: the key of %s twice", i, origin)
		}
		seen[l.Key] = true
		if err := l.check(); err != nil {
			return fmt.Errorf("log %d: %w", i, err)
		}
		p.logs = append(p.logs, pinnedLog{l, origin, v})
	}
	return nil
}

func (p *pins) isLog(origin string) bool {
	return slices.ContainsFunc(p.logs, func(l pinnedLog) bool { return l.origin == origin })
}

func (p *pins) pinRegistries() error {
	type id struct {
		registry, log string
		issuer        ledger.IssuerKey
	}
	seen := map[id]bool{}
	for i, r := range p.trust.Registries {
		key := id{r.Registry, r.Log, r.Issuer}
		switch {
		case r.Registry == "":
			return fmt.Errorf("registry %d has no name", i)
		case !p.isLog(r.Log):
			return fmt.Errorf("registry %s: log %q is not among the logs", r.Registry, r.Log)
		case seen[key]:
			return fmt.Errorf("registry %s: the same issuer and log twice", r.Registry)
		}
		seen[key] = true
		if err := r.check(); err != nil {
			return fmt.Errorf("registry %s: %w", r.Registry, err)
		}
	}
	return nil
}

func (p *pins) pinCircuits() error {
	for i, c := range p.trust.Circuits {
		key, err := ParseVerifyingKey(c.VK)
		if err != nil {
			return fmt.Errorf("circuit %d: %w", i, err)
		}
		if c.Log != "" && !p.isLog(c.Log) {
			return fmt.Errorf("circuit %d: log %q is not among the logs", i, c.Log)
		}
		id := circuitID{c.Circuit, key.Digest(), c.Log}
		if _, ok := p.circuits[id]; ok {
			return fmt.Errorf("circuit %d: the same circuit and key twice", i)
		}
		if err := c.validate(); err != nil {
			return fmt.Errorf("circuit %d: %w", i, err)
		}
		p.circuits[id] = pinnedCircuit{c, key}
	}
	return nil
}

// circuit gives the row that counts for a circuit in a log.
func (p *pins) circuit(circuit, vk statement.Digest, log string) (pinnedCircuit, bool) {
	c, ok := p.circuits[circuitID{circuit, vk, log}]
	if !ok {
		c, ok = p.circuits[circuitID{circuit, vk, ""}]
	}
	return c, ok
}

func (c TrustedCircuit) validate() error {
	switch {
	case c.Name != CircuitPresent && c.Name != CircuitAbsent:
		return fmt.Errorf("no circuit is named %q", c.Name)
	case c.Version < 1:
		return fmt.Errorf("version %d: versions count from 1", c.Version)
	case c.Setup != ledger.SetupDevelopment && c.Setup != ledger.SetupCeremony:
		return fmt.Errorf("no setup %q: it is %s or %s", c.Setup, ledger.SetupDevelopment, ledger.SetupCeremony)
	case c.Status != "" && c.Status != statusSunset:
		return fmt.Errorf("no status %q: it is %s or left out", c.Status, statusSunset)
	case c.Status == statusSunset && c.Until == nil:
		return fmt.Errorf("a circuit that is %s says until which log index it counts", statusSunset)
	}
	return c.check()
}

func (p *pins) pinWitnesses() error {
	w := p.trust.Witnesses
	if w == nil {
		return nil
	}
	if w.Quorum < 1 || w.Quorum > len(w.Keys) {
		return fmt.Errorf("a quorum of %d among %d witnesses", w.Quorum, len(w.Keys))
	}
	for i, key := range w.Keys {
		k, err := ledger.ParseWitnessKey(key)
		if err != nil {
			return fmt.Errorf("witness %d: %w", i, err)
		}
		if p.isLog(k.Name()) || p.isWitness(k.Name()) {
			return fmt.Errorf("witness %d: the name %s is another key's too", i, k.Name())
		}
		if owner := p.ownerOf(k.Public); owner != "" {
			return fmt.Errorf("witness %d: %s has the key of %s: nobody is witness of themselves, or twice", i, k.Name(), owner)
		}
		p.witnesses = append(p.witnesses, k)
	}
	return nil
}

func (p *pins) isWitness(name string) bool {
	return slices.ContainsFunc(p.witnesses, func(w *ledger.WitnessKey) bool { return w.Name() == name })
}

// ownerOf says who of a trust file has a key, under whatever name: logs, issuers and
// the witnesses so far. "" is nobody.
func (p *pins) ownerOf(key []byte) string {
	for _, l := range p.logs {
		if public, err := ledger.LogPublicKey(l.Key); err == nil && bytes.Equal(public[:], key) {
			return "the log " + l.origin
		}
	}
	for _, r := range p.trust.Registries {
		if bytes.Equal(r.Issuer[:], key) {
			return "the issuer of " + r.Registry
		}
	}
	for _, w := range p.witnesses {
		if bytes.Equal(w.Public, key) {
			return "the witness " + w.Name()
		}
	}
	return ""
}

func (p *pins) pinMaxAge() (err error) {
	if p.trust.MaxAge == "" {
		return nil
	}
	p.maxAge, err = time.ParseDuration(p.trust.MaxAge)
	if err == nil && p.maxAge <= 0 {
		err = fmt.Errorf("a maximum age of %s", p.trust.MaxAge)
	}
	return err
}

func (w Window) check() error {
	if w.Until != nil && (*w.Until == 0 || (w.From != nil && *w.From >= *w.Until)) {
		return fmt.Errorf("until %d leaves no log index", *w.Until)
	}
	return nil
}

// holds tells whether the log index is within the window.
func (w Window) holds(index uint64) bool {
	return (w.From == nil || index >= uint64(*w.From)) && (w.Until == nil || index < uint64(*w.Until))
}

// String gives the window as people read it.
func (w Window) String() string {
	switch {
	case w.From != nil && w.Until != nil:
		return fmt.Sprintf("log indexes %d to %d", *w.From, *w.Until-1)
	case w.From != nil:
		return fmt.Sprintf("log indexes from %d", *w.From)
	case w.Until != nil:
		return fmt.Sprintf("log indexes before %d", *w.Until)
	}
	return "every log index"
}
