package registry

import (
	"fmt"

	"golang.org/x/text/unicode/norm"

	"github.com/attestry/attestry/statement"
)

// fields says which source columns make a row: the key, the subject and the
// holder where the schema has them, then the attributes, then the former key where
// the schema has one. Two fields may come from one column.
type fields struct {
	schema          *statement.Schema
	columns         []string // in NFC, by field
	subject, holder int      // fields, or -1
	attributes      int      // field of the first attribute
	renamedFrom     int      // field, or -1; it says no content of the record
	change          int      // field, or -1: the file is not one of changes
}

func newFields(s *statement.Schema) *fields {
	f := &fields{schema: s, subject: -1, holder: -1, renamedFrom: -1, change: -1}
	f.add(s.Key)
	if s.Subject != "" {
		f.subject = f.add(s.Subject)
	}
	if s.Holder != "" {
		f.holder = f.add(s.Holder)
	}
	f.attributes = len(f.columns)
	for _, a := range s.Attributes {
		f.add(a.SourceColumn())
	}
	if s.RenamedFrom != "" {
		f.renamedFrom = f.add(s.RenamedFrom)
	}
	return f
}

func (f *fields) add(column string) int {
	f.columns = append(f.columns, norm.NFC.String(column))
	return len(f.columns) - 1
}

// byColumn gives the fields that come from each column.
func (f *fields) byColumn() map[string][]int {
	m := map[string][]int{}
	for i, c := range f.columns {
		m[c] = append(m[c], i)
	}
	return m
}

// record reads a row. r's values are overwritten.
func (f *fields) record(row []cell, r *Record) error {
	for i := range row {
		if i == f.renamedFrom || i == f.change {
			continue
		}
		if err := f.set(r, i, row[i].text); err != nil {
			return f.wrong(row, i, err)
		}
	}
	return nil
}

// wrong makes an error at a row's field.
func (f *fields) wrong(row []cell, field int, cause error) error {
	return &ImportError{Line: row[field].line, Column: row[field].column, Name: f.columns[field], Cause: cause}
}

// parse reads a row.
func (f *fields) parse(row []cell, record *Record) (parsed, error) {
	one := parsed{line: row[0].line, column: row[0].column}
	if f.deletes(row) {
		if err := f.set(record, 0, row[0].text); err != nil {
			return parsed{}, f.wrong(row, 0, err)
		}
	} else {
		if err := f.record(row, record); err != nil {
			return parsed{}, err
		}
		one.content = appendContent(nil, f.schema, record)
	}
	key, err := f.schema.HashKey(record.Key)
	if err != nil {
		return parsed{}, f.wrong(row, 0, err)
	}
	one.key = treeKeyOf(key)
	return one, nil
}

func (f *fields) set(r *Record, field int, text string) (err error) {
	switch field {
	case 0:
		r.Key, err = f.canonical("key", text)
		if err == nil && r.Key == "" {
			err = errEmptyKey
		}
	case f.subject:
		r.Subject, err = f.canonical("subject", text)
	case f.holder:
		r.Holder, err = parseHolder(text)
	default:
		i := field - f.attributes
		r.Values[i], err = f.schema.ParseValue(f.schema.Attributes[i], text)
		if err == nil {
			err = checkLength(r.Values[i].Text)
		}
	}
	return err
}

func (f *fields) canonical(name, text string) (string, error) {
	c, err := f.schema.Domain(name).Canonical(text)
	if err != nil {
		return "", err
	}
	return c, checkLength(c)
}

// checkLength bounds a canonical text, which may be longer than its source: it is
// hashed at the commit, which must not fail.
func checkLength(canonical string) error {
	if len(canonical) > statement.MaxTextBytes {
		return fmt.Errorf("%w: over %d bytes", errLongText, statement.MaxTextBytes)
	}
	return nil
}

func parseHolder(text string) (e statement.Element, err error) {
	if text == "" {
		return e, nil
	}
	if e.UnmarshalText([]byte(text)) != nil {
		return e, errHolder
	}
	return e, nil
}
