package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// resultsFile holds the latest results of every part, from which RESULTS.md is made: parts
// may be measured at different times.
const resultsFile = "results.json"

// write puts results in the place of those that the directory has of the same parts, and
// makes the report and the plots of all of them.
func write(dir string, measured []result) error {
	all, err := readResults(dir)
	if err != nil {
		return err
	}
	for _, r := range measured {
		all = slices.DeleteFunc(all, func(old result) bool { return old.Part == r.Part })
		all = append(all, r)
	}
	document, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, resultsFile), append(document, '\n'), 0o644); err != nil {
		return err
	}
	if err := plotAll(filepath.Join(dir, plotsDir), all); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), report(all), 0o644)
}

func readResults(dir string) (all []result, err error) {
	document, err := os.ReadFile(filepath.Join(dir, resultsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(document, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", resultsFile, err)
	}
	return all, nil
}

// report writes the results as a page, part by part.
func report(all []result) []byte {
	var out bytes.Buffer
	fmt.Fprint(&out, `# Results

Written by `+"`go run ./benchmarks --write benchmarks`"+`, and not by hand. Figures are medians of interleaved rounds; what is compared was
measured in the same run. A ratio is above 1 where attestry is faster. The goals were set before anything was measured.
`)
	reportMissed(&out, all)
	for _, p := range parts() {
		for _, r := range all {
			if r.Part == p.name {
				reportPart(&out, p, r)
			}
		}
	}
	return out.Bytes()
}

// reportMissed begins with what is not reached.
func reportMissed(out *bytes.Buffer, all []result) {
	var missed []string
	goals := 0
	for _, f := range allFigures(all) {
		if f.Goal != 0 {
			goals++
		}
		if f.reached() == "no" {
			missed = append(missed, fmt.Sprintf("`%s` is %s (%s)", f.Name, number(f.Value), f.goal()))
		}
	}
	fmt.Fprintf(out, "\nOf %d goals, %d are reached.", goals, goals-len(missed))
	if len(missed) > 0 {
		fmt.Fprintf(out, " Not reached: %s.", strings.Join(missed, ", "))
	}
	fmt.Fprintln(out)
}

func reportPart(out *bytes.Buffer, p part, r result) {
	fmt.Fprintf(out, "\n## %s\n\nOn %s, on %s", p.title, r.Machine, r.Date)
	if r.Quick {
		fmt.Fprint(out, ", with `--quick`: fewer rounds, smaller sizes")
	}
	fmt.Fprintf(out, ". `--only %s` took %s s.\n\n%s\n", p.name, number(r.Seconds), p.compares)
	if len(r.Figures) > 0 {
		fmt.Fprint(out, "\n| figure | value | goal | reached | what |\n|---|---|---|---|---|\n")
	}
	for _, f := range r.Figures {
		reached := f.reached()
		if reached == "no" {
			reached = "**no**"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", f.Name, number(f.Value), f.goal(), reached, f.Detail)
	}
	for _, f := range r.Figures {
		if why := limits()[f.Name]; why != "" && f.reached() == "no" {
			fmt.Fprintf(out, "\nWhy not `%s`: %s\n", f.Name, why)
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(out, "\n%s\n", note)
	}
	for _, c := range r.Curves {
		fmt.Fprintf(out, "\n![%s](%s/%s.svg)\n", c.Title, plotsDir, c.Name)
	}
}
