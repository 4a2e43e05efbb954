package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/statement"
)

// grammar is a small program.
type grammar struct {
	Flags
	Say  sayCmd  `cmd:"" help:"Say a word."`
	Fail failCmd `cmd:"" help:"Fail."`
}

type sayCmd struct {
	Word string `arg:""`
	Tone string `default:"plain" short:"t"`
	To   []string
}

func (c *sayCmd) Run(ctx context.Context, env *Env, suffix string) error {
	env.Note("a note")
	env.Warn("a warning")
	if env.JSON {
		return env.PrintJSON(map[string]string{"word": c.Word + suffix})
	}
	return errors.Join(ctx.Err(), env.Print("%s%s", c.Word, suffix))
}

type failCmd struct {
	How string `arg:""`
}

func (c *failCmd) Run(*Env) error {
	base := errors.New("first\nsecond \x1b[2J")
	switch c.How {
	case "refuse":
		return fmt.Errorf("wrapped: %w", Refuse(base))
	case "hint":
		return fmt.Errorf("wrapped: %w", Hint(Hint(base, "inner"), "outer %d", 1))
	}
	return base
}

func TestProgram(t *testing.T) {
	for _, test := range []struct {
		args      string
		code      int
		out, errs string
	}{
		{"say hello", Done, "hello!\n", "prog: note: a note\nprog: warning: a warning\n"},
		{"say hello --quiet", Done, "hello!\n", "prog: warning: a warning\n"},
		{"say hello -q --json", Done, "{\n  \"word\": \"hello!\"\n}\n", "prog: warning: a warning\n"},
		{"fail plainly", Could, "", "prog: error: first; second \\x1b[2J\n"},
		{"fail refuse", No, "", "prog: error: wrapped: first; second \\x1b[2J\n"},
		{"fail hint", Could, "", "prog: error: wrapped: first; second \\x1b[2J\nprog: hint: outer 1\nprog: hint: inner\n"},
		{"say", Could, "", "prog: error: expected \"<word>\"\nprog: hint: prog say --help shows how it is used\n"},
		{"", Could, "", "prog: error: expected one of \"say\", \"fail\"\nprog: hint: prog --help shows how it is used\n"},
		{"say a --tone=", Could, "", "prog: error: --tone is given and empty\nprog: hint: prog say --help shows how it is used\n"},
		{"say a b", Could, "", "prog: error: unexpected argument b\nprog: hint: prog say --help shows how it is used\n"},
	} {
		t.Run(test.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := Main(t.Context(), "prog", "A program.", &grammar{}, strings.Fields(test.args), Streams{Out: &out, Err: &errs}, "!")
			if code != test.code || out.String() != test.out || errs.String() != test.errs {
				t.Errorf("code %d, out %q, err %q", code, &out, &errs)
			}
		})
	}
}

// TestEmpty: an argument that is given and empty is refused, a default is not.
func TestEmpty(t *testing.T) {
	for _, args := range [][]string{{"say", ""}, {"say", "a", "-t", ""}, {"say", "a", "--tone", ""}, {"say", "a", "--to", ""}} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), "prog", "A program.", &grammar{}, args, Streams{Out: &out, Err: &errs}, "!")
		if code != Could || out.Len() != 0 || !strings.Contains(errs.String(), "is given and empty") {
			t.Errorf("%q: code %d, out %q, err %q", args, code, &out, &errs)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	var out, errs bytes.Buffer
	code := Main(t.Context(), "prog", "A program.", &grammar{}, []string{"--version"}, Streams{Out: &out, Err: &errs}, "!")
	if code != Done || errs.Len() != 0 || out.String() != "prog "+Version()+"\n" {
		t.Errorf("code %d, out %q, err %q", code, &out, &errs)
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range []string{"--help", "say --help", "fail -h"} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), "prog", "A program.", &grammar{}, strings.Fields(args), Streams{Out: &out, Err: &errs}, "!")
		if code != Done || errs.Len() != 0 || !strings.HasPrefix(out.String(), "Usage: prog") {
			t.Errorf("%s: code %d, out %q, err %q", args, code, &out, &errs)
		}
	}
}

// TestExpressionHints: the hint of an expression's error has a line of its own.
func TestExpressionHints(t *testing.T) {
	err := fmt.Errorf("fact: %w", &statement.ExprError{Where: 1, Column: 3, Msg: "no", Hint: "yes"})
	message, hints := explain(err)
	if message != "fact: where[1], column 3: no" || len(hints) != 1 || hints[0] != "yes" {
		t.Errorf("%q, %q", message, hints)
	}
}

func TestNilStaysNil(t *testing.T) {
	if Refuse(nil) != nil || Hint(nil, "x") != nil || ExitCode(nil) != Done {
		t.Error("no error became one")
	}
	base := errors.New("base")
	if !errors.Is(Refuse(Hint(base, "x")), base) {
		t.Error("the cause is lost")
	}
}

func TestText(t *testing.T) {
	for got, want := range map[string]string{
		Count(0): "0", Count(999): "999", Count(25357): "25,357", Count(-1234567): "-1,234,567",
		Plural(1, "proof"): "1 proof", Plural(0, "proof"): "0 proofs", Plural(2500, "row"): "2,500 rows",
		Entries(1): "1 entry", Entries(4): "4 entries",
		Bytes(999): "999 bytes", Bytes(4822): "4.8 kB", Bytes(36_900_000): "36.9 MB",
		Duration(800 * time.Microsecond): "0.8 ms", Duration(41 * time.Millisecond): "41 ms", Duration(2300 * time.Millisecond): "2.3 s",
		Plain("房产 \"x\" – ok"): "房产 \"x\" – ok",
		Plain("a\x1b[31m\r"):   `a\x1b[31m\r`,
		Plain("a\u202eb"):      `a\u202eb`,
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var out bytes.Buffer
	env := &Env{Streams: Streams{In: strings.NewReader("in"), Out: &out, Err: &out}}
	if err := env.WriteFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := env.WriteFile(Dash, []byte("two"), 0o600); err != nil || out.String() != "two" {
		t.Errorf("%q: %v", &out, err)
	}
	for name, want := range map[string]string{path: "one", Dash: "in"} {
		if data, err := env.ReadFile(name); err != nil || string(data) != want {
			t.Errorf("%s: %q: %v", name, data, err)
		}
	}
	for name, want := range map[string]error{Dash: ErrStdinTwice, dir: ErrNotAFile, filepath.Join(dir, "no"): os.ErrNotExist} {
		if _, err := env.ReadFile(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, not %v", name, err, want)
		}
	}
	env = &Env{Streams: Streams{In: strings.NewReader(strings.Repeat("x", maxDocument+1))}}
	if _, err := env.ReadFile(Dash); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	link := filepath.Join(dir, "link")
	env := &Env{}
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		Dash: true, path: true, link: true, os.DevNull: true, filepath.Join(dir, "new"): true,
		dir: false, filepath.Join(dir, "no", "file"): false, filepath.Join(path, "below"): false,
	} {
		o, err := env.Prepare(name, 0o600)
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "partial") {
			t.Errorf("%s: the temporary file is named: %v", name, err)
		}
		o.Discard()
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v left: %v", left, err)
	}
	if err := env.WriteFile(link, []byte("through"), 0o600); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link is replaced: %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "through" {
		t.Errorf("behind the link: %q: %v", data, err)
	}
}

func TestDistinct(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Link(path, link)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		in, out, also string
		ok            bool
	}{
		{path, filepath.Join(dir, "other"), "", true},
		{Dash, Dash, "", true},
		{path, dir + "/./file", "", false},
		{path, link, "", false},
		{path, "a", "./a", false},
		{"", "", "", true},
		{os.DevNull, os.DevNull + "/../null", "", false},
	} {
		err := Distinct([]Named{{"the input", test.in}}, []Named{{"the output", test.out}, {"another output", test.also}})
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrSameFile) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestInterrupted(t *testing.T) {
	stopped := fmt.Errorf("titles.csv: %w", context.Canceled)
	for want, err := range map[string]error{
		"interrupted: nothing was changed": fmt.Errorf("x: %w", Interrupted(stopped, "nothing was changed")),
		"interrupted":                      stopped,
		"another":                          Interrupted(errors.New("another"), "nothing was changed"),
	} {
		if got, _ := explain(err); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if Interrupted(nil, "x") != nil {
		t.Error("no error became one")
	}
}

func TestProgress(t *testing.T) {
	for _, test := range []struct {
		terminal, quiet bool
		drawn           bool
	}{{true, false, true}, {true, true, false}, {false, false, false}} {
		var errs bytes.Buffer
		env := &Env{Streams: Streams{Err: &errs, Terminal: test.terminal}, Flags: Flags{Quiet: test.quiet}}
		p := env.Progress("import")
		p.Update(5, 10)
		p.Update(6, 10) // too soon to be drawn
		p.End()
		want := ""
		if test.drawn {
			want = "\r\x1b[Kimport [###############...............]  50%\r\x1b[K"
		}
		if errs.String() != want {
			t.Errorf("%+v: %q", test, &errs)
		}
	}
	if got := bar(1234, -1); got != "1,234" {
		t.Errorf("a bar of an unknown total is %q", got)
	}
}
