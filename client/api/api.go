// Package api holds the types and the calls of attestry's HTTP interface, generated
// from its OpenAPI document, server/api/openapi.yaml. Package client makes them pleasant.
package api

//go:generate go tool -modfile=../../internal/tools/go.mod oapi-codegen -config oapi-codegen.yaml ../../server/api/openapi.yaml
