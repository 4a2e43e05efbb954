package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// figure is one measured value.
type figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Goal   float64 `json:"goal,omitempty"`
	Better string  `json:"better"` // higher or lower
	Detail string  `json:"detail"`
}

const (
	higher = "higher"
	lower  = "lower"
)

// reached tells whether the figure meets its goal; without one there is nothing to miss.
func (f figure) reached() string {
	switch {
	case f.Goal == 0:
		return ""
	case f.Better == higher && f.Value >= f.Goal, f.Better == lower && f.Value <= f.Goal:
		return "yes"
	}
	return "no"
}

func (f figure) goal() string {
	if f.Goal == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s", map[string]string{higher: ">=", lower: "<="}[f.Better], number(f.Goal))
}

// number writes a value with three digits or all of a whole number's, in groups.
func number(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 1000:
		digits := fmt.Sprintf("%.0f", v)
		for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
			digits = digits[:at] + "," + digits[at:]
		}
		return digits
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// plotted is a value at several sizes.
type plotted struct {
	Name   string   `json:"name"` // of the plot's file
	Title  string   `json:"title"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	Series []series `json:"series"`
}

type series struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

// result is what one part found.
type result struct {
	Part    string    `json:"part"`
	Date    string    `json:"date"`
	Machine machine   `json:"machine"`
	Quick   bool      `json:"quick,omitempty"`
	Seconds float64   `json:"seconds"`
	Figures []figure  `json:"figures"`
	Curves  []plotted `json:"curves,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
}

func allFigures(results []result) []figure {
	out := []figure{}
	for _, r := range results {
		out = append(out, r.Figures...)
	}
	return out
}

func printTable(out io.Writer, results []result) error {
	fmt.Fprintf(out, "%s\n\n", thisMachine())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tvalue\tgoal\treached\twhat")
	for _, f := range allFigures(results) {
		fmt.Fprintln(w, strings.Join([]string{f.Name, number(f.Value), f.goal(), f.reached(), f.Detail}, "\t"))
	}
	return w.Flush()
}
