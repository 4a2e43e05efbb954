package verifier

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Warn    Outcome = "warn"    // holds, with something that the reader should know
	Skipped Outcome = "skipped" // not checked
)

// RestsOn says what a check's outcome rests on.
type RestsOn string

// What outcomes rest on.
const (
	OnComputation RestsOn = "computed"    // nothing but arithmetic on the files given
	OnPinned      RestsOn = "pinned"      // a key or value of the trust file
	OnWitnesses   RestsOn = "witnessed"   // cosignatures of pinned witnesses
	OnAudit       RestsOn = "audited"     // an audit of the log up to a checkpoint
	OnLog         RestsOn = "log says so" // the log's operator, whom nobody checked here
	OnAgency      RestsOn = "agency"      // the agency's honesty
	OnNothing     RestsOn = "not checked" // the check was skipped
)

// The names of the checks, in the order in which a fact's are made. They are
// stable: programs go by them.
const (
	CheckFormat       = "format"       // the bundle is what its format says
	CheckCircuit      = "circuit"      // the circuit and its key are pinned and in force
	CheckSetup        = "setup"        // how the key was made is acceptable
	CheckProof        = "proof"        // each proof proves the statement that its entry shows
	CheckQuestion     = "question"     // the statement hides the question, outputs and context shown
	CheckLinked       = "linked"       // a fact's several proofs are of one record
	CheckRoot         = "root"         // the statement's root is the epoch's
	CheckSchema       = "schema"       // the pinned issuer signed the schema
	CheckEpoch        = "epoch"        // the pinned issuer signed the epoch
	CheckInclusion    = "inclusion"    // the entries are in the log
	CheckCheckpoint   = "checkpoint"   // the pinned log signed the checkpoints
	CheckCosignatures = "cosignatures" // no signature is by an unknown key
	CheckQuorum       = "quorum"       // enough pinned witnesses cosigned
	CheckRequest      = "request"      // the statement answers the request
	CheckAsOf         = "as-of"        // the epoch is the one asked for
	CheckAge          = "age"          // the epoch is not too old
	CheckNonce        = "nonce"        // the proof was made for this request
	CheckOpenings     = "openings"     // the commitments open to what was asked
	CheckAudience     = "audience"     // the bundle is for the verifier
	CheckExpiry       = "expiry"       // the bundle has not expired
	CheckNullifier    = "nullifier"    // a pledge is in a declared scope, agreed to and live
	CheckGrant        = "grant"        // the grant that the request names allows what is asked
	CheckTree         = "tree"         // the committed tree is well formed
	CheckContext      = "context"      // the facts answer one asking
	CheckTies         = "ties"         // tied values of different facts are equal
)

// Check is one line of a verdict.
type Check struct {
	Check string `json:"check"`
	// Fact is the name of the fact that was checked; empty for the whole bundle.
	Fact     string  `json:"fact,omitempty"`
	Outcome  Outcome `json:"outcome"`
	Expected string  `json:"expected"`
	Observed string  `json:"observed"`
	RestsOn  RestsOn `json:"rests_on"`
	// Required says that a verdict with this check skipped is no yes.
	Required bool `json:"-"`
}

// Verdict is the list of everything that was and was not checked. OK says that
// nothing failed and that nothing required was skipped.
type Verdict struct {
	OK     bool    `json:"ok"`
	Checks []Check `json:"checks"`
}

func newVerdict(checks []Check) *Verdict {
	v := &Verdict{OK: true, Checks: checks}
	for _, c := range checks {
		if c.Outcome == Fail || (c.Outcome == Skipped && c.Required) {
			v.OK = false
		}
	}
	return v
}

// Failures gives the checks for which the verdict is no.
func (v *Verdict) Failures() []Check {
	var out []Check
	for _, c := range v.Checks {
		if c.Outcome == Fail || (c.Outcome == Skipped && c.Required) {
			out = append(out, c)
		}
	}
	return out
}

func pass(name string, on RestsOn, expected, observed string) Check {
	return Check{Check: name, Outcome: Pass, Expected: expected, Observed: observed, RestsOn: on}
}

func fail(name string, on RestsOn, expected, observed string) Check {
	return Check{Check: name, Outcome: Fail, Expected: expected, Observed: observed, RestsOn: on}
}

func skip(name, expected, why string) Check {
	return Check{Check: name, Outcome: Skipped, Expected: expected, Observed: why, RestsOn: OnNothing}
}

// judge passes where err is nil, with what was observed, and else fails with err.
func judge(name string, on RestsOn, expected, observed string, err error) Check {
	if err != nil {
		return fail(name, on, expected, err.Error())
	}
	return pass(name, on, expected, observed)
}

// Text gives the verdict for people: a line for each check under the names of the
// facts, what was expected where a check failed, and the outcome.
func (v *Verdict) Text() string {
	var out strings.Builder
	fact := ""
	for _, c := range v.Checks {
		if c.Fact != fact && c.Fact != "" {
			fmt.Fprintf(&out, "fact %s\n", plain(c.Fact))
		}
		fact = c.Fact
		out.WriteString(c.text())
	}
	if v.OK {
		out.WriteString("VERIFIED: nothing failed and nothing required was skipped\n")
	} else {
		fmt.Fprintf(&out, "NOT VERIFIED: %s\n", failedNames(v.Failures()))
	}
	return out.String()
}

// widths of the columns of [Verdict.Text].
const checkWidth, outcomeWidth, restsWidth = 12, 7, 11

func (c Check) text() string {
	line := fmt.Sprintf("  %-*s  %-*s  %-*s  %s\n", outcomeWidth, c.Outcome, checkWidth, c.Check, restsWidth, c.RestsOn, plain(c.Observed))
	if c.Outcome == Fail {
		line += fmt.Sprintf("  %*s  expected: %s\n", outcomeWidth+checkWidth+restsWidth+4, "", plain(c.Expected))
	}
	return line
}

func failedNames(checks []Check) string {
	var names []string
	for _, c := range checks {
		name := c.Check
		if c.Fact != "" {
			name += " of " + c.Fact
		}
		names = append(names, plain(name))
	}
	return strings.Join(names, ", ")
}

// plain keeps text of a bundle from driving the reader's terminal: control
// characters are shown, not obeyed.
func plain(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, isControl) {
		return s
	}
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

// isControl tells the characters that move the cursor or reorder text.
func isControl(r rune) bool {
	return r < 0x20 || (r >= 0x7f && r < 0xa0) || (r >= 0x2028 && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) || r == 0x200e || r == 0x200f || r == 0x061c
}
