package server

import (
	"context"
	"encoding/base64"
	"strconv"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// ListPledges lists the ledger's pledges.
func (h handlers) ListPledges(ctx context.Context, request api.ListPledgesRequestObject) (api.ListPledgesResponseObject, error) {
	f := filter(request.Params.Cursor, request.Params.Limit)
	f.Registry, f.State = request.Params.Registry, string(request.Params.State)
	page, err := h.config.Service.Pledges(access.PrincipalOf(ctx), f)
	if err != nil {
		return nil, err
	}
	return api.ListPledges200JSONResponse{Body: api.PledgePage{Items: each(page.Items, showPledge), Next: page.Next}}, nil
}

// GetPledge gives a pledge.
func (h handlers) GetPledge(_ context.Context, request api.GetPledgeRequestObject) (api.GetPledgeResponseObject, error) {
	p, err := h.config.Service.Pledge(request.Index)
	if err != nil {
		return nil, err
	}
	return api.GetPledge200JSONResponse{Body: showPledge(p)}, nil
}

// SubmitPledge appends a holder's pledge.
func (h handlers) SubmitPledge(ctx context.Context, request api.SubmitPledgeRequestObject) (api.SubmitPledgeResponseObject, error) {
	receipt, pledge, err := h.config.Service.Submit(ctx, access.PrincipalOf(ctx), *request.Body, request.Params.Consent)
	if err != nil {
		return nil, err
	}
	document, err := receipt.Marshal()
	if err != nil {
		return nil, err
	}
	return api.SubmitPledge201JSONResponse{
		Body:    api.SubmittedPledge{Pledge: showPledge(pledge), Receipt: document},
		Headers: api.SubmitPledge201ResponseHeaders{Location: "/v1/pledges/" + strconv.FormatUint(pledge.Index, 10)},
	}, nil
}

// ReleasePledge appends a pledge's release.
func (h handlers) ReleasePledge(ctx context.Context, request api.ReleasePledgeRequestObject) (api.ReleasePledgeResponseObject, error) {
	p, err := h.config.Service.Release(ctx, access.PrincipalOf(ctx), request.Index, *request.Body)
	if err != nil {
		return nil, err
	}
	return api.ReleasePledge200JSONResponse(showPledge(p)), nil
}

func showPledge(p *service.Pledge) api.Pledge {
	shown := api.Pledge{
		Index: p.Index, Registry: p.Registry, Scope: p.Scope, Nullifier: elementText(p.Nullifier),
		ReleaseKey: base64.StdEncoding.EncodeToString(p.ReleaseKey[:]), State: api.PledgeState(p.State()), Forced: p.Status.Forced,
	}
	if !p.Status.Live {
		shown.ReleasedBy = &p.Status.Released
	}
	return shown
}
