package panics

import (
	"errors"
	"strings"
	"testing"
)

// recovered gives what is told of the panic of a function whose argument is private.
func recovered(fn func(private string)) (text, stack string) {
	defer func() { text, stack = Text(recover()), Stack() }()
	fn("private-kanari")
	return "", ""
}

func TestNoValues(t *testing.T) {
	for name, c := range map[string]struct {
		fn   func(string)
		want string
	}{
		"a text":            {func(private string) { panic(private) }, "string"},
		"an error":          {func(private string) { panic(errors.New(private)) }, "*errors.errorString"},
		"the runtime's":     {func(private string) { _ = []byte(private)[len(private)] }, "runtime error: index out of range [14] with length 14"},
		"a struct of texts": {func(private string) { panic(struct{ s string }{private}) }, "struct { s string }"},
	} {
		text, stack := recovered(c.fn)
		if text != c.want {
			t.Errorf("%s: %q", name, text)
		}
		if !strings.Contains(stack, "TestNoValues.func") || strings.Contains(stack, "kanari") || strings.Contains(stack, "(0x") {
			t.Errorf("%s: the stack is %s", name, stack)
		}
	}
}
