package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/attestry/attestry/internal/cli"
)

// TestHelpHasExamples: every command's help shows how it is called, in lines that the
// grammar accepts.
func TestHelpHasExamples(t *testing.T) {
	grammar := &commands{}
	parser, err := kong.New(grammar, kong.Bind(&grammar.globals))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range commandNames(parser.Model.Node) {
		t.Run("attestry "+name, func(t *testing.T) {
			var out bytes.Buffer
			args := append(strings.Fields(name), "--help")
			if code := run(t.Context(), args, cli.Streams{Out: &out, Err: &out}); code != cli.Done {
				t.Fatalf("exit code %d: %s", code, &out)
			}
			examples := examplesOf(out.String())
			if len(examples) == 0 {
				t.Fatalf("no examples:\n%s", &out)
			}
			for _, line := range examples {
				if err := parses(line); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		})
	}
}

// commandNames lists all commands and groups of commands below a node, and "" for
// the program.
func commandNames(n *kong.Node) []string {
	names := []string{""}
	for _, child := range n.Children {
		for _, below := range commandNames(child) {
			names = append(names, strings.TrimSpace(child.Name+" "+below))
		}
	}
	return names
}

// examplesOf gives the command lines of attestry behind "Examples:".
func examplesOf(help string) []string {
	_, examples, _ := strings.Cut(help, "Examples:")
	var lines []string
	for line := range strings.Lines(examples) {
		line = strings.TrimSpace(line)
		if _, piped, ok := strings.Cut(line, "| "); ok {
			line = piped
		}
		if args, ok := strings.CutPrefix(strings.TrimPrefix(line, "ATTESTRY_TRUST=trust.json "), "attestry "); ok {
			lines = append(lines, args)
		}
	}
	return lines
}

func parses(line string) error {
	grammar := &commands{}
	parser, err := kong.New(grammar, kong.Bind(&grammar.globals))
	if err != nil {
		return err
	}
	_, err = parser.Parse(strings.Fields(line))
	return err
}
