package verifier

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
)

// JoinBundles puts the facts of several bundles, which different agencies made for
// one request, into one. It fails with [ErrMalformed] where two have a fact of the
// same name.
func JoinBundles(bundles ...*Bundle) (*Bundle, error) {
	joined := &Bundle{Format: BundleFormat}
	for _, b := range bundles {
		joined.Facts = append(joined.Facts, b.Facts...)
	}
	slices.SortStableFunc(joined.Facts, func(x, y Fact) int { return strings.Compare(x.Name, y.Name) })
	return joined, joined.validate()
}

// JoinOpenings puts the openings of several bundles into one. It fails with
// [ErrMalformed] where two open a fact of the same name, or hold different requests.
func JoinOpenings(openings ...*Openings) (*Openings, error) {
	joined := &Openings{Kind: OpeningsFormat, Facts: map[string][]Opening{}}
	for _, o := range openings {
		if len(o.Request) > 0 {
			if len(joined.Request) > 0 && !bytes.Equal(joined.Request, o.Request) {
				return nil, fmt.Errorf("%w: the openings are of different requests", ErrMalformed)
			}
			joined.Request = o.Request
		}
		for name, opened := range o.Facts {
			if _, ok := joined.Facts[name]; ok {
				return nil, fmt.Errorf("%w: openings of fact %q twice", ErrMalformed, name)
			}
			joined.Facts[name] = opened
		}
		for name, secret := range o.ReleaseSecrets {
			if joined.ReleaseSecrets == nil {
				joined.ReleaseSecrets = map[string]statement.ReleaseSecret{}
			}
			if other, ok := joined.ReleaseSecrets[name]; ok && other != secret {
				return nil, fmt.Errorf("%w: different release secrets for fact %q", ErrMalformed, name)
			}
			joined.ReleaseSecrets[name] = secret
		}
	}
	return joined, joined.validate()
}

// JoinTrust pins what several trust files pin. Rows that they share are taken once.
// The demands add up: an audience or a maximum age must be the same wherever it is
// given, logged proofs and grants are required if one of them requires them. Development
// setups are allowed only if every file that pins one allows them. It fails with
// [ErrBadTrust].
func JoinTrust(trusts ...*Trust) (*Trust, error) {
	joined := &Trust{Format: TrustFormat, Logs: []TrustedLog{}, Registries: []TrustedRegistry{}, Circuits: []TrustedCircuit{}}
	for _, t := range trusts {
		joined.Logs = union(joined.Logs, t.Logs)
		joined.Registries = union(joined.Registries, t.Registries)
		joined.Circuits = union(joined.Circuits, t.Circuits)
		joined.RequireLogged = joined.RequireLogged || t.RequireLogged
		joined.RequireGrants = joined.RequireGrants || t.RequireGrants
		if t.Development != "" {
			joined.Development = t.Development
		}
		if err := joined.demand(t); err != nil {
			return nil, err
		}
	}
	for _, t := range trusts {
		if t.Development == "" && slices.ContainsFunc(t.Circuits, TrustedCircuit.isDevelopment) {
			joined.Development = ""
		}
	}
	if err := joined.checkNames(); err != nil {
		return nil, err
	}
	_, err := joined.pin()
	return joined, err
}

// checkNames refuses a registry that two logs claim: a request names a registry
// alone, so one agency could answer for the other's.
func (t *Trust) checkNames() error {
	logs := map[string]string{}
	for _, r := range t.Registries {
		if log, ok := logs[r.Registry]; ok && log != r.Log {
			return fmt.Errorf("%w: registry %s is pinned in two logs, %s and %s: one could answer for the other", ErrBadTrust, r.Registry, log, r.Log)
		}
		logs[r.Registry] = r.Log
	}
	return nil
}

// demand takes over what at most one value can be said of.
func (t *Trust) demand(o *Trust) error {
	conflict := func(what string) error {
		return fmt.Errorf("%w: the files to join say different things of %s", ErrBadTrust, what)
	}
	switch {
	case t.Audience != "" && o.Audience != "" && t.Audience != o.Audience:
		return conflict("the audience")
	case t.MaxAge != "" && o.MaxAge != "" && t.MaxAge != o.MaxAge:
		return conflict("the maximum age")
	case t.Witnesses != nil && o.Witnesses != nil && !reflect.DeepEqual(t.Witnesses, o.Witnesses):
		return conflict("the witnesses")
	}
	if o.Audience != "" {
		t.Audience = o.Audience
	}
	if o.MaxAge != "" {
		t.MaxAge = o.MaxAge
	}
	if o.Witnesses != nil {
		t.Witnesses = o.Witnesses
	}
	return nil
}

func (c TrustedCircuit) isDevelopment() bool { return c.Setup == ledger.SetupDevelopment }

// union appends the rows that are not there yet.
func union[T any](rows, more []T) []T {
	for _, row := range more {
		if !slices.ContainsFunc(rows, func(r T) bool { return reflect.DeepEqual(r, row) }) {
			rows = append(rows, row)
		}
	}
	return rows
}
