package countydata

import (
	"encoding/csv"
	"io"
	"slices"
	"testing"

	"github.com/attestry/attestry/statement"
)

func TestSchemasFitTheData(t *testing.T) {
	for _, set := range []struct {
		name    string
		open    func() (io.Reader, error)
		schema  []byte
		records int
	}{
		{"lucas-titles", Titles, TitlesSchema(), TitlesRecords},
		{"lucas-liens", Liens, LiensSchema(), LiensRecords},
	} {
		t.Run(set.name, func(t *testing.T) {
			schema, err := statement.ParseSchema(set.schema)
			if err != nil {
				t.Fatal(err)
			}
			if schema.Registry != set.name {
				t.Errorf("the schema is of %s", schema.Registry)
			}
			r, err := set.open()
			if err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(r).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if len(rows)-1 != set.records {
				t.Errorf("%d records, not %d", len(rows)-1, set.records)
			}
			checkRows(t, schema, rows)
		})
	}
}

func checkRows(t *testing.T, schema *statement.Schema, rows [][]string) {
	keys := map[string]bool{}
	key := slices.Index(rows[0], schema.Key)
	for i, row := range rows[1:] {
		if keys[row[key]] {
			t.Fatalf("record %d: key %q twice", i, row[key])
		}
		keys[row[key]] = true
		for _, a := range schema.Attributes {
			column := slices.Index(rows[0], a.SourceColumn())
			if column < 0 {
				t.Fatalf("no column %q", a.SourceColumn())
			}
			if _, err := schema.ParseLiteral(a, row[column]); err != nil {
				t.Fatalf("record %d: %s: %v", i, a.Name, err)
			}
		}
	}
}

func TestSchemasShareTheirKeys(t *testing.T) {
	titles, err := statement.ParseSchema(TitlesSchema())
	if err != nil {
		t.Fatal(err)
	}
	liens, err := statement.ParseSchema(LiensSchema())
	if err != nil {
		t.Fatal(err)
	}
	if !titles.Domain("key").Equal(liens.Domain("key")) {
		t.Error("the keys of the two registries cannot be tied")
	}
	if len(titles.Attributes) != statement.MaxAttributes {
		t.Errorf("%d attributes, not %d", len(titles.Attributes), statement.MaxAttributes)
	}
}
