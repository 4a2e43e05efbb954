package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/statement"
)

// ListGrants lists grants.
func (h handlers) ListGrants(ctx context.Context, request api.ListGrantsRequestObject) (api.ListGrantsResponseObject, error) {
	f := filter(request.Params.Cursor, request.Params.Limit)
	f.State = string(request.Params.State)
	page, err := h.config.Service.Grants(access.PrincipalOf(ctx), f)
	if err != nil {
		return nil, err
	}
	items := []api.Grant{}
	for _, g := range page.Items {
		shown, err := showGrant(g)
		if err != nil {
			return nil, err
		}
		items = append(items, shown)
	}
	return api.ListGrants200JSONResponse{Body: api.GrantPage{Items: items, Next: page.Next}}, nil
}

// GetGrant gives a grant.
func (h handlers) GetGrant(ctx context.Context, request api.GetGrantRequestObject) (api.GetGrantResponseObject, error) {
	g, err := h.config.Service.Grant(access.PrincipalOf(ctx), request.Index)
	if err != nil {
		return nil, err
	}
	shown, err := showGrant(g)
	return api.GetGrant200JSONResponse{Body: shown}, err
}

// IssueGrant issues a grant.
func (h handlers) IssueGrant(ctx context.Context, request api.IssueGrantRequestObject) (api.IssueGrantResponseObject, error) {
	document, err := grantDocument(request)
	if err != nil {
		return nil, err
	}
	g, err := h.config.Service.IssueGrant(ctx, access.PrincipalOf(ctx), document)
	if err != nil {
		return nil, err
	}
	shown, err := showGrant(g)
	return api.IssueGrant201JSONResponse{
		Body: shown, Headers: api.IssueGrant201ResponseHeaders{Location: "/v1/grants/" + strconv.FormatUint(g.Index, 10)},
	}, err
}

// grantDocument gives a grant that is a JSON object, or a body of YAML.
func grantDocument(request api.IssueGrantRequestObject) ([]byte, error) {
	if request.JSONBody != nil {
		return *request.JSONBody, nil
	}
	return io.ReadAll(request.Body)
}

// RevokeGrant ends a grant.
func (h handlers) RevokeGrant(ctx context.Context, request api.RevokeGrantRequestObject) (api.RevokeGrantResponseObject, error) {
	g, err := h.config.Service.RevokeGrant(ctx, access.PrincipalOf(ctx), request.Index)
	if err != nil {
		return nil, err
	}
	shown, err := showGrant(g)
	return api.RevokeGrant200JSONResponse(shown), err
}

func showGrant(g *service.Grant) (api.Grant, error) {
	shown := api.Grant{
		Index: g.Index, Registry: g.Registry, Digest: base64.StdEncoding.EncodeToString(g.Digest[:]),
		State: api.GrantState(g.State), RevokedBy: g.Revoked,
	}
	d := g.Document
	if d == nil {
		return shown, nil
	}
	shown.Audience, shown.Purposes, shown.Registries = d.Audience, d.Purposes, d.RegistryNames()
	var err error
	if shown.Document, err = json.Marshal(d); err != nil {
		return shown, fmt.Errorf("grant %d: %w", g.Index, err)
	}
	if d.ValidFrom != "" {
		if shown.ValidFrom, err = statement.ParseTime(d.ValidFrom); err != nil {
			return shown, err
		}
	}
	shown.ValidUntil, err = statement.ParseTime(d.ValidUntil)
	return shown, err
}
