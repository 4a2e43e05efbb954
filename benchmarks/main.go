// Command benchmarks measures attestry on this machine and prints each figure
// beside its goal. What is compared is measured side by side in this run,
// interleaved, and given as the median of several rounds; losses are printed like
// wins.
//
//	go run ./benchmarks                            the table
//	go run ./benchmarks --json                     {"figures": [{"name", "value", "goal", "better", "detail"}]}
//	go run ./benchmarks --quick                    fewer rounds, smaller sizes: some minutes
//	go run ./benchmarks --only verify,audit        some parts
//	go run ./benchmarks --write benchmarks         RESULTS.md and the plots there, from what was measured
//	                                               and what is there of the other parts
//	go run ./benchmarks --only records --records 10000000 --write benchmarks
//	                                               registries of up to ten million records: half an hour
//
// The peers of part peers are npm's, and are measured where node and npm are; see
// benchmarks/peers.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/consensys/gnark/logger"
)

type options struct {
	JSON  bool     `help:"One JSON document on stdout."`
	Quick bool     `help:"Fewer rounds and smaller sizes."`
	Only  []string `placeholder:"PART" help:"Measure these parts alone: ${parts}."`
	Write string   `placeholder:"DIR" help:"Write the results of the parts that were measured into DIR/results.json, and RESULTS.md and plots from all that it holds."`
	Dir   string   `placeholder:"DIR" help:"Where to put what is measured, on the disk in question (default: where temporary files go)."`

	Ledger  int `default:"1000000" placeholder:"ENTRIES" help:"The size of the log that part large-ledger grows."`
	Records int `default:"1000000" placeholder:"RECORDS" help:"The largest registry of the part records."`
}

// part is a part of the benchmarks, which can be measured by itself.
type part struct {
	name, title string
	// byName says that it is measured only when it is named.
	byName  bool
	measure func(context.Context, *bench) error
	// compares says what is compared with what, and what cannot be.
	compares string
}

// parts are all of them, in the order of the report.
func parts() []part {
	return []part{
		{"prove", "Proofs", false, measureProving, comparesProving},
		{"noavx", "Proofs without AVX-512", false, measureWithoutAVX, comparesWithoutAVX},
		{"verify", "Verification", false, measureVerifying, comparesVerifying},
		{"answer", "Answers and bundles", false, measureAnswers, comparesAnswers},
		{"registry", "The registry", false, measureRegistry, comparesRegistry},
		{"records", "Registries by size", false, measureRecords, comparesRecords},
		{"ledger", "The ledger", false, measureLedger, comparesLedger},
		{"large-ledger", "A large ledger", true, measureLargeLedger, comparesLargeLedger},
		{"audit", "Audits", false, measureAudit, comparesAudit},
		{"connections", "Connections", false, measureConnections, comparesConnections},
		{"peers", "Peers", false, measurePeers, comparesPeers},
	}
}

// chosen gives the parts to measure.
func (o options) chosen() ([]part, error) {
	var out []part
	for _, p := range parts() {
		if slices.Contains(o.Only, p.name) || len(o.Only) == 0 && !p.byName {
			out = append(out, p)
		}
	}
	for _, name := range o.Only {
		if !slices.ContainsFunc(parts(), func(p part) bool { return p.name == name }) {
			return nil, fmt.Errorf("there is no part %q: the parts are %s", name, partNames())
		}
	}
	return out, nil
}

func partNames() string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("benchmarks"), kong.Description("Measure attestry on this machine, each figure beside its goal."), kong.Vars{"parts": partNames()})
	logger.Disable() // gnark's, which writes to stdout
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks: error:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, o options) (err error) {
	chosen, err := o.chosen()
	if err != nil {
		return err
	}
	if o.Write != "" {
		if err := os.MkdirAll(o.Write, 0o755); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "attestry-benchmarks-*")
	if err != nil {
		return err
	}
	b := &bench{options: o, dir: dir}
	defer func() { err = errors.Join(err, b.close(), os.RemoveAll(dir)) }()
	results, failed := b.measure(ctx, chosen)
	if o.Write != "" {
		if err := write(o.Write, results); err != nil {
			return errors.Join(failed, err)
		}
	}
	if o.JSON {
		return errors.Join(failed, json.NewEncoder(os.Stdout).Encode(map[string][]figure{"figures": allFigures(results)}))
	}
	return errors.Join(failed, printTable(os.Stdout, results))
}

// measure measures parts. One that fails does not keep the others from being measured.
func (b *bench) measure(ctx context.Context, chosen []part) (results []result, failed error) {
	for _, p := range chosen {
		r, err := b.part(ctx, p)
		if ctx.Err() != nil {
			return results, errors.Join(failed, ctx.Err())
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", p.name, err))
			continue
		}
		results = append(results, r)
	}
	return results, failed
}

// bench is one run: its options, its directory, what several parts need, and what the
// part that is being measured has found so far.
type bench struct {
	options
	dir    string
	county *county
	made   int // registries
	found  result
}

// part measures one part.
func (b *bench) part(ctx context.Context, p part) (result, error) {
	fmt.Fprintf(os.Stderr, "benchmarks: %s\n", p.title)
	start := time.Now()
	b.found = result{Part: p.name, Machine: thisMachine(), Quick: b.Quick, Date: start.UTC().Format(time.DateOnly)}
	if err := p.measure(ctx, b); err != nil {
		return result{}, err
	}
	b.found.Seconds = time.Since(start).Round(time.Second).Seconds()
	return b.found, nil
}

func (b *bench) close() error {
	if b.county == nil {
		return nil
	}
	return b.county.w.Close()
}

// add notes figures.
func (b *bench) add(figures ...figure) { b.found.Figures = append(b.found.Figures, figures...) }

// note says something about the part that no figure says.
func (b *bench) note(format string, args ...any) {
	b.found.Notes = append(b.found.Notes, fmt.Sprintf(format, args...))
	fmt.Fprintln(os.Stderr, "benchmarks:", b.found.Notes[len(b.found.Notes)-1])
}

// rounds is how often each side of a comparison is measured.
func (b *bench) rounds() int { return b.count(3, 9) }

// count is a number of things to do.
func (b *bench) count(quick, full int) int {
	if b.Quick {
		return quick
	}
	return full
}

// path gives a name in the run's directory.
func (b *bench) path(name ...string) string {
	return filepath.Join(append([]string{b.dir}, name...)...)
}
