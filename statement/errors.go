package statement

import "errors"

// Errors of schemas and values.
var (
	ErrBadSchema        = errors.New("bad schema")
	ErrBadValue         = errors.New("bad value")
	ErrUnknownAttribute = errors.New("unknown attribute")
)

// Errors of requests and questions.
var (
	ErrBadRequest    = errors.New("bad request")
	ErrBadExpression = errors.New("bad expression")
	ErrInexpressible = errors.New("not expressible")
	ErrBadQuestion   = errors.New("bad question")
)

// Errors of grants.
var (
	ErrBadGrant = errors.New("bad grant")
	// ErrNotGranted says that a grant does not allow what is asked, or no longer.
	ErrNotGranted = errors.New("not granted")
)
