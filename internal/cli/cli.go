// Package cli is what attestry's programs share: how a command line is read, how
// errors, hints and progress are shown, which exit code says what, and how files
// named on the command line are read and written.
//
// A program is a [kong] grammar whose commands have a method Run. [Main] reads the
// command line, binds an [Env] and runs the command. What a command has to say goes
// to [Env.Out]; everything else goes to [Env.Err], errors as "program: error: …"
// and what to do about them as "program: hint: …" on a line of its own.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// Flags are the flags of every command of every program.
type Flags struct {
	JSON  bool `help:"Print one JSON document instead of text." name:"json"`
	Quiet bool `help:"Print no progress and no remarks." short:"q"`
	// PrintVersion is not named as the commands are, of which version can be one.
	PrintVersion kong.VersionFlag `help:"Print the program's version." name:"version"`
}

// Common gives the flags of a grammar that embeds them.
func (f *Flags) Common() *Flags { return f }

// Grammar is a program's command line: a pointer to a struct as kong reads it,
// which embeds [Flags].
type Grammar interface{ Common() *Flags }

// Guard is a [Grammar] that refuses some places for results, by the file's whole name
// with the links of its directory followed.
type Guard interface{ Guard(name string) error }

// Streams are a program's input and outputs.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Terminal says that a person watches Err, so that progress is shown.
	Terminal bool
}

// Standard gives the process's streams.
func Standard() Streams {
	return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))}
}

// Interruptible gives a context that ends with the first interrupt or termination
// signal; the second one ends the process.
func Interruptible() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Env is what a command runs in.
type Env struct {
	Streams
	Flags
	Program string

	guard      func(name string) error // nil: refuses nothing
	stdinTaken bool
}

// Main reads a command line and runs the command that it names. It gives the
// process's exit code. bind holds more of what the commands' Run methods take,
// beside a context and an [*Env].
func Main(ctx context.Context, name, description string, g Grammar, args []string, s Streams, bind ...any) int {
	env := &Env{Streams: s, Program: name}
	helped := false
	parser, err := kong.New(g,
		kong.Name(name), kong.Description(description), kong.Writers(s.Out, s.Err),
		kong.Exit(func(int) { helped = true }), // --help and --version, all that kong exits for
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.Vars{"version": name + " " + Version()},
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(env), kong.Bind(bind...),
	)
	if err != nil {
		return env.fail(fmt.Errorf("the program's grammar: %w", err))
	}
	parsed, err := parser.Parse(args)
	if helped {
		return Done
	}
	if err != nil {
		return env.fail(usage(name, err))
	}
	if err := checkEmpty(parsed); err != nil {
		return env.fail(Hint(err, helpHint, parsed.Selected().FullPath()))
	}
	env.Flags = *g.Common()
	if refuses, ok := g.(Guard); ok {
		env.guard = refuses.Guard
	}
	return env.fail(parsed.Run())
}

const helpHint = "%s --help shows how it is used"

// usage says which command's help tells more.
func usage(name string, err error) error {
	command := name
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		command = parse.Context.Selected().FullPath()
	}
	return Hint(err, helpHint, command)
}

// checkEmpty refuses values that are given and empty, which is what a variable of a
// script becomes that nobody has set: to pass them over would be to do something else
// than was asked.
func checkEmpty(parsed *kong.Context) error {
	for _, p := range parsed.Path {
		switch {
		case p.Flag != nil && isEmpty(parsed, p.Flag.Value):
			return fmt.Errorf("--%s is given and empty", p.Flag.Name)
		case p.Positional != nil && isEmpty(parsed, p.Positional):
			return fmt.Errorf("%s is given and empty", p.Positional.Summary())
		}
	}
	return nil
}

func isEmpty(parsed *kong.Context, v *kong.Value) bool {
	switch given := parsed.Value(&kong.Path{Positional: v}).Interface().(type) {
	case string:
		return given == ""
	case []string:
		return len(given) == 0 // an empty list is what an empty text is split into
	}
	return false
}

// fail shows an error, if there is one, and gives the exit code.
func (e *Env) fail(err error) int {
	if err != nil {
		message, hints := explain(err)
		e.say("error", message)
		for _, hint := range hints {
			e.say("hint", hint)
		}
	}
	return ExitCode(err)
}

// Warn says what the reader should know before relying on the outcome. It is said
// even when quiet.
func (e *Env) Warn(format string, args ...any) { e.say("warning", fmt.Sprintf(format, args...)) }

// Note says what helps a person and no program, unless quiet.
func (e *Env) Note(format string, args ...any) {
	if !e.Quiet {
		e.say("note", fmt.Sprintf(format, args...))
	}
}

func (e *Env) say(kind, text string) {
	_, _ = fmt.Fprintf(e.Err, "%s: %s: %s\n", e.Program, kind, Plain(text))
}
