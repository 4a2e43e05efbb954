package server

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// GetLedger gives the log's state.
func (h handlers) GetLedger(context.Context, api.GetLedgerRequestObject) (api.GetLedgerResponseObject, error) {
	l, err := h.config.Service.Log()
	if err != nil {
		return nil, err
	}
	return api.GetLedger200JSONResponse{Body: api.Ledger{Origin: l.Origin, Entries: l.Entries, Checkpoint: string(l.Checkpoint)}}, nil
}

// ListEntries lists the ledger's entries.
func (h handlers) ListEntries(ctx context.Context, request api.ListEntriesRequestObject) (api.ListEntriesResponseObject, error) {
	f := filter(request.Params.Cursor, request.Params.Limit)
	f.From, f.Type = request.Params.From, request.Params.Type
	page, err := h.config.Service.Entries(access.PrincipalOf(ctx), f)
	if err != nil {
		return nil, err
	}
	return api.ListEntries200JSONResponse{Body: api.EntryPage{Items: each(page.Items, showEntry), Next: page.Next}}, nil
}

// GetEntry gives one entry.
func (h handlers) GetEntry(_ context.Context, request api.GetEntryRequestObject) (api.GetEntryResponseObject, error) {
	e, err := h.config.Service.Entry(request.Index)
	if err != nil {
		return nil, err
	}
	return api.GetEntry200JSONResponse{Body: showEntry(e)}, nil
}

// GetTrust gives the trust file of the workspace.
func (h handlers) GetTrust(context.Context, api.GetTrustRequestObject) (api.GetTrustResponseObject, error) {
	t, err := h.config.Service.Trust()
	if err != nil {
		return nil, err
	}
	document, err := canon.Marshal(t)
	if err != nil {
		return nil, err
	}
	return api.GetTrust200JSONResponse{Body: document}, nil
}

// ListCircuits lists the circuits.
func (h handlers) ListCircuits(context.Context, api.ListCircuitsRequestObject) (api.ListCircuitsResponseObject, error) {
	all, err := h.config.Service.Circuits()
	if err != nil {
		return nil, err
	}
	return api.ListCircuits200JSONResponse{Body: api.CircuitList{Items: each(all, showCircuit)}}, nil
}

func showEntry(e *service.Entry) api.Entry {
	return api.Entry{
		Index: e.Index, Type: string(e.Type), Leaf: base64.StdEncoding.EncodeToString(e.Leaf[:]), Entry: json.RawMessage(e.JSON),
	}
}

func showCircuit(c service.Circuit) api.Circuit {
	return api.Circuit{
		Name: c.Name, Version: c.Version, Circuit: c.CircuitKeys.Circuit.String(), Vk: c.VK.String(),
		Setup: api.CircuitSetup(c.Setup), Sunset: c.Sunset,
	}
}
