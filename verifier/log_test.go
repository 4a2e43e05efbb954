package verifier

import (
	"slices"
	"strings"
	"testing"
)

// TestOtherLog: a bundle from one log and an export of another of the same origin
// are evidence of a split view.
func TestOtherLog(t *testing.T) {
	w := newWorld(t, "agency.example/log", titleSchema())
	r := flatRequest(t, "once: mortgage")
	b, openings := w.bundle(r, tamper{})
	o := Options{Trust: w.trust(), Request: r, Openings: openings, At: testTime}
	report, log, err := AuditLog(t.Context(), w.export(), w.trust(), nil)
	if err != nil || log == nil {
		t.Fatalf("%v %+v", err, report)
	}
	o.Log = log
	if v, err := Verify(b, o); err != nil || !v.OK || find(t, v, CheckNullifier).RestsOn != OnAudit {
		t.Errorf("its own log: %v %v", outcomes(t, v), err)
	}
	// The operator shows another tree from the same entries on: its own next pledge.
	one, two := w.fork(t), w.fork(t)
	request := flatRequest(t, "once: mortgage")
	one.bundle(request, tamper{})
	if _, o.Log, err = AuditLog(t.Context(), one.export(), w.trust(), nil); err != nil || o.Log == nil {
		t.Fatal(err)
	}
	other, openings := two.bundle(request, tamper{})
	o.Request, o.Openings = request, openings
	v, err := Verify(other, o)
	if err != nil || !slices.Equal(outcomes(t, v), []string{CheckInclusion, CheckNullifier}) {
		t.Errorf("a fork of its log: %v %v", outcomes(t, v), err)
	}
	if c := find(t, v, CheckInclusion); c.RestsOn != OnAudit || !strings.Contains(c.Observed, "two logs") {
		t.Errorf("a fork of its log: %+v", c)
	}
}
