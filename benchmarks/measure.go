package main

import (
	"context"
	"slices"
	"syscall"
	"time"
)

// cost is what a piece of work took.
type cost struct{ wall, cpu time.Duration }

// timed measures work by the wall and by the processors of this process.
func timed(work func() error) (cost, error) {
	before, start := cpuTime(), time.Now()
	err := work()
	return cost{time.Since(start), cpuTime() - before}, err
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // not on this system: the figure then reads 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMemory gives the largest resident size of this process so far, in MiB.
func peakMemory() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Maxrss) / 1024 // Linux gives KiB
}

// interleave measures several pieces of work in turn, round after round. Where there
// are several rounds, the first one does not count.
func interleave(ctx context.Context, rounds int, works ...func() error) ([][]cost, error) {
	costs := make([][]cost, len(works))
	first := 0
	if rounds == 1 {
		first = 1
	}
	for round := first; round <= rounds; round++ {
		for i, work := range works {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			c, err := timed(work)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				costs[i] = append(costs[i], c)
			}
		}
	}
	return costs, nil
}

// repeat makes a piece of work of another, done several times.
func repeat(times int, work func() error) func() error {
	return func() error {
		for range times {
			if err := work(); err != nil {
				return err
			}
		}
		return nil
	}
}

func medianWall(costs []cost) float64 {
	return median(costs, func(c cost) time.Duration { return c.wall })
}

func medianCPU(costs []cost) float64 {
	return median(costs, func(c cost) time.Duration { return c.cpu })
}

// median gives the middle value in milliseconds.
func median(costs []cost, of func(cost) time.Duration) float64 {
	values := make([]time.Duration, len(costs))
	for i, c := range costs {
		values[i] = of(c)
	}
	slices.Sort(values)
	return float64(values[len(values)/2].Nanoseconds()) / 1e6
}
