package verifier

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The checks of who saw the checkpoints beside the log.

// met tells whether enough of the pinned witnesses are among the cosigners.
func (w *TrustedWitnesses) met(cosigners []string) error {
	if len(cosigners) >= w.Quorum {
		return nil
	}
	who := "none"
	if len(cosigners) > 0 {
		who = strings.Join(cosigners, ", ")
	}
	return fmt.Errorf("%d of %d pinned witnesses cosigned (%s), where %d must: the others were not reached, or refused it, as they do a log that has another history than they saw, or less of it: ask them for their last checkpoint", len(cosigners), len(w.Keys), who, w.Quorum)
}

func (r *run) checkCosignatures(f *view) Check {
	const expected = "no signature but the pinned log's and witnesses'"
	var strangers []string
	for _, p := range f.places() {
		if p.unknownErr != nil {
			return fail(CheckCosignatures, OnPinned, expected, p.name+": "+p.unknownErr.Error())
		}
		strangers = append(strangers, p.strangers...)
	}
	slices.Sort(strangers)
	if strangers = slices.Compact(strangers); len(strangers) > 0 {
		c := pass(CheckCosignatures, OnPinned, expected, fmt.Sprintf("cosigned by %s, too, whom the trust file does not pin: nothing rests on that", strings.Join(strangers, ", ")))
		c.Outcome = Warn
		return c
	}
	return pass(CheckCosignatures, OnPinned, expected, "every signature on the checkpoints verifies under a pinned key")
}

func (r *run) checkQuorum(f *view) Check {
	w := r.pins.trust.Witnesses
	if w == nil {
		return skip(CheckQuorum, "a quorum of witnesses", "the trust file names no witnesses, so the log could show others another tree")
	}
	expected := fmt.Sprintf("%d of %d pinned witnesses on every checkpoint", w.Quorum, len(w.Keys))
	fewest := len(w.Keys)
	for _, p := range f.places() {
		err := p.unknownErr
		switch {
		case !p.logged:
			err = errors.New("no checkpoint")
		case err == nil:
			err = w.met(p.witnesses)
		}
		if err != nil {
			return fail(CheckQuorum, OnWitnesses, expected, p.name+": "+err.Error())
		}
		fewest = min(fewest, len(p.witnesses))
	}
	return pass(CheckQuorum, OnWitnesses, expected, fmt.Sprintf("at least %d cosigned", fewest))
}
