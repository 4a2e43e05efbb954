package verifycmd

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/verifier"
)

// page builds an HTML page by hand: a template engine would add megabytes to the
// auditor's program. Whatever is not a constant goes through [esc].
type page struct{ strings.Builder }

// esc makes text of a file that somebody else wrote harmless in HTML.
func esc(s string) string { return html.EscapeString(cli.Plain(s)) }

func (p *page) raw(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) heading(text string) { p.raw("<h2>%s</h2>", esc(text)) }

func (p *page) para(class, format string, args ...any) {
	p.raw(`<p class="%s">%s</p>`, class, esc(fmt.Sprintf(format, args...)))
}

// table writes a table; a number is set as one, and a short text stays on its line.
func (p *page) table(head []string, rows [][]string) {
	p.raw(`<div class="scroll"><table><thead><tr>`)
	for _, h := range head {
		p.raw("<th>%s</th>", esc(h))
	}
	p.raw("</tr></thead><tbody>")
	for _, row := range rows {
		p.WriteString("<tr>")
		for _, cell := range row {
			class := ""
			if len(cell) < 13 {
				class = ` class="s"`
			}
			if cell != "" && strings.Trim(cell, "0123456789,") == "" {
				class = ` class="n"`
			}
			fmt.Fprintf(p, "<td%s>%s</td>", class, esc(cell))
		}
		p.raw("</tr>")
	}
	p.raw("</tbody></table></div>")
}

const pageHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<style>
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5c6670;--line:#d5dbe1;--paper:#fff;--soft:#f4f6f8;--good:#12683b;--bad:#a31621;--proof:#7a9cc6;--pledge:#2c5a94;--epoch:#c98a1b}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--dim:#9aa5b0;--line:#39424b;--paper:#15191d;--soft:#1f252b;--good:#5cc48d;--bad:#ff7b7f;--proof:#5f82ae;--pledge:#a9c8f0;--epoch:#e0ac4f}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:62rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2.25rem 0 .6rem}
.verdict{border-left:.4rem solid;padding:.7rem 1rem;background:var(--soft);font-weight:600;margin:0 0 1rem}.ok{border-color:var(--good);color:var(--good)}.no{border-color:var(--bad);color:var(--bad)}
.dim,figcaption{color:var(--dim);font-size:.9rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.5rem;margin:1rem 0}.facts div{background:var(--soft);padding:.5rem .75rem}.facts b{display:block;font-size:1.25rem;font-variant-numeric:tabular-nums}.facts span{color:var(--dim);font-size:.85rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}th{text-align:left;color:var(--dim);font-weight:500;white-space:nowrap}th,td{padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}td{overflow-wrap:anywhere}td.n{font-variant-numeric:tabular-nums}td.n,td.s{white-space:nowrap}
pre{background:var(--soft);padding:.75rem;overflow-x:auto;font-size:.8rem}figure{margin:0}svg{width:100%;height:auto;display:block}summary{cursor:pointer;color:var(--dim);margin:.5rem 0}
.key{display:inline-block;width:.7rem;height:.7rem;margin:0 .3rem 0 .9rem}
</style>
`

// auditPage gives an audit's report as one page that needs nothing else.
func auditPage(r *verifier.Report, trust pinned) []byte {
	p := &page{}
	p.WriteString(pageHead)
	p.raw("<title>Audit of %s</title></head><body>", esc(r.Origin))
	p.raw("<h1>Audit of the log %s</h1>", esc(r.Origin))
	p.findings(r)
	p.facts(r)
	p.timeline(r)
	p.registries(r)
	p.bundles(r)
	p.grounds(r)
	p.pinned(r, trust)
	p.heading("Checkpoint")
	p.raw("<pre>%s</pre>", html.EscapeString(plainLines(r.Checkpoint)))
	p.para("dim", "attestry %s, %s. The page is the report of a program that its reader ran; it proves nothing by itself.", cli.Version(), r.At)
	p.raw("</body></html>")
	return []byte(p.String())
}

// plainLines is [cli.Plain] of each line.
func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = cli.Plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (p *page) findings(r *verifier.Report) {
	class := "verdict ok"
	if !r.OK {
		class = "verdict no"
	}
	p.para(class, "%s", outcome(r))
	for _, line := range r.Followed {
		p.para("", "The log itself changed what the trust file pins: %s.", line)
	}
	if len(r.Problems) == 0 {
		return
	}
	var rows [][]string
	for _, problem := range r.Problems {
		where := "—"
		if problem.Index != nil {
			where = cli.Count(*problem.Index)
		}
		rows = append(rows, []string{where, problem.Check, problem.Detail})
	}
	p.table([]string{"entry", "check", "what is wrong"}, rows)
}

func (p *page) facts(r *verifier.Report) {
	p.raw(`<div class="facts">`)
	for _, f := range [][2]string{
		{cli.Count(r.Entries), "entries"}, {cli.Count(r.Epochs), "epochs"}, {cli.Count(r.Proofs), "proofs"}, {duration(r), "took"},
	} {
		p.raw("<div><b>%s</b><span>%s</span></div>", esc(f[0]), f[1])
	}
	p.raw("</div>")
	if r.Since != nil {
		p.para("dim", "Continued from an earlier audit of the first %s. What follows by time and by registry is of the entries since.", cli.Entries(*r.Since))
	}
}

// Sizes of the timeline's picture.
const (
	chartWidth, chartHeight = 960, 150
	chartBase               = 120 // where bars stand
	chartTop                = 100 // the highest bar
)

// timeline draws the proofs and pledges of each stretch of the log, with the epochs.
func (p *page) timeline(r *verifier.Report) {
	buckets := r.Timeline.Buckets
	if len(buckets) == 0 {
		return
	}
	p.heading("Timeline")
	highest := uint64(1)
	for _, b := range buckets {
		highest = max(highest, b.Proofs)
	}
	width := float64(chartWidth) / float64(len(buckets))
	height := func(n uint64) float64 { return chartTop * float64(n) / float64(highest) }
	p.raw(`<figure><svg viewBox="0 0 %d %d" role="img" aria-label="proofs and epochs by place in the log">`, chartWidth, chartHeight)
	for i, b := range buckets {
		x := float64(i) * width
		p.raw(`<g><title>from entry %d: %d proofs, of which %d pledges; %d epochs; %d others</title>`, b.First, b.Proofs, b.Pledges, b.Epochs, b.Others)
		p.raw(`<rect x="%.1f" y="0" width="%.1f" height="%d" fill="transparent"/>`, x, width, chartBase)
		p.bar(x, width, height(b.Proofs), "proof")
		p.bar(x, width, height(b.Pledges), "pledge")
		if hasProblem(r, i) {
			p.raw(`<rect x="%.1f" y="0" width="%.1f" height="%d" fill="var(--bad)" opacity=".35"/>`, x, max(width-1, 2), chartBase)
		}
		if b.Epochs > 0 {
			p.raw(`<rect x="%.1f" y="%d" width="%.1f" height="7" fill="var(--epoch)"/>`, x, chartBase+3, max(width-1, 1))
		}
		p.raw("</g>")
	}
	p.raw(`<line x1="0" x2="%d" y1="%d" y2="%d" stroke="var(--line)"/>`, chartWidth, chartBase, chartBase)
	p.raw(`<g fill="var(--dim)" font-size="13"><text x="0" y="%d">entry %s</text><text x="%d" y="%d" text-anchor="end">entry %s</text></g></svg>`,
		chartHeight-4, cli.Count(buckets[0].First), chartWidth, chartHeight-4, cli.Count(max(r.Entries, 1)-1))
	p.raw(`<figcaption>From the log's first entry that was read to its last; the highest bar is %s.`, cli.Plural(highest, "proof"))
	for _, k := range [][2]string{{"proof", "proofs"}, {"pledge", "of them pledges"}, {"epoch", "epochs"}, {"bad", "problems"}} {
		if k[0] == "bad" && r.OK {
			continue
		}
		p.raw(`<span class="key" style="background:var(--%s)"></span>%s`, k[0], k[1])
	}
	p.raw("</figcaption></figure>")
	p.epochs(r)
}

// hasProblem tells whether a problem is of an entry of a bucket.
func hasProblem(r *verifier.Report, bucket int) bool {
	from, to := r.Timeline.Buckets[bucket].First, r.Size
	if bucket+1 < len(r.Timeline.Buckets) {
		to = r.Timeline.Buckets[bucket+1].First
	}
	return slices.ContainsFunc(r.Problems, func(p verifier.Problem) bool {
		return p.Index != nil && *p.Index >= from && *p.Index < to
	})
}

func (p *page) bar(x, width, height float64, colour string) {
	if height > 0 {
		p.raw(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="var(--%s)"/>`, x, chartBase-height, max(width-1, 1), height, colour)
	}
}

// fewEpochs is how many epochs are shown without being asked for.
const fewEpochs = 12

func (p *page) epochs(r *verifier.Report) {
	marks := r.Timeline.Epochs
	if len(marks) == 0 {
		return
	}
	open := ` open=""`
	if len(marks) > fewEpochs {
		open = ""
	}
	label := cli.Plural(len(marks), "epoch")
	if r.Timeline.Omitted > 0 {
		label = fmt.Sprintf("the latest %s; %s before them", label, cli.Count(r.Timeline.Omitted))
	}
	p.raw("<details%s><summary>%s</summary>", open, esc(label))
	var rows [][]string
	for i := len(marks) - 1; i >= 0; i-- {
		m := marks[i]
		rows = append(rows, []string{cli.Count(m.Index), m.Registry, cli.Count(m.Number), m.Time})
	}
	p.table([]string{"entry", "registry", "epoch", "committed"}, rows)
	p.raw("</details>")
}

func (p *page) registries(r *verifier.Report) {
	if len(r.Registries) == 0 {
		return
	}
	p.heading("Registries and scopes")
	var rows [][]string
	for _, c := range r.Registries {
		var scopes []string
		for _, s := range c.Scopes {
			scopes = append(scopes, fmt.Sprintf("%s: %s", s.Scope, cli.Plural(s.Pledges, "pledge")))
		}
		rows = append(rows, []string{c.Registry, cli.Count(c.Epochs), cli.Count(c.Proofs), strings.Join(scopes, ", "), cli.Count(c.Releases), cli.Count(c.Schemas)})
	}
	p.table([]string{"registry", "epochs", "proofs", "pledges by scope", "releases", "schemas"}, rows)
}

func (p *page) bundles(r *verifier.Report) {
	b := r.Bundles
	if b == nil {
		return
	}
	p.heading("Bundles")
	p.para("", "%s.", bundleSummary(b))
	for _, list := range []struct {
		what  string
		names []string
	}{{"not of this log", b.OtherLogs}, {"not bundles", b.NotBundles}} {
		if len(list.names) > 0 {
			p.para("dim", "%s: %s", list.what, strings.Join(list.names, ", "))
		}
	}
}

func (p *page) grounds(r *verifier.Report) {
	p.heading("What this rests on")
	var rows [][]string
	for _, g := range r.RestsOn {
		rows = append(rows, []string{g.What, string(g.RestsOn), g.Detail})
	}
	p.table([]string{"what", "rests on", "which means"}, rows)
}

// pinned shows whose keys the audit went by.
func (p *page) pinned(r *verifier.Report, trust pinned) {
	p.heading("Who was pinned")
	p.para("dim", "Trust file with the fingerprint %s.", trust.fingerprint)
	var rows [][]string
	for _, l := range trust.Logs {
		rows = append(rows, []string{"log", l.Key, l.Window.String()})
	}
	for _, x := range trust.Registries {
		rows = append(rows, []string{"issuer of " + x.Registry, x.Issuer.String(), x.Window.String()})
	}
	for _, c := range trust.Circuits {
		rows = append(rows, []string{fmt.Sprintf("circuit %s version %d, %s setup", c.Name, c.Version, c.Setup), c.Circuit.Hex(), c.Window.String()})
	}
	if w := trust.Witnesses; w != nil {
		for _, key := range w.Keys {
			rows = append(rows, []string{"witness", key, fmt.Sprintf("a quorum of %d", w.Quorum)})
		}
	}
	p.table([]string{"who", "key or hash", "counts at"}, rows)
	if w := r.Witnesses; w != nil && len(w.Cosigners) > 0 {
		p.para("dim", "The checkpoint is cosigned by %s.", strings.Join(w.Cosigners, ", "))
	}
}
