package metrics

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func countAll(m *Metrics) {
	end := m.Begin()
	m.Request(Request{Route: "/v1/verify", Method: "POST", Status: 200, Took: 3 * time.Millisecond})
	m.Problem("malformed")
	m.Verified(VerdictYes, 2*time.Millisecond)
	m.Verified(VerdictNo, 2*time.Millisecond)
	m.Job(Run{Kind: "proof", Outcome: "done", Waited: time.Second, Ran: 40 * time.Millisecond})
	m.Job(Run{Kind: "proof", Outcome: "cancelled", Waited: time.Second})
	m.Refusal("not_provable")
	m.Proved("present", 41*time.Millisecond)
	m.Gauge("ledger_entries", "Entries of the log.", func() float64 { return 42 })
	end()
}

func TestScrape(t *testing.T) {
	m := New()
	countAll(m)
	got := scrape(t, m)
	for _, line := range []string{
		`attestry_http_requests_total{method="POST",route="/v1/verify",status="200"} 1`,
		`attestry_http_request_seconds_bucket{route="/v1/verify",le="0.005"} 1`,
		`attestry_http_requests_in_flight 0`,
		`attestry_http_problems_total{code="malformed"} 1`,
		`attestry_verifications_total{verdict="yes"} 1`,
		`attestry_verify_seconds_count 2`,
		`attestry_job_wait_seconds_count{kind="proof"} 2`,
		`attestry_job_run_seconds_count{kind="proof"} 1`,
		`attestry_job_runs_total{kind="proof",outcome="cancelled"} 1`,
		`attestry_refusals_total{code="not_provable"} 1`,
		`attestry_prove_seconds_count{circuit="present"} 1`,
		`attestry_ledger_entries 42`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(got, "\n"+line) {
			t.Errorf("no line %s", line)
		}
	}
	problems, err := testutil.GatherAndLint(m.registry)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, namespace) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// TestBounded: whatever callers pass, a label has no more than so many values, none of
// them long.
func TestBounded(t *testing.T) {
	m := New()
	for i := range 3 * maxValues {
		m.Request(Request{Route: fmt.Sprintf("/%d", i), Method: "GET", Status: 200})
		m.Problem(strings.Repeat("x", maxValue+1))
		m.Job(Run{Kind: fmt.Sprint(i)})
	}
	got := scrape(t, m)
	if n := strings.Count(got, "\nattestry_http_requests_total{"); n != maxValues+1 {
		t.Errorf("%d routes", n)
	}
	if !strings.Contains(got, `attestry_http_problems_total{code="other"} 600`) || !strings.Contains(got, `{kind="none"`) && strings.Contains(got, `kind=""`) {
		t.Error("a long value is a label, or an empty one")
	}
}

func TestNoMetrics(t *testing.T) {
	countAll(nil) // which must not panic
}

// TestTwoServers: each has metrics of its own.
func TestTwoServers(t *testing.T) {
	a, b := New(), New()
	a.Problem("busy")
	if strings.Contains(scrape(t, b), "busy") || !strings.Contains(scrape(t, a), "busy") {
		t.Error("metrics are shared")
	}
}
