package registry

import (
	"iter"
	"slices"

	"github.com/attestry/attestry/internal/readahead"
)

// What an epoch changes lies all over a file that may be much larger than memory. Its pages are
// asked for beforehand: one after the other they would take as long as a disk takes for each.

const (
	// maxAhead is of how many changes that is done: the pages of many more may be more than
	// there is room for, and gone again before they are read.
	maxAhead = 1 << 20

	// blockPages is how many pages a block of a list and the begin of the one after it
	// take, which a search reads too, where neither has been moved.
	blockPages = 6
)

// readAhead asks for what the changes of a file are compared with: the blocks of the list of
// keys, then the records that the blocks say.
func (m *merge) readAhead(file *snapshot) error {
	if file.count > maxAhead {
		return nil
	}
	keys := make([]treeKey, 0, file.count)
	err := file.each(func(row parsed) error {
		keys = append(keys, row.key)
		return nil
	})
	if err != nil {
		return err
	}
	readahead.Want(m.parts.to.Bucket(bucketKeys), func(yield func([]byte) bool) {
		for _, key := range keys {
			if !yield(boundKey(bound(key))) {
				return
			}
		}
	}, blockPages)
	var positions []uint32
	for _, key := range keys {
		at, ok, err := m.live.seek(key)
		if err != nil {
			return err
		}
		if ok && at.key == key {
			positions = append(positions, at.position)
		}
	}
	slices.Sort(positions)
	readahead.Want(m.parts.to.Bucket(bucketRecords), recordKeys(positions, lastVersion), 1)
	return nil
}

// readAhead asks for what leaves that change, and the nodes above them, are computed from.
func (c *committer) readAhead(contents, relinks []leafChange) {
	if len(contents)+len(relinks) > maxAhead {
		return
	}
	positions := make([]uint32, 0, len(contents)+len(relinks))
	for _, changes := range [][]leafChange{contents, relinks} {
		for i := range changes {
			positions = append(positions, changes[i].position)
		}
	}
	slices.Sort(positions)
	positions = slices.Compact(positions)
	readahead.Want(c.links, recordKeys(positions, c.epoch), 1)
	readahead.Want(c.nodes, nodeKeys(positions, c.epoch), 1)
	readahead.Want(c.content, recordKeys(positions, c.epoch), 1)
}

// recordKeys gives the keys of what positions have at an epoch.
func recordKeys(positions []uint32, epoch uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, position := range positions {
			if !yield(recordKey(position, epoch)) {
				return
			}
		}
	}
}

// nodeKeys gives the keys of the nodes above positions, which are in order, at an epoch.
func nodeKeys(positions []uint32, epoch uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for level, index := range nodesAbove(len(positions), func(i int) uint32 { return positions[i] }) {
			if !yield(nodeKey(level, index, epoch)) {
				return
			}
		}
	}
}
