package server

import (
	"context"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// defaultLimit is how many things a page has where the client does not say.
const defaultLimit = 50

// filter begins a list's filter.
func filter(cursor string, limit int) service.Filter {
	if limit == 0 {
		limit = defaultLimit
	}
	return service.Filter{Cursor: cursor, Limit: limit}
}

// each maps a slice; of nothing it gives an empty one, which JSON has as [].
func each[T, V any](things []T, show func(T) V) []V {
	out := make([]V, 0, len(things))
	for _, t := range things {
		out = append(out, show(t))
	}
	return out
}

// CreateRequest takes a bank's request.
func (h handlers) CreateRequest(ctx context.Context, request api.CreateRequestRequestObject) (api.CreateRequestResponseObject, error) {
	p := access.PrincipalOf(ctx)
	wait := h.preferredWait(request.Params.Prefer)
	ctx, end, err := h.wait(ctx, wait)
	if err != nil {
		return nil, err
	}
	defer end()
	r, err := h.config.Service.Ask(ctx, p, *request.Body, request.Params.Fact)
	if err == nil && r.State == service.Answering && wait > 0 {
		r, err = h.config.Service.Await(ctx, p, r.ID, wait)
	}
	if err != nil {
		return nil, err
	}
	return api.CreateRequest201JSONResponse{Body: showRequest(r), Headers: api.CreateRequest201ResponseHeaders{
		Location: "/v1/requests/" + r.ID, PreferenceApplied: applied(wait),
	}}, nil
}

// ListRequests lists requests.
func (h handlers) ListRequests(ctx context.Context, request api.ListRequestsRequestObject) (api.ListRequestsResponseObject, error) {
	f := filter(request.Params.Cursor, request.Params.Limit)
	f.State, f.Registry = string(request.Params.State), request.Params.Registry
	page, err := h.config.Service.Requests(access.PrincipalOf(ctx), f)
	if err != nil {
		return nil, err
	}
	return api.ListRequests200JSONResponse{Body: api.RequestPage{Items: each(page.Items, showRequest), Next: page.Next}}, nil
}

// GetRequest gives a request.
func (h handlers) GetRequest(ctx context.Context, request api.GetRequestRequestObject) (api.GetRequestResponseObject, error) {
	wait := h.preferredWait(request.Params.Prefer)
	ctx, end, err := h.wait(ctx, wait)
	if err != nil {
		return nil, err
	}
	defer end()
	r, err := h.config.Service.Await(ctx, access.PrincipalOf(ctx), request.Id, wait)
	if err != nil {
		return nil, err
	}
	return api.GetRequest200JSONResponse{Body: showRequest(r), Headers: api.GetRequest200ResponseHeaders{PreferenceApplied: applied(wait)}}, nil
}

// GetRequestDocument gives a request's document.
func (h handlers) GetRequestDocument(ctx context.Context, request api.GetRequestDocumentRequestObject) (api.GetRequestDocumentResponseObject, error) {
	document, err := h.config.Service.Document(access.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	return api.GetRequestDocument200JSONResponse{Body: document}, nil
}

// WithdrawRequest takes a request back.
func (h handlers) WithdrawRequest(ctx context.Context, request api.WithdrawRequestRequestObject) (api.WithdrawRequestResponseObject, error) {
	if err := h.config.Service.Withdraw(ctx, access.PrincipalOf(ctx), request.Id); err != nil {
		return nil, err
	}
	return api.WithdrawRequest204Response{}, nil
}

// RefuseRequest refuses a request by hand.
func (h handlers) RefuseRequest(ctx context.Context, request api.RefuseRequestRequestObject) (api.RefuseRequestResponseObject, error) {
	r, err := h.config.Service.Refuse(access.PrincipalOf(ctx), request.Id, request.Body.Message)
	if err != nil {
		return nil, err
	}
	return api.RefuseRequest200JSONResponse(showRequest(r)), nil
}

func showRequest(r *service.Request) api.Request {
	shown := api.Request{
		Id: r.ID, Organisation: r.Organisation, State: api.RequestState(r.State), Audience: r.Audience, Purpose: r.Purpose,
		Grant: r.Grant, Expires: r.Expires, Facts: each(r.Facts, showAsked), Only: r.Only,
		Created: r.Created, Updated: r.Updated, Job: r.Job, Proof: r.Proof, Withdrawing: r.Withdrawing && !r.State.Ended(),
	}
	if r.Refusal != nil {
		shown.Refusal = api.Refusal{Code: r.Refusal.Code, Entry: r.Refusal.Entry, Message: r.Refusal.Message, Detail: r.Refusal.Detail}
	}
	return shown
}

func showAsked(f service.AskedFact) api.AskedFact {
	return api.AskedFact{
		Name: f.Name, Registry: f.Registry, AsOf: f.AsOf, MaxAge: f.MaxAge, Subject: f.Subject, Key: f.Key,
		Where: f.Where, Reveal: f.Reveal, Absent: f.Absent, Once: f.Once, Holder: f.Holder, Grant: f.Grant,
	}
}
