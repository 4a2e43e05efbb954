package workspace

import (
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/verifier"
)

// Trust gives the trust file that pins this workspace: its log, its registries with
// its issuer key, its circuits. It sets no audience and no maximum age; with
// development keys it allows them, which whoever exports it must be told.
func (w *Workspace) Trust() (*verifier.Trust, error) {
	issuer, err := ledger.PublicKeyOf(w.issuer)
	if err != nil {
		return nil, err
	}
	names, err := w.Registries()
	if err != nil {
		return nil, err
	}
	t := &verifier.Trust{
		Format: verifier.TrustFormat, Logs: []verifier.TrustedLog{{Key: w.logKey}},
		Registries: []verifier.TrustedRegistry{}, Circuits: []verifier.TrustedCircuit{},
	}
	for _, name := range names {
		t.Registries = append(t.Registries, verifier.TrustedRegistry{Registry: name, Issuer: issuer, Log: w.Ledger.Origin()})
		_, schema, err := w.Ledger.Schema(name)
		if err != nil {
			return nil, err
		}
		for _, d := range schema.Schema.Derived {
			t.Registries = append(t.Registries, verifier.TrustedRegistry{Registry: d.Registry, Issuer: issuer, Log: w.Ledger.Origin()})
		}
	}
	for _, keys := range w.manifest.Circuits {
		t.Circuits = append(t.Circuits, verifier.TrustedCircuit{
			Name: keys.Name, Version: keys.Version, Circuit: keys.Circuit,
			VK: w.vks[keys.VK].Marshal(), Setup: keys.Setup,
		})
		if keys.Setup == ledger.SetupDevelopment {
			t.Development = "allow"
		}
	}
	return t, nil
}
