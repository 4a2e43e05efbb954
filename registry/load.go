package registry

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// A first epoch has its records at positions in the order of their keys, which is that of the
// staging too. So it is written front to back, however large, and in several transactions:
// nobody reads a registry that has no epoch yet. Whoever is killed meanwhile leaves no epoch,
// and what is left of this one is removed before the next attempt.

const (
	// loadLevels is how many levels of nodes stand over the leaves of one load.
	loadLevels = 3
	// loadLeaves is how many leaves a worker takes at a time: those under one node.
	loadLeaves = 8 * 8 * 8
)

// loader writes the first epoch of a registry.
type loader struct {
	c        *committer
	parts    *parts
	cursor   *bbolt.Cursor // of the staging
	k, v     []byte        // the next change
	fresh    uint32        // the next position
	list     *keyList
	subjects *postingSorter
	values   []slot // of the nodes over each load
	meter    *meter
}

// batch is some leaves that follow each other, and what becomes of them.
type batch struct {
	first   uint32 // position
	changes []rawChange
	after   *rawChange // nil: the list ends
	leaves  []leafChange
	records [][]byte // as they stand in the file; of all leaves but the sentinel
	links   [][]byte
	nodes   [loadLevels][]fr.Element // the children of each level's nodes
	value   fr.Element               // of the node over all
	err     error
	done    chan struct{}
}

// rawChange is a staged change as the file has it, copied: the transaction may end.
type rawChange struct{ k, v []byte }

// load makes the first epoch.
func (c *committer) load(ctx context.Context, p *parts) (Epoch, error) {
	l := &loader{c: c, parts: p, fresh: sentinel, subjects: newPostingSorter(c.s.db.Path(), c.s.limits.sort), meter: c.meter}
	root, err := l.run(ctx)
	if err = errors.Join(err, l.subjects.close()); err != nil {
		return Epoch{}, err
	}
	c.tx = p.to
	c.changed = int(l.fresh) - 1
	c.records = c.changed
	err = c.tx.Bucket(bucketMeta).Put(metaFresh, positionKey(l.fresh))
	return Epoch{Number: c.epoch, Root: statement.Element(root), Records: c.records, Changed: c.changed}, err
}

func (l *loader) run(ctx context.Context) (root fr.Element, err error) {
	if last, _ := l.parts.to.Bucket(bucketStaging).Cursor().Last(); last != nil {
		l.meter.plan(treeHashes(binary.BigEndian.Uint64(last) + 1))
	} else {
		l.meter.plan(treeHashes(1))
	}
	l.open(nil)
	if err := l.leaves(ctx); err != nil {
		return root, err
	}
	if err := l.subjects.write(l.parts, func() state { return l.parts.to }, bucketSubjects); err != nil {
		return root, err
	}
	// What is above the loads is few.
	l.c.tx, l.c.nodes = l.parts.to, l.parts.to.Bucket(bucketNodes)
	return l.c.hashAbove(ctx, loadLevels, l.values)
}

// treeHashes is how many hashes a tree of so many leaves takes.
func treeHashes(leaves uint64) (n int) {
	n = int(leaves)
	for level := range imt.Levels {
		arity := uint64(imt.Arity(level))
		leaves = (leaves + arity - 1) / arity
		n += int(leaves)
	}
	return n
}

// open takes up a transaction, before a change; nil is the first one.
func (l *loader) open(before []byte) {
	l.cursor = l.parts.to.Bucket(bucketStaging).Cursor()
	l.k, l.v = l.cursor.Seek(before)
	l.list = l.parts.to.list(bucketKeys)
}

// leaves has workers compute loads, and writes each when its turn has come.
func (l *loader) leaves(ctx context.Context) error {
	workers := runtime.GOMAXPROCS(0)
	jobs := make(chan *batch, 2*workers)
	var group sync.WaitGroup
	defer group.Wait()
	defer close(jobs)
	for range workers {
		group.Go(func() {
			h := l.c.s.newLeafHasher()
			for job := range jobs {
				job.err = job.compute(h, l.c)
				close(job.done)
			}
		})
	}
	var waiting []*batch
	for more := true; more || len(waiting) > 0; {
		for more && len(waiting) < 2*workers {
			var job *batch
			var err error
			if job, more, err = l.read(); err != nil {
				return err
			}
			jobs <- job
			waiting = append(waiting, job)
		}
		job := waiting[0]
		waiting = waiting[1:]
		<-job.done
		if err := errors.Join(job.err, ctx.Err()); err != nil {
			return err
		}
		if err := l.write(job); err != nil {
			return err
		}
	}
	return nil
}

// read takes the next load from the staging; more tells whether another one follows.
func (l *loader) read() (job *batch, more bool, err error) {
	job = &batch{first: l.fresh, done: make(chan struct{})}
	for at := l.fresh; at < job.first+loadLeaves; at++ {
		if at == sentinel {
			l.fresh++
			continue
		}
		if l.k == nil {
			break
		}
		if at > maxRecords {
			return nil, false, fmt.Errorf("%w: it has had %d keys", ErrFull, maxRecords)
		}
		job.changes = append(job.changes, rawChange{slices.Clone(l.k), slices.Clone(l.v)})
		l.k, l.v = l.cursor.Next()
		l.fresh++
	}
	if l.k != nil {
		job.after = &rawChange{slices.Clone(l.k), slices.Clone(l.v)}
	}
	return job, l.k != nil, nil
}

// compute makes a load's leaves and nodes.
func (j *batch) compute(h *leafHasher, c *committer) error {
	if err := j.decode(c); err != nil {
		return err
	}
	values := make([]fr.Element, 0, len(j.leaves))
	for from := 0; from < len(j.leaves); from += chunk {
		if err := h.hash(j.leaves[from:min(from+chunk, len(j.leaves))]); err != nil {
			return err
		}
	}
	for i := range j.leaves {
		values = append(values, j.leaves[i].value)
		j.seal(&j.leaves[i], c)
	}
	hashes := len(j.leaves)
	for level := range loadLevels {
		j.nodes[level] = padded(level, values)
		values = make([]fr.Element, len(j.nodes[level])/imt.Arity(level))
		h.batch.Nodes(level, values, j.nodes[level])
		hashes += len(values)
	}
	j.value = values[0]
	c.meter.add(hashes)
	return nil
}

// decode opens the changes.
func (j *batch) decode(c *committer) error {
	j.leaves = make([]leafChange, 0, len(j.changes)+1)
	if j.first == sentinel {
		j.leaves = append(j.leaves, leafChange{relinked: true, leafSource: leafSource{contentEpoch: 1, linkEpoch: c.epoch}})
	}
	for _, raw := range j.changes {
		change, err := raw.decode(c)
		if err != nil {
			return err
		}
		source := leafSource{
			position: j.first + uint32(len(j.leaves)), key: change.key, origin: change.key,
			content: change.content, contentEpoch: c.epoch, linkEpoch: c.epoch,
		}
		j.leaves = append(j.leaves, leafChange{rewritten: true, relinked: true, leafSource: source})
	}
	end := treeKeyOf(statement.EndKey())
	if j.after != nil {
		change, err := j.after.decode(c)
		if err != nil {
			return err
		}
		end = change.key
	}
	for i := range j.leaves {
		next := end
		if i+1 < len(j.leaves) {
			next = j.leaves[i+1].key
		}
		if j.leaves[i].next = next; bytes.Compare(j.leaves[i].key[:], next[:]) >= 0 {
			return fmt.Errorf("%w: staged changes out of order", ErrCorrupt)
		}
	}
	return nil
}

// decode opens a change, which in a first epoch is a new record.
func (r *rawChange) decode(c *committer) (stagedChange, error) {
	value, err := c.s.box.open(bucketStaging, r.k, r.v)
	if err != nil {
		return stagedChange{}, err
	}
	change, err := decodeChange(value)
	if err == nil && change.kind != changePut {
		err = fmt.Errorf("%w: a first epoch stages something else than a new record", ErrCorrupt)
	}
	return change, err
}

// seal makes the values of a leaf that stand in the file.
func (j *batch) seal(leaf *leafChange, c *committer) {
	key := recordKey(leaf.position, c.epoch)
	if leaf.rewritten {
		j.records = append(j.records, c.s.box.seal(bucketRecords, key, leaf.content))
	}
	j.links = append(j.links, c.s.box.seal(bucketLinks, key, leaf.next[:]))
}

// write writes a load.
func (l *loader) write(j *batch) error {
	size, err := l.writeLeaves(j)
	if err != nil {
		return err
	}
	nodes := &committer{tx: l.parts.to, nodes: l.parts.to.Bucket(bucketNodes), epoch: l.c.epoch}
	index := j.first
	for level := range loadLevels {
		index /= uint32(imt.Arity(level))
		b := &blocks{level: level, children: j.nodes[level]}
		for i := range len(b.children) / imt.Arity(level) {
			b.index = append(b.index, index+uint32(i))
		}
		if err := nodes.writeBlocks(b); err != nil {
			return err
		}
		size += len(b.children) * fr.Bytes
	}
	l.values = append(l.values, slot{index: index, value: j.value})
	return l.wrote(size)
}

func (l *loader) writeLeaves(j *batch) (size int, err error) {
	records, links := l.parts.to.Bucket(bucketRecords), l.parts.to.Bucket(bucketLinks)
	records.FillPercent, links.FillPercent = 0.9, 0.9
	null := statement.Null()
	contents := j.records
	for i := range j.leaves {
		leaf := &j.leaves[i]
		key := recordKey(leaf.position, l.c.epoch)
		if leaf.rewritten {
			if err := records.Put(key, contents[0]); err != nil {
				return 0, err
			}
			size += len(contents[0])
			contents = contents[1:]
			if err := l.list.put(leaf.key, leaf.position); err != nil {
				return 0, err
			}
			if leaf.subject != null {
				if err := l.subjects.add(posting{treeKeyOf(leaf.subject), leaf.position}); err != nil {
					return 0, err
				}
			}
		}
		if err := links.Put(key, j.links[i]); err != nil {
			return 0, err
		}
		size += len(j.links[i]) + 2*len(key) + entryBytes
	}
	return size, nil
}

// wrote ends the transaction where it is large enough.
func (l *loader) wrote(size int) error {
	if err := l.list.flush(); err != nil {
		return err
	}
	next, more := slices.Clone(l.k), l.k != nil
	fresh, err := l.parts.wrote(size)
	if err != nil || !fresh {
		return err
	}
	if l.open(next); !more {
		l.k, l.v = nil, nil
	}
	return nil
}
