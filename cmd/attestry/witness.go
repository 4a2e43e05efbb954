package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/witness"
	"github.com/attestry/attestry/workspace"
)

// defaultWitnessDir is a witness's directory where --dir does not name one. The
// variable that names a workspace does not: whoever runs the log is no witness of it.
const defaultWitnessDir = "./attestry-witness"

type witnessCmds struct {
	Init   witnessInitCmd   `cmd:"" help:"Make a witness: its directory and its key."`
	Key    witnessKeyCmd    `cmd:"" help:"Show a witness's verifier key, which others pin."`
	Serve  witnessServeCmd  `cmd:"" help:"Cosign the checkpoints of logs over HTTP."`
	Status witnessStatusCmd `cmd:"" help:"Show what a witness has cosigned."`
	Add    witnessAddCmd    `cmd:"" help:"Have the log ask a witness for cosignatures."`
	List   witnessListCmd   `cmd:"" help:"List the witnesses that the log asks."`
	Remove witnessRemoveCmd `cmd:"" help:"Have the log ask a witness no more."`
}

func (*witnessCmds) Help() string {
	return `A witness holds a log to one history: it cosigns a checkpoint only if it contains the last one that it saw. A bank or an auditor runs one (init, serve); the log asks it (add); and whoever verifies says in their trust file how many must have cosigned (attestry trust witness). Witnesses that the log's operator runs protect nobody against the operator.

Examples:

    attestry witness init --dir witness --name witness.bank.example/w1
    attestry witness serve --dir witness --trust trust.json
    attestry witness add https://witness.bank.example witness.bank.example/w1+5ab8d3c1+BK1gCGFUT6gJM0mQ8DfE4wBTzJ8Vd0kqvGDmMBpVRy0K
    attestry witness list`
}

// witnessDir gives the directory of a witness.
func (g *globals) witnessDir() string {
	if g.Dir != "" {
		return g.Dir
	}
	return defaultWitnessDir
}

type witnessInitCmd struct {
	Name string `required:"" placeholder:"NAME" help:"The witness's name for ever, like witness.bank.example/w1."`
}

func (*witnessInitCmd) Help() string {
	return `Makes a witness in --dir (./attestry-witness): a key that nobody but its owner can read, and room for what it will have cosigned. Never copy or restore the directory: an old copy cosigns again what it cosigned otherwise since. A lost witness is made anew, under another name.

Examples:

    attestry witness init --name witness.bank.example/w1
    attestry witness init --dir /srv/witness --name witness.bank.example/w1`
}

// witnessResult is what init and key say in JSON.
type witnessResult struct {
	Dir string `json:"dir"`
	Key string `json:"key"`
}

func (c *witnessInitCmd) Run(env *cli.Env, g *globals) error {
	key, err := witness.Init(g.witnessDir(), c.Name)
	if err != nil {
		return err
	}
	return printWitness(env, g, key)
}

type witnessKeyCmd struct{}

func (*witnessKeyCmd) Help() string {
	return `Shows the verifier key (C2SP cosignature/v1): what trust files pin, and what a log is told to ask.

Examples:

    attestry witness key --dir witness`
}

func (c *witnessKeyCmd) Run(env *cli.Env, g *globals) error {
	key, err := witness.Key(g.witnessDir())
	if err != nil {
		return err
	}
	return printWitness(env, g, key)
}

func printWitness(env *cli.Env, g *globals, key string) error {
	if env.JSON {
		return env.PrintJSON(witnessResult{g.witnessDir(), key})
	}
	return env.Print("%s", key)
}

type witnessAddCmd struct {
	URL string `arg:"" name:"url" placeholder:"URL" help:"Where the witness takes checkpoints: the part before /add-checkpoint."`
	Key string `arg:"" name:"key" placeholder:"VKEY" help:"Its verifier key, name+hash+key."`
}

func (*witnessAddCmd) Help() string {
	return `From now on the log shows the witness every checkpoint that it publishes, and exports, serves and proves with its cosignature. One that gives no answer within a few seconds is left out, with a warning. Where a witness has seen a longer log, or another one, the log refuses to grow: it is an old copy, or a fork.

Whether a cosignature counts is not the log's to say: attestry trust export names no witness.

Examples:

    attestry witness add https://witness.bank.example witness.bank.example/w1+5ab8d3c1+BK1gCGFUT6gJM0mQ8DfE4wBTzJ8Vd0kqvGDmMBpVRy0K`
}

func (c *witnessAddCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		if err := w.AddWitness(workspace.WitnessConfig{URL: c.URL, Key: c.Key}); err != nil {
			return err
		}
		return printWitnesses(env, w)
	})
}

type witnessListCmd struct{}

func (*witnessListCmd) Help() string {
	return `Examples:

    attestry witness list`
}

func (c *witnessListCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error { return printWitnesses(env, w) })
}

type witnessRemoveCmd struct {
	Name string `arg:"" placeholder:"NAME" help:"The witness's name, the part of its key before the first +."`
}

func (*witnessRemoveCmd) Help() string {
	return `Verifiers that count on the witness will find its cosignature missing.

Examples:

    attestry witness remove witness.bank.example/w1`
}

func (c *witnessRemoveCmd) Run(env *cli.Env, g *globals) error {
	return g.with(func(w *workspace.Workspace) error {
		if err := w.RemoveWitness(c.Name); err != nil {
			return err
		}
		return printWitnesses(env, w)
	})
}

// witnessesResult is what add, list and remove say in JSON.
type witnessesResult struct {
	Witnesses []workspace.WitnessConfig `json:"witnesses"`
}

func printWitnesses(env *cli.Env, w *workspace.Workspace) error {
	list := append([]workspace.WitnessConfig{}, w.Witnesses()...) // an empty list in JSON, never null
	if env.JSON {
		return env.PrintJSON(witnessesResult{list})
	}
	if len(list) == 0 {
		env.Note("the log asks no witness")
	}
	for _, c := range list {
		if err := env.Print("%s %s", c.URL, c.Key); err != nil {
			return err
		}
	}
	return nil
}
