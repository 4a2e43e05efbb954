package server

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"
)

// validate holds requests to what the OpenAPI document says of the operation.
func validate(route *routers.Route) echo.MiddlewareFunc {
	options := openapi3filter.Options{
		// Nothing is filled in: the handlers see what the client sent.
		SkipSettingDefaults:               true,
		RejectWhenRequestBodyNotSpecified: true,
	}
	// Who may do it was decided before: the validator would read the whole body first.
	operation := *route.Operation
	operation.Security = openapi3.NewSecurityRequirements()
	checked := *route
	checked.Operation = &operation
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			options := options
			// What is no JSON is read by a parser of its own.
			options.ExcludeRequestBody = route.Operation.RequestBody != nil && (!isJSON(r.Header) || ownReader(route.Operation.OperationID))
			input := &openapi3filter.RequestValidationInput{Request: r, PathParams: pathParams(c), Route: &checked, Options: &options}
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
	if mediaType := route.Operation.RequestBody.Value.Content.Get(mediaJSON); mediaType != nil {
		return mediaType.Schema.Value
	}
	return &openapi3.Schema{}
}

// strictQuery refuses parameters that the operation does not have, and such as are there
// twice: a misspelt filter would give everything.
func strictQuery(operation *openapi3.Operation) echo.MiddlewareFunc {
	lists := map[string]bool{}
	for _, p := range operation.Parameters {
		if p.Value.In == openapi3.ParameterInQuery {
			lists[p.Value.Name] = p.Value.Schema.Value.Type.Is(openapi3.TypeArray)
		}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			query, err := url.ParseQuery(c.Request().URL.RawQuery)
			if err != nil {
				return newProblem(CodeMalformed, "the query is not what a query is")
			}
			for name, values := range query {
				isList, known := lists[name]
				if !known || len(values) > 1 && !isList {
					return newProblem(CodeMalformed, "the query has an unknown parameter or one twice (known are: %s)", strings.Join(slices.Sorted(maps.Keys(lists)), ", "))
				}
			}
			return next(c)
		}
	}
}
