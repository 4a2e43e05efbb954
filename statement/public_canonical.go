package statement

import (
	"encoding/base64"
	"strings"
)

// AppendCanonical writes the canonical JSON of p, as canon.Marshal does, without the
// detours of encoding/json: a log computes P of every entry. It gives false, and has
// written nothing of use, where a text needs an escape or is not ASCII.
func (p Public) AppendCanonical(out []byte) ([]byte, bool) {
	if !isPlain(p.Origin) || !isPlain(p.Registry) {
		return out, false
	}
	out = appendBase64(append(out, `{"circuit":"`...), p.Circuit[:])
	out = appendBase64(append(out, `","epoch":"`...), p.Epoch[:])
	out = append(append(out, `","origin":"`...), p.Origin...)
	out = append(append(out, `","registry":"`...), p.Registry...)
	if p.ReleaseKey != nil {
		out = appendBase64(append(out, `","release_key":"`...), p.ReleaseKey[:])
	}
	out = appendBase64(append(out, `","schema":"`...), p.Schema[:])
	out = appendBase64(append(out, `","vk":"`...), p.VK[:])
	return append(out, `"}`...), true
}

// isPlain tells whether a text is the same within a JSON string.
func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}

func appendBase64(out, b []byte) []byte { return base64.StdEncoding.AppendEncode(out, b) }
