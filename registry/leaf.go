package registry

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strconv"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// The purposes of the registry's pseudo-random values.
const (
	purposeLeafBlinding = "attestry/leaf-blinding/v1"
	purposeLinkBlinding = "attestry/link-blinding/v1"
	purposeSerial       = "attestry/serial/v1"
)

// prf is [statement.PRF] under one secret, with its key schedule done once.
type prf struct {
	mac   hash.Hash
	input []byte
	sum   []byte
}

func newPRF(secret [32]byte) *prf { return &prf{mac: hmac.New(sha256.New, secret[:])} }

func (p *prf) element(purpose string, labels ...string) (e fr.Element) {
	p.input = appendLabel(p.input[:0], purpose)
	for _, label := range labels {
		p.input = appendLabel(p.input, label)
	}
	p.mac.Reset()
	p.mac.Write(p.input)
	p.sum = p.mac.Sum(p.sum[:0])
	e.SetBytes(p.sum[:31])
	return e
}

func appendLabel(b []byte, label string) []byte {
	b = append(strconv.AppendInt(b, int64(len(label)), 10), ':')
	return append(b, label...)
}

// hasher makes leaves from contents. It is for one goroutine.
type hasher struct {
	schema   *statement.Schema
	blinding *prf
	serial   *prf // nil in a derived registry
}

func (s *Store) newHasher() *hasher {
	h := &hasher{schema: s.schema, blinding: newPRF(s.secrets.blinding)}
	if s.base == nil {
		h.serial = newPRF(s.secrets.serial)
	}
	return h
}

// leafSource is what the file holds of one leaf at an epoch.
type leafSource struct {
	position     uint32
	key          treeKey
	origin       treeKey // the first key that the record had: its serial's
	content      []byte  // nil in the sentinel
	contentEpoch uint64  // in which the content changed last
	next         treeKey
	linkEpoch    uint64 // in which next changed last
}

// leaf makes a live record's leaf, with its serial and its link's blinding. The
// sentinel's holds no record.
func (h *hasher) leaf(src *leafSource) (leaf imt.Leaf, serial, linkBlinding fr.Element, err error) {
	var d imt.Draft
	if err = h.draft(&d, src); err != nil {
		return leaf, serial, linkBlinding, err
	}
	d.Finish()
	if d.Serial != nil {
		serial = *d.Serial
	}
	return d.Leaf, serial, d.LinkBlinding, nil
}

// draft fills in all of a leaf that is not a hash of its parts.
func (h *hasher) draft(d *imt.Draft, src *leafSource) (err error) {
	*d = imt.Draft{Next: src.next.element()}
	d.Key, d.Subject = src.key.element(), statement.Null()
	for i := range d.Attributes {
		d.Attributes[i] = statement.Null()
	}
	record := &Record{}
	if src.position != sentinel {
		if record, err = decodeContent(src.content, h.schema); err != nil {
			return err
		}
		if err = h.fill(&d.Leaf, record); err != nil {
			return err
		}
		if h.serial != nil {
			// From the tree's key, not the text: what is one record to the tree has one
			// serial. From the first one, so that renumbering keeps it.
			serial := h.serial.element(purposeSerial, string(src.origin[1:]))
			d.Serial = &serial
		}
	}
	d.Blinding = h.blind(purposeLeafBlinding, record.Key, src.contentEpoch)
	d.LinkBlinding = h.blind(purposeLinkBlinding, record.Key, src.linkEpoch)
	return nil
}

// blind derives a blinding; the sentinel's key is the empty text, which no record's is.
func (h *hasher) blind(purpose, key string, epoch uint64) fr.Element {
	return h.blinding.element(purpose, h.schema.Registry, key, strconv.FormatUint(epoch, 10))
}

func (h *hasher) fill(leaf *imt.Leaf, r *Record) (err error) {
	if leaf.Subject, err = h.schema.HashSubject(r.Subject); err != nil {
		return err
	}
	leaf.Holder = r.Holder.Fr()
	for i, v := range r.Values {
		if leaf.Attributes[i], err = h.schema.Encode(h.schema.Attributes[i], v); err != nil {
			return err
		}
	}
	return nil
}
