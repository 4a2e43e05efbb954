package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/attestry/attestry/internal/atomicfile"
	"github.com/attestry/attestry/ledger"
)

// statePath names the file of a log's last cosigned checkpoint. An origin is no file
// name: its hash is.
func statePath(dir, origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return filepath.Join(dir, logsDir, hex.EncodeToString(sum[:]))
}

// forkPath names the file of the first checkpoint that a log signed against the one
// cosigned: both together prove that it shows two histories.
func forkPath(dir, origin string) string { return statePath(dir, origin) + ".fork" }

// lastCosigned reads a log's last cosigned checkpoint; nil where there is none. It
// goes to the disk each time: what counts is what a crash would leave.
func lastCosigned(dir, origin string) (*ledger.Checkpoint, error) {
	signed, err := os.ReadFile(statePath(dir, origin))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := ledger.ReadCheckpoint(signed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if c.Origin != origin {
		return nil, fmt.Errorf("%w: the file of %s holds a checkpoint of %s", ErrDamaged, origin, c.Origin)
	}
	return &c, nil
}

// Seen is what a witness has cosigned of a log.
type Seen struct {
	Checkpoint ledger.Checkpoint
	Signed     []byte // by the log
	// Fork is a checkpoint that the log signed against that one, if it ever did: of
	// the same size and another root. The two are evidence.
	Fork []byte
}

// States lists what the witness in a directory has cosigned last, of every log.
func States(dir string) ([]Seen, error) {
	files, err := os.ReadDir(filepath.Join(dir, logsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s (attestry witness init makes one)", ErrNone, dir)
	}
	if err != nil {
		return nil, err
	}
	seen := []Seen{}
	for _, f := range files {
		if len(f.Name()) != hex.EncodedLen(sha256.Size) {
			continue // a fork, or what a crash left of a write
		}
		signed, err := os.ReadFile(filepath.Join(dir, logsDir, f.Name()))
		if err != nil {
			return nil, err
		}
		s := Seen{Signed: signed}
		if s.Checkpoint, err = ledger.ReadCheckpoint(signed); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, f.Name(), err)
		}
		s.Fork, err = os.ReadFile(forkPath(dir, s.Checkpoint.Origin))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		seen = append(seen, s)
	}
	return seen, nil
}

// keepFork keeps the first proof that a log shows two histories.
func keepFork(dir, origin string, signed []byte) error {
	path := forkPath(dir, origin)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return atomicfile.Write(path, signed, 0o600)
}
