package workspace

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/attestry/attestry/ledger"
)

// The verifier key derived from a signer key is the one made with it, also when
// the key's base64 holds a '+'.
func TestReadLogKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.key")
	for range 100 {
		skey, vkey, err := ledger.NewLogKey("example.org/log")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(skey+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, got, err := readLogKey(nil, path, "example.org/log")
		if err != nil || got != vkey {
			t.Fatalf("read %s, %v; want %s", got, err, vkey)
		}
	}
	if _, _, err := readLogKey(nil, path, "example.org/other"); err == nil {
		t.Error("a key of another log")
	}
}
