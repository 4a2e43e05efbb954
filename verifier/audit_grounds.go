package verifier

import (
	"fmt"

	"github.com/attestry/attestry/ledger"
)

// Ground says what a part of an audit's outcome rests on.
type Ground struct {
	What    string  `json:"what"`
	RestsOn RestsOn `json:"rests_on"`
	Detail  string  `json:"detail"`
}

// grounds says what the outcome rests on. It is worth no more than the weakest of
// these, and where there are problems, no more than they leave.
func (a *audit) grounds() []Ground {
	out := []Ground{
		{"the tree, and the log's rules", OnComputation, "rebuilt and replayed here"},
		{"who signed the checkpoint, the schemas and the epochs", OnPinned, "keys of the trust file"},
		{"the proofs", OnPinned, a.setupGround()},
		a.viewGround(),
	}
	if a.since != nil {
		out = append(out, Ground{
			fmt.Sprintf("the entries before %d", a.since.checkpoint.Size), OnAudit, "an earlier audit under the same trust file, signed with the auditor's own key",
		})
	}
	if a.report.Bundles == nil {
		out = append(out, Ground{"what was asked, and for whom", OnNothing, "the log shows a hash of each question; bundles show the questions"})
	}
	return append(out, Ground{"that the registries are true, and their trees well formed", OnAgency, "who has the records can confirm a root"})
}

func (a *audit) setupGround() string {
	for _, c := range a.pins.circuits {
		if c.Setup == ledger.SetupDevelopment {
			return "verifying keys of the trust file, of which some are of a development setup: whoever made those can forge proofs"
		}
	}
	return "verifying keys of the trust file, by the ceremonies that made them"
}

// viewGround says what there is against a log that shows others another tree.
func (a *audit) viewGround() Ground {
	const what = "that everyone is shown this log"
	w := a.report.Witnesses
	if w == nil {
		return Ground{what, OnLog, "the trust file names no witnesses, so the log could show others another tree"}
	}
	return Ground{what, OnWitnesses, fmt.Sprintf("%d of %d pinned witnesses cosigned, where %d must", len(w.Cosigners), w.Pinned, w.Quorum)}
}
