package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
)

const comparesWithoutAVX = `The part prove again, in a build with gnark-crypto's tag noavx, which leaves both sides without its vector code: the
same comparison for processors that have no AVX-512 with IFMA.`

// measureWithoutAVX runs the part of the proofs in a build without gnark-crypto's vector
// code.
func measureWithoutAVX(ctx context.Context, b *bench) error {
	if runtime.GOARCH != "amd64" {
		b.note("gnark-crypto has no vector code to leave out on %s", runtime.GOARCH)
		return nil
	}
	args := []string{"run", "-tags", "noavx", "github.com/attestry/attestry/benchmarks", "--only", "prove", "--json"}
	if b.Quick {
		args = append(args, "--quick")
	}
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return fmt.Errorf("go run -tags noavx: %w", err)
	}
	var found struct{ Figures []figure }
	if err := json.Unmarshal(out, &found); err != nil {
		return err
	}
	goals := map[string]float64{"prove.present.wall_ratio": 2.4, "prove.present.cpu_ratio": 2.4}
	for _, f := range found.Figures {
		switch f.Name {
		case "prove.present.ms", "prove.present.wall_ratio", "prove.present.cpu_ratio", "prove.absent.wall_ratio", "prove.throughput_ratio":
			b.add(figure{"noavx." + f.Name, f.Value, goals[f.Name], f.Better, f.Detail})
		}
	}
	return nil
}
