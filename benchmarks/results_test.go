package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReached(t *testing.T) {
	for _, c := range []struct {
		f             figure
		reached, goal string
	}{
		{figure{Value: 3.2, Goal: 3.2, Better: higher}, "yes", ">= 3.2"},
		{figure{Value: 3.1999, Goal: 3.2, Better: higher}, "no", ">= 3.2"},
		{figure{Value: 150, Goal: 150, Better: lower}, "yes", "<= 150"},
		{figure{Value: 150.1, Goal: 150, Better: lower}, "no", "<= 150"},
		{figure{Value: 1, Better: lower}, "", ""},
	} {
		if c.f.reached() != c.reached || c.f.goal() != c.goal {
			t.Errorf("%+v: reached %q, goal %q", c.f, c.f.reached(), c.f.goal())
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 128: "128", 1234567: "1,234,567", 1234.6: "1,235", 123.4: "123", 12.345: "12.3", 0.8295: "0.83", -1000: "-1,000", -100: "-100",
	} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

func TestChosen(t *testing.T) {
	all, err := options{}.chosen()
	if err != nil || len(all) != len(parts())-1 {
		t.Errorf("%d parts, %v", len(all), err)
	}
	one, err := options{Only: []string{"large-ledger"}}.chosen()
	if err != nil || len(one) != 1 {
		t.Errorf("%v, %v", one, err)
	}
	if _, err := (options{Only: []string{"verify", "speed"}}).chosen(); err == nil {
		t.Error("a part that there is not was taken")
	}
}

// Parts that were measured take the place of older ones; others stay.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	curve := plotted{Name: "sizes", Title: "By size", X: "size", Y: "seconds", Series: []series{{"one", [][2]float64{{10, 1}, {1000, 50}}}}}
	verify := result{Part: "verify", Machine: machine{CPU: "some processor"}, Figures: []figure{{"verify.batch256.ratio", 5, 4, higher, "of the first run"}}}
	for _, run := range [][]result{
		{verify, {Part: "ledger", Figures: []figure{{"ledger.append256.ratio", 0.9, 0.8, higher, "of the first run"}}}},
		{{Part: "ledger", Figures: []figure{{"ledger.append256.ratio", 0.7, 0.8, higher, "of the second run"}}, Curves: []plotted{curve}}},
	} {
		if err := write(dir, run); err != nil {
			t.Fatal(err)
		}
	}
	report, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Of 2 goals, 1 are reached. Not reached: `ledger.append256.ratio` is 0.7 (>= 0.8).", "some processor",
		"| verify.batch256.ratio | 5 | >= 4 | yes | of the first run |", "| ledger.append256.ratio | 0.7 | >= 0.8 | **no** | of the second run |",
		"Why not `ledger.append256.ratio`: ", "(plots/sizes.svg)",
	} {
		if !strings.Contains(string(report), want) {
			t.Errorf("the report lacks %q:\n%s", want, report)
		}
	}
	if drawn, err := os.ReadFile(filepath.Join(dir, "plots", "sizes.svg")); err != nil || !strings.Contains(string(drawn), "By size") {
		t.Errorf("the plot: %v", err)
	}
}
