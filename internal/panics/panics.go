// Package panics tells of a recovered panic what a log may hold: never a value that
// the program was working on.
package panics

import (
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"
)

// Text tells a panic's value where it is the Go runtime's, and its type where it is
// anything else, which may hold a private value.
func Text(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", v)
}

// Stack gives the stack of the caller without the arguments' words.
func Stack() string {
	arguments := regexp.MustCompile(`\((0x|\{0x|\.\.\.)[^\n]*\)`)
	return arguments.ReplaceAllString(string(debug.Stack()), "(…)")
}
