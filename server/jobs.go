package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// ListJobs lists jobs.
func (h handlers) ListJobs(ctx context.Context, request api.ListJobsRequestObject) (api.ListJobsResponseObject, error) {
	f := filter(request.Params.Cursor, request.Params.Limit)
	f.State = string(request.Params.State)
	page, err := h.config.Service.Jobs(ctx, access.PrincipalOf(ctx), f)
	if err != nil {
		return nil, err
	}
	return api.ListJobs200JSONResponse{Body: api.JobPage{Items: each(page.Items, showJob), Next: page.Next}}, nil
}

// GetJob gives a job.
func (h handlers) GetJob(ctx context.Context, request api.GetJobRequestObject) (api.GetJobResponseObject, error) {
	wait := h.preferredWait(request.Params.Prefer)
	ctx, end, err := h.wait(ctx, wait)
	if err != nil {
		return nil, err
	}
	defer end()
	j, err := h.config.Service.AwaitJob(ctx, access.PrincipalOf(ctx), request.Id, wait)
	if err != nil {
		return nil, err
	}
	return api.GetJob200JSONResponse{Body: showJob(j), Headers: api.GetJob200ResponseHeaders{PreferenceApplied: applied(wait)}}, nil
}

// CancelJob cancels a job.
func (h handlers) CancelJob(ctx context.Context, request api.CancelJobRequestObject) (api.CancelJobResponseObject, error) {
	if err := h.config.Service.CancelJob(ctx, access.PrincipalOf(ctx), request.Id); err != nil {
		return nil, err
	}
	return api.CancelJob204Response{}, nil
}

// GetJobEvents streams what happens to a job.
func (h handlers) GetJobEvents(ctx context.Context, request api.GetJobEventsRequestObject) (api.GetJobEventsResponseObject, error) {
	after := uint64(0)
	if last := request.Params.LastEventID; last != "" {
		var err error
		if after, err = strconv.ParseUint(last, 10, 63); err != nil {
			return nil, newProblem(CodeMalformed, "Last-Event-ID is not the id of an event")
		}
	}
	if _, err := h.config.Service.Job(ctx, access.PrincipalOf(ctx), request.Id); err != nil {
		return nil, err
	}
	ctx, end, err := h.wait(ctx, h.limits.heartbeat)
	if err != nil {
		return nil, err
	}
	return &eventStream{ctx, end, h.config.Service, request.Id, after, h.limits}, nil
}

// eventStream is the response that shows a job's events as they happen (WHATWG HTML,
// server-sent events).
type eventStream struct {
	ctx     context.Context
	end     func()
	service *service.Service
	job     string
	after   uint64
	limits  limits
}

// VisitGetJobEventsResponse writes the events until the job has ended, the client has
// gone or the server stops; a client that comes again goes on where it was.
func (e *eventStream) VisitGetJobEventsResponse(w http.ResponseWriter) error {
	defer e.end()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // proxies that buffer would hold events back
	w.WriteHeader(http.StatusOK)
	controller := http.NewResponseController(w)
	for {
		putOff(e.ctx, e.limits.heartbeat+e.limits.write)
		text, over, err := e.next()
		if err != nil || over && text == "" {
			return nil // the status is sent: nothing more can be said
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		if err := controller.Flush(); err != nil {
			return err
		}
	}
}

// next waits for events, or for as long as the client may be left without a sign.
func (e *eventStream) next() (text string, over bool, err error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.limits.heartbeat)
	defer cancel()
	events, err := e.service.JobEvents(ctx, e.job, e.after)
	switch {
	case e.ctx.Err() != nil:
		return "", true, nil
	case errors.Is(err, context.DeadlineExceeded):
		return ": still here\n\n", false, nil
	case err != nil || len(events) == 0: // the job has ended, and all is told
		return "", true, err
	}
	var out bytes.Buffer
	for _, event := range events {
		data, err := json.Marshal(showEvent(event))
		if err != nil {
			return "", true, err
		}
		_, _ = fmt.Fprintf(&out, "id: %d\nevent: %s\ndata: %s\n\n", event.Number, event.Type, data) // never fails
		e.after = event.Number
	}
	return out.String(), false, nil
}

func showEvent(e queue.Event) api.JobEvent {
	return api.JobEvent{Number: e.Number, Type: string(e.Type), At: e.At, Attempt: e.Attempt, NotBefore: e.NotBefore, Code: e.Code}
}

// apiTime is an instant as the generated types have it.
type apiTime = time.Time
