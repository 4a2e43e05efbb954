// Attestry commits registries, answers questions about their records with
// zero-knowledge proofs, and verifies such answers.
//
// An agency makes a workspace (init), imports and commits registries (registry) and
// answers requests (prove). Whoever asks writes a request (request new) and checks
// the answer (verify). Whoever doubts replays the whole ledger (audit). The command
// demo plays all three on the register of a real county.
package main

import (
	"context"
	"os"

	"github.com/attestry/attestry/internal/cli"
)

const description = "Prove facts about the records of a registry without showing a record."

// commands is the command line.
type commands struct {
	globals

	Demo     demoCmd      `cmd:"" help:"Watch an agency, a bank and an auditor, end to end, on a real county's data."`
	Init     initCmd      `cmd:"" help:"Make a workspace: ledger, keys, development keys of the circuits."`
	Registry registryCmds `cmd:"" help:"Create, fill, commit and look at registries."`
	Request  requestCmds  `cmd:"" help:"Write requests, and send them to a server."`
	Prove    proveCmd     `cmd:"" help:"Answer a request with a bundle."`
	Verify   verifyCmd    `cmd:"" help:"Verify a bundle."`
	Status   statusCmd    `cmd:"" help:"See how far requests are that were sent to a server."`
	Fetch    fetchCmd     `cmd:"" help:"Fetch the answer to a request that was sent to a server."`
	Holder   holderCmds   `cmd:"" help:"Make the keys of a record's holder."`
	Record   recordCmds   `cmd:"" help:"Open records to their holders."`
	Grant    grantCmds    `cmd:"" help:"Issue, show and revoke the grants under which banks ask."`
	Pledge   pledgeCmds   `cmd:"" help:"Release pledges and see which are live."`
	Audit    auditCmd     `cmd:"" help:"Audit a whole ledger from its export."`
	Openings openingsCmds `cmd:"" help:"Open the openings that a server sealed."`
	Bundle   bundleCmds   `cmd:"" help:"Put several agencies' answers together."`
	Trust    trustCmds    `cmd:"" help:"Say what others should pin, and compare it."`
	Org      orgCmds      `cmd:"" help:"Say which organisations may use the service."`
	Key      keyCmds      `cmd:"" help:"Make, rotate, revoke and list keys: the log's, the issuer's, API keys."`
	AtRest   atRestCmds   `cmd:"" help:"Encrypt the workspace where it is stored."`
	Circuit  circuitCmds  `cmd:"" help:"List circuits and end their use."`
	Ledger   ledgerCmds   `cmd:"" help:"Export, check, back up and look at the ledger."`
	Backup   backupCmd    `cmd:"" help:"Copy the whole workspace, also while it is served."`
	Restore  restoreCmd   `cmd:"" help:"Make a workspace of a backup."`
	Witness  witnessCmds  `cmd:"" help:"Run a witness of logs, and have the log ask witnesses."`
	Serve    serveCmd     `cmd:"" help:"Serve verification and the log over HTTP."`
	Config   configCmds   `cmd:"" help:"Check and show a server's configuration."`
	Version  versionCmd   `cmd:"" help:"Show the version and the circuits."`
}

// Help gives the program's detailed help.
func (*commands) Help() string {
	return `Examples:

    attestry demo
    attestry init
    attestry registry create titles.yaml
    attestry registry import titles titles.csv
    attestry registry commit titles
    attestry prove question.yaml -o bundle.json --openings openings.json
    attestry trust export -o trust.json
    attestry verify bundle.json --trust trust.json --request question.yaml --openings openings.json`
}

type registryCmds struct {
	Create  registryCreateCmd  `cmd:"" help:"Make an empty registry and publish its schema."`
	Update  registryUpdateCmd  `cmd:"" help:"Publish a schema that replaces a registry's."`
	Import  registryImportCmd  `cmd:"" help:"Stage a file of records for the next commit."`
	Commit  registryCommitCmd  `cmd:"" help:"Make what was imported the next epoch and publish its root."`
	List    registryListCmd    `cmd:"" help:"List the registries."`
	Epochs  registryEpochsCmd  `cmd:"" help:"List a registry's epochs."`
	Check   registryCheckCmd   `cmd:"" help:"Check that a file gives the root of the latest epoch."`
	CatchUp registryCatchUpCmd `cmd:"" help:"Make an epoch anew that the ledger has and a backup lacked."`
}

func (*registryCmds) Help() string {
	return `Examples:

    attestry registry create titles.yaml
    attestry registry import titles titles.csv
    attestry registry commit titles
    attestry registry epochs titles`
}

type requestCmds struct {
	New  requestNewCmd  `cmd:"" help:"Complete a request: what a bank sends to an agency."`
	Send requestSendCmd `cmd:"" help:"Send a completed request to a server."`
}

func (*requestCmds) Help() string {
	return `Examples:

    attestry request new question.yaml -o request.json
    attestry --server https://registry.example.org request send request.json`
}

type trustCmds struct {
	Export      trustExportCmd      `cmd:"" help:"Write the trust file that pins this workspace."`
	Update      trustUpdateCmd      `cmd:"" help:"Follow the keys and circuits of a log from a trust file."`
	Fingerprint trustFingerprintCmd `cmd:"" help:"Show a trust file's fingerprint, to compare with the agency's."`
	Join        trustJoinCmd        `cmd:"" help:"Pin what several trust files pin."`
	Witness     trustWitnessCmd     `cmd:"" help:"Ask for the cosignatures of witnesses."`
}

func (*trustCmds) Help() string {
	return `Examples:

    attestry trust export -o trust.json
    attestry trust fingerprint trust.json`
}

type ledgerCmds struct {
	Export  ledgerExportCmd  `cmd:"" help:"Write the ledger as a directory that anybody can audit."`
	Fsck    ledgerFsckCmd    `cmd:"" help:"Rebuild the ledger from its entries and compare."`
	Backup  ledgerBackupCmd  `cmd:"" help:"Copy the ledger into a file."`
	Restore ledgerRestoreCmd `cmd:"" help:"Put a backup in the place of a missing or damaged ledger."`
	Compact ledgerCompactCmd `cmd:"" help:"Write the ledger's file anew, without unused room."`
	Show    ledgerShowCmd    `cmd:"" help:"Show one entry."`
}

func (*ledgerCmds) Help() string {
	return `Examples:

    attestry ledger export -o export/
    attestry ledger fsck
    attestry ledger backup ledger-2026-12-31.db
    attestry ledger restore ledger-2026-12-31.db --from-tiles export/
    attestry ledger show 3`
}

func main() {
	ctx, stop := cli.Interruptible()
	code := run(ctx, os.Args[1:], cli.Standard())
	stop()
	os.Exit(code)
}

// run runs one command line and gives its exit code.
func run(ctx context.Context, args []string, s cli.Streams) int {
	g := &commands{}
	g.warn = (&cli.Env{Streams: s, Program: "attestry"}).Warn
	g.report = func(what string) { (&cli.Env{Streams: s, Flags: g.Flags, Program: "attestry"}).Note("making %s", what) }
	return cli.Main(ctx, "attestry", description, g, args, s, &g.globals)
}
