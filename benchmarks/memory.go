package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// step is what a piece of work took, and this process's memory before and at its peak.
type step struct {
	seconds      float64
	before, peak resident
}

// measured does a piece of work, and watches the memory meanwhile.
func measured(work func() error) (step, error) {
	debug.FreeOSMemory()
	out := step{before: residentNow()}
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { out.peak = watchResident(stop) })
	took, err := timed(work)
	close(stop)
	watch.Wait()
	out.seconds = took.wall.Seconds()
	return out, err
}

// figures gives a step's time, and its peak of anonymous memory with the mapped pages
// of the database beside it.
func (s step) figures(name, what string) []figure {
	return []figure{
		{name + ".s", s.seconds, 0, lower, what},
		{name + ".anon_mib", s.peak.anon, 0, lower, fmt.Sprintf("peak RssAnon meanwhile (before: %.0f); mapped pages (RssFile) %.0f", s.before.anon, s.peak.file)},
	}
}

// resident is this process's memory in MiB: its own, and pages of files that it maps.
type resident struct{ anon, file float64 }

// watchResident gives the peaks until it is told to stop.
func watchResident(stop chan struct{}) (peak resident) {
	for {
		now := residentNow()
		peak = resident{max(peak.anon, now.anon), max(peak.file, now.file)}
		select {
		case <-stop:
			return peak
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// residentNow reads /proc/self/status; elsewhere than on Linux it gives 0.
func residentNow() (r resident) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return r
	}
	defer func() { _ = f.Close() }() // only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		kib, err := strconv.ParseFloat(words[1], 64)
		switch {
		case errors.Is(err, strconv.ErrSyntax):
		case words[0] == "RssAnon:":
			r.anon = kib / 1024
		case words[0] == "RssFile:":
			r.file = kib / 1024
		}
	}
	return r
}
