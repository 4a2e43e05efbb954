package registry

import (
	"errors"
	"fmt"
	"slices"
)

// ChangeColumn is the column of a file of changes that says what becomes of a row's record:
// put or delete. Of a record that is deleted only the key is read, and the file need not
// have more.
const ChangeColumn = "_change"

const (
	changePutText    = "put"
	changeDeleteText = "delete"
)

// What is wrong with files of changes.
var (
	errChanges       = errors.New("the column of a file of changes, in a file that is taken for the whole registry")
	errChangeOwn     = fmt.Errorf("the schema has a column %s itself, so there is no file of changes of this registry", ChangeColumn)
	errUnknownChange = fmt.Errorf("neither %q nor %q", changePutText, changeDeleteText)
	errDeletesNone   = errors.New("a record to delete that the last epoch does not have")
)

// withChange gives the fields of a file of changes.
func (f *fields) withChange() (*fields, error) {
	if slices.Contains(f.columns, ChangeColumn) {
		return nil, fmt.Errorf("%w: %w", ErrBadImport, errChangeOwn)
	}
	own := *f
	own.columns = slices.Clone(f.columns)
	own.change = own.add(ChangeColumn)
	return &own, nil
}

// optional tells whether some rows need not have a field.
func (f *fields) optional(field int) bool { return f.change >= 0 && field != 0 && field != f.change }

func (f *fields) deletes(row []cell) bool {
	return f.change >= 0 && row[f.change].text == changeDeleteText
}

// whole refuses a row that lacks a field which it needs, or says no change that there is.
func (f *fields) whole(row []cell) error {
	if f.change < 0 || f.deletes(row) {
		return nil
	}
	if row[f.change].text != changePutText {
		return f.wrong(row, f.change, errUnknownChange)
	}
	for i := range row {
		if row[i].line == 0 {
			return &ImportError{Line: row[0].line, Column: row[0].column, Name: f.columns[i], Cause: errNoColumn}
		}
	}
	return nil
}

// changes stages the rows of a file of changes. Of those that delete what is not there,
// the error says the first in the file.
func (m *merge) changes(file *snapshot) error {
	if err := m.readAhead(file); err != nil {
		return err
	}
	var wrong *ImportError
	err := file.each(func(row parsed) (err error) {
		if m.at, m.ok, err = m.live.seek(row.key); err != nil {
			return err
		}
		live := m.ok && m.at.key == row.key
		switch {
		case live && row.deletes():
			m.counts.Deleted++
			return m.put(stagedChange{kind: changeDelete, key: row.key})
		case live:
			return m.compare(row, m.at.position)
		case !row.deletes():
			return m.insert(row)
		case wrong == nil || row.line < wrong.Line:
			wrong = &ImportError{Line: row.line, Column: row.column, Name: file.fields.columns[0], Cause: errDeletesNone}
		}
		return nil
	})
	if err == nil && wrong != nil {
		return wrong
	}
	return err
}

// deleteFormer adds the deletion of the former keys that the last epoch still has and that
// the file does not delete itself.
func (p *renamePlanner) deleteFormer(tx state, file *snapshot) error {
	live := tx.list(bucketKeys)
	for _, from := range p.former {
		if _, found := p.row(from); found {
			continue
		}
		_, found, err := live.get(from)
		if err != nil {
			return err
		}
		if found {
			if err := file.add(parsed{key: from}); err != nil {
				return err
			}
		}
	}
	return nil
}
