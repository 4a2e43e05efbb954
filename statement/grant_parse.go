package statement

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/attestry/attestry/internal/canon"
)

// ParseGrant reads a grant in YAML or JSON, one that is to be issued or one that was,
// and validates it. It is as strict as [ParseRequest]; its lists may be in any order.
// It fails with [ErrBadGrant].
func ParseGrant(data []byte) (*Grant, error) {
	n, err := parseDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadGrant, err)
	}
	g := &Grant{Format: GrantFormat}
	if err := g.read(n); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadGrant, err)
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Grant) read(n *node) error {
	return n.object(fields{
		"format":      intoText(&g.Format),
		"audience":    intoText(&g.Audience),
		"purposes":    intoSorted(&g.Purposes),
		"valid_from":  intoInstant(&g.ValidFrom),
		"valid_until": intoInstant(&g.ValidUntil),
		"registries":  intoMap(&g.Registries, intoPermission),
		"blind":       intoPointer(&g.Blind),
	})
}

func intoPermission(p *Permission) func(*node) error {
	return func(n *node) error {
		return n.object(fields{
			"attributes": intoSorted(&p.Attributes),
			"reveal":     intoSorted(&p.Reveal),
			"scopes":     intoSorted(&p.Scopes),
			"exists":     intoBool(&p.Exists),
			"absent":     intoBool(&p.Absent),
			"any_record": intoBool(&p.AnyRecord),
		})
	}
}

// intoSorted reads a list of texts whose order says nothing.
func intoSorted(to *[]string) func(*node) error {
	return func(n *node) error {
		err := intoList(to, intoText[string])(n)
		slices.Sort(*to)
		return err
	}
}

// Validate checks everything about a grant that its Go types do not. Its error wraps
// [ErrBadGrant].
func (g *Grant) Validate() error {
	for _, check := range []func() error{g.checkAudience, g.checkPurposes, g.checkTimes, g.checkRegistries, g.checkSize} {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %w", ErrBadGrant, err)
		}
	}
	return nil
}

func (g *Grant) checkAudience() error {
	switch {
	case g.Format != GrantFormat:
		return fmt.Errorf("format %q: this version reads %s", g.Format, GrantFormat)
	case g.Audience == "":
		return fmt.Errorf("audience: say who may ask")
	case len(g.Audience) > MaxLabel || !isClean(g.Audience):
		return fmt.Errorf("audience is longer than %d bytes or not clean UTF-8", MaxLabel)
	}
	return nil
}

func (g *Grant) checkPurposes() error {
	if n := len(g.Purposes); n < 1 || n > MaxPurposes {
		return fmt.Errorf("%d purposes: a grant names 1 to %d", n, MaxPurposes)
	}
	for i, purpose := range g.Purposes {
		if purpose == "" || len(purpose) > MaxPurpose || !isClean(purpose) {
			return fmt.Errorf("purposes[%d] is empty, longer than %d bytes or not clean UTF-8", i, MaxPurpose)
		}
	}
	return checkAscending("purposes", g.Purposes)
}

func (g *Grant) checkTimes() error {
	if _, err := ParseTime(g.ValidUntil); err != nil {
		return fmt.Errorf("valid_until: %w", err)
	}
	if g.ValidFrom == "" {
		return nil
	}
	if _, err := ParseTime(g.ValidFrom); err != nil {
		return fmt.Errorf("valid_from: %w", err)
	}
	if g.ValidFrom >= g.ValidUntil {
		return fmt.Errorf("valid_until %s is not after valid_from %s", g.ValidUntil, g.ValidFrom)
	}
	return nil
}

func (g *Grant) checkRegistries() error {
	if n := len(g.Registries); n < 1 || n > MaxGrantRegistries {
		return fmt.Errorf("%d registries: a grant is about 1 to %d", n, MaxGrantRegistries)
	}
	for _, name := range g.RegistryNames() {
		if !isDashed(name) {
			return fmt.Errorf("registry %q: name the registry, as [a-z][a-z0-9-]*", name)
		}
		if err := g.Registries[name].validate(); err != nil {
			return fmt.Errorf("registry %s: %w", name, err)
		}
	}
	return nil
}

func (p Permission) validate() error {
	if !p.allowsPresence() && !p.Absent {
		return fmt.Errorf("nothing is granted: name attributes, reveal or scopes, or say exists or absent")
	}
	for _, list := range []struct {
		name  string
		items []string
		limit int
		valid func(string) bool
	}{{"attributes", p.Attributes, MaxAttributes, isIdentifier}, {"reveal", p.Reveal, MaxAttributes, isIdentifier}, {"scopes", p.Scopes, MaxScopes, isDashed}} {
		if len(list.items) > list.limit {
			return fmt.Errorf("%s has %d names: at most %d", list.name, len(list.items), list.limit)
		}
		if i := slices.IndexFunc(list.items, func(s string) bool { return !list.valid(s) }); i >= 0 {
			return fmt.Errorf("%s: %q is no name", list.name, list.items[i])
		}
		if err := checkAscending(list.name, list.items); err != nil {
			return err
		}
	}
	return nil
}

// checkAscending: a list whose order says nothing has one order, so that a grant has
// one digest.
func checkAscending(name string, list []string) error {
	for i := 1; i < len(list); i++ {
		switch cmp.Compare(list[i-1], list[i]) {
		case 0:
			return fmt.Errorf("%s: %q twice", name, list[i])
		case 1:
			return fmt.Errorf("%s are not in ascending order", name)
		}
	}
	return nil
}

func (g *Grant) checkSize() error {
	document, err := canon.Marshal(g)
	if err == nil && len(document) > MaxGrantBytes {
		err = fmt.Errorf("%d bytes, over the limit of %d", len(document), MaxGrantBytes)
	}
	return err
}
