package verifier

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/attestry/attestry/"

// auditorsModules are all the modules whose packages a verifier may be built of:
// what an auditor has to trust, or to read.
var auditorsModules = []string{
	"github.com/consensys/gnark-crypto/", // the curve; not gnark, the proof system
	"github.com/bits-and-blooms/bitset",  // of gnark-crypto
	"golang.org/x/mod/", "golang.org/x/text/", "golang.org/x/crypto/", "golang.org/x/sys/", "golang.org/x/term",
	"github.com/transparency-dev/",
	"filippo.io/mldsa", // of transparency-dev/formats: post-quantum cosignatures
	"github.com/goccy/go-yaml/",
	"github.com/alecthomas/kong",
	module + "statement", module + "ledger", module + "verifier", module + "internal/", module + "cmd/attestry-verify",
}

// neverReached are packages below an allowed path that are not allowed.
var neverReached = []string{module + "ledger/store", module + "internal/simulator"}

// dependencies lists the packages outside the standard library that packages reach
// without their tests.
func dependencies(t *testing.T, packages ...string) []string {
	t.Helper()
	args := append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}, packages...)
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", packages, err)
	}
	return strings.Fields(string(out))
}

func TestImportArrows(t *testing.T) {
	packages := []string{module + "verifier"}
	if _, err := os.Stat(filepath.Join("..", "cmd", "attestry-verify")); err == nil {
		packages = append(packages, module+"cmd/attestry-verify")
	}
	reached := dependencies(t, packages...)
	if !slices.Contains(reached, module+"statement") {
		t.Fatalf("go list gives %v: the test looks at nothing", reached)
	}
	for _, path := range reached {
		allowed := func(prefix string) bool {
			return path == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(path, prefix)
		}
		if !slices.ContainsFunc(auditorsModules, allowed) || slices.ContainsFunc(neverReached, allowed) {
			t.Errorf("%v reaches %s, which is not among what an auditor has to trust", packages, path)
		}
	}
}

// TestLedgerFormatsReachNoDatabase: the formats are read by who has no database.
func TestLedgerFormatsReachNoDatabase(t *testing.T) {
	for _, path := range dependencies(t, module+"ledger", module+"statement") {
		for _, forbidden := range []string{"go.etcd.io/bbolt", module + "ledger/store", "github.com/labstack/echo", "cel.dev/", "github.com/consensys/gnark/"} {
			if strings.HasPrefix(path, forbidden) {
				t.Errorf("the ledger's formats reach %s", path)
			}
		}
	}
}

// TestNobodyShipsTheSimulator: what makes proofs of false statements is for tests.
func TestNobodyShipsTheSimulator(t *testing.T) {
	reached := dependencies(t, module+"cmd/attestry", module+"cmd/attestry-verify", module+"server")
	if !slices.Contains(reached, module+"verifier") {
		t.Fatalf("go list gives %v: the test looks at nothing", reached)
	}
	if slices.Contains(reached, module+"internal/simulator") {
		t.Error("a program reaches the simulator")
	}
}
