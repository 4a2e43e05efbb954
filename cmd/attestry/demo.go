package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

type demoCmd struct{}

func (*demoCmd) Help() string {
	return `Plays three parties on 25,357 real homes of one county: a land registry commits its register, a bank gets an answer without seeing a record, an auditor checks the answer without trusting either of them. It works in a temporary directory, which it removes; with --dir it makes a workspace there and leaves it to you. That directory must be new or empty; $ATTESTRY_DIR is not looked at, so that nobody's workspace is touched.

Examples:

    attestry demo
    attestry demo --dir ./demo`
}

// demo is one performance.
type demo struct {
	env  *cli.Env
	page *page
	// The parties' directories: the agency's is the workspace.
	agency, bank, auditor string

	w        *workspace.Workspace
	owner    string // whom the bank asks about
	request  *statement.Request
	answer   *prover.Answer
	trust    *verifier.Trust
	recorded []stepResult
	total    time.Duration
}

// stepResult is one step of the demonstration's JSON.
type stepResult struct {
	Step  string `json:"step"`
	Party string `json:"party"`
	MS    int64  `json:"ms"`
}

// demoResult is what demo says in JSON.
type demoResult struct {
	OK    bool         `json:"ok"`
	Dir   string       `json:"dir,omitempty"` // left out where it was a temporary one
	Steps []stepResult `json:"steps"`
}

func (c *demoCmd) Run(ctx context.Context, env *cli.Env, g *globals) (err error) {
	dir := g.Dir
	if dir == "" {
		temporary, err := os.MkdirTemp("", "attestry-demo-*")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temporary) }()
		dir = filepath.Join(temporary, "land-registry")
	}
	if err := checkEmptyDir(dir); err != nil {
		return err
	}
	d := &demo{env: env, page: &page{out: env.Out}, agency: dir}
	switch {
	case env.JSON && env.Quiet:
		d.page.out = io.Discard
	case env.JSON: // the story is what a person watches, and the document the result
		d.page.out = env.Err
	}
	if err := d.play(ctx, g.Dir != ""); err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(demoResult{true, g.Dir, d.recorded})
	}
	return d.page.err
}

// checkEmptyDir refuses a directory that the demonstration would only fail in after
// its introduction.
func checkEmptyDir(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(files) > 0 {
		err = cli.Hint(fmt.Errorf("%s is %w and not empty", dir, workspace.ErrExists), "--dir names a new directory for the demonstration to make")
	}
	return err
}

// step is one step of the story.
type step struct {
	party, title string
	run          func(context.Context) error
}

func (d *demo) play(ctx context.Context, keep bool) (err error) {
	defer func() {
		if d.w != nil {
			err = errors.Join(err, d.w.Close())
		}
	}()
	d.prologue()
	steps := []step{
		{"the land registry", "sets up", d.setUp},
		{"the land registry", "commits to its whole register", d.commitRegister},
		{"the bank", "asks a question", d.ask},
		{"the land registry", "proves the answer", d.prove},
		{"the bank", "checks the answer at a verification service", d.verifyAtEndpoint},
		{"the auditor", "checks everything again, offline", d.audit},
		{"a forger", "changes one number of the answer", d.tamper},
		{"the bank", "asks for something that is not true", d.askFalsely},
	}
	began := time.Now()
	for i, s := range steps {
		d.page.heading("%d. %s %s", i+1, capital(s.party), s.title)
		start := time.Now()
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("step %d, %s %s: %w", i+1, s.party, s.title, err)
		}
		took := time.Since(start)
		d.recorded = append(d.recorded, stepResult{s.title, s.party, took.Milliseconds()})
		d.page.line("[%s]", cli.Duration(took))
	}
	d.total = time.Since(began)
	d.epilogue(keep)
	return nil
}

func (d *demo) prologue() {
	d.page.title("attestry: facts from a register, without the register")
	d.page.para(`A bank wants to know a few things about a customer's house before it lends. The land registry knows them, but must not hand out its records, and the bank should not have to take the registry's word. Here the registry gives a proof: a small file that convinces anybody that the answer is true of the register as it was committed, and tells them nothing else.`)
	d.page.para(`Three parties take part, each with files of its own. The data is real: the homes of Lucas County, Ohio, from the county auditor's records (the owners' names are made up).`)
}

// setUp makes the agency's workspace.
func (d *demo) setUp(ctx context.Context) (err error) {
	if err := workspace.Init(ctx, d.agency, workspace.InitOptions{}); err != nil {
		return err
	}
	if d.w, err = workspace.Open(d.agency); err != nil {
		return err
	}
	d.bank, d.auditor = filepath.Join(d.agency, "demo", "bank"), filepath.Join(d.agency, "demo", "auditor")
	for _, dir := range []string{d.bank, d.auditor} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	keys, err := dirSize(filepath.Join(d.agency, "circuits"))
	if err != nil {
		return err
	}
	d.page.para(`It makes an empty public ledger, the keys that sign it, and the keys with which proofs are made and checked (%s, of which a verifier needs less than one kB). The ledger's name is %s.`,
		cli.Bytes(keys), d.w.Ledger.Origin())
	d.page.para(`These are development keys: whoever makes them could forge proofs. Real use needs keys that many parties made together.`)
	return nil
}

func (d *demo) epilogue(keep bool) {
	d.page.heading("What you saw")
	d.page.item(`The registry published one number for %s records. No record left it.`, cli.Count(d.records()))
	d.page.item(`The bank learned that its conditions hold and the one value that it asked for: not the price, not the address, nothing else of that record, and nothing of any other.`)
	d.page.item(`The public ledger shows that a proof was made and under which root: not the question, not whom it was about, not who asked.`)
	d.page.item(`Anybody with the trust file can check all of it, offline and years later.`)
	d.page.item(`All of it, keys included, took %s on this machine.`, cli.Duration(d.total))
	d.page.heading("What it rests on")
	d.page.item(`Development keys: whoever made them can forge. Every verdict warns of it.`)
	d.page.item(`The registry is trusted to commit the truth. A proof says what its register holds, not what is so.`)
	d.page.item(`One operator signs the ledger here. Independent witnesses, who would notice two versions of it, are not part of this demonstration.`)
	if keep {
		d.page.heading("Go on from here")
		d.page.para("The workspace is in %s, the bank's and the auditor's files are in its folder demo.", d.agency)
		d.page.code(fmt.Sprintf("attestry --dir %[1]s registry list\nattestry --dir %[1]s ledger show 3\nattestry-verify verify %[2]s/bundle.json --trust %[2]s/trust.json", d.agency, d.auditor))
	}
}

// dirSize gives the bytes of all files in a directory.
func dirSize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// records gives how many records the register has.
func (d *demo) records() int {
	s, err := d.w.Registry(titles)
	if err != nil {
		return 0
	}
	latest, _ := s.Latest()
	return latest.Records
}
