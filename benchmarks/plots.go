package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// plotsDir is where the plots are, beside the report.
const plotsDir = "plots"

// plotAll draws the curves of all results, each into a file of its name.
func plotAll(dir string, all []result) error {
	for _, r := range all {
		for _, c := range r.Curves {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := c.draw(filepath.Join(dir, c.Name+".svg")); err != nil {
				return fmt.Errorf("plot %s: %w", c.Name, err)
			}
		}
	}
	return nil
}

// draw draws a curve on logarithmic axes, or on linear ones where it does not span a
// power of ten.
func (c plotted) draw(path string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	p.BackgroundColor = color.White
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	var drawn []any
	for _, s := range c.Series {
		points := make(plotter.XYs, len(s.Points))
		for i, at := range s.Points {
			points[i].X, points[i].Y = at[0], at[1]
		}
		drawn = append(drawn, s.Name, points)
	}
	if err := plotutil.AddLinePoints(p, drawn...); err != nil {
		return err
	}
	scale(&p.X, c.span(0))
	scale(&p.Y, c.span(1))
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, path)
}

// span gives the largest value of a coordinate against the smallest.
func (c plotted) span(coordinate int) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range c.Series {
		for _, at := range s.Points {
			low, high = min(low, at[coordinate]), max(high, at[coordinate])
		}
	}
	return high / low
}

func scale(a *plot.Axis, span float64) {
	if span < 10 {
		a.Min, a.Max = 0, a.Max*1.3 // room for the legend
		return
	}
	a.Scale, a.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	a.Min, a.Max = math.Pow(10, math.Floor(math.Log10(a.Min))), math.Pow(10, math.Ceil(math.Log10(a.Max)))
}
