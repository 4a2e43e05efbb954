package registry

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/unicode/norm"
)

// csvReader reads CSV as encoding/csv does (RFC 4180, blank lines skipped), with a
// header row. Columns that the schema does not name are ignored.
type csvReader struct {
	lines  *lineReader
	csv    *csv.Reader
	fields *fields
	width  int
	index  []int // by field: the column of the file
	row    []cell
}

func newCSVReader(lines *lineReader, fs *fields) (*csvReader, error) {
	c := &csvReader{lines: lines, csv: csv.NewReader(lines), fields: fs}
	c.csv.ReuseRecord = true
	c.csv.FieldsPerRecord = -1 // ours says more
	header, err := c.read()
	if errors.Is(err, io.EOF) {
		return nil, &ImportError{Line: 1, Column: 1, Cause: fmt.Errorf("%w: there is no header row", errEmptyFile)}
	}
	if err != nil {
		return nil, err
	}
	c.width = len(header)
	c.row = make([]cell, len(fs.columns))
	c.index, err = c.locate(header)
	return c, err
}

// locate finds the columns of the fields in the header.
func (c *csvReader) locate(header []string) ([]int, error) {
	known := c.fields.byColumn()
	seen := map[string]int{}
	for i, name := range header {
		name = norm.NFC.String(name)
		if _, twice := seen[name]; twice && name != "" { // trailing commas make unnamed columns
			label := ""
			if _, ok := known[name]; ok {
				label = name
			}
			return nil, c.wrong(i, label, errColumnTwice)
		}
		seen[name] = i
	}
	if at, ok := seen[ChangeColumn]; ok && len(known[ChangeColumn]) == 0 {
		return nil, c.wrong(at, ChangeColumn, errChanges)
	}
	index := make([]int, len(c.fields.columns))
	for field, name := range c.fields.columns {
		at, ok := seen[name]
		switch {
		case ok:
			index[field] = at
		case c.fields.optional(field):
			index[field] = -1
		default:
			return nil, c.wrong(0, name, errNoColumn)
		}
	}
	return index, nil
}

// wrong makes an error at a column of the row that was just read.
func (c *csvReader) wrong(column int, name string, cause error) error {
	line, at := c.csv.FieldPos(column)
	return &ImportError{Line: line, Column: at, Name: name, Cause: cause}
}

func (c *csvReader) read() ([]string, error) {
	c.lines.startRow()
	row, err := c.csv.Read()
	if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
		cause := parse.Err
		if parse.StartLine != parse.Line {
			cause = fmt.Errorf("%w, in the row that starts at line %d", cause, parse.StartLine)
		}
		return nil, &ImportError{Line: parse.Line, Column: parse.Column, Cause: cause}
	}
	return row, err
}

func (c *csvReader) next() ([]cell, error) {
	values, err := c.read()
	if err != nil {
		return nil, err
	}
	if len(values) != c.width {
		return nil, c.wrong(0, "", fmt.Errorf("a row of %d fields, where the header has %d", len(values), c.width))
	}
	for field, column := range c.index {
		if column < 0 {
			c.row[field] = cell{}
			continue
		}
		line, at := c.csv.FieldPos(column)
		c.row[field] = cell{text: values[column], line: line, column: at}
	}
	return c.row, c.fields.whole(c.row)
}
