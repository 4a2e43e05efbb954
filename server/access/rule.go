package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// ErrRule says that the OpenAPI document does not say clearly who may do what.
var ErrRule = errors.New("bad x-roles or x-scope")

// AnyScope is the x-scope of operations that every credential of their roles is good for,
// however narrow it is.
const AnyScope = "any"

// Rule says who may use an operation. The zero rule is that of a public one.
type Rule struct {
	Roles []Role
	Scope string
}

// Public tells whether no credential is asked for, or looked at.
func (r Rule) Public() bool { return len(r.Roles) == 0 }

// RuleOf reads an operation's rule: x-roles, a list of roles, and x-scope, which goes with
// it. It fails with [ErrRule].
func RuleOf(operation *openapi3.Operation) (Rule, error) {
	list, restricted := operation.Extensions["x-roles"]
	scope, scoped := operation.Extensions["x-scope"]
	if !restricted && !scoped {
		return Rule{}, nil
	}
	roles, ok := list.([]any)
	if !ok || len(roles) == 0 {
		return Rule{}, fmt.Errorf("%w: %s: x-roles is not a list of roles", ErrRule, operation.OperationID)
	}
	r := Rule{}
	for _, v := range roles {
		name, _ := v.(string)
		role := Role(name)
		if !slices.Contains(Roles(), role) || slices.Contains(r.Roles, role) {
			return Rule{}, fmt.Errorf("%w: %s: x-roles has %v, which is no role or there twice", ErrRule, operation.OperationID, v)
		}
		r.Roles = append(r.Roles, role)
	}
	if r.Scope, _ = scope.(string); !isScope(r.Scope) {
		return Rule{}, fmt.Errorf("%w: %s: x-scope is not the name of a scope (%q where there is none)", ErrRule, operation.OperationID, AnyScope)
	}
	return r, nil
}

// Rules reads the rules of all operations, by their ids.
func Rules(document *openapi3.T) (map[string]Rule, error) {
	rules := map[string]Rule{}
	for _, item := range document.Paths.Map() {
		for _, operation := range item.Operations() {
			r, err := RuleOf(operation)
			if err != nil {
				return nil, err
			}
			rules[operation.OperationID] = r
		}
	}
	return rules, nil
}

// Scopes lists the scopes that a document's operations have, which are those that a
// credential can be narrowed to.
func Scopes(document *openapi3.T) ([]string, error) {
	rules, err := Rules(document)
	found := map[string]bool{}
	for _, r := range rules {
		if !r.Public() && r.Scope != AnyScope {
			found[r.Scope] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), err
}

// CheckScopes fails with [ErrInvalid] where a credential is to be narrowed to a scope that
// no operation has; known is what [Scopes] gives.
func CheckScopes(scopes, known []string) error {
	for _, s := range scopes {
		if !slices.Contains(known, s) {
			return fmt.Errorf("%w: no operation has the scope %q (there are %v)", ErrInvalid, s, known)
		}
	}
	return nil
}
