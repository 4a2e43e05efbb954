package client_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestReachesNoServer: a bank's program has no server, prover or database in it.
func TestReachesNoServer(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "github.com/attestry/attestry/verifier") {
		t.Fatalf("go list gives %s: the test looks at nothing", out)
	}
	for path := range strings.Lines(string(out)) {
		for _, forbidden := range []string{
			"go.etcd.io/bbolt", "github.com/labstack/echo", "github.com/getkin/", "github.com/consensys/gnark/",
			"github.com/attestry/attestry/server", "github.com/attestry/attestry/prover", "github.com/attestry/attestry/workspace",
		} {
			if strings.HasPrefix(path, forbidden) {
				t.Errorf("a client reaches %s", path)
			}
		}
	}
}
