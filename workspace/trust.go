package workspace

import (
	"slices"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/verifier"
)

// Trust gives the trust file that pins this workspace: its log, its registries with
// their issuers, its circuits, each key and circuit with the log indexes at which it
// counts. It sets no audience and no maximum age; with development keys it allows
// them, which whoever exports it must be told.
func (w *Workspace) Trust() (*verifier.Trust, error) {
	names, err := w.Registries()
	if err != nil {
		return nil, err
	}
	t := &verifier.Trust{
		Format: verifier.TrustFormat, Logs: []verifier.TrustedLog{},
		Registries: []verifier.TrustedRegistry{}, Circuits: []verifier.TrustedCircuit{},
	}
	if err := w.trustLog(t); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := w.trustRegistry(t, name); err != nil {
			return nil, err
		}
		_, schema, err := w.Ledger.Schema(name)
		if err != nil {
			return nil, err
		}
		for _, d := range schema.Schema.Derived {
			if err := w.trustRegistry(t, d.Registry); err != nil {
				return nil, err
			}
		}
	}
	for _, keys := range w.manifest.Circuits {
		c := verifier.TrustedCircuit{
			Name: keys.Name, Version: keys.Version, Circuit: keys.Circuit,
			VK: w.vks[keys.VK].Marshal(), Setup: keys.Setup,
		}
		sunset, err := w.Ledger.Sunset(keys.Circuit, keys.VK)
		if err != nil {
			return nil, err
		}
		if sunset != nil {
			c.Status, c.Log, c.Until = "sunset", w.Ledger.Origin(), trustIndex(*sunset)
		}
		t.Circuits = append(t.Circuits, c)
		if keys.Setup == ledger.SetupDevelopment {
			t.Development = "allow"
		}
	}
	return t, nil
}

// trustLog pins the log's keys, the present one first.
func (w *Workspace) trustLog(t *verifier.Trust) error {
	spans, err := w.LogKeys()
	if err != nil {
		return err
	}
	for _, s := range slices.Backward(spans) {
		vkey, err := ledger.LogVerifierKey(w.Ledger.Origin(), s.Key)
		if err != nil {
			return err
		}
		t.Logs = append(t.Logs, verifier.TrustedLog{Key: vkey, Window: trustWindow(s)})
	}
	return nil
}

func (w *Workspace) trustRegistry(t *verifier.Trust, name string) error {
	spans, err := w.Ledger.IssuerKeys(name)
	if err != nil {
		return err
	}
	for _, s := range spans {
		t.Registries = append(t.Registries, verifier.TrustedRegistry{
			Registry: name, Issuer: s.Key, Log: w.Ledger.Origin(), Window: trustWindow(s),
		})
	}
	return nil
}

// trustWindow gives the log indexes at which a key counts. The first key of a role has
// no start.
func trustWindow(s ledger.KeySpan) (w verifier.Window) {
	if s.Previous != nil {
		w.From = trustIndex(s.From)
	}
	if end := s.End(); end != nil {
		w.Until = trustIndex(*end)
	}
	return w
}

func trustIndex(n uint64) *canon.Uint64 {
	index := canon.Uint64(n)
	return &index
}
