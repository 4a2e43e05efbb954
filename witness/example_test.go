package witness_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/witness"
)

// A bank runs a witness, and a log gets its checkpoint cosigned.
func Example() {
	dir, err := os.MkdirTemp("", "witness-example-*")
	check(err)
	defer os.RemoveAll(dir)
	skey, logKey, err := ledger.NewLogKey("registry.example/land")
	check(err)

	// The bank pins the log.
	bank := filepath.Join(dir, "bank")
	witnessKey, err := witness.Init(bank, "witness.bank.example/w1")
	check(err)
	w, err := witness.Open(bank, []witness.Log{{Key: logKey}})
	check(err)
	defer w.Close()
	server := httptest.NewServer(w.Handler(nil))
	defer server.Close()

	// The log publishes, and asks.
	log, err := store.Create(filepath.Join(dir, "ledger.db"), "registry.example/land", store.Options{})
	check(err)
	defer log.Close()
	signer, err := note.NewSigner(skey)
	check(err)
	checkpoint, err := log.PublishCheckpoint(signer)
	check(err)
	peer, err := witness.NewPeer(server.URL, witnessKey)
	check(err)
	line, err := peer.Submit(context.Background(), log, checkpoint, 0)
	check(err)
	checkpoint, err = ledger.AddCosignatures(checkpoint, line)
	check(err)

	// Whoever verifies pins both.
	c, err := ledger.OpenCheckpoint(checkpoint, logKey)
	check(err)
	fmt.Println(c.Origin, c.Size, peer.Key.Cosigned(checkpoint))
	// Output: registry.example/land 0 true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
