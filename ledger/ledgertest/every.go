package ledgertest

import (
	"slices"
	"testing"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// Named is an entry with a name for a test's messages.
type Named struct {
	Name  string
	Entry ledger.Entry
}

// Every gives one entry of every type and shape. The first ones are a log, those of
// [DerivedLog]: each is accepted after those before it. Those of [Keys], like those of [Grants],
// follow [Log].
func Every(t testing.TB) []Named {
	t.Helper()
	return slices.Concat(DerivedLog(t), Keys(t), Grants(t))
}

// Log gives the entries of a small log, in order.
func Log(t testing.TB) []Named {
	t.Helper()
	const registry, issuer = "lucas-titles", "issuer"
	schema := SchemaEntry(t, registry, issuer)
	circuit := CircuitEntry("present")
	first := EpochEntry(t, schema, nil, issuer)
	second := EpochEntry(t, schema, first, issuer)
	pledge := PledgeEntry(t, circuit, second, ScopeIssuer, "LC-00042", "loan", issuer)
	tenancy := PledgeEntry(t, circuit, second, ScopeHolder, "LC-00042", "lease", issuer)
	again := PledgeEntry(t, circuit, second, ScopeIssuer, "LC-00042", "second loan", issuer)
	replaced := SchemaEntry(t, registry, issuer)
	identity := Identity(t, schema)
	replaced.Previous = &identity
	replaced.Schema.Attributes[0].Unit = "EUR"
	must(t, replaced.Sign(Key(issuer)))
	return []Named{
		{"schema", schema},
		{"circuit", circuit},
		{"first epoch", first},
		{"second epoch", second},
		{"proof", ProofEntry(t, circuit, first, "value")},
		{"pledge with the issuer's consent", pledge},
		{"pledge with the holder's consent", tenancy},
		{"release", ReleaseEntry(t, pledge, 5, "loan")},
		{"pledge after a release", again},
		{"forced release", ForcedReleaseEntry(t, again, 8)},
		{"schema that replaces another", replaced},
	}
}

// DerivedLog is [Log] and, after it, a second registry, and derived registries of the
// first one of which one joins the second.
func DerivedLog(t testing.TB) []Named {
	t.Helper()
	const issuer = "issuer"
	log := Log(t)
	liens := SchemaEntry(t, "lucas-liens", issuer)
	lienEpoch := EpochEntry(t, liens, nil, issuer)
	deriving := DerivingSchema(t, log[10].Entry.(*ledger.SchemaEntry), issuer)
	third := EpochEntry(t, deriving, log[3].Entry.(*ledger.EpochEntry), issuer)
	third.Derived = map[string]statement.Element{"owners": Element("root of owners"), "encumbered": Element("root of encumbered")}
	third.Joins = map[string]statement.Digest{"lucas-liens": Identity(t, lienEpoch)}
	must(t, third.Sign(Key(issuer)))
	return append(log,
		Named{"schema of a second registry", liens},
		Named{"epoch of the second registry", lienEpoch},
		Named{"schema that defines derived registries", deriving},
		Named{"epoch with derived registries", third},
	)
}

// DerivingSchema gives the schema entry that adds two derived registries to another,
// one of which joins lucas-liens.
func DerivingSchema(t testing.TB, previous *ledger.SchemaEntry, issuer string) *ledger.SchemaEntry {
	t.Helper()
	e := *previous
	identity, none := Identity(t, previous), "0"
	e.Previous = &identity
	e.Schema.Holder, e.Schema.Scopes = "", e.Schema.Scopes[:1]
	e.Schema.Derived = []statement.Derived{
		{Registry: "owners", GroupBy: "subject", Attributes: []statement.DerivedAttribute{
			{Name: "parcels", Type: statement.Int, Compute: statement.Count},
			{Name: "value", Type: statement.Int, Compute: statement.Sum, Of: "assessed_value"},
		}},
		{Registry: "encumbered", GroupBy: "key", Join: &statement.Join{Registry: "lucas-liens", By: "key"}, Attributes: []statement.DerivedAttribute{
			{Name: "value", Type: statement.Int, Compute: statement.Copy, Of: "assessed_value"},
			{Name: "lien_total", Type: statement.Int, Compute: statement.Sum, Of: "assessed_value", From: "lucas-liens", Default: &none},
		}},
	}
	must(t, e.Sign(Key(issuer)))
	return &e
}

// Keys gives entries that follow those of [Log], from index 11 on: the issuer's key is
// rotated and then revoked, the circuit is sunset, the log's key is rotated.
func Keys(t testing.TB) []Named {
	t.Helper()
	circuit := CircuitEntry("present")
	return []Named{
		{"rotation of an issuer's key", Rotation(t, "lucas-titles", "issuer", "next issuer")},
		{"revocation", Revocation(t, "lucas-titles", "issuer", 11, "log")},
		{"sunset", Sunset(t, circuit, "log")},
		{"rotation of the log's key", Rotation(t, "", "log", "next log")},
	}
}

// Rotation gives the rotation of a registry's issuer or, without one, of the log.
func Rotation(t testing.TB, registry, from, to string) *ledger.KeyRotationEntry {
	t.Helper()
	e := &ledger.KeyRotationEntry{Origin: Origin, Role: roleOf(registry), Registry: registry}
	must(t, e.Sign(Key(from), Key(to)))
	return e
}

// Revocation gives the revocation of a key from an index on, signed by another.
func Revocation(t testing.TB, registry, key string, from uint64, signer string) *ledger.RevocationEntry {
	t.Helper()
	e := &ledger.RevocationEntry{Origin: Origin, Role: roleOf(registry), Registry: registry, Key: PublicKey(key), From: canon.Uint64(from)}
	must(t, e.Sign(Key(signer)))
	return e
}

// Sunset gives the sunset of a circuit.
func Sunset(t testing.TB, circuit *ledger.CircuitEntry, signer string) *ledger.SunsetEntry {
	t.Helper()
	e := &ledger.SunsetEntry{Origin: Origin, Circuit: circuit.Circuit, VK: circuit.VKHash()}
	must(t, e.Sign(Key(signer)))
	return e
}

func roleOf(registry string) ledger.Role {
	if registry == "" {
		return ledger.RoleLog
	}
	return ledger.RoleIssuer
}

// Grants gives entries that follow those of [Log], from index 11 on: a grant, and its end.
func Grants(t testing.TB) []Named {
	t.Helper()
	grant := GrantEntry(t, "lucas-titles", "grant", "issuer")
	return []Named{
		{"grant", grant},
		{"revocation of a grant", GrantRevocation(t, grant, 11, "issuer")},
	}
}

// GrantEntry gives the entry of a grant of this name.
func GrantEntry(t testing.TB, registry, name, signer string) *ledger.GrantEntry {
	t.Helper()
	e := &ledger.GrantEntry{Origin: Origin, Registry: registry, Grant: Digest(name)}
	must(t, e.Sign(Key(signer)))
	return e
}

// GrantRevocation gives the entry that ends the grant of an entry.
func GrantRevocation(t testing.TB, grant *ledger.GrantEntry, index uint64, signer string) *ledger.GrantRevocationEntry {
	t.Helper()
	e := &ledger.GrantRevocationEntry{
		Origin: Origin, Registry: grant.Registry, Grant: canon.Uint64(index), Leaf: statement.Digest(ledger.LeafHash(Marshal(t, grant))),
	}
	must(t, e.Sign(Key(signer)))
	return e
}
