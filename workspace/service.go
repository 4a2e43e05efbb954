package workspace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrServiceFormat says that a workspace's service.db is something else, or of another
// version.
var ErrServiceFormat = errors.New("not a service database of this version")

const (
	// serviceFormat is of the file as a whole. Each part of the service has buckets of
	// its own, with a format of their own.
	serviceFormat    = "attestry/service/v1"
	serviceBucket    = "service"
	serviceFormatKey = "format"

	// serviceLockTimeout is short: whoever has the workspace's lock is alone.
	serviceLockTimeout = 500 * time.Millisecond
	// serviceMmapSize is the address space that is mapped at once. A file that outgrows
	// its map must wait for all readers before it can be written.
	serviceMmapSize = 1 << 30
)

// ServiceDB gives the service's own database, DIR/service.db, which holds what is of the
// service and neither of the ledger nor of a registry: organisations, credentials, jobs.
// It is opened once, made where there is none, readable by its owner alone, and closed
// with the workspace. It fails with [ErrServiceFormat].
func (w *Workspace) ServiceDB() (*bbolt.DB, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.serviceDB()
}

// HasService tells whether there is a database of the service, without making one.
func (w *Workspace) HasService() bool {
	_, err := os.Stat(filepath.Join(w.dir, serviceFile))
	return err == nil
}

// serviceDB is [Workspace.ServiceDB]; the caller holds mu.
func (w *Workspace) serviceDB() (*bbolt.DB, error) {
	if w.service != nil {
		return w.service, nil
	}
	db, err := openService(filepath.Join(w.dir, serviceFile))
	if err != nil {
		return nil, err
	}
	w.service = db
	return db, nil
}

func openService(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: serviceLockTimeout, InitialMmapSize: serviceMmapSize, FreelistType: bbolt.FreelistMapType,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	case errors.As(err, new(*os.PathError)):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w", ErrServiceFormat, path, err)
	}
	if err := db.Update(markService); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", err, path), db.Close())
	}
	return db, nil
}

// markService writes the format into a new file, and holds any other to it.
func markService(tx *bbolt.Tx) error {
	if b := tx.Bucket([]byte(serviceBucket)); b != nil {
		if got := string(b.Get([]byte(serviceFormatKey))); got != serviceFormat {
			return fmt.Errorf("%w (it says %q)", ErrServiceFormat, got)
		}
		return nil
	}
	if name, _ := tx.Cursor().First(); name != nil {
		return ErrServiceFormat
	}
	b, err := tx.CreateBucket([]byte(serviceBucket))
	if err != nil {
		return err
	}
	return b.Put([]byte(serviceFormatKey), []byte(serviceFormat))
}
