package main

import (
	"io/fs"
	"slices"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
	"github.com/attestry/attestry/verifier"
)

type bundleCmds struct {
	Join    bundleJoinCmd    `cmd:"" help:"Put the facts that several agencies proved into one bundle."`
	Compare bundleCompareCmd `cmd:"" help:"Look for two histories of a log in what people were shown."`
}

func (*bundleCmds) Help() string {
	return `Examples:

    attestry bundle join land.json licences.json -o bundle.json`
}

type bundleJoinCmd struct {
	Bundles     []string `arg:"" placeholder:"BUNDLE.json" help:"The bundles that the agencies made for the same request."`
	Out         string   `short:"o" default:"-" placeholder:"BUNDLE.json" help:"Where to write the joined bundle."`
	WithOpening []string `name:"with-openings" placeholder:"OPENINGS.json" help:"The openings of one of them; may be repeated."`
	Openings    string   `placeholder:"OPENINGS.json" help:"Where to write the joined openings (mode 0600)."`
}

func (*bundleJoinCmd) Help() string {
	return `Each agency proves its own facts of one request (prove --fact NAME); the asker joins what it got. The asker's seed gave all of them the same commitments to what the request names, so that the verdict can tell that the facts are about the same owner or parcel.

Examples:

    attestry --dir land     prove request.json --fact title   -o a.json --openings a-openings.json
    attestry --dir licences prove request.json --fact licence -o b.json --openings b-openings.json
    attestry bundle join a.json b.json -o bundle.json --with-openings a-openings.json --with-openings b-openings.json --openings openings.json`
}

func (c *bundleJoinCmd) Run(env *cli.Env) error {
	err := joined(slices.Concat(c.Bundles, c.WithOpening),
		cli.Named{What: "the joined bundle", File: c.Out}, cli.Named{What: "the joined openings", File: c.Openings})
	if err != nil {
		return err
	}
	bundles, err := readAll(env, c.Bundles, verifycmd.ReadBundle)
	if err != nil {
		return err
	}
	bundle, err := verifier.JoinBundles(bundles...)
	if err != nil {
		return err
	}
	openings, err := readAll(env, c.WithOpening, verifycmd.ReadOpenings)
	if err != nil {
		return err
	}
	if c.Openings != "" {
		all, err := verifier.JoinOpenings(openings...)
		if err != nil {
			return err
		}
		if err := writeDocument(env, c.Openings, all.Marshal, 0o600); err != nil {
			return err
		}
	}
	return writeDocument(env, c.Out, bundle.Marshal, 0o644)
}

type trustJoinCmd struct {
	Trusts []string `arg:"" placeholder:"TRUST.json" help:"The trust files of several agencies."`
	Out    string   `short:"o" default:"-" placeholder:"TRUST.json" help:"Where to write the joined trust file."`
}

func (*trustJoinCmd) Help() string {
	return `Writes a trust file that pins what several trust files pin, for requests that several agencies answer.

Examples:

    attestry trust join land-trust.json licences-trust.json -o trust.json`
}

func (c *trustJoinCmd) Run(env *cli.Env) error {
	if err := joined(c.Trusts, cli.Named{What: "the joined trust file", File: c.Out}); err != nil {
		return err
	}
	trusts, err := readAll(env, c.Trusts, verifycmd.ReadTrust)
	if err != nil {
		return err
	}
	trust, err := verifier.JoinTrust(trusts...)
	if err != nil {
		return err
	}
	return writeDocument(env, c.Out, trust.Marshal, 0o644)
}

// readAll reads several files of a kind.
func readAll[T any](env *cli.Env, names []string, read func(*cli.Env, string) (T, error)) (all []T, err error) {
	for _, name := range names {
		document, err := read(env, name)
		if err != nil {
			return nil, err
		}
		all = append(all, document)
	}
	return all, nil
}

// joined refuses to write what is joined over a part of it.
func joined(parts []string, outputs ...cli.Named) error {
	var inputs []cli.Named
	for _, name := range parts {
		inputs = append(inputs, cli.Named{What: "what is joined", File: name})
	}
	return cli.Distinct(inputs, outputs)
}

func writeDocument(env *cli.Env, name string, marshal func() ([]byte, error), mode fs.FileMode) error {
	document, err := marshal()
	if err != nil {
		return err
	}
	return env.WriteFile(name, append(document, '\n'), mode)
}
