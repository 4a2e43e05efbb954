package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"
)

// validate holds requests to what the OpenAPI document says of the operation.
func validate(route *routers.Route) echo.MiddlewareFunc {
	options := &openapi3filter.Options{
		// Nothing is filled in: the handlers see what the client sent.
		SkipSettingDefaults:               true,
		RejectWhenRequestBodyNotSpecified: true,
		ExcludeRequestBody:                ownReader(route.Operation.OperationID),
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			input := &openapi3filter.RequestValidationInput{Request: r, PathParams: pathParams(c), Route: route, Options: options}
			if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
				return mismatch(err, route)
			}
			return next(c)
		}
	}
}

func pathParams(c echo.Context) map[string]string {
	params := map[string]string{}
	for _, name := range c.ParamNames() {
		params[name] = c.Param(name)
	}
	return params
}

// mismatch says where a request differs from the document and by which keyword of
// the schema. The validator's own messages hold the values.
func mismatch(err error, route *routers.Route) error {
	var request *openapi3filter.RequestError
	if !errors.As(err, &request) {
		return newProblem(CodeMalformed, "the request is not what /openapi.json says")
	}
	if request.Parameter != nil {
		if request.Parameter.In == openapi3.ParameterInPath {
			return newProblem(CodeNotFound, "no path of this length or form names anything here")
		}
		return newProblem(CodeMalformed, "the %s parameter %s is not what /openapi.json says", request.Parameter.In, request.Parameter.Name)
	}
	if request.RequestBody == nil {
		return newProblem(CodeMalformed, "this request has no body")
	}
	if errors.Is(err, openapi3filter.ErrInvalidRequired) {
		return newProblem(CodeMalformed, "the body is missing")
	}
	return newProblem(CodeMalformed, "the body: %s", bodyMismatch(err, route))
}

func bodyMismatch(err error, route *routers.Route) string {
	var schema *openapi3.SchemaError
	if !errors.As(err, &schema) {
		return "not what /openapi.json says"
	}
	body := bodySchema(route)
	at := strings.Join(schema.JSONPointer(), "/") // names of the document's own
	switch schema.SchemaField {
	case "additionalProperties":
		return fmt.Sprintf("an unknown member (known are %s)", strings.Join(slices.Sorted(maps.Keys(body.Properties)), ", "))
	case "required":
		return fmt.Sprintf("a member is missing (required are %s)", strings.Join(body.Required, ", "))
	case "":
		return "not what /openapi.json says"
	}
	if at == "" {
		return fmt.Sprintf("not what /openapi.json says (%s)", schema.SchemaField)
	}
	return fmt.Sprintf("member %s is not what /openapi.json says (%s)", at, schema.SchemaField)
}

func bodySchema(route *routers.Route) *openapi3.Schema {
	for _, mediaType := range route.Operation.RequestBody.Value.Content {
		return mediaType.Schema.Value
	}
	return &openapi3.Schema{}
}
