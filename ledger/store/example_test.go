package store_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/statement"
)

// A log is created, takes a registry's schema, signs what it holds, and proves to
// anyone who has its key that it holds it.
func Example() {
	dir, err := os.MkdirTemp("", "ledger")
	check(err)
	defer func() { check(os.RemoveAll(dir)) }()
	log, err := store.Create(filepath.Join(dir, "ledger.db"), "agency.example/log", store.Options{})
	check(err)
	defer func() { check(log.Close()) }()

	schema := &ledger.SchemaEntry{
		Schema: statement.Schema{
			Registry: "titles", Key: "parcel",
			Attributes: []statement.Attribute{{Name: "area", Type: statement.Int}},
		},
		Serial: sha256.Sum256([]byte("stands for the commitment to a secret")),
	}
	_, issuer, err := ed25519.GenerateKey(nil)
	check(err)
	check(schema.Sign(issuer))
	indexes, err := log.Append(context.Background(), schema)
	check(err)

	secret, logKey, err := ledger.NewLogKey(log.Origin())
	check(err)
	signer, err := note.NewSigner(secret)
	check(err)
	checkpoint, err := log.PublishCheckpoint(signer)
	check(err)
	inclusion, err := log.Prove(indexes[0], checkpoint)
	check(err)

	// Elsewhere, from the log's key, the entry's bytes and the proof alone:
	entry, err := log.Entry(0)
	check(err)
	state, err := inclusion.Verify(entry, logKey)
	check(err)
	fmt.Printf("entry %d of %s, which has %d\n", inclusion.Index, state.Origin, state.Size)
	// Output: entry 0 of agency.example/log, which has 1
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
