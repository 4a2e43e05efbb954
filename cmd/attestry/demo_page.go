package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/attestry/attestry/internal/cli"
)

// pageWidth is the longest line of a page, in characters.
const pageWidth = 100

// page writes text for people, in blocks with an empty line between them. Its first
// write error is kept in err.
type page struct {
	out  io.Writer
	err  error
	last block
}

// block is a kind of text. Blocks of one kind of list stand together.
type block int

const (
	blockNone block = iota // nothing yet, or a heading
	blockText
	blockList
)

func (p *page) print(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.out, text)
	}
}

// begin separates a block from the one before it.
func (p *page) begin(b block) {
	if p.last == blockText || p.last != blockNone && p.last != b {
		p.print("\n")
	}
	p.last = b
}

func (p *page) title(text string) {
	p.print(text + "\n" + strings.Repeat("=", utf8.RuneCountInString(text)) + "\n\n")
}

func (p *page) heading(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.print("\n" + text + "\n" + strings.Repeat("-", utf8.RuneCountInString(text)) + "\n\n")
	p.last = blockNone
}

// para writes a paragraph, wrapped.
func (p *page) para(format string, args ...any) {
	p.begin(blockText)
	p.wrapped("", "", fmt.Sprintf(format, args...))
}

// item writes an item of a list, wrapped.
func (p *page) item(format string, args ...any) {
	p.begin(blockList)
	p.wrapped("  - ", "    ", fmt.Sprintf(format, args...))
}

// check writes one line of a verdict, wrapped.
func (p *page) check(outcome, format string, args ...any) {
	p.begin(blockList)
	p.wrapped(fmt.Sprintf("  %-8s", outcome), strings.Repeat(" ", 10), fmt.Sprintf(format, args...))
}

// line writes one line as it is.
func (p *page) line(format string, args ...any) {
	p.begin(blockText)
	p.print(fmt.Sprintf(format, args...) + "\n")
}

// code writes lines that stand for a file or a terminal, indented.
func (p *page) code(text string) {
	p.begin(blockText)
	for line := range strings.Lines(text) {
		p.print("    " + strings.TrimRight(line, "\n") + "\n")
	}
}

// quote writes what a program said, indented and wrapped.
func (p *page) quote(text string) {
	p.begin(blockText)
	p.wrapped("    ", "    ", text)
}

// wrapped writes words in lines of at most pageWidth characters.
func (p *page) wrapped(first, rest, text string) {
	line, empty := first, true
	for _, word := range strings.Fields(cli.Plain(text)) {
		switch {
		case empty:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > pageWidth:
			p.print(line + "\n")
			line = rest + word
		default:
			line += " " + word
		}
		empty = false
	}
	p.print(line + "\n")
}

// capital writes a sentence's first letter large.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
