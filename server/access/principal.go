package access

import (
	"context"
	"fmt"
	"slices"
)

// Principal is who a request is from.
type Principal struct {
	Organisation Organisation
	// Credential names what the request was made with, for logs: the id of a key, or
	// oidc: and a hash of a token's issuer and subject.
	Credential string
	// Scopes narrow what the credential is good for; none: all of the role.
	Scopes []string
}

// May tells whether the credential is good for a scope.
func (p *Principal) May(scope string) bool {
	return scope == AnyScope || len(p.Scopes) == 0 || slices.Contains(p.Scopes, scope)
}

// MayHandOut fails with [ErrScope] where a credential with these scopes, none meaning all,
// would be good for more than this one is: what is narrow must not make something wide.
func (p *Principal) MayHandOut(scopes []string) error {
	if len(p.Scopes) == 0 {
		return nil
	}
	if len(scopes) == 0 {
		return fmt.Errorf("%w: it is to have no scopes, which is all, and this one has %v", ErrScope, p.Scopes)
	}
	for _, s := range scopes {
		if !slices.Contains(p.Scopes, s) {
			return fmt.Errorf("%w: it is to have the scope %q, and this one has %v", ErrScope, s, p.Scopes)
		}
	}
	return nil
}

type principalKey struct{}

// WithPrincipal gives a context that knows who the request is from.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf gives who a request is from; nil for a public operation, where nobody was
// asked.
func PrincipalOf(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}
