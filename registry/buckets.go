package registry

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"go.etcd.io/bbolt"
)

// formatVersion names the layout of the file; another one is refused, but for the one
// before it, which is written anew (upgrade.go).
const formatVersion = "attestry/registry-store/v2"

// The buckets of the file; docs/spec/registry.md lists their keys and values.
var (
	bucketMeta    = []byte("meta")
	bucketSecrets = []byte("secrets")

	bucketRecords  = []byte("records")  // position, ^epoch -> content; empty where deleted
	bucketLinks    = []byte("links")    // position, ^epoch -> next tree key
	bucketKeys     = []byte("keys")     // list of tree keys with positions, of the latest epoch
	bucketRetired  = []byte("retired")  // list of tree keys with positions, of deleted records
	bucketSubjects = []byte("subjects") // index of positions by subject element; never removed
	bucketNodes    = []byte("nodes")    // level, index, ^epoch -> children
	bucketEpochs   = []byte("epochs")   // number -> epoch
	bucketStaging  = []byte("staging")  // count -> change, in the order of tree keys
	bucketImport   = []byte("import")   // the staging of an import that has not ended
	bucketOrigins  = []byte("origins")  // token of a renumbered tree key -> the first tree key of its record
	bucketRenamed  = []byte("renamed")  // token of a former tree key -> it, epoch, the tree key that replaced it
	bucketDerived  = []byte("derived")  // name -> meta, members and all but secrets of a derived registry
)

var dataBuckets = [][]byte{
	bucketRecords, bucketLinks, bucketKeys, bucketRetired, bucketSubjects, bucketNodes, bucketEpochs, bucketStaging,
	bucketOrigins, bucketRenamed,
}

var (
	metaFormat = []byte("format")
	metaKey    = []byte("key") // id of the data key that values are sealed under; absent in the clear
	metaSchema = []byte("schema")
	metaFresh  = []byte("fresh")  // the next position that was never used
	metaStaged = []byte("staged") // counts of the staged import, if there is one

	secretBlinding = []byte("blinding")
	secretSerial   = []byte("serial")
)

// treeKey is a record's key in the tree: 32 big-endian bytes, so that the order
// of bytes is the order of keys.
type treeKey [fr.Bytes]byte

func (k treeKey) element() (e fr.Element) {
	e.SetBytes(k[:])
	return e
}

func treeKeyOf(e fr.Element) treeKey { return e.Bytes() }

func positionKey(position uint32) []byte { return binary.BigEndian.AppendUint32(nil, position) }

func epochKey(epoch uint64) []byte { return binary.BigEndian.AppendUint64(nil, epoch) }

// appendVersion ends a key with an epoch, inverted: the newest version of a thing
// comes first, and one seek finds the newest that is not after a wanted epoch.
func appendVersion(prefix []byte, epoch uint64) []byte {
	return binary.BigEndian.AppendUint64(prefix, ^epoch)
}

func recordKey(position uint32, epoch uint64) []byte {
	return appendVersion(binary.BigEndian.AppendUint32(make([]byte, 0, 12), position), epoch)
}

func nodeKey(level int, index uint32, epoch uint64) []byte {
	return appendVersion(binary.BigEndian.AppendUint32(append(make([]byte, 0, 13), byte(level)), index), epoch)
}

// version finds the newest version that is not after the epoch of the key, which
// ends in one. found is false where there was none by then.
func version(c *bbolt.Cursor, key []byte) (value []byte, epoch uint64, found bool) {
	k, v := c.Seek(key)
	prefix := len(key) - 8
	if len(k) != len(key) || !bytes.Equal(k[:prefix], key[:prefix]) {
		return nil, 0, false
	}
	return v, ^binary.BigEndian.Uint64(k[prefix:]), true
}

// decodeTreeKey reads a tree key that the file holds.
func decodeTreeKey(b []byte) (treeKey, error) {
	if len(b) != len(treeKey{}) {
		return treeKey{}, fmt.Errorf("%w: a tree key of %d bytes", ErrCorrupt, len(b))
	}
	return treeKey(b), nil
}

// decodePosition reads a position that the file holds.
func decodePosition(b []byte) (uint32, error) {
	if len(b) != 4 {
		return 0, fmt.Errorf("%w: a position of %d bytes", ErrCorrupt, len(b))
	}
	return binary.BigEndian.Uint32(b), nil
}
