package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/statement"
)

// ListRegistries lists the registries.
func (h handlers) ListRegistries(ctx context.Context, _ api.ListRegistriesRequestObject) (api.ListRegistriesResponseObject, error) {
	all, err := h.config.Service.Registries(access.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	items := []api.Registry{}
	for _, r := range all {
		shown, err := showRegistry(r)
		if err != nil {
			return nil, err
		}
		items = append(items, shown)
	}
	return api.ListRegistries200JSONResponse{Body: api.RegistryList{Items: items}}, nil
}

// GetRegistry gives a registry.
func (h handlers) GetRegistry(ctx context.Context, request api.GetRegistryRequestObject) (api.GetRegistryResponseObject, error) {
	r, err := h.config.Service.Registry(access.PrincipalOf(ctx), request.Registry)
	if err != nil {
		return nil, err
	}
	shown, err := showRegistry(r)
	return api.GetRegistry200JSONResponse{Body: shown}, err
}

// CreateRegistry makes a registry.
func (h handlers) CreateRegistry(ctx context.Context, request api.CreateRegistryRequestObject) (api.CreateRegistryResponseObject, error) {
	schema, err := readSchema(request.JSONBody, request.Body)
	if err != nil {
		return nil, err
	}
	r, err := h.config.Service.CreateRegistry(ctx, access.PrincipalOf(ctx), schema)
	if err != nil {
		return nil, err
	}
	if err := h.followTrust(); err != nil {
		return nil, err
	}
	shown, err := showRegistry(r)
	return api.CreateRegistry201JSONResponse{Body: shown, Headers: api.CreateRegistry201ResponseHeaders{Location: "/v1/registries/" + r.Name}}, err
}

// UpdateRegistry replaces a registry's schema.
func (h handlers) UpdateRegistry(ctx context.Context, request api.UpdateRegistryRequestObject) (api.UpdateRegistryResponseObject, error) {
	schema, err := readSchema(request.JSONBody, request.Body)
	if err != nil {
		return nil, err
	}
	if schema.Registry != request.Registry {
		return nil, newProblem(CodeBadSchema, "the schema is of another registry than the path")
	}
	r, err := h.config.Service.UpdateRegistry(ctx, access.PrincipalOf(ctx), schema)
	if err != nil {
		return nil, err
	}
	if err := h.followTrust(); err != nil {
		return nil, err
	}
	shown, err := showRegistry(r)
	return api.UpdateRegistry200JSONResponse(shown), err
}

// followTrust has the server verify bundles of registries that were made since.
func (h handlers) followTrust() error {
	if !h.config.OwnTrust {
		return nil
	}
	t, err := h.config.Service.Trust()
	if err != nil {
		return err
	}
	return h.SetTrust(t)
}

// readSchema reads a schema that is a JSON object, or a body of YAML.
func readSchema(object *api.SchemaDocument, text io.Reader) (*statement.Schema, error) {
	var document []byte
	if object != nil {
		document = *object
	} else {
		var err error
		if document, err = io.ReadAll(text); err != nil {
			return nil, err
		}
	}
	schema, err := statement.ParseSchema(document)
	if err != nil {
		return nil, newProblem(CodeBadSchema, "%s", explain(err))
	}
	return schema, nil
}

// ImportRecords stages a stream of records.
func (h handlers) ImportRecords(ctx context.Context, request api.ImportRecordsRequestObject) (api.ImportRecordsResponseObject, error) {
	format := registry.CSV
	if streamType(ctx) == mediaNDJSON {
		format = registry.NDJSON
	}
	opts := registry.ImportOptions{Format: format, Changes: request.Params.Changes, Replace: request.Params.Replace}
	counts, err := h.config.Service.Import(ctx, access.PrincipalOf(ctx), request.Registry, request.Body, opts, request.Params.AllowDeletions)
	if err != nil {
		return nil, err
	}
	return api.ImportRecords200JSONResponse(showCounts(request.Registry, &counts)), nil
}

// ListEpochs lists a registry's epochs.
func (h handlers) ListEpochs(ctx context.Context, request api.ListEpochsRequestObject) (api.ListEpochsResponseObject, error) {
	page, err := h.config.Service.Epochs(access.PrincipalOf(ctx), request.Registry, filter(request.Params.Cursor, request.Params.Limit))
	if err != nil {
		return nil, err
	}
	return api.ListEpochs200JSONResponse{Body: api.EpochPage{Items: each(page.Items, showEpoch), Next: page.Next}}, nil
}

// GetEpoch gives one epoch.
func (h handlers) GetEpoch(ctx context.Context, request api.GetEpochRequestObject) (api.GetEpochResponseObject, error) {
	e, err := h.config.Service.Epoch(access.PrincipalOf(ctx), request.Registry, request.Number)
	if err != nil {
		return nil, err
	}
	return api.GetEpoch200JSONResponse{Body: showEpoch(e)}, nil
}

// CreateEpoch commits what is staged.
func (h handlers) CreateEpoch(ctx context.Context, request api.CreateEpochRequestObject) (api.CreateEpochResponseObject, error) {
	p := access.PrincipalOf(ctx)
	wait := h.preferredWait(request.Params.Prefer)
	ctx, end, err := h.wait(ctx, wait)
	if err != nil {
		return nil, err
	}
	defer end()
	j, err := h.config.Service.Commit(ctx, p, request.Registry)
	if err == nil {
		j, err = h.config.Service.AwaitJob(ctx, p, j.ID, wait)
	}
	if err != nil {
		return nil, err
	}
	location, preference := "/v1/jobs/"+j.ID, applied(wait)
	if j.State.Finished() {
		return api.CreateEpoch200JSONResponse{Body: showJob(j), Headers: api.CreateEpoch200ResponseHeaders{Location: location, PreferenceApplied: preference}}, nil
	}
	return api.CreateEpoch202JSONResponse{Body: showJob(j), Headers: api.CreateEpoch202ResponseHeaders{Location: location, PreferenceApplied: preference}}, nil
}

func showRegistry(r *service.Registry) (api.Registry, error) {
	schema, err := json.Marshal(r.Schema)
	if err != nil {
		return api.Registry{}, fmt.Errorf("registry %s: %w", r.Name, err)
	}
	shown := api.Registry{
		Registry: r.Name, DerivedFrom: r.DerivedFrom, Schema: schema, SchemaEntry: r.SchemaEntry,
		Attributes: len(r.Schema.Attributes), Staged: showCounts(r.Name, r.Staged),
	}
	for _, s := range r.Schema.Scopes {
		shown.Scopes = append(shown.Scopes, api.Scope{Name: s.Name, Consent: api.ScopeConsent(s.Consent)})
	}
	if r.Latest != nil {
		shown.Latest = showEpoch(r.Latest)
	}
	return shown, nil
}

func showEpoch(e *service.Epoch) api.Epoch {
	shown := api.Epoch{
		Registry: e.Registry, Number: e.Number, Root: elementText(e.Root), Time: e.Time, Entry: e.Entry, Counts: e.Counts,
		Records: e.Records, Changed: e.Changed,
	}
	if len(e.Derived) > 0 {
		shown.Derived = map[string]string{}
		for name, root := range e.Derived {
			shown.Derived[name] = elementText(root)
		}
	}
	return shown
}

// elementText gives an element as documents hold it: base64.
func elementText(e statement.Element) string {
	text, _ := e.MarshalText() // never fails
	return string(text)
}

func showCounts(name string, n *registry.Counts) api.ImportCounts {
	if n == nil {
		return api.ImportCounts{}
	}
	return api.ImportCounts{
		Registry: name, Rows: n.Rows, Inserted: n.Inserted, Updated: n.Updated, Deleted: n.Deleted,
		Unchanged: n.Unchanged, Renamed: n.Renamed,
	}
}
