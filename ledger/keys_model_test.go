package ledger_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/ledgertest"
)

// modelKey is a key's time in a role, as the naive model keeps it: in plain lists.
type modelKey struct {
	name          string
	from          uint64
	until, revoke *uint64
}

// keyModel is the rules of keys over again, as directly as they can be said: of one
// registry and the log.
type keyModel struct {
	size    uint64
	roles   map[string][]modelKey // by registry, "" the log's
	revoked map[string]bool       // in any role
	sunset  bool
	epochs  []modelEpoch
}

type modelEpoch struct {
	index  uint64
	signer string
	entry  *ledger.EpochEntry
}

func (m *keyModel) present(role string) *modelKey { return &m.roles[role][len(m.roles[role])-1] }

func (m *keyModel) held(role, name string) *modelKey {
	for i := range m.roles[role] {
		if m.roles[role][i].name == name {
			return &m.roles[role][i]
		}
	}
	return nil
}

func (m *keyModel) rotate(role, from, to string) bool {
	p := m.present(role)
	if p.name != from || p.revoke != nil || m.held(role, to) != nil || m.revoked[to] {
		return false
	}
	p.until = &[]uint64{m.size}[0]
	m.roles[role] = append(m.roles[role], modelKey{name: to, from: m.size})
	return true
}

func (m *keyModel) revokeKey(role, name string, from uint64, signer string) bool {
	k := m.held(role, name)
	switch {
	case k == nil, signer != m.present("").name, role == "" && name == signer:
		return false
	case from <= k.from, from > m.size, k.revoke != nil && from >= *k.revoke:
		return false
	}
	k.revoke = &from
	m.revoked[name] = true
	return true
}

// counts tells whether what a key signed for the registry at an index counts.
func (m *keyModel) counts(name string, index uint64) bool {
	k := m.held(registry, name)
	return k.revoke == nil || index < *k.revoke
}

// TestKeyRulesModel holds the rules to the model in random histories of few keys, so
// that the same keys meet again and again in all roles.
func TestKeyRulesModel(t *testing.T) {
	schema := ledgertest.SchemaEntry(t, registry, "k0")
	circuit := ledgertest.CircuitEntry("present")
	key := rapid.SampledFrom([]string{"k0", "k1", "k2", "k3", "log"})
	role := rapid.SampledFrom([]string{"", registry})
	rapid.Check(t, func(rt *rapid.T) {
		st := ledger.NewMemoryState()
		m := &keyModel{roles: map[string][]modelKey{"": {{name: "log"}}, registry: {{name: "k0", from: 1}}}, revoked: map[string]bool{}}
		apply := func(e ledger.Entry, want bool) {
			err := ledgertest.Rules().Apply(st, m.size, ledgertest.Marshal(t, e))
			if (err == nil) != want {
				rt.Fatalf("entry %d, %s: %v; the model says %v", m.size, e.Type(), err, want)
			}
			if err == nil {
				m.size++
			}
		}
		apply(circuit, true)
		apply(schema, true)
		rt.Repeat(map[string]func(*rapid.T){
			"rotate": func(rt *rapid.T) {
				r, from, to := role.Draw(rt, "role"), key.Draw(rt, "from"), key.Draw(rt, "to")
				if from == to {
					rt.Skip("no entry")
				}
				apply(ledgertest.Rotation(t, r, from, to), m.rotate(r, from, to))
			},
			"revoke": func(rt *rapid.T) {
				r, name, signer := role.Draw(rt, "role"), key.Draw(rt, "key"), key.Draw(rt, "signer")
				from := rapid.Uint64Range(0, m.size+1).Draw(rt, "from")
				apply(ledgertest.Revocation(t, r, name, from, signer), m.revokeKey(r, name, from, signer))
			},
			"sunset": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "seldom") > 0 {
					rt.Skip("else nothing is ever proved")
				}
				signer := key.Draw(rt, "signer")
				can := !m.sunset && signer == m.present("").name
				m.sunset = m.sunset || can
				apply(ledgertest.Sunset(t, circuit, signer), can)
			},
			"epoch": func(rt *rapid.T) {
				signer := key.Draw(rt, "signer")
				var last *ledger.EpochEntry
				if n := len(m.epochs); n > 0 {
					last = m.epochs[n-1].entry
				}
				e := ledgertest.EpochEntry(t, schema, last, signer)
				p := m.present(registry)
				can := p.name == signer && p.revoke == nil && m.counts("k0", 1)
				if can {
					m.epochs = append(m.epochs, modelEpoch{m.size, signer, e})
				}
				apply(e, can)
			},
			"proof": func(rt *rapid.T) {
				if len(m.epochs) == 0 {
					rt.Skip("no epoch")
				}
				of := rapid.SampledFrom(m.epochs).Draw(rt, "epoch")
				e := ledgertest.ProofEntry(t, circuit, of.entry, fmt.Sprint("question ", m.size))
				apply(e, !m.sunset && m.counts(of.signer, of.index))
			},
			"": func(rt *rapid.T) { m.compare(rt, ledger.View{State: st}) },
		})
	})
}

// compare holds what the state says of keys to the model.
func (m *keyModel) compare(rt *rapid.T, view ledger.View) {
	issuers, err := view.IssuerKeys(registry)
	if err != nil {
		rt.Fatal(err)
	}
	log, err := view.LogKeys()
	if err != nil {
		rt.Fatal(err)
	}
	if len(log) == 0 && len(m.roles[""]) == 1 {
		log = []ledger.KeySpan{{Key: ledgertest.PublicKey("log")}} // no entry shows it yet
	}
	for role, got := range map[string][]ledger.KeySpan{registry: issuers, "": log} {
		want := m.roles[role]
		if len(got) != len(want) {
			rt.Fatalf("role %q: %d keys, the model has %d", role, len(got), len(want))
		}
		for i, k := range want {
			same := got[i].Key == ledgertest.PublicKey(k.name) && got[i].From == k.from && equal(got[i].Until, k.until) && equal(got[i].Revoked, k.revoke)
			if !same {
				rt.Fatalf("role %q, key %d: %+v, the model has %+v", role, i, got[i], k)
			}
		}
	}
}

func equal(a, b *uint64) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
