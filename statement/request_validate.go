package statement

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attestry/attestry/internal/canon"
)

// Limits of a request.
const (
	// MaxFacts is how many facts a request joins.
	MaxFacts = 16
	// MaxLabel bounds id, audience and sealing key in bytes.
	MaxLabel = 512
	// MaxPurpose bounds the purpose in bytes.
	MaxPurpose = 4096
)

// Validate checks everything about a request that does not need a schema. Its
// error wraps [ErrBadRequest].
func (r *Request) Validate() error {
	checks := []func() error{r.checkForm, r.checkFacts, r.checkLabels, r.checkGrants, r.checkReleaseKeys, r.checkReferences}
	for _, check := range checks {
		if err := check(); err != nil {
			if errors.Is(err, ErrBadRequest) {
				return err
			}
			return fmt.Errorf("%w: %w", ErrBadRequest, err)
		}
	}
	return nil
}

// checkForm tells the flat form from the join form.
func (r *Request) checkForm() error {
	if r.Format != "" && r.Format != RequestFormat {
		return fmt.Errorf("format %q: this version reads %s", r.Format, RequestFormat)
	}
	if !r.IsJoin() {
		return nil
	}
	if !r.FactRequest.isZero() {
		return fmt.Errorf("a request with facts has registry, subject, key, where and the like inside them, not beside them")
	}
	if n := len(r.Facts); n < 1 || n > MaxFacts {
		return fmt.Errorf("%d facts: a request joins 1 to %d", n, MaxFacts)
	}
	for _, name := range r.FactNames() {
		if !isIdentifier(name) {
			return fmt.Errorf("fact %q: a fact's name is [a-z][a-z0-9_]* of at most %d bytes", name, MaxName)
		}
	}
	return nil
}

func (f FactRequest) isZero() bool {
	return f.Registry == "" && f.AsOf == AsOf{} && f.MaxAge == "" && f.Subject == nil && f.Key == nil &&
		f.Where == nil && f.Reveal == nil && !f.Absent && f.Once == "" && !f.Holder
}

func (r *Request) checkFacts() error {
	facts := r.NamedFacts()
	for _, name := range r.FactNames() {
		if err := facts[name].validate(); err != nil {
			if r.IsJoin() {
				return fmt.Errorf("fact %q: %w", name, err)
			}
			return err
		}
	}
	return nil
}

func (f FactRequest) validate() error {
	if !isDashed(f.Registry) {
		return fmt.Errorf("registry %q: name the registry, as [a-z][a-z0-9-]*", f.Registry)
	}
	if err := f.AsOf.validate(); err != nil {
		return err
	}
	if d, err := time.ParseDuration(f.MaxAge); f.MaxAge != "" && (err != nil || d <= 0) {
		return fmt.Errorf("max_age %q: a length of time like 720h or 90m", f.MaxAge)
	}
	if f.Once != "" && !isDashed(f.Once) {
		return fmt.Errorf("once %q: name a scope, as [a-z][a-z0-9-]*", f.Once)
	}
	if len(f.Where) > MaxPredicates {
		return fmt.Errorf("where has %d expressions: at most %d", len(f.Where), MaxPredicates)
	}
	for i, src := range f.Where {
		if len(src) > MaxExpression || !isClean(src) {
			return fmt.Errorf("where[%d] is longer than %d bytes or not clean UTF-8", i, MaxExpression)
		}
	}
	if err := f.checkReveal(); err != nil {
		return err
	}
	return f.checkAbsent()
}

func (f FactRequest) checkReveal() error {
	if len(f.Reveal) > MaxAttributes {
		return fmt.Errorf("reveal has %d names: a registry has at most %d attributes", len(f.Reveal), MaxAttributes)
	}
	for i, name := range f.Reveal {
		if !isIdentifier(name) {
			return fmt.Errorf("reveal[%d]: %q is no attribute's name", i, name)
		}
		if slices.Index(f.Reveal, name) != i {
			return fmt.Errorf("reveal[%d]: %q twice", i, name)
		}
	}
	return nil
}

func (f FactRequest) checkAbsent() error {
	switch {
	case !f.Absent:
		return nil
	case f.Key == nil:
		return fmt.Errorf("absent needs a key: say which record there is none of")
	case f.Subject != nil, len(f.Where) > 0, len(f.Reveal) > 0, f.Once != "", f.Holder:
		return fmt.Errorf("absent goes with a key alone: where there is no record, there is no subject, where, reveal, once or holder")
	}
	return nil
}

func isClean(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsRune(text, 0) && !strings.ContainsRune(text, utf8.RuneError)
}

func (r *Request) checkLabels() error {
	labels := []struct {
		name, text string
		limit      int
	}{{"id", r.ID, MaxLabel}, {"audience", r.Audience, MaxLabel}, {"purpose", r.Purpose, MaxPurpose}, {"seal_to", r.SealTo, MaxLabel}}
	for _, l := range labels {
		if len(l.text) > l.limit || !isClean(l.text) {
			return fmt.Errorf("%s is longer than %d bytes or not clean UTF-8", l.name, l.limit)
		}
	}
	if r.Expires != "" {
		if _, err := ParseTime(r.Expires); err != nil {
			return fmt.Errorf("expires: %w", err)
		}
	}
	return nil
}

func (r *Request) checkGrants() error {
	if !r.IsJoin() && r.Grants != nil {
		return fmt.Errorf("grants: a request of one fact has grant")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Grants)) {
		if _, ok := r.Facts[name]; !ok {
			return fmt.Errorf("grants: there is no fact %q", name)
		}
	}
	indexes := slices.Collect(maps.Values(r.Grants))
	if r.Grant != nil {
		indexes = append(indexes, canon.Uint64(*r.Grant))
	}
	for _, n := range indexes {
		if n>>63 != 0 {
			return fmt.Errorf("grant: an index in a ledger is below 2^63")
		}
	}
	return nil
}

func (r *Request) checkReleaseKeys() error {
	if r.IsJoin() && r.ReleaseKey != nil {
		return fmt.Errorf("release_key: a request with facts has release_keys, by fact")
	}
	if !r.IsJoin() && r.ReleaseKeys != nil {
		return fmt.Errorf("release_keys: a request of one fact has release_key")
	}
	if r.ReleaseKey != nil && r.Once == "" {
		return fmt.Errorf("release_key: nothing is pledged (once: names no scope)")
	}
	for name := range r.ReleaseKeys {
		if r.Facts[name].Once == "" {
			return fmt.Errorf("release_keys: no fact %q pledges anything (once: names no scope)", name)
		}
	}
	return nil
}

// MaxAgeDuration gives the largest age of the epoch, 0 where the request says none.
func (f FactRequest) MaxAgeDuration() time.Duration {
	d, _ := time.ParseDuration(f.MaxAge)
	return d
}
