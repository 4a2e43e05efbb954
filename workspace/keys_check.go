package workspace

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/attestry/attestry/prover"
)

// KeyCheck tells whether the key files of a workspace are what they were when it was
// opened. A file is read whole when it is new to the check or has changed since; else it
// is opened alone, so that one may ask often. It is safe for concurrent use.
type KeyCheck struct {
	checks map[string]func() error // by file

	mu   sync.Mutex
	good map[string]os.FileInfo // as it was when the file's check passed
}

// CheckKeys makes a check of the log's key, the issuer's and those of the circuits. Where
// the keys are rotated it has to be made anew.
func (w *Workspace) CheckKeys() *KeyCheck {
	c := &KeyCheck{checks: map[string]func() error{}, good: map[string]os.FileInfo{}}
	at, origin, logKey, issuer := w.atRest, w.Ledger.Origin(), w.logKey, w.issuer
	path := w.path(logKeyFile)
	c.checks[path] = func() error {
		_, got, err := readLogKey(at, path, origin)
		return errors.Join(err, otherKey(path, err == nil && got != logKey))
	}
	issuerPath := w.path(issuerKeyFile)
	c.checks[issuerPath] = func() error {
		got, err := readIssuerKey(at, issuerPath)
		return errors.Join(err, otherKey(issuerPath, err == nil && !got.Equal(issuer)))
	}
	for _, keys := range w.manifest.Circuits {
		for path, digest := range keys.KeyFiles(w.path(circuitsDir)) {
			c.checks[path] = func() error { return prover.CheckKeyFile(path, digest) }
		}
	}
	return c
}

func otherKey(path string, other bool) error {
	if !other {
		return nil
	}
	return fmt.Errorf("%w: %s is another than when the workspace was opened", ErrBadKey, path)
}

// Holds gives what is wrong with the files, nil where nothing is.
func (c *KeyCheck) Holds() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for path, check := range c.checks {
		errs = append(errs, c.holds(path, check))
	}
	return errors.Join(errs...)
}

func (c *KeyCheck) holds(path string, check func() error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if last := c.good[path]; last != nil && os.SameFile(last, info) && last.Size() == info.Size() && last.ModTime().Equal(info.ModTime()) {
		return nil
	}
	delete(c.good, path)
	if err := check(); err != nil {
		return err
	}
	c.good[path] = info
	return nil
}
