package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/statement"
)

// Record is one row of the registry as an epoch has it. Key, subject and texts
// are in their canonical form. It is private: every way of formatting, logging or
// marshalling one shows a placeholder or fails.
type Record struct {
	Position uint64 // of its leaf; the same in every epoch
	Key      string
	Subject  string            // empty where there is none
	Holder   statement.Element // holder tag, or 0
	Values   []statement.Value // in the order of the schema's attributes
}

const redactedRecord = "registry.Record(private)"

// Format implements fmt.Formatter: no verb shows the record.
func (r Record) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedRecord) }

// LogValue implements slog.LogValuer.
func (r Record) LogValue() slog.Value { return slog.StringValue(redactedRecord) }

// MarshalJSON refuses: no document holds a record.
func (r Record) MarshalJSON() ([]byte, error) {
	return nil, errors.New(redactedRecord + " has no JSON form")
}

// The marks before a member of a record's content that may be absent.
const (
	markAbsent  = 0
	markPresent = 1
)

// appendContent encodes what a record holds, apart from its position. Equal
// records of a schema, and no others, have equal contents.
func appendContent(b []byte, schema *statement.Schema, r *Record) []byte {
	b = appendText(b, r.Key)
	b = appendText(b, r.Subject)
	if r.Holder.IsZero() {
		b = append(b, markAbsent)
	} else {
		tag := r.Holder.Bytes()
		b = append(append(b, markPresent), tag[:]...)
	}
	for i, v := range r.Values {
		switch {
		case v.Absent:
			b = append(b, markAbsent)
		case schema.Attributes[i].Type == statement.Text:
			b = appendText(append(b, markPresent), v.Text)
		default:
			b = binary.BigEndian.AppendUint64(append(b, markPresent), uint64(v.Int))
		}
	}
	return b
}

// appendText writes a text after its length, which statement.MaxTextBytes bounds.
func appendText(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
}

// decodeContent reads what appendContent wrote, and nothing else.
func decodeContent(b []byte, schema *statement.Schema) (*Record, error) {
	d := decoder{rest: b}
	r := &Record{Key: d.text(), Subject: d.text()}
	if d.present() {
		r.Holder = d.element()
		d.failed = d.failed || r.Holder.IsZero()
	}
	r.Values = make([]statement.Value, len(schema.Attributes))
	for i, a := range schema.Attributes {
		switch {
		case !d.present():
			r.Values[i].Absent = true
		case a.Type == statement.Text:
			r.Values[i].Text = d.text()
		default:
			r.Values[i].Int = int64(binary.BigEndian.Uint64(d.take(8)))
		}
	}
	if d.failed || len(d.rest) != 0 {
		return nil, fmt.Errorf("%w: a record's content does not decode", ErrCorrupt)
	}
	return r, nil
}

// subjectOf reads a content's subject alone.
func subjectOf(content []byte) (string, error) {
	d := decoder{rest: content}
	_, subject := d.text(), d.text()
	if d.failed {
		return "", fmt.Errorf("%w: a record's content does not decode", ErrCorrupt)
	}
	return subject, nil
}

// decoder takes members off the front of a content. After a failure it gives zeros.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) take(n int) []byte {
	if d.failed || len(d.rest) < n {
		d.failed = true
		return make([]byte, n)
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) text() string { return string(d.take(int(binary.BigEndian.Uint16(d.take(2))))) }

func (d *decoder) present() bool {
	mark := d.take(1)[0]
	d.failed = d.failed || mark > markPresent
	return mark == markPresent
}

func (d *decoder) element() statement.Element {
	e, err := statement.ElementFromBytes(d.take(fr.Bytes))
	d.failed = d.failed || err != nil
	return e
}
