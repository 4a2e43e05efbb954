package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// hash computes the epoch's leaves and the nodes above them, writes all of them,
// and gives the root.
func (c *committer) hash(ctx context.Context) (fr.Element, error) {
	c.meter.plan(hashesOf(c.leaves))
	if err := c.hashLeaves(ctx); err != nil {
		return fr.Element{}, err
	}
	if err := c.writeLeaves(); err != nil {
		return fr.Element{}, err
	}
	subjects, err := c.newSubjects()
	if err != nil {
		return fr.Element{}, err
	}
	// Their places are found meanwhile, in a transaction of its own: a commit adds to the
	// index once, and so it is as it was in the last epoch.
	var rows []row
	var failed error
	var found sync.WaitGroup
	if len(subjects) > 0 {
		found.Go(func() {
			failed = c.s.read(func(last state) error {
				rows = last.postings(bucketSubjects).place(subjects)
				return nil
			})
		})
	}
	values := make([]slot, len(c.leaves))
	for i := range c.leaves {
		values[i] = slot{index: c.leaves[i].position, value: c.leaves[i].value}
	}
	root, err := c.hashAbove(ctx, 0, values)
	found.Wait()
	if err := errors.Join(err, failed); err != nil {
		return fr.Element{}, err
	}
	return root, c.tx.postings(bucketSubjects).put(rows)
}

// hashAbove computes and writes the nodes of a level and of those above it from the values
// below it, and gives the root.
func (c *committer) hashAbove(ctx context.Context, lowest int, values []slot) (fr.Element, error) {
	for level := lowest; level < imt.Levels; level++ {
		blocks, err := c.blocks(level, values)
		if err != nil {
			return fr.Element{}, err
		}
		if values, err = blocks.hash(ctx, c.meter); err != nil {
			return fr.Element{}, err
		}
		if err := c.writeBlocks(blocks); err != nil {
			return fr.Element{}, err
		}
	}
	return c.root(values)
}

// root gives the value of the tree's root, the last epoch's where nothing changed.
func (c *committer) root(values []slot) (fr.Element, error) {
	if len(values) == 1 {
		return values[0].value, nil
	}
	last, err := lastEpoch(c.tx)
	if err != nil || last == nil {
		return fr.Element{}, fmt.Errorf("%w: an epoch without a root: %w", ErrCorrupt, err)
	}
	return last.Root.Fr(), nil
}

func (c *committer) hashLeaves(ctx context.Context) error {
	return parallel(ctx, len(c.leaves), c.meter, func() func(from, to int) error {
		h := c.s.newLeafHasher()
		return func(from, to int) error { return h.hash(c.leaves[from:to]) }
	})
}

// leafHasher hashes many leaves at once. It is for one goroutine.
type leafHasher struct {
	*hasher
	batch  *imt.Batch
	drafts []imt.Draft
	live   []int
	hashes []fr.Element
}

func (s *Store) newLeafHasher() *leafHasher {
	return &leafHasher{hasher: s.newHasher(), batch: imt.NewBatch()}
}

// hash gives each leaf its hash and its subject.
func (h *leafHasher) hash(leaves []leafChange) error {
	h.live = h.live[:0]
	for i := range leaves {
		if !leaves[i].deleted {
			h.live = append(h.live, i)
		}
	}
	if n := len(h.live); cap(h.drafts) < n {
		h.drafts, h.hashes = make([]imt.Draft, n), make([]fr.Element, n)
	}
	drafts, hashes := h.drafts[:len(h.live)], h.hashes[:len(h.live)]
	for i, at := range h.live {
		if err := h.draft(&drafts[i], &leaves[at].leafSource); err != nil {
			return err
		}
	}
	h.batch.Leaves(hashes, drafts)
	for i, at := range h.live {
		leaves[at].value, leaves[at].subject = hashes[i], drafts[i].Subject
	}
	return nil
}

// writeLeaves writes the contents and links that changed, by position.
func (c *committer) writeLeaves() error {
	c.content.FillPercent, c.links.FillPercent = 0.9, 0.9 // mostly appended to
	for i := range c.leaves {
		change := &c.leaves[i]
		key := recordKey(change.position, c.epoch)
		if change.rewritten {
			if err := c.content.Put(key, c.tx.seal(bucketRecords, key, change.content)); err != nil {
				return err
			}
		}
		if change.relinked {
			if err := c.links.Put(key, c.tx.seal(bucketLinks, key, change.next[:])); err != nil {
				return err
			}
		}
	}
	return nil
}

// newSubjects gives the new contents' subjects, but for those that a record had just before.
func (c *committer) newSubjects() (added []posting, err error) {
	null := statement.Null()
	records := c.tx.versions(bucketRecords)
	for i := range c.leaves {
		change := &c.leaves[i]
		if !change.rewritten || change.deleted || change.subject == null {
			continue
		}
		same, err := c.hadSubject(records, change)
		if err != nil {
			return nil, err
		}
		if !same {
			added = append(added, posting{treeKeyOf(change.subject), change.position})
		}
	}
	return added, nil
}

// hadSubject tells whether a changed record had the same subject in the last epoch.
func (c *committer) hadSubject(records *versions, change *leafChange) (bool, error) {
	if c.first {
		return false, nil
	}
	content, _, err := contentAt(records, change.position, c.epoch-1)
	if errors.Is(err, ErrNoRecord) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	before, err := subjectOf(content)
	if err != nil {
		return false, err
	}
	now, err := subjectOf(change.content)
	return before == now, err
}

// slot is a value among a level's.
type slot struct {
	index uint32
	value fr.Element
}

// blocks are nodes of one level with their children.
type blocks struct {
	level    int
	index    []uint32     // of the nodes, in order
	children []fr.Element // of all of them
}

// blocks puts the values of one level, in the order of their indexes, into the
// nodes above them.
func (c *committer) blocks(level int, values []slot) (*blocks, error) {
	arity := uint32(imt.Arity(level))
	b := &blocks{level: level}
	old := c.nodes.Cursor()
	for _, v := range values {
		if n := len(b.index); n == 0 || b.index[n-1] != v.index/arity {
			children, err := childrenAt(old, level, v.index/arity, c.epoch)
			if err != nil {
				return nil, err
			}
			b.index = append(b.index, v.index/arity)
			b.children = append(b.children, children...)
		}
		b.children[(len(b.index)-1)*int(arity)+int(v.index%arity)] = v.value
	}
	return b, nil
}

// childrenAt gives the children of a node at an epoch.
func childrenAt(nodes *bbolt.Cursor, level int, index uint32, epoch uint64) ([]fr.Element, error) {
	children := make([]fr.Element, imt.Arity(level))
	encoded, _, found := version(nodes, nodeKey(level, index, epoch))
	if !found {
		for i := range children {
			children[i] = imt.Empty(level - 1)
		}
		return children, nil
	}
	if len(encoded) != len(children)*fr.Bytes {
		return nil, fmt.Errorf("%w: a node of %d bytes", ErrCorrupt, len(encoded))
	}
	for i := range children {
		if err := children[i].SetBytesCanonical(encoded[i*fr.Bytes : (i+1)*fr.Bytes]); err != nil {
			return nil, fmt.Errorf("%w: a node: %v", ErrCorrupt, err)
		}
	}
	return children, nil
}

// hash gives the values of the nodes.
func (b *blocks) hash(ctx context.Context, meter *meter) ([]slot, error) {
	hashes, err := hashNodes(ctx, b.level, b.children, meter)
	values := make([]slot, len(hashes))
	for i := range hashes {
		values[i] = slot{index: b.index[i], value: hashes[i]}
	}
	return values, err
}

// hashNodes gives the hashes of a level's nodes, whose children follow each other.
func hashNodes(ctx context.Context, level int, children []fr.Element, meter *meter) ([]fr.Element, error) {
	arity := imt.Arity(level)
	hashes := make([]fr.Element, len(children)/arity)
	err := parallel(ctx, len(hashes), meter, func() func(from, to int) error {
		batch := imt.NewBatch()
		return func(from, to int) error {
			batch.Nodes(level, hashes[from:to], children[from*arity:to*arity])
			return nil
		}
	})
	return hashes, err
}

func (c *committer) writeBlocks(b *blocks) error {
	c.nodes.FillPercent = 0.9
	arity := imt.Arity(b.level)
	size := arity * fr.Bytes
	slab := make([]byte, 0, len(b.index)*size)
	for i, index := range b.index {
		for j := range arity {
			encoded := b.children[i*arity+j].Bytes()
			slab = append(slab, encoded[:]...)
		}
		if err := c.nodes.Put(nodeKey(b.level, index, c.epoch), slab[len(slab)-size:len(slab):len(slab)]); err != nil {
			return err
		}
	}
	return nil
}

// chunk is how many items a worker takes at a time: a few vectors full, and few enough to
// share the work evenly and to stop soon.
const chunk = 64

// parallel calls what worker makes for parts of 0 to n, on all processors.
func parallel(ctx context.Context, n int, meter *meter, worker func() func(from, to int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	failures := make([]error, min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk))
	for w := range failures {
		group.Go(func() {
			do := worker()
			for failures[w] == nil {
				from := int(next.Add(chunk)) - chunk
				if from >= n {
					return
				}
				to := min(from+chunk, n)
				failures[w] = errors.Join(do(from, to), ctx.Err())
				meter.add(to - from)
			}
		})
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// hashesOf counts leaves, which are in order, and the nodes above them.
func hashesOf(leaves []leafChange) int {
	n := len(leaves)
	for range nodesAbove(len(leaves), func(i int) uint32 { return leaves[i].position }) {
		n++
	}
	return n
}

// nodesAbove gives the levels and indexes of the nodes above n positions, which are in order:
// level by level.
func nodesAbove(n int, position func(i int) uint32) iter.Seq2[int, uint32] {
	return func(yield func(int, uint32) bool) {
		width := uint32(1)
		for level := range imt.Levels {
			width *= uint32(imt.Arity(level))
			for i := range n {
				if index := position(i) / width; i == 0 || index != position(i-1)/width {
					if !yield(level, index) {
						return
					}
				}
			}
		}
	}
}
