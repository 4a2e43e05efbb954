package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/attestry/attestry/client/api"
)

// Answer has the server answer a request that a bank sent to it. For agencies.
func (c *Client) Answer(ctx context.Context, request string) (*api.Job, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	answer, err := c.API.CreateProofWithResponse(ctx, &api.CreateProofParams{}, api.CreateProofJSONRequestBody{Request: body})
	if err != nil {
		return nil, err
	}
	if answer.JSON200 != nil {
		return answer.JSON200, nil
	}
	return answered(answer.JSON202, answer.Status())
}

// Job gives a job as far as it is.
func (c *Client) Job(ctx context.Context, id string) (*api.Job, error) {
	return c.job(ctx, id, &api.GetJobParams{})
}

func (c *Client) job(ctx context.Context, id string, p *api.GetJobParams) (*api.Job, error) {
	answer, err := c.API.GetJobWithResponse(ctx, id, p)
	if err != nil {
		return nil, err
	}
	return answered(answer.JSON200, answer.Status())
}

// Ended waits until a job has come to its end, and gives it: its State is done, failed or
// cancelled. It waits until ctx ends, and gives ctx's error then.
func (c *Client) Ended(ctx context.Context, id string) (*api.Job, error) {
	for {
		j, err := c.job(ctx, id, &api.GetJobParams{Prefer: new(wait)})
		if err != nil || hasEnded(string(j.State)) {
			return j, err
		}
		if err := pause(ctx, 1, nil); err != nil {
			return nil, err
		}
	}
}

func hasEnded(state string) bool {
	return state == string(api.JobStateDone) || state == string(api.JobStateFailed) || state == string(api.JobStateCancelled)
}

// Events gives what happens to a job as it happens, after the event of the number after
// (0: from the beginning), until the job ends. A connection that breaks off is made
// anew, and no event comes twice or is left out; an error is the last that comes.
func (c *Client) Events(ctx context.Context, job string, after uint64) iter.Seq2[*api.JobEvent, error] {
	return func(yield func(*api.JobEvent, error) bool) {
		for fruitless := 0; fruitless < DefaultAttempts; fruitless++ {
			before := after
			err := c.stream(ctx, job, after, func(e *api.JobEvent) bool {
				after = e.Number
				return yield(e, nil) && !hasEnded(e.Type)
			})
			if errors.Is(err, errStopped) {
				return
			}
			if CodeOf(err) != "" || errors.Is(err, errAnswer) || ctx.Err() != nil {
				yield(nil, err)
				return
			}
			if after > before {
				fruitless = 0
			} else if j, err := c.Job(ctx, job); err == nil && hasEnded(string(j.State)) {
				return // there was no event after that one
			}
			if err := pause(ctx, fruitless+1, nil); err != nil {
				yield(nil, err)
				return
			}
		}
		yield(nil, errBroken)
	}
}

// errBroken: nothing comes of a stream of events again and again.
var errBroken = errors.New("the stream of events breaks off again and again")

// errStopped: enough events came.
var errStopped = errors.New("stopped")

// maxEvent bounds an event.
const maxEvent = 1 << 20

// stream reads events until the stream breaks off, or take has enough (errStopped).
func (c *Client) stream(ctx context.Context, job string, after uint64, take func(*api.JobEvent) bool) error {
	p := &api.GetJobEventsParams{}
	if after > 0 {
		p.LastEventID = new(strconv.FormatUint(after, 10))
	}
	response, err := c.API.GetJobEvents(ctx, job, p)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return readEvents(response.Body, after, take)
}

// readEvents reads server-sent events as the server writes them: the data of each is one
// line, and holds its number and name too. What is no data (comments, ids, names) is
// passed over, and so is an event that breaks off before its empty line.
func readEvents(r io.Reader, after uint64, take func(*api.JobEvent) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	data := ""
	for lines.Scan() {
		if line := lines.Text(); line != "" {
			if value, ok := strings.CutPrefix(line, "data:"); ok {
				data += value
			}
			if len(data) > maxEvent {
				return badAnswer("an event without an end")
			}
			continue
		}
		if data == "" {
			continue
		}
		e := &api.JobEvent{}
		if err := json.Unmarshal([]byte(data), e); err != nil || e.Number <= after {
			return badAnswer("an event that is none, or comes again")
		}
		if after, data = e.Number, ""; !take(e) {
			return errStopped
		}
	}
	return lines.Err()
}
