// Package countydata is the land register of a real county, embedded: what the
// demonstration and the benchmarks run on. README.md says where it comes from and
// which of its columns are made up.
package countydata

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
)

// Records in each data set.
const (
	TitlesRecords = 25_357
	LiensRecords  = 9_148
)

//go:embed lucas-titles.csv.gz
var titles []byte

//go:embed lucas-liens.csv.gz
var liens []byte

//go:embed lucas-titles.yaml
var titlesSchema []byte

//go:embed lucas-liens.yaml
var liensSchema []byte

// Titles gives the land titles: CSV with a header.
func Titles() (io.Reader, error) { return gzip.NewReader(bytes.NewReader(titles)) }

// Liens gives the summary of liens: CSV with a header.
func Liens() (io.Reader, error) { return gzip.NewReader(bytes.NewReader(liens)) }

// TitlesSchema gives the schema of [Titles] in YAML.
func TitlesSchema() []byte { return bytes.Clone(titlesSchema) }

// LiensSchema gives the schema of [Liens] in YAML.
func LiensSchema() []byte { return bytes.Clone(liensSchema) }
