// Command benchmarks measures attestry on this machine and prints each figure
// beside its goal. What is compared is measured side by side in this run,
// interleaved, and given as the median of several rounds; losses are printed like
// wins.
//
//	go run ./benchmarks            the table
//	go run ./benchmarks --quick    fewer rounds
//	go run ./benchmarks --ledger 1000000
//	                               a log of a million pledges instead: its growth, export, check, memory
//	go run ./benchmarks --json     {"figures": [{"name", "value", "goal", "better", "detail"}]}
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// figure is one measured value.
type figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Goal   float64 `json:"goal,omitempty"`
	Better string  `json:"better"` // higher or lower
	Detail string  `json:"detail"`
}

// reached tells whether the figure meets its goal; without one there is nothing to miss.
func (f figure) reached() string {
	switch {
	case f.Goal == 0:
		return "-"
	case f.Better == "higher" && f.Value >= f.Goal, f.Better == "lower" && f.Value <= f.Goal:
		return "yes"
	}
	return "no"
}

type options struct {
	JSON  bool `help:"One JSON document on stdout."`
	Quick bool `help:"Fewer rounds."`
	// Ledger is a size at which the log alone is measured.
	Ledger int    `placeholder:"ENTRIES" help:"Measure a log of so many entries, and nothing else."`
	Dir    string `placeholder:"DIR" help:"Where to put what is measured, on the disk in question (default: where temporary files go)."`
}

// rounds is how often each side of a comparison is measured.
func (o options) rounds() int {
	if o.Quick {
		return 3
	}
	return 9
}

// count is a number of things to do.
func (o options) count(quick, full int) int {
	if o.Quick {
		return quick
	}
	return full
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("benchmarks"), kong.Description("Measure attestry on this machine, each figure beside its goal."))
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks: error:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.Dir, "attestry-benchmarks-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	measures := []func(context.Context, string, options) ([]figure, error){measureProving, measureRegistry, measureLedger, measureAudit}
	if o.Ledger > 0 {
		measures = []func(context.Context, string, options) ([]figure, error){measureLargeLedger}
	}
	var figures []figure
	for _, measure := range measures {
		measured, err := measure(ctx, dir, o)
		if err != nil {
			return err
		}
		figures = append(figures, measured...)
	}
	if o.JSON {
		return json.NewEncoder(os.Stdout).Encode(map[string][]figure{"figures": figures})
	}
	return printTable(figures)
}

func printTable(figures []figure) error {
	fmt.Printf("%s/%s, %d cores, %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tvalue\tgoal\treached\twhat")
	for _, f := range figures {
		goal := "-"
		if f.Goal != 0 {
			goal = fmt.Sprintf("%s %g", map[string]string{"higher": ">=", "lower": "<="}[f.Better], f.Goal)
		}
		fmt.Fprintf(w, "%s\t%.4g\t%s\t%s\t%s\n", f.Name, f.Value, goal, f.reached(), f.Detail)
	}
	return w.Flush()
}

func subdir(dir, name string) string { return filepath.Join(dir, name) }
