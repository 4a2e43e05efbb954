package registry

import "sync"

// meter counts a commit's hashes for a progress report. How many the tree of a derived
// registry takes is not known before the registry's own is done: until then each is taken to
// need as many as that, which is seldom too few. The last hash is reported when the epoch is
// in the file.
type meter struct {
	report func(done, total int) // nil: nobody hears

	mu          sync.Mutex
	done, total int
	derived     int // trees whose hashes are not known yet, beside the next one
	own         int // hashes of the registry's own tree
	planned     bool
}

func newMeter(report func(done, total int), derived int) *meter {
	return &meter{report: report, derived: derived}
}

// plan says how many hashes the next tree takes.
func (m *meter) plan(n int) {
	if m.planned {
		m.total += n - m.own
		return
	}
	m.planned, m.own, m.total = true, n, n*(1+m.derived)
}

// add counts hashes that are done.
func (m *meter) add(n int) {
	if m == nil || m.report == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	m.report(min(m.done, m.total-1), m.total)
}

// finish says that all is done.
func (m *meter) finish() {
	if m.report != nil && m.total > 0 {
		m.report(m.total, m.total)
	}
}
