package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/attestry/attestry/internal/atrest"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/config"
	"github.com/attestry/attestry/workspace"
)

const (
	// dirVariable names the workspace where --dir does not.
	dirVariable = "ATTESTRY_DIR"
	defaultDir  = "./attestry-data"
)

// globals are the flags of every command.
type globals struct {
	cli.Flags
	// Dir is what the command line says. The demonstration keeps its files only
	// there: a variable that names somebody's workspace must not make it write to it.
	Dir string `placeholder:"DIR" help:"The workspace ($$ATTESTRY_DIR, ./attestry-data); demo makes one there and keeps it."`
	// AtRestKey names a file, never a key: other users see a command line.
	AtRestKey string `placeholder:"FILE" help:"What opens a workspace that is encrypted at rest ($$ATTESTRY_AT_REST_KEY, $$ATTESTRY_AT_REST_KEY_COMMAND)."`
	Server    string `placeholder:"URL" help:"Ask a running server (request send, status, fetch, verify)."`
	// APIKey names a file, too.
	APIKey string `placeholder:"FILE" name:"api-key" help:"The file of your organisation's API key at that server ($$ATTESTRY_API_KEY holds a key)."`

	// configured is where the key of an encrypted workspace comes from, by a server's
	// configuration.
	configured config.AtRest
	// warn is what an open workspace warns with.
	warn func(format string, args ...any)
	// report says what is being made.
	report func(what string)
}

// AfterApply refuses --server where it would be passed over, and beside it what the
// server would pass over.
func (g *globals) AfterApply(ctx *kong.Context) error {
	if g.Server == "" {
		if g.APIKey != "" {
			return errors.New("--api-key goes with --server")
		}
		return nil
	}
	if !canBeSent(ctx.Command()) {
		return errors.New("--server: this command cannot be sent to a server in this version")
	}
	for _, flag := range []string{"log", "state"} {
		if isGiven(ctx, flag) {
			return fmt.Errorf("--%s counts for nothing with --server: the server has its own log, and goes by no audit", flag)
		}
	}
	if isGiven(ctx, "trust") {
		return errors.New("--trust counts for nothing with --server: the server verifies against its own trust file (without --server it is done here, against yours)")
	}
	return nil
}

// canBeSent tells commands that a server can be asked for.
func canBeSent(command string) bool {
	return slices.ContainsFunc([]string{"verify", "request send", "status", "fetch"}, func(c string) bool {
		return command == c || strings.HasPrefix(command, c+" ")
	})
}

// Guard keeps results from being written over files of the workspace.
func (g *globals) Guard(name string) error {
	return cli.Hint(workspace.RefuseOwn(g.workspaceDir(), name), "name a file elsewhere: what the workspace keeps there would be lost")
}

// isGiven tells whether a flag is on the command line, and not only in a variable.
func isGiven(ctx *kong.Context, flag string) bool {
	return slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == flag })
}

// workspaceDir gives the workspace's directory.
func (g *globals) workspaceDir() string {
	for _, dir := range []string{g.Dir, os.Getenv(dirVariable)} {
		if dir != "" {
			return dir
		}
	}
	return defaultDir
}

// with opens the workspace, runs a function over it and closes it.
func (g *globals) with(run func(*workspace.Workspace) error) error {
	w, err := workspace.OpenWith(g.workspaceDir(), workspace.Options{Unlock: g.unlock})
	if err != nil {
		return hintOpen(err)
	}
	w.Warn, w.Report = g.warn, g.report
	return errors.Join(run(w), w.Close())
}

// maintain is with for work on the ledger's file, whatever state that is in.
func (g *globals) maintain(run func(*workspace.Maintenance) error) error {
	m, err := workspace.Maintain(g.workspaceDir(), workspace.Options{Unlock: g.unlock})
	if err != nil {
		return hintOpen(err)
	}
	return errors.Join(run(m), m.Close())
}

// hintOpen says what to do about a workspace that does not open.
func hintOpen(err error) error {
	switch {
	case errors.Is(err, workspace.ErrKeyNeeded):
		return cli.Hint(err, "--at-rest-key FILE names the file of its key; %s holds a key, and %s a command that prints one", keyVariable, keyCommandVariable)
	case errors.Is(err, atrest.ErrWrongIdentity):
		return cli.Hint(err, "it is another workspace's key, or an old one: take the key of a present recipient, or the escrow's (docs/operations.md, Encryption at rest)")
	case errors.Is(err, workspace.ErrInUse):
		return cli.Hint(err, "stop that process first, a running attestry serve for example; what a server can be asked for goes with --server")
	}
	return err
}
