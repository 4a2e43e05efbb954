package server

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/attestry/attestry/server/api"
)

// The readers of the bodies that are verified. They hold a body to its schema in the
// OpenAPI document as the general way does, see [ownReader], and are tested against it.

// Bounds of the schema VerifyRequest, in characters.
const (
	maxAudience  = 1024
	minAt, maxAt = 20, 35
)

// readVerifyRequest reads a body of /v1/verify, or an item of a batch. The bundle, the
// request and the openings keep their bytes, for parsers of their own.
func readVerifyRequest(data []byte, to *api.VerifyRequest) error {
	m, err := members(data)
	if err != nil {
		return newProblem(CodeMalformed, "the body: %v", err)
	}
	if err := onlyMembers(m, "bundle", "request", "openings", "audience", "at"); err != nil {
		return err
	}
	if to.Bundle = m["bundle"]; to.Bundle == nil {
		return newProblem(CodeMalformed, "the body: a member is missing (required are bundle)")
	}
	to.Request, to.Openings = m["request"], m["openings"]
	for name, kinds := range map[string]string{"bundle": "{", "request": `{"`, "openings": "{"} {
		if value := m[name]; value != nil && !strings.ContainsRune(kinds, rune(value[0])) {
			return notOfSchema(name, "type")
		}
	}
	if to.Audience, err = readText(m, "audience", 1, maxAudience); err != nil {
		return err
	}
	to.At, err = readText(m, "at", minAt, maxAt)
	return err
}

// readVerifyBatchRequest reads a body of /v1/verify/batch. What its items hold is
// looked at one by one, later.
func readVerifyBatchRequest(data []byte, to *api.VerifyBatchRequest) error {
	m, err := members(data)
	if err != nil {
		return newProblem(CodeMalformed, "the body: %v", err)
	}
	if err := onlyMembers(m, "items"); err != nil {
		return err
	}
	if m["items"] == nil {
		return newProblem(CodeMalformed, "the body: a member is missing (required are items)")
	}
	to.Items, err = elements(m["items"], maxBatch)
	switch {
	case errors.Is(err, errTooLong):
		return newProblem(CodeTooLarge, "a batch has at most %d items", maxBatch)
	case err != nil:
		return newProblem(CodeMalformed, "the items: %v", err)
	case len(to.Items) == 0:
		return notOfSchema("items", "minItems")
	}
	return nil
}

// onlyMembers refuses members that are not known.
func onlyMembers(m map[string]json.RawMessage, known ...string) error {
	for name := range maps.Keys(m) {
		if !slices.Contains(known, name) {
			return newProblem(CodeMalformed, "the body: an unknown member (known are %s)", strings.Join(slices.Sorted(slices.Values(known)), ", "))
		}
	}
	return nil
}

// readText reads a member that is a string of so many characters, and "" where it is
// left out.
func readText(m map[string]json.RawMessage, name string, least, most int) (text string, err error) {
	value := m[name]
	if value == nil {
		return "", nil
	}
	if value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return "", notOfSchema(name, "type")
	}
	switch n := utf8.RuneCountInString(text); {
	case n < least:
		return "", notOfSchema(name, "minLength")
	case n > most:
		return "", notOfSchema(name, "maxLength")
	}
	return text, nil
}

func notOfSchema(member, keyword string) error {
	return newProblem(CodeMalformed, "the body: member %s is not what /openapi.json says (%s)", member, keyword)
}
