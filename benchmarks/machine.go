package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/cpu"
)

// machine says where and with what something was measured.
type machine struct {
	OS        string            `json:"os"`
	CPU       string            `json:"cpu"`
	Cores     int               `json:"cores"`
	MemoryGiB float64           `json:"memory_gib,omitempty"`
	IFMA      bool              `json:"avx512_ifma"`
	Go        string            `json:"go"`
	Modules   map[string]string `json:"modules"`
}

func thisMachine() machine {
	m := machine{
		OS: runtime.GOOS + "/" + runtime.GOARCH, CPU: "unknown", Cores: runtime.GOMAXPROCS(0),
		IFMA: cpu.X86.HasAVX512 && cpu.X86.HasAVX512IFMA, Go: runtime.Version(), Modules: map[string]string{},
	}
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		m.CPU = model
	}
	var kib float64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kib); err == nil {
		m.MemoryGiB = float64(int(kib/(1<<20)*10)) / 10
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/consensys/gnark", "github.com/consensys/gnark-crypto", "go.etcd.io/bbolt":
				m.Modules[d.Path] = d.Version
			}
		}
	}
	return m
}

// field gives what a line of a file says after a name and a colon; "" where the file
// or the line is not there.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if before, after, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(before) == name {
			return strings.TrimSpace(after)
		}
	}
	return ""
}

func (m machine) String() string {
	vectors := "without AVX-512 IFMA"
	if m.IFMA {
		vectors = "with AVX-512 IFMA"
	}
	return fmt.Sprintf("%d cores of %s %s, %.0f GiB, %s, %s, gnark %s, gnark-crypto %s, bbolt %s", m.Cores, m.CPU, vectors, m.MemoryGiB,
		m.OS, m.Go, m.Modules["github.com/consensys/gnark"], m.Modules["github.com/consensys/gnark-crypto"], m.Modules["go.etcd.io/bbolt"])
}
