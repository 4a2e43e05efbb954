package verifier

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// What a log says of its keys and circuits, for whoever pinned some of them. A
// rotation that a pinned key signed leads from it to the next key; a rotation by any
// other key leads nowhere. Revocations and sunsets only ever take away.

// Update gives the trust file that follows from another one and this log, which was
// audited under it: keys to which a pinned key handed over are added from that
// entry on, replaced and revoked keys and circuits that are sunset end. It adds no
// registry, no circuit and no other log, and never widens what the file says. The
// lines say what changed; without any the file is the same.
func (l *AuditedLog) Update(t *Trust) (*Trust, []string, error) {
	v, err := New(t)
	if err != nil {
		return nil, nil, err
	}
	if !v.pins.isLog(l.checkpoint.Origin) {
		return nil, nil, fmt.Errorf("%w: log %q is not pinned", ErrBadTrust, l.checkpoint.Origin)
	}
	f := &follower{log: l.checkpoint.Origin, view: l.view, add: true}
	return f.follow(t)
}

// narrowed gives the pins without what the audited log took away, and adds nothing:
// a verdict rests on what is pinned.
func (p *pins) narrowed(l *AuditedLog) (*pins, error) {
	f := &follower{log: l.checkpoint.Origin, view: l.view}
	t, changes, err := f.follow(p.trust)
	if err != nil || len(changes) == 0 {
		return p, err
	}
	return t.pin()
}

// follower takes a trust file along a log.
type follower struct {
	log     string
	view    ledger.View
	add     bool // keys that pinned ones handed over to
	changes []string
}

func (f *follower) follow(old *Trust) (*Trust, []string, error) {
	t := *old
	for _, step := range []func(*Trust) error{f.logs, f.registries, f.circuits} {
		if err := step(&t); err != nil {
			return nil, nil, err
		}
	}
	if len(f.changes) == 0 {
		t = *old // in its own order
	}
	return &t, f.changes, nil
}

// anchoredKey is a key of a role that a pinned key is, or leads to.
type anchoredKey struct {
	ledger.KeySpan
	isPinned bool
	pinned   Window // by the trust file
	window   Window // with what the log says
}

// anchor finds the keys of a role, which follow each other, that are pinned or that a
// pinned key leads to: the key before was in force, by the trust file, when it
// handed over.
func anchor(spans []ledger.KeySpan, pinned func(ledger.PublicKey) (Window, bool)) []anchoredKey {
	var keys []anchoredKey
	var before *anchoredKey
	for _, s := range spans {
		k := anchoredKey{KeySpan: s}
		k.pinned, k.isPinned = pinned(s.Key)
		if !k.isPinned && (before == nil || !before.pinned.holds(s.From-1)) {
			before = nil
			continue
		}
		k.window = k.pinned
		if s.Previous != nil {
			k.window = k.window.from(s.From)
		}
		if end := s.End(); end != nil {
			k.window = k.window.until(*end)
		}
		keys = append(keys, k)
		before = &k
	}
	return keys
}

// from and until narrow a window.
func (w Window) from(index uint64) Window {
	if n := canon.Uint64(index); w.From == nil || *w.From < n {
		w.From = &n
	}
	return w
}

func (w Window) until(index uint64) Window {
	if n := canon.Uint64(index); w.Until == nil || *w.Until > n {
		w.Until = &n
	}
	return w
}

func (w Window) equal(o Window) bool {
	same := func(a, b *canon.Uint64) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
	return same(w.From, o.From) && same(w.Until, o.Until)
}

// takes tells whether a key belongs into the trust file, and notes what changes.
func (f *follower) takes(role string, k anchoredKey) bool {
	if !k.isPinned && !f.add {
		return false
	}
	if k.window.check() != nil {
		f.changes = append(f.changes, fmt.Sprintf("%s: key %s counts no more%s", role, k.Key, ended(k.KeySpan)))
		return false
	}
	switch {
	case !k.isPinned:
		f.changes = append(f.changes, fmt.Sprintf("%s: key %s counts for %s, since entry %d handed over to it from key %s%s", role, k.Key, k.window, k.From, k.Previous, ended(k.KeySpan)))
	case !k.window.equal(k.pinned):
		f.changes = append(f.changes, fmt.Sprintf("%s: key %s counts for %s%s", role, k.Key, k.window, ended(k.KeySpan)))
	}
	return true
}

// ended says what ended a key's time, if anything did.
func ended(s ledger.KeySpan) string {
	switch {
	case s.Revoked != nil:
		return fmt.Sprintf(": entry %d revoked it from %d on", s.RevokedBy, *s.Revoked)
	case s.Until != nil:
		return fmt.Sprintf(": entry %d replaced it", *s.Until)
	}
	return ""
}

func (f *follower) logs(t *Trust) error {
	spans, err := f.view.LogKeys()
	if err != nil {
		return err
	}
	var own []TrustedLog
	for _, k := range anchor(spans, t.logWindow(f.log)) {
		if f.takes("log "+f.log, k) {
			vkey, err := ledger.LogVerifierKey(f.log, k.Key)
			if err != nil {
				return err
			}
			own = append(own, TrustedLog{vkey, k.window})
		}
	}
	slices.Reverse(own) // the present key before the former ones
	isOwn := func(l TrustedLog) bool {
		return slices.ContainsFunc(spans, func(s ledger.KeySpan) bool { return l.isKey(f.log, s.Key) })
	}
	t.Logs = replaceRows(t.Logs, isOwn, own)
	return nil
}

func (l TrustedLog) isKey(origin string, key ledger.PublicKey) bool {
	vkey, err := ledger.LogVerifierKey(origin, key)
	return err == nil && vkey == l.Key
}

// logWindow tells which keys of a log are pinned, and for when.
func (t *Trust) logWindow(origin string) func(ledger.PublicKey) (Window, bool) {
	return func(key ledger.PublicKey) (Window, bool) {
		i := slices.IndexFunc(t.Logs, func(l TrustedLog) bool { return l.isKey(origin, key) })
		if i < 0 {
			return Window{}, false
		}
		return t.Logs[i].Window, true
	}
}

func (f *follower) registries(t *Trust) error {
	var names []string
	for _, r := range t.Registries {
		if r.Log == f.log && !slices.Contains(names, r.Registry) {
			names = append(names, r.Registry)
		}
	}
	for _, name := range names {
		spans, err := f.view.IssuerKeys(name)
		if errors.Is(err, ledger.ErrUnknown) {
			continue // not in this log, or not yet
		}
		if err != nil {
			return err
		}
		var own []TrustedRegistry
		for _, k := range anchor(spans, t.issuerWindow(f.log, name)) {
			if f.takes("registry "+name, k) {
				own = append(own, TrustedRegistry{name, k.Key, f.log, k.window})
			}
		}
		isOwn := func(r TrustedRegistry) bool {
			return r.Registry == name && r.Log == f.log && slices.ContainsFunc(spans, func(s ledger.KeySpan) bool { return s.Key == r.Issuer })
		}
		t.Registries = replaceRows(t.Registries, isOwn, own)
	}
	return nil
}

// issuerWindow tells which issuers of a registry are pinned, and for when.
func (t *Trust) issuerWindow(log, registry string) func(ledger.PublicKey) (Window, bool) {
	return func(key ledger.PublicKey) (Window, bool) {
		for _, r := range t.Registries {
			if r.Registry == registry && r.Log == log && r.Issuer == key {
				return r.Window, true
			}
		}
		return Window{}, false
	}
}

// circuits ends the circuits that the log has sunset, in this log alone: a row for
// every log stays for the others.
func (f *follower) circuits(t *Trust) error {
	others := slices.ContainsFunc(t.Logs, func(l TrustedLog) bool {
		origin, err := ledger.LogKeyOrigin(l.Key)
		return err == nil && origin != f.log
	})
	for _, c := range t.Circuits {
		if c.Log != f.log && (c.Log != "" || slices.ContainsFunc(t.Circuits, c.isOwnOf(f.log))) {
			continue // a row of another log, or one in whose place this log has its own
		}
		sunset, err := f.view.Sunset(c.Circuit, statement.Digest(sha256.Sum256(c.VK)))
		if errors.Is(err, ledger.ErrUnknown) || (err == nil && sunset == nil) {
			continue
		}
		if err != nil {
			return err
		}
		t.Circuits = f.endCircuit(t.Circuits, c, *sunset, others)
	}
	return nil
}

// isOwnOf finds a log's own row of the circuit and key.
func (c TrustedCircuit) isOwnOf(log string) func(TrustedCircuit) bool {
	return func(r TrustedCircuit) bool {
		return r.Circuit == c.Circuit && bytes.Equal(r.VK, c.VK) && r.Log == log
	}
}

func (f *follower) endCircuit(rows []TrustedCircuit, c TrustedCircuit, sunset uint64, others bool) []TrustedCircuit {
	end := c
	end.Log, end.Status, end.Window = f.log, statusSunset, c.until(sunset)
	if end.check() != nil || (end.Log == c.Log && end.Status == c.Status && end.Window.equal(c.Window)) {
		return rows // it begins to count later, where the log takes no proof of it, or has ended already
	}
	f.changes = append(f.changes, fmt.Sprintf("circuit %s version %d: it counts for %s of log %s: entry %d made it sunset", c.Name, c.Version, end.Window, f.log, sunset))
	if c.Log == "" && others {
		return append(slices.Clip(rows), end)
	}
	return replaceRows(rows, c.isOwnOf(c.Log), []TrustedCircuit{end})
}

// replaceRows puts new rows in the place of the first of those that they replace.
func replaceRows[T any](rows []T, replaced func(T) bool, by []T) []T {
	at := slices.IndexFunc(rows, replaced)
	if at < 0 {
		return rows
	}
	out := slices.Clone(rows[:at])
	out = append(out, by...)
	for _, r := range rows[at:] {
		if !replaced(r) {
			out = append(out, r)
		}
	}
	return out
}
