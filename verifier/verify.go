package verifier

import (
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/attestry/attestry/statement"
)

// Options are what a bundle is checked against. Only Trust is needed; a check
// whose input is absent is skipped and says so.
type Options struct {
	Trust *Trust
	// Request is what the bundle should answer.
	Request *statement.Request
	// Openings open the bundle's commitments.
	Openings *Openings
	// Audience is who verifies; empty: who the trust file says, else the request.
	Audience string
	// Log is an audited log: with it the verdict says whether a pledge is still live
	// and whether a newer epoch exists, as far as the audit goes.
	Log *AuditedLog
	// At is the instant as of which expiry and age are judged; zero: now.
	At time.Time
}

// Verifier checks bundles against one trust file, whose keys it has read and made
// ready. It is safe for concurrent use.
type Verifier struct{ pins *pins }

// New makes a verifier of a trust file. It fails with [ErrBadTrust].
func New(t *Trust) (*Verifier, error) {
	if t == nil {
		return nil, fmt.Errorf("%w: none given", ErrBadTrust)
	}
	snapshot := *t
	p, err := snapshot.pin()
	if err != nil {
		return nil, err
	}
	return &Verifier{p}, nil
}

// Verify checks a bundle against the options' trust file. See [Verifier.Verify].
func Verify(b *Bundle, o Options) (*Verdict, error) {
	v, err := New(o.Trust)
	if err != nil {
		return nil, err
	}
	return v.Verify(b, o)
}

// Verify checks a bundle against the options, of which it does not look at Trust,
// and gives a verdict, or an error where neither yes nor no would be an answer: a
// part of the bundle or of the openings is not what its format says
// ([ErrMalformed]), or something that the request asks to be opened needs a file
// that was not given ([ErrCannotCheck]).
func (v *Verifier) Verify(b *Bundle, o Options) (*Verdict, error) {
	r, err := v.newRun(b, o, newHeads())
	if err != nil {
		return nil, err
	}
	return r.verdict()
}

// verdict makes all checks.
func (r *run) verdict() (*Verdict, error) {
	checks := []Check{pass(CheckFormat, OnComputation, BundleFormat, fmt.Sprintf("%s with %d %s", BundleFormat, len(r.facts), plural(len(r.facts), "fact")))}
	for _, f := range r.facts {
		for _, check := range r.steps() {
			c := check(f)
			c.Fact = f.Name
			checks = append(checks, c)
		}
	}
	checks = append(checks, r.wholeBundle()...)
	if r.cannot != nil {
		return nil, r.cannot
	}
	return newVerdict(checks), nil
}

// run is the checking of one bundle.
type run struct {
	pins     *pins
	at       time.Time
	audience string
	request  *statement.Request
	asked    map[string]statement.FactRequest // of the request, by the facts' names
	openings *Openings
	log      *AuditedLog
	seed     *statement.Seed // of the request, else of the openings'
	// completed is the request that the prover completed, of the openings
	completed *statement.Request
	facts     []*view
	batched   batched                // the proofs that were checked with others'
	roots     map[treeHead]tlog.Hash // of the checkpoints, to see a split view
	cannot    error                  // the first thing that could not be checked
}

// treeHead is what names a tree: a log has one at every size.
type treeHead struct {
	origin string
	size   uint64
}

// newRun reads a bundle. heads are those of checkpoints that were read for other
// bundles under the same pins.
func (v *Verifier) newRun(b *Bundle, o Options, heads *heads) (*run, error) {
	if err := b.validate(); err != nil {
		return nil, err
	}
	r := &run{pins: v.pins, at: o.At, audience: o.Audience, request: o.Request, openings: o.Openings, log: o.Log, roots: map[treeHead]tlog.Hash{}}
	if r.at.IsZero() {
		r.at = time.Now()
	}
	if r.audience == "" {
		r.audience = v.pins.trust.Audience
	}
	if err := r.readSeed(); err != nil {
		return nil, err
	}
	if r.request != nil {
		r.asked = r.request.NamedFacts()
	}
	if o.Log != nil {
		narrowed, err := v.pins.narrowed(o.Log)
		if err != nil {
			return nil, err
		}
		r.pins, heads = narrowed, newHeads()
	}
	reader := &reader{r.pins, heads}
	for i := range b.Facts {
		f, err := reader.view(&b.Facts[i])
		if err != nil {
			return nil, fmt.Errorf("fact %q: %w", b.Facts[i].Name, err)
		}
		r.facts = append(r.facts, f)
	}
	return r, nil
}

// readSeed takes the seed of the request or, where that was a plain one, of the
// request that the prover completed.
func (r *run) readSeed() error {
	if r.openings != nil {
		if err := r.openings.validate(); err != nil {
			return err
		}
	}
	completed, err := r.openings.request()
	if err != nil {
		return err
	}
	r.completed = completed
	switch {
	case r.request == nil:
	case r.request.Seed != nil:
		r.seed = r.request.Seed
	case completed != nil:
		r.seed = completed.Seed
	}
	return nil
}

// steps lists the checks of one fact, in the order of the verdict.
func (r *run) steps() []func(*view) Check {
	return []func(*view) Check{
		r.checkCircuit, r.checkSetup, r.checkProof, r.checkQuestion, r.checkLinked,
		r.checkRoot, r.checkSchema, r.checkEpoch,
		r.checkInclusion, r.checkCheckpoint, r.checkCosignatures, r.checkQuorum,
		r.checkRequest, r.checkAsOf, r.checkAge, r.checkNonce, r.checkOpenings,
		r.checkAudience, r.checkExpiry, r.checkNullifier, r.checkGrant, r.checkTree,
	}
}

// wholeBundle makes the checks that are not of one fact alone.
func (r *run) wholeBundle() []Check {
	checks := r.missingFacts()
	checks = append(checks, r.strayOpenings()...)
	return append(checks, r.checkContext(), r.checkTies())
}

func (r *run) fact(name string) *view {
	for _, f := range r.facts {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// cannotCheck notes that neither yes nor no would be an answer, and gives the
// check that a verdict would have shown.
func (r *run) cannotCheck(check, expected, format string, args ...any) Check {
	why := fmt.Sprintf(format, args...)
	if r.cannot == nil {
		r.cannot = fmt.Errorf("%w: %s", ErrCannotCheck, why)
	}
	c := skip(check, expected, why)
	c.Required = true
	return c
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
