package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// Opening is what a proof of one record at one epoch needs: its leaf, the secret
// behind the leaf's serial hash, and the path to the root. It is private, and
// like a [Record] it cannot be printed.
type Opening struct {
	Position uint64
	Leaf     imt.Leaf
	Serial   statement.Element
	Path     imt.Path
	// Next and LinkBlinding open the leaf's link. They name a neighbour: a holder's
	// file has no place for them, and presence is proved without them.
	Next         fr.Element
	LinkBlinding fr.Element
}

const redactedOpening = "registry.Opening(private)"

// Format implements fmt.Formatter: no verb shows the opening.
func (o Opening) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedOpening) }

// LogValue implements slog.LogValuer.
func (o Opening) LogValue() slog.Value { return slog.StringValue(redactedOpening) }

// MarshalJSON refuses: an opening has no JSON form of its own.
func (o Opening) MarshalJSON() ([]byte, error) {
	return nil, errors.New(redactedOpening + " has no JSON form")
}

// Open gives the opening of a record, which must be as the epoch has it:
// otherwise the error is [ErrNoRecord]. The path is followed to the epoch's root
// before it is given.
func (s *Store) Open(epoch uint64, r *Record) (o *Opening, err error) {
	position, err := checkPosition(r.Position)
	if err != nil {
		return nil, err
	}
	if len(r.Values) != len(s.schema.Attributes) {
		return nil, fmt.Errorf("%w: it has %d values, and the schema %d attributes", ErrNoRecord, len(r.Values), len(s.schema.Attributes))
	}
	err = s.view(epoch, func(tx state, e Epoch) error {
		src, err := s.source(tx, position, epoch)
		if err != nil {
			return err
		}
		if !bytes.Equal(src.content, appendContent(nil, s.schema, r)) {
			return fmt.Errorf("%w: epoch %d has it with other values", ErrNoRecord, epoch)
		}
		o, err = s.open(tx, src, e)
		return err
	})
	return o, err
}

// source gathers what the file holds of a live leaf at an epoch.
func (s *Store) source(tx state, position uint32, epoch uint64) (src *leafSource, err error) {
	src = &leafSource{position: position}
	src.content, src.contentEpoch, err = contentAt(tx.versions(bucketRecords), position, epoch)
	if err != nil {
		return nil, err
	}
	src.next, src.linkEpoch, err = linkAt(tx.versions(bucketLinks), position, epoch)
	if err != nil || position == sentinel {
		return src, err
	}
	r, err := decodeContent(src.content, s.schema)
	if err != nil {
		return nil, err
	}
	key, err := s.schema.HashKey(r.Key)
	if err != nil {
		return nil, err
	}
	src.key = treeKeyOf(key)
	src.origin, err = tx.origins().of(src.key)
	return src, err
}

// open makes the opening of a leaf and checks it against the epoch's root.
func (s *Store) open(tx state, src *leafSource, e Epoch) (*Opening, error) {
	o := &Opening{Position: uint64(src.position), Next: src.next.element()}
	leaf, serial, linkBlinding, err := s.newHasher().leaf(src)
	if err != nil {
		return nil, err
	}
	o.Leaf, o.Serial, o.LinkBlinding = leaf, statement.Element(serial), linkBlinding
	nodes, index := tx.Bucket(bucketNodes).Cursor(), src.position
	for level := range imt.Levels {
		index /= uint32(imt.Arity(level))
		if o.Path[level], err = childrenAt(nodes, level, index, e.Number); err != nil {
			return nil, err
		}
	}
	root, err := o.Path.Root(o.Leaf.Hash(), o.Position)
	if err != nil || root != e.Root.Fr() {
		return nil, fmt.Errorf("%w: a leaf's path does not lead to the root of epoch %d", ErrCorrupt, e.Number)
	}
	return o, nil
}
