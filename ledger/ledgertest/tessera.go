package ledgertest

import (
	"context"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

// TesseraFsck has Tessera's checker, which shares no code with this project, rebuild a
// log's root from its entries and compare every tile. It is the package and not the
// command, whose exit code does not tell.
func TesseraFsck(ctx context.Context, vkey string, f fsck.Fetcher) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	hasher := func(data []byte) ([][]byte, error) {
		var bundle api.EntryBundle
		if err := bundle.UnmarshalText(data); err != nil {
			return nil, err
		}
		var hashes [][]byte
		for _, entry := range bundle.Entries {
			hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
		}
		return hashes, nil
	}
	// A worker that finds a fault stops, and where all have stopped Tessera's sender
	// would wait for ever: more workers than there are faults in any test.
	return fsck.New(verifier.Name(), verifier, f, hasher, fsck.Opts{N: 32}).Check(ctx)
}
