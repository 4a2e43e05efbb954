package main

import (
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/cli/verifycmd"
)

type pledgeCompleteCmd struct {
	Bundle  string `arg:"" placeholder:"BUNDLE.json" help:"The bundle that the holder proved; - is standard input."`
	Receipt string `arg:"" placeholder:"RECEIPT.json" help:"The receipt that pledge submit -o wrote."`
	Out     string `short:"o" default:"-" placeholder:"BUNDLE.json" help:"Where to write the complete bundle."`
}

func (*pledgeCompleteCmd) Help() string {
	return `Puts the entry of a pledge, as the agency logged it, and its inclusion into the bundle that the holder proved. The holder does it or the bank: the agency never needs the bundle. Whether the log's key is the right one is for the verdict.

Examples:

    attestry pledge complete bundle.json receipt.json -o complete.json`
}

func (c *pledgeCompleteCmd) Run(env *cli.Env) error {
	err := cli.Distinct([]cli.Named{{What: "the bundle", File: c.Bundle}, {What: "the receipt", File: c.Receipt}}, []cli.Named{{What: "the complete bundle", File: c.Out}})
	if err != nil {
		return err
	}
	bundle, err := verifycmd.ReadBundle(env, c.Bundle)
	if err != nil {
		return err
	}
	receipt, err := verifycmd.ReadReceipt(env, c.Receipt)
	if err != nil {
		return err
	}
	complete, err := bundle.Complete(receipt)
	if err != nil {
		return err
	}
	return writeDocument(env, c.Out, complete.Marshal, 0o644)
}
