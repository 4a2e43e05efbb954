package access

import (
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// The directory's buckets in the service's database.
const (
	metaBucket          = "access.meta"          // format
	organisationsBucket = "access.organisations" // id -> organisation
	keysBucket          = "access.keys"          // id -> credential
	certificatesBucket  = "access.certificates"  // what is shown in the handshake -> id

	metaFormat      = "format"
	directoryFormat = "attestry/access/v1"
)

// Directory is the list of organisations and their credentials. Its methods may be used
// from several goroutines, and so may several directories on one database.
type Directory struct {
	db  *bbolt.DB
	now func() time.Time

	touching sync.Map // ids of keys whose last use is being written
}

// Open gives the directory in a database, and makes it where there is none. The caller
// closes the database. It fails with [ErrFormat].
func Open(db *bbolt.DB) (*Directory, error) {
	d := &Directory{db: db, now: time.Now}
	return d, db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		if meta == nil {
			return create(tx)
		}
		if got := string(meta.Get([]byte(metaFormat))); got != directoryFormat {
			return fmt.Errorf("%w: its format is %q", ErrFormat, got)
		}
		return nil
	})
}

func create(tx *bbolt.Tx) error {
	for _, name := range []string{organisationsBucket, keysBucket, certificatesBucket} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	meta, err := tx.CreateBucket([]byte(metaBucket))
	if err != nil {
		return err
	}
	return meta.Put([]byte(metaFormat), []byte(directoryFormat))
}

// time is now, as precise as it is kept.
func (d *Directory) time() time.Time { return d.now().UTC().Truncate(time.Second) }
