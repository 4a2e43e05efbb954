package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/attestry/attestry/client/api"
	"github.com/attestry/attestry/statement"
)

// wait is what a Prefer header says to have the server wait for what is being done, as
// long as it does.
const wait = "wait=60"

// Ask sends a request, which has its nonce, seed and seal_to, and gives what the server made of
// it. With facts, these alone are to be proved there. The same request sent again, by
// another process too, is the same request to the server, for at least a week.
func (c *Client) Ask(ctx context.Context, r *statement.Request, facts ...string) (*api.Request, error) {
	document, err := r.JSON()
	if err != nil {
		return nil, err
	}
	p := &api.CreateRequestParams{IdempotencyKey: new(askingKey(document, facts))}
	if len(facts) > 0 {
		p.Fact = &facts
	}
	answer, err := c.API.CreateRequestWithResponse(ctx, p, document)
	if err != nil {
		return nil, err
	}
	return answered(answer.JSON201, answer.Status())
}

// askingKey is the idempotency key of a request: that it is one and the same does not
// depend on who remembers having sent it.
func askingKey(document []byte, facts []string) string {
	h := sha256.New()
	for _, name := range facts {
		fmt.Fprintf(h, "%d:%s,", len(name), name)
	}
	h.Write(document)
	return "ask-" + hex.EncodeToString(h.Sum(nil))
}

// Request gives a request as far as it is.
func (c *Client) Request(ctx context.Context, id string) (*api.Request, error) {
	return c.request(ctx, id, &api.GetRequestParams{})
}

func (c *Client) request(ctx context.Context, id string, p *api.GetRequestParams) (*api.Request, error) {
	answer, err := c.API.GetRequestWithResponse(ctx, id, p)
	if err != nil {
		return nil, err
	}
	return answered(answer.JSON200, answer.Status())
}

// Answered waits until a request has come to its end, and gives it: its State is
// answered (Proof is the answer's id), refused (Refusal says why), withdrawn or expired.
// It waits until ctx ends, and gives ctx's error then.
func (c *Client) Answered(ctx context.Context, id string) (*api.Request, error) {
	for {
		r, err := c.request(ctx, id, &api.GetRequestParams{Prefer: new(wait)})
		if err != nil {
			return nil, err
		}
		if r.State != api.RequestStateAsked && r.State != api.RequestStateAnswering {
			return r, nil
		}
		if err := pause(ctx, 1, nil); err != nil { // a server that does not wait is not asked all the time
			return nil, err
		}
	}
}

// Withdraw takes back a request that is not answered.
func (c *Client) Withdraw(ctx context.Context, id string) error {
	_, err := c.API.WithdrawRequestWithResponse(ctx, id)
	return err
}

// answered gives the document of an answer, which has to be there.
func answered[T any](document *T, status string) (*T, error) {
	if document == nil {
		return nil, badAnswer(status)
	}
	return document, nil
}
