package ledgertest

import (
	"testing"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// Named is an entry with a name for a test's messages.
type Named struct {
	Name  string
	Entry ledger.Entry
}

// Every gives one entry of every type and shape. The first ones are a log: each is
// accepted after those before it, up to and including the releases; of the rest the
// rules of this version accept none.
func Every(t testing.TB) []Named {
	t.Helper()
	return append(DerivedLog(t), Reserved(t)...)
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

// Reserved gives one entry of every type that the rules do not accept yet.
func Reserved(t testing.TB) []Named {
	t.Helper()
	grant := &ledger.GrantEntry{Origin: Origin, Registry: "lucas-titles", Grant: Digest("grant")}
	must(t, grant.Sign(Key("issuer")))
	logRotation := &ledger.KeyRotationEntry{Origin: Origin, Role: ledger.RoleLog}
	must(t, logRotation.Sign(Key("log"), Key("next log")))
	issuerRotation := &ledger.KeyRotationEntry{Origin: Origin, Role: ledger.RoleIssuer, Registry: "lucas-titles"}
	must(t, issuerRotation.Sign(Key("issuer"), Key("next issuer")))
	revocation := &ledger.RevocationEntry{Origin: Origin, Role: ledger.RoleIssuer, Registry: "lucas-titles", Key: PublicKey("issuer"), From: 1 << 40}
	must(t, revocation.Sign(Key("log")))
	sunset := &ledger.SunsetEntry{Origin: Origin, Circuit: Digest("circuit present"), VK: CircuitEntry("present").VKHash()}
	must(t, sunset.Sign(Key("log")))
	return []Named{
		{"grant", grant},
		{"rotation of the log's key", logRotation},
		{"rotation of an issuer's key", issuerRotation},
		{"revocation", revocation},
		{"sunset", sunset},
	}
}
