package registry

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/statement"
)

// leafChange is a leaf that an epoch sets, or clears where its key has left.
type leafChange struct {
	leafSource
	deleted   bool
	rewritten bool // the content is new
	relinked  bool // next is new
	subject   fr.Element
	value     fr.Element // the leaf's hash, 0 where deleted
}

// relist applies the staging to the ordered list of keys, gives new keys their
// positions, and collects the leaves that change: those with other contents, and
// those with other successors.
func (c *committer) relist() error {
	contents, moved, err := c.applyStaging()
	if err != nil {
		return err
	}
	relinks, err := c.relink(moved)
	if err != nil {
		return err
	}
	c.readAhead(contents, relinks)
	if err := c.join(contents, relinks); err != nil {
		return err
	}
	slices.SortFunc(c.leaves, func(a, b leafChange) int { return cmp.Compare(a.position, b.position) })
	return nil
}

// movedKey is a key that joined or left the list.
type movedKey struct {
	key    treeKey
	joined bool
}

// applyStaging gives the leaves with other contents and the keys that joined or
// left, both in the order of keys. It is in that order too that new keys take
// fresh positions, so that the order of a file's rows leaves no trace.
func (c *committer) applyStaging() (contents []leafChange, moved []movedKey, err error) {
	err = c.tx.eachStaged(func(staged stagedChange) error {
		change := leafChange{rewritten: true, deleted: staged.kind == changeDelete}
		change.key, change.content, change.contentEpoch = staged.key, staged.content, c.epoch
		if staged.kind == changeRename {
			if err := c.rename(staged.from, staged.key); err != nil {
				return err
			}
		}
		position, live, err := c.place(&change)
		if err != nil {
			return err
		}
		change.position = position
		if live == change.deleted {
			moved = append(moved, movedKey{key: change.key, joined: !live})
		}
		contents = append(contents, change)
		c.changed++
		return nil
	})
	return contents, moved, errors.Join(err, c.keys.flush(), c.retired.flush())
}

// place finds or makes the position of a change's key, and moves the key between
// the list and the retired ones. live tells whether it was in the list.
func (c *committer) place(change *leafChange) (position uint32, live bool, err error) {
	position, live, err = c.keys.get(change.key)
	if err != nil || live && !change.deleted {
		return position, live, err
	}
	if live {
		c.records--
		if err = c.keys.delete(change.key); err != nil {
			return 0, true, err
		}
		return position, true, c.retired.put(change.key, position)
	}
	if change.deleted {
		return 0, false, fmt.Errorf("%w: a staged deletion of no record", ErrCorrupt)
	}
	position, known, err := c.retired.get(change.key)
	switch {
	case err != nil:
	case known:
		err = c.retired.delete(change.key)
	default:
		position, err = c.freshPosition()
	}
	if err != nil {
		return 0, false, err
	}
	c.records++
	return position, false, c.keys.put(change.key, position)
}

func (c *committer) freshPosition() (uint32, error) {
	if c.fresh > maxRecords {
		return 0, fmt.Errorf("%w: it has had %d keys", ErrFull, maxRecords)
	}
	c.fresh++
	return c.fresh - 1, nil
}

// relink gives, in the order of keys, the keys whose successor is another one now:
// those that joined and the predecessors of those that joined or left.
func (c *committer) relink(moved []movedKey) ([]leafChange, error) {
	var keys []treeKey
	if c.first {
		keys = append(keys, treeKey{}) // the sentinel has no leaf yet
	}
	list, err := c.keys.cursor()
	if err != nil {
		return nil, err
	}
	for _, m := range moved {
		before, ok, err := list.below(m.key)
		if err != nil || !ok {
			return nil, errors.Join(err, fmt.Errorf("%w: the list has no sentinel", ErrCorrupt))
		}
		keys = append(keys, before.key)
		if m.joined {
			keys = append(keys, m.key)
		}
	}
	slices.SortFunc(keys, func(a, b treeKey) int { return bytes.Compare(a[:], b[:]) })
	keys = slices.Compact(keys)
	relinks := make([]leafChange, len(keys))
	for i, key := range keys {
		at, ok, err := list.seek(key)
		if err != nil || !ok || at.key != key {
			return nil, errors.Join(err, fmt.Errorf("%w: a key has left the list", ErrCorrupt))
		}
		next, err := nextKey(list)
		if err != nil {
			return nil, err
		}
		relinks[i] = leafChange{relinked: true, leafSource: leafSource{key: key, position: at.position, next: next, linkEpoch: c.epoch}}
	}
	return relinks, nil
}

// nextKey gives the key after the cursor's, the end key after the last.
func nextKey(list *keyCursor) (treeKey, error) {
	at, ok, err := list.next()
	if !ok {
		return treeKeyOf(statement.EndKey()), err
	}
	return at.key, nil
}

// join merges both lists into the epoch's leaves, and completes from the file what
// did not change of each.
func (c *committer) join(contents, relinks []leafChange) error {
	records, links := c.tx.versions(bucketRecords), c.tx.versions(bucketLinks)
	c.leaves = make([]leafChange, 0, max(len(contents), len(relinks)))
	for len(contents)+len(relinks) > 0 {
		order := -1
		switch {
		case len(contents) == 0:
			order = 1
		case len(relinks) > 0:
			order = bytes.Compare(contents[0].key[:], relinks[0].key[:])
		}
		var change leafChange
		var err error
		switch {
		case order < 0:
			change, contents = contents[0], contents[1:]
			if !change.deleted {
				change.next, change.linkEpoch, err = linkAt(links, change.position, c.epoch)
			}
		case order > 0:
			change, relinks = relinks[0], relinks[1:]
			change.content, change.contentEpoch, err = contentAt(records, change.position, c.epoch)
		default:
			change = contents[0]
			change.relinked, change.next, change.linkEpoch = true, relinks[0].next, relinks[0].linkEpoch
			contents, relinks = contents[1:], relinks[1:]
		}
		if err == nil && !change.deleted {
			change.origin, err = c.origins.of(change.key)
		}
		if err != nil {
			return fmt.Errorf("%w: a live leaf: %w", ErrCorrupt, err)
		}
		c.leaves = append(c.leaves, change)
	}
	return nil
}

// contentAt gives the content of a position's live record at an epoch, and the
// epoch that wrote it. Where there is none, the error is [ErrNoRecord].
func contentAt(records *versions, position uint32, epoch uint64) ([]byte, uint64, error) {
	if position == sentinel {
		return nil, 1, nil
	}
	content, written, found, err := records.at(recordKey(position, epoch))
	if err == nil && (!found || len(content) == 0) {
		err = ErrNoRecord
	}
	return content, written, err
}

// linkAt gives the next key of a position's leaf at an epoch, and the epoch that
// linked it.
func linkAt(links *versions, position uint32, epoch uint64) (treeKey, uint64, error) {
	next, linked, found, err := links.at(recordKey(position, epoch))
	if err == nil && (!found || len(next) != len(treeKey{})) {
		err = fmt.Errorf("%w: a leaf without a link", ErrCorrupt)
	}
	if err != nil {
		return treeKey{}, 0, err
	}
	return treeKey(next), linked, nil
}
