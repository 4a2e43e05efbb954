// Package api is the HTTP interface of attestry as its OpenAPI document has it:
// types, routing and the interface that a server implements, generated from
// openapi.yaml, and the document itself ([Document]).
package api

//go:generate go tool -modfile=../../internal/tools/go.mod oapi-codegen -config oapi-codegen.yaml openapi.yaml

import (
	_ "embed"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed openapi.yaml
var document []byte

// Document gives the OpenAPI document, its references resolved and itself
// validated.
func Document() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return doc, nil
}
