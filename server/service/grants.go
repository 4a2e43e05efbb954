package service

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/workspace"
)

// Grant is a grant as an organisation may see it: the document is the grantee's and the
// agency's, and for others the log tells no more than that there is one.
type Grant struct {
	workspace.Grant
	State string
}

// Grant gives the grant of an entry. It fails with [ErrNotFound].
func (s *Service) Grant(p *access.Principal, index uint64) (*Grant, error) {
	g, err := s.w.Grant(index)
	if errors.Is(err, prover.ErrNoGrant) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return s.grantFor(p, g)
}

// grantFor gives a grant as an organisation may see it. It fails with [ErrNotFound]
// where it may not.
func (s *Service) grantFor(p *access.Principal, g *workspace.Grant) (*Grant, error) {
	shown := *g
	switch p.Organisation.Role {
	case access.RoleBank:
		if g.Document == nil || g.Document.Audience != p.Organisation.Audience {
			return nil, ErrNotFound
		}
	case access.RoleAgency:
		if err := s.mayGrant(p, grantedRegistries(g)); err != nil {
			return nil, hidden(err)
		}
	default:
		shown.Document = nil
	}
	return &Grant{shown, shown.State(s.now())}, nil
}

// hidden makes what is forbidden something that is not there.
func hidden(err error) error {
	if errors.Is(err, ErrForbidden) {
		return ErrNotFound
	}
	return err
}

// grantedRegistries names the registries that a grant is about, as far as they are known.
func grantedRegistries(g *workspace.Grant) []string {
	if g.Document == nil {
		return []string{g.Registry}
	}
	return g.Document.RegistryNames()
}

// mayGrant fails with [ErrForbidden] where an organisation is no agency that acts for all
// of some registries, and with [ledger.ErrUnknown] where one is not here.
func (s *Service) mayGrant(p *access.Principal, registries []string) error {
	for _, name := range registries {
		source, err := s.w.Ledger.Source(name)
		if err != nil {
			return err
		}
		if !p.Organisation.ActsFor(source) {
			return fmt.Errorf("to grant what is asked of registry %s is %w", name, ErrForbidden)
		}
	}
	return nil
}

// Grants lists grants, the oldest first: to a bank its own, to an agency those about its
// registries, to others all that the log has.
func (s *Service) Grants(p *access.Principal, f Filter) (page Page[*Grant], err error) {
	list := f.list("grants", p)
	from, err := s.at(list, f.Cursor)
	if err != nil {
		return page, err
	}
	page.Items = []*Grant{}
	some, err := s.w.Ledger.Grants(from, maxGrantsLooked+1)
	for i, status := range some {
		if len(page.Items) == f.Limit || i == maxGrantsLooked {
			page.Next = s.cursor(list, status.Index)
			break
		}
		g, err := s.Grant(p, status.Index)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return page, err
		}
		if f.State == "" || f.State == g.State {
			page.Items = append(page.Items, g)
		}
	}
	return page, err
}

// maxGrantsLooked bounds how many grants a page looks at: each is a file.
const maxGrantsLooked = 1000

// IssueGrant issues a grant, which the issuer signs. Done again under its idempotency
// key it gives the same grant. It fails with [statement.ErrBadGrant] and [ErrForbidden].
func (s *Service) IssueGrant(ctx context.Context, p *access.Principal, document []byte) (*Grant, error) {
	g, err := statement.ParseGrant(document)
	if err != nil {
		return nil, err
	}
	if g.Blind != nil {
		return nil, fmt.Errorf("%w: it has a blind: it was issued already", statement.ErrBadGrant)
	}
	err = s.mayGrant(p, g.RegistryNames())
	if errors.Is(err, ledger.ErrUnknown) {
		err = fmt.Errorf("%w: it is about a registry that is not here", statement.ErrBadGrant)
	}
	if err != nil {
		return nil, err
	}
	if g.Blind, err = s.grantBlind(ctx, g); err != nil {
		return nil, err
	}
	issued, index, err := s.w.IssueGrant(ctx, g)
	if errors.Is(err, workspace.ErrNoRegistry) {
		err = fmt.Errorf("%w: it is about a registry that no schema here defines", statement.ErrBadGrant)
	}
	if err != nil {
		return nil, err
	}
	return s.grantChanged(ctx, p, "grant.issued", issued.RegistryNames()[0], index)
}

// grantBlind gives the blind of a grant that is issued: where the operation may be done
// again, the one that it gives this document each time, which only the server can know.
func (s *Service) grantBlind(ctx context.Context, g *statement.Grant) (*statement.GrantBlind, error) {
	o, ok := ctx.Value(operationKey{}).(operation)
	if !ok {
		return statement.NewGrantBlind(), nil
	}
	document, err := canon.Marshal(g)
	if err != nil {
		return nil, err
	}
	blind := statement.GrantBlind(s.secret.mac("grant blind", o.organisation, o.name, o.key, string(document)))
	return &blind, nil
}

// RevokeGrant ends a grant. Once more is no error.
func (s *Service) RevokeGrant(ctx context.Context, p *access.Principal, index uint64) (*Grant, error) {
	g, err := s.Grant(p, index)
	if err != nil {
		return nil, err
	}
	if g.Revoked != nil {
		return g, nil
	}
	_, err = s.w.RevokeGrant(ctx, index)
	if err != nil && !errors.Is(err, ledger.ErrDuplicate) {
		return nil, err
	}
	return s.grantChanged(ctx, p, "grant.revoked", g.Registry, index)
}

// grantChanged publishes the log and records what was done to a grant, which it gives.
func (s *Service) grantChanged(ctx context.Context, p *access.Principal, action, registry string, index uint64) (*Grant, error) {
	if _, err := s.w.Publish(ctx); err != nil {
		s.log.Error("publish the log", "error", err.Error())
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return s.record(tx, p, AuditRecord{Action: action, Registry: registry, Entry: &index})
	})
	if err != nil {
		return nil, err
	}
	return s.Grant(p, index)
}
