package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/attestry/attestry/ledger/store"
	"github.com/attestry/attestry/server/api"
)

// pages are the responses that are made once.
type pages struct {
	index   []byte // HTML
	openAPI []byte // JSON
}

func newPages(document *openapi3.T, c Config) (p pages, err error) {
	if p.index, err = renderIndex(document, c.Log != nil, c.Service != nil); err != nil {
		return p, fmt.Errorf("index page: %w", err)
	}
	if p.openAPI, err = publicDocument(document); err != nil {
		return p, fmt.Errorf("openapi.json: %w", err)
	}
	return p, nil
}

const indexPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>attestry</title>
<h1>attestry</h1>
<p>This server checks facts that were proved from a registry (land titles, liens, licences) without showing
any record of it{{if .HasLog}}, and publishes the log that they are anchored in{{end}}. You need not trust its answers:
<code>attestry-verify</code> checks the same bundles{{if .HasLog}} and the same log{{end}} on your own machine.</p>
<table>
{{range .Endpoints}}<tr><td>{{.Method}}<td><code>{{.Path}}</code><td>{{.Summary}}
{{end}}</table>
</html>
`

// endpoint is a line of the index page.
type endpoint struct{ Method, Path, Summary string }

// isOfLog tells the endpoints that a server without a log answers with 404.
func isOfLog(path string) bool { return path == "/checkpoint" || strings.HasPrefix(path, "/tile/") }

func renderIndex(document *openapi3.T, hasLog, hasService bool) ([]byte, error) {
	t, err := template.New("index").Parse(indexPage)
	if err != nil {
		return nil, err
	}
	var lines []endpoint
	for path, item := range document.Paths.Map() {
		if isOfLog(path) && !hasLog {
			continue
		}
		for method, operation := range item.Operations() {
			if _, restricted := operation.Extensions["x-roles"]; restricted && !hasService {
				continue
			}
			lines = append(lines, endpoint{method, path, operation.Summary})
		}
	}
	slices.SortFunc(lines, func(a, b endpoint) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	var out bytes.Buffer
	err = t.Execute(&out, struct {
		HasLog    bool
		Endpoints []endpoint
	}{hasLog, lines})
	return out.Bytes(), err
}

// publicDocument gives the document as JSON, without what only the generator reads.
func publicDocument(document *openapi3.T) ([]byte, error) {
	data, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, err
	}
	removeGenerators(tree)
	return json.Marshal(tree)
}

func removeGenerators(tree any) {
	switch tree := tree.(type) {
	case map[string]any:
		for name, value := range tree {
			if strings.HasPrefix(name, "x-go-") {
				delete(tree, name)
				continue
			}
			removeGenerators(value)
		}
	case []any:
		for _, value := range tree {
			removeGenerators(value)
		}
	}
}

// GetIndex says what this server is.
func (h handlers) GetIndex(context.Context, api.GetIndexRequestObject) (api.GetIndexResponseObject, error) {
	return api.GetIndex200TexthtmlCharsetUtf8Response{Body: bytes.NewReader(h.pages.index), ContentLength: int64(len(h.pages.index))}, nil
}

// GetOpenAPI gives the OpenAPI document.
func (h handlers) GetOpenAPI(_ context.Context, request api.GetOpenAPIRequestObject) (api.GetOpenAPIResponseObject, error) {
	tag := etag(h.pages.openAPI)
	if matches(request.Params.IfNoneMatch, tag) {
		return api.GetOpenAPI304Response{Headers: api.NotModifiedResponseHeaders{CacheControl: revalidate, ETag: tag}}, nil
	}
	return api.GetOpenAPI200JSONResponse{Body: h.pages.openAPI, Headers: api.GetOpenAPI200ResponseHeaders{CacheControl: revalidate, ETag: tag}}, nil
}

// GetHealth says that the process runs.
func (h handlers) GetHealth(context.Context, api.GetHealthRequestObject) (api.GetHealthResponseObject, error) {
	return api.GetHealth200JSONResponse{Status: "ok"}, nil
}

// GetReadiness says whether the server takes requests. A log without a checkpoint
// is a new one, and no reason to stay away.
func (h handlers) GetReadiness(ctx context.Context, _ api.GetReadinessRequestObject) (api.GetReadinessResponseObject, error) {
	if h.draining.Load() {
		return nil, newProblem(CodeNotReady, "the server is stopping")
	}
	if h.config.Log != nil {
		if _, err := h.config.Log.Checkpoint(); err != nil && !errors.Is(err, store.ErrNoCheckpoint) {
			_ = h.logFailure(err)
			return nil, newProblem(CodeNotReady, "the log cannot be read")
		}
	}
	var failed []string
	for _, check := range h.config.Ready {
		if err := check.Holds(ctx); err != nil {
			h.log.Warn("not ready", "check", check.Name, "error", err.Error())
			failed = append(failed, check.Name)
		}
	}
	if len(failed) > 0 {
		return nil, newProblem(CodeNotReady, "it does not hold: %s", strings.Join(failed, ", "))
	}
	return api.GetReadiness200JSONResponse{Status: "ready"}, nil
}
