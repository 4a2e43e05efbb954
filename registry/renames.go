package registry

import (
	"errors"
	"fmt"
)

// A record that is renumbered is one record still: its new key takes over the
// serial of its first one, so that its nullifiers stay. The former key is spent,
// since a record that used it again would have the same nullifiers.

// renaming is a row's word that its record had another key before.
type renaming struct {
	from, to     treeKey
	line, column int // of the former key's cell
}

// What is wrong with renumberings.
var (
	errRenamedAway     = errors.New("key renamed away")
	errRenamedToOther  = errors.New("a former key that was renamed to another key")
	errRenamedTwice    = errors.New("a former key that two rows name")
	errRenameChain     = errors.New("a former key that is renamed itself by this file: commit one renaming before the next")
	errFormerStays     = errors.New("a former key that this file still has as a record's key")
	errFormerUnknown   = errors.New("a former key that the registry never had")
	errRenamedToRecord = errors.New("a former key for a record that has its own serial: its key is or was in the registry before")
)

// former adds the renaming that a row tells of, if it does: one whose former
// key is not empty and is another tree key than its own.
func (f *snapshot) former(row []cell, one *parsed) error {
	field := f.fields.renamedFrom
	if field < 0 || row[field].text == "" || one.deletes() {
		return nil
	}
	canonical, err := f.fields.canonical("key", row[field].text)
	if err != nil {
		return f.fields.wrong(row, field, err)
	}
	if canonical == "" {
		return nil
	}
	former, err := f.fields.schema.HashKey(canonical)
	if err != nil {
		return f.fields.wrong(row, field, err)
	}
	if from := treeKeyOf(former); from != one.key {
		f.renames = append(f.renames, renaming{from: from, to: one.key, line: row[field].line, column: row[field].column})
	}
	return nil
}

// planRenames gives the renumberings that a file brings about, from new keys to
// former ones. Those that an epoch made already are none, so that the same file
// can be imported again. Of all that is wrong, the error says the first in the
// file.
func (s *Store) planRenames(tx state, file *snapshot) (map[treeKey]treeKey, error) {
	p := &renamePlanner{
		renamed: tx.renamed(), known: tx.everyKey(), fields: s.fields, rows: map[treeKey]rowAt{},
		former: map[treeKey]treeKey{}, lines: map[treeKey]int{},
	}
	pending, err := p.pending(file.renames)
	if err != nil {
		return nil, err
	}
	for _, r := range pending {
		p.rows[r.from] = rowAt{}
	}
	if err := p.renamed.each(func(spent replacement) error { p.rows[spent.from] = rowAt{}; return nil }); err != nil {
		return nil, err
	}
	if err := file.find(p.rows); err != nil {
		return nil, err
	}
	if err := p.refuseSpent(); err != nil {
		return nil, err
	}
	for _, r := range pending {
		p.former[r.to] = r.from
	}
	for _, r := range pending {
		if err := p.check(r); errors.Is(err, ErrCorrupt) {
			return nil, err
		} else if err != nil {
			p.refuse(r.line, r.column, p.fields.renamedFrom, err)
		}
	}
	if p.first != nil {
		return nil, p.first
	}
	if file.changes {
		err = p.deleteFormer(tx, file)
	}
	return p.former, err
}

// renamePlanner holds a file's renumberings against the rules.
type renamePlanner struct {
	renamed renamed
	known   everyKey
	fields  *fields
	rows    map[treeKey]rowAt   // of the former keys and those that were renamed away
	former  map[treeKey]treeKey // the plan
	lines   map[treeKey]int     // of the rows that name a former key
	first   *ImportError
}

// refuse keeps the error that stands first in the file.
func (p *renamePlanner) refuse(line, column, field int, cause error) {
	if p.first == nil || line < p.first.Line || line == p.first.Line && column < p.first.Column {
		p.first = &ImportError{Line: line, Column: column, Name: p.fields.columns[field], Cause: cause}
	}
}

// row finds the file's row of a key.
func (p *renamePlanner) row(key treeKey) (row rowAt, found bool) {
	row = p.rows[key]
	return row, row.line != 0
}

// refuseSpent refuses rows with keys that were renamed away.
func (p *renamePlanner) refuseSpent() error {
	return p.renamed.each(func(spent replacement) error {
		if row, found := p.row(spent.from); found {
			p.refuse(row.line, row.column, 0, fmt.Errorf("%w in epoch %d", errRenamedAway, spent.epoch))
		}
		return nil
	})
}

// pending drops the renumberings that an epoch made already.
func (p *renamePlanner) pending(all []renaming) ([]renaming, error) {
	var pending []renaming
	for _, r := range all {
		spent, found, err := p.renamed.of(r.from)
		switch {
		case err != nil:
			return nil, err
		case !found:
			pending = append(pending, r)
		case spent.to != r.to:
			p.refuse(r.line, r.column, p.fields.renamedFrom, fmt.Errorf("%w in epoch %d", errRenamedToOther, spent.epoch))
		}
	}
	return pending, nil
}

// check holds one renumbering against the others and the registry.
func (p *renamePlanner) check(r renaming) error {
	if line, twice := p.lines[r.from]; twice {
		return fmt.Errorf("%w: line %d does too", errRenamedTwice, line)
	}
	p.lines[r.from] = r.line
	if row, found := p.row(r.from); found && !row.deletes {
		if _, renamed := p.former[r.from]; renamed {
			return fmt.Errorf("%w (line %d)", errRenameChain, row.line)
		}
		return fmt.Errorf("%w (line %d)", errFormerStays, row.line)
	}
	if known, err := p.known.has(r.from); !known || err != nil {
		return errors.Join(err, errFormerUnknown)
	}
	if _, spent, err := p.renamed.of(r.to); spent || err != nil {
		return err // refuseSpent has refused the row
	}
	if known, err := p.known.has(r.to); known || err != nil {
		return errors.Join(err, errRenamedToRecord)
	}
	return nil
}

// has tells whether the registry ever had a key.
func (e everyKey) has(key treeKey) (bool, error) {
	_, err := e.position(key)
	if errors.Is(err, ErrNoRecord) {
		return false, nil
	}
	return err == nil, err
}

// rename gives a new key the serial of its former one, which is spent from now on.
// No renumbering of an epoch rests on another one of it, so their order is all one.
func (c *committer) rename(from, to treeKey) error {
	known, err := everyKey{c.keys, c.retired}.has(to)
	if err != nil || known {
		return errors.Join(err, fmt.Errorf("%w: a staged renaming", ErrCorrupt))
	}
	if _, spent, err := c.renamed.of(from); err != nil || spent {
		return errors.Join(err, fmt.Errorf("%w: a staged renaming", ErrCorrupt))
	}
	origin, err := c.origins.of(from)
	if err != nil {
		return err
	}
	return errors.Join(c.origins.put(to, origin[:]), c.renamed.put(from, replacement{from, c.epoch, to}.encode()))
}
