package server

import (
	"context"
	"errors"
	"slices"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// GetMe tells a client who it is.
func (h handlers) GetMe(ctx context.Context, _ api.GetMeRequestObject) (api.GetMeResponseObject, error) {
	p := access.PrincipalOf(ctx)
	return api.GetMe200JSONResponse{Body: api.Me{
		Organisation: p.Organisation.ID, Role: api.Role(p.Organisation.Role), Registries: p.Organisation.Registries,
		Audience: p.Organisation.Audience, Credential: p.Credential, Scopes: p.Scopes,
	}}, nil
}

// ListOrganisations lists the organisations.
func (h handlers) ListOrganisations(context.Context, api.ListOrganisationsRequestObject) (api.ListOrganisationsResponseObject, error) {
	all, err := h.config.Directory.Organisations()
	if err != nil {
		return nil, err
	}
	return api.ListOrganisations200JSONResponse{Body: api.OrganisationList{Items: each(all, ShowOrganisation)}}, nil
}

// GetOrganisation gives one organisation.
func (h handlers) GetOrganisation(_ context.Context, request api.GetOrganisationRequestObject) (api.GetOrganisationResponseObject, error) {
	o, err := h.config.Directory.Organisation(request.Organisation)
	if err != nil {
		return nil, err
	}
	return api.GetOrganisation200JSONResponse{Body: ShowOrganisation(o)}, nil
}

// CreateOrganisation lets an organisation in.
func (h handlers) CreateOrganisation(ctx context.Context, request api.CreateOrganisationRequestObject) (api.CreateOrganisationResponseObject, error) {
	b := request.Body
	o, err := h.config.Directory.CreateOrganisation(access.Organisation{
		ID: b.Id, Role: access.Role(b.Role), Registries: b.Registries, Audience: b.Audience,
	})
	if errors.Is(err, access.ErrExists) && service.Again(ctx) {
		o, err = h.sameOrganisation(b, err)
	}
	if err != nil {
		return nil, err
	}
	if err := h.config.Service.Record(access.PrincipalOf(ctx), "organisation.created", o.ID); err != nil {
		return nil, err
	}
	return api.CreateOrganisation201JSONResponse{
		Body: ShowOrganisation(o), Headers: api.CreateOrganisation201ResponseHeaders{Location: "/v1/organisations/" + o.ID},
	}, nil
}

// sameOrganisation gives the organisation that an operation made before a crash kept
// that from being said.
func (h handlers) sameOrganisation(b *api.NewOrganisation, exists error) (access.Organisation, error) {
	o, err := h.config.Directory.Organisation(b.Id)
	if err != nil {
		return o, errors.Join(exists, err)
	}
	same := o.Role == access.Role(b.Role) && slices.Equal(o.Registries, b.Registries) && (b.Audience == "" || b.Audience == o.Audience)
	if !same {
		return o, exists
	}
	return o, nil
}

// DisableOrganisation lets an organisation in no more.
func (h handlers) DisableOrganisation(ctx context.Context, request api.DisableOrganisationRequestObject) (api.DisableOrganisationResponseObject, error) {
	p := access.PrincipalOf(ctx)
	if request.Organisation == p.Organisation.ID {
		return nil, newProblem(CodeInvalid, "an operator that disables itself cannot undo it: another one can")
	}
	if _, err := h.config.Directory.DisableOrganisation(request.Organisation); err != nil {
		return nil, err
	}
	if err := h.config.Service.Record(p, "organisation.disabled", request.Organisation); err != nil {
		return nil, err
	}
	return api.DisableOrganisation204Response{}, nil
}

// EnableOrganisation lets a disabled organisation in again.
func (h handlers) EnableOrganisation(ctx context.Context, request api.EnableOrganisationRequestObject) (api.EnableOrganisationResponseObject, error) {
	if _, err := h.config.Directory.EnableOrganisation(request.Organisation); err != nil {
		return nil, err
	}
	if err := h.config.Service.Record(access.PrincipalOf(ctx), "organisation.enabled", request.Organisation); err != nil {
		return nil, err
	}
	return api.EnableOrganisation204Response{}, nil
}

// ShowOrganisation gives an organisation as the API has it.
func ShowOrganisation(o access.Organisation) api.Organisation {
	return api.Organisation{
		Id: o.ID, Role: api.Role(o.Role), Registries: o.Registries, Audience: o.Audience,
		Disabled: !o.Disabled.IsZero(), Created: o.Created,
	}
}
