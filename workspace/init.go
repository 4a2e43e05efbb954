package workspace

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/prover"
)

// InitOptions say how to make a workspace.
type InitOptions struct {
	// Origin names the log for ever, like example.org/land-registry. Empty draws a
	// name that nobody else has.
	Origin string
	// Report is told what is being made.
	Report func(what string)
	// Recipients are the age recipients who may open the workspace, which is encrypted at
	// rest for them; none: it is in the clear. Unlock must give the identity of one.
	Recipients []string
	Unlock     Unlock
}

// Init makes a workspace in dir, which must not exist or be empty: keys of the log
// and the issuer, development keys of the circuits, a ledger with the circuits'
// entries. It is made beside dir and renamed, so that it is there whole or not at all.
func Init(ctx context.Context, dir string, o InitOptions) (err error) {
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Origin == "" {
		o.Origin = drawOrigin()
	}
	if err := vacant(dir); err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	made, err := os.MkdirTemp(parent, "."+filepath.Base(filepath.Clean(dir))+".partial-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(made))
		}
	}()
	if err := fill(ctx, made, o); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(made, dir)
}

func drawOrigin() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return "attestry.invalid/" + hex.EncodeToString(b[:])
}

func vacant(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(files) > 0 {
		return fmt.Errorf("%s is %w and not empty", dir, ErrExists)
	}
	return err
}

func fill(ctx context.Context, dir string, o InitOptions) error {
	for _, sub := range []string{"keys", circuitsDir, registriesDir} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	if err := makeKeys(dir, o); err != nil {
		return err
	}
	if err := makeCircuits(ctx, dir, o); err != nil {
		return err
	}
	document, err := canon.Marshal(about{Format: format, Origin: o.Origin})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, aboutFile), append(document, '\n'), 0o600)
}

// makeKeys draws the keys, with the data key first, which the others are sealed under.
func makeKeys(dir string, o InitOptions) error {
	at, err := makeDataKey(dir, o)
	if err != nil {
		return err
	}
	logKey, _, err := ledger.NewLogKey(o.Origin)
	if err != nil {
		return err
	}
	if err := writeSecret(at, filepath.Join(dir, logKeyFile), []byte(logKey+"\n")); err != nil {
		return err
	}
	_, issuer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	return writeIssuerKey(at, filepath.Join(dir, issuerKeyFile), issuer)
}

// makeDataKey draws the data key of a new workspace, if it is to be encrypted.
func makeDataKey(dir string, o InitOptions) (*atrest.Key, error) {
	if len(o.Recipients) == 0 {
		return nil, nil
	}
	ring := atrest.NewRing(o.Recipients)
	if err := writeRing(dir, ring, o.Unlock); err != nil {
		return nil, err
	}
	return ring.Key()
}

// makeCircuits makes the development keys and the ledger that publishes them.
func makeCircuits(ctx context.Context, dir string, o InitOptions) error {
	circuits := filepath.Join(dir, circuitsDir)
	manifest, err := prover.SetupDevelopment(circuits, o.Report)
	if err != nil {
		return err
	}
	var entries []ledger.Entry
	for _, keys := range manifest.Circuits {
		// Loading one makes its tables.
		if _, err := prover.LoadCircuitWith(circuits, keys.Name, prover.LoadOptions{Report: o.Report}); err != nil {
			return err
		}
		vk, err := keys.VerifyingKey(circuits)
		if err != nil {
			return err
		}
		entries = append(entries, keys.Entry(vk))
	}
	s, err := store.Create(filepath.Join(dir, ledgerFile), o.Origin, store.Options{})
	if err != nil {
		return err
	}
	_, err = s.Append(ctx, entries...)
	return errors.Join(err, s.Close())
}
