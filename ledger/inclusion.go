package ledger

import (
	"bytes"
	"fmt"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// MaxInclusionBytes bounds an inclusion proof: a checkpoint and one line for each
// level of the largest tree.
const MaxInclusionBytes = MaxCheckpointBytes + 4<<10

// maxProofHashes is the height of the largest tree, that of [MaxSize] leaves.
const maxProofHashes = 48

// Inclusion is the proof that a log's tree holds an entry (C2SP tlog-proof, without
// extra data): where, the hashes beside the path to the root, and the checkpoint.
type Inclusion struct {
	Index      uint64
	Hashes     []tlog.Hash
	Checkpoint []byte // signed
}

// FormatInclusion gives the text of an inclusion proof.
func FormatInclusion(i *Inclusion) []byte {
	p := proof.TLogProof{Index: i.Index, Checkpoint: i.Checkpoint}
	for _, h := range i.Hashes {
		p.Hashes = append(p.Hashes, h)
	}
	return p.Marshal()
}

// ParseInclusion reads exactly what [FormatInclusion] writes. It verifies nothing.
func ParseInclusion(data []byte) (*Inclusion, error) {
	if len(data) > MaxInclusionBytes {
		return nil, fmt.Errorf("%w: %d bytes, over the limit of %d", ErrBadInclusion, len(data), MaxInclusionBytes)
	}
	var p proof.TLogProof
	if err := p.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadInclusion, err)
	}
	if len(p.Hashes) > maxProofHashes || p.Index >= MaxSize {
		return nil, fmt.Errorf("%w: index or number of hashes beyond the largest log", ErrBadInclusion)
	}
	i := &Inclusion{Index: p.Index, Hashes: make([]tlog.Hash, len(p.Hashes)), Checkpoint: p.Checkpoint}
	for n, h := range p.Hashes {
		i.Hashes[n] = h
	}
	if !bytes.Equal(FormatInclusion(i), data) {
		return nil, fmt.Errorf("%w: not in its canonical form, or with extra data", ErrBadInclusion)
	}
	if _, err := ReadCheckpoint(i.Checkpoint); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadInclusion, err)
	}
	return i, nil
}

// Verify tells whether the log of a key has an entry of these bytes at the
// proof's index, and gives the checkpoint that says so.
func (i *Inclusion) Verify(data []byte, vkey string) (Checkpoint, error) {
	c, err := OpenCheckpoint(i.Checkpoint, vkey)
	if err != nil {
		return Checkpoint{}, err
	}
	if i.Index >= c.Size {
		return Checkpoint{}, fmt.Errorf("%w: index %d in a log of %d", ErrBadInclusion, i.Index, c.Size)
	}
	err = tlog.CheckRecord(i.Hashes, int64(c.Size), c.Root, int64(i.Index), LeafHash(data))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: entry %d of %s: %w", ErrBadInclusion, i.Index, c.Origin, err)
	}
	return c, nil
}
