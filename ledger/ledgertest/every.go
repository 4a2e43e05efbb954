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
	return append(Log(t), Reserved(t)...)
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
	schema := SchemaEntry(t, "lucas-titles", "issuer")
	derived := EpochEntry(t, schema, EpochEntry(t, schema, nil, "issuer"), "issuer")
	derived.Derived = map[string]statement.Element{"free-titles": Element("derived root")}
	derived.Joins = map[string]statement.Digest{"lucas-liens": Digest("epoch of lucas-liens")}
	must(t, derived.Sign(Key("issuer")))
	return []Named{
		{"epoch with a derived registry", derived},
		{"grant", grant},
		{"rotation of the log's key", logRotation},
		{"rotation of an issuer's key", issuerRotation},
		{"revocation", revocation},
		{"sunset", sunset},
	}
}
