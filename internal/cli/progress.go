package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	barWidth = 30
	// redraw is how often a bar moves: a terminal can be slower than the work.
	redraw = 100 * time.Millisecond
)

// Progress is a bar on the terminal, or nothing where nobody watches. It is safe
// for concurrent use.
type Progress struct {
	env   *Env
	what  string
	mu    sync.Mutex
	last  time.Time
	drawn bool
}

// Progress starts a bar for what is being done. It must be ended with
// [Progress.End].
func (e *Env) Progress(what string) *Progress { return &Progress{env: e, what: what} }

// Update moves the bar. A total of 0 or less is unknown.
func (p *Progress) Update(done, total int64) {
	if !p.env.Terminal || p.env.Quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.last) >= redraw {
		p.last, p.drawn = now, true
		_, _ = fmt.Fprintf(p.env.Err, "\r\x1b[K%s %s", p.what, bar(done, total))
	}
}

// bar draws done of total.
func bar(done, total int64) string {
	if total <= 0 {
		return Count(done)
	}
	done = min(max(done, 0), total)
	full := int(barWidth * done / total)
	return fmt.Sprintf("[%s%s] %3d%%", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*done/total)
}

// End wipes the bar.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		_, _ = fmt.Fprint(p.env.Err, "\r\x1b[K")
		p.drawn = false
	}
}
