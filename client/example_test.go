package client_test

import (
	"context"
	"fmt"

	"filippo.io/age"

	"github.com/attestry/attestry/client"
	"github.com/attestry/attestry/client/api"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// A bank asks, waits, and verifies the answer against its own trust file: nothing rests
// on what the server says.
func Example() {
	ask := func(ctx context.Context, key string, r *statement.Request, identity age.Identity, trust *verifier.Trust) (*verifier.Verdict, error) {
		c, err := client.New("https://registry.example.org", client.Options{Key: key})
		if err != nil {
			return nil, err
		}
		asked, err := c.Ask(ctx, r)
		if err != nil {
			return nil, err
		}
		done, err := c.Answered(ctx, asked.Id)
		if err != nil {
			return nil, err
		}
		if done.State != api.RequestStateAnswered {
			return nil, fmt.Errorf("%s: %s", done.State, done.Refusal.Code)
		}
		bundle, err := c.Bundle(ctx, done.Proof)
		if err != nil {
			return nil, err
		}
		openings, err := c.Openings(ctx, done.Proof, identity)
		if err != nil {
			return nil, err
		}
		return verifier.Verify(bundle, verifier.Options{Trust: trust, Request: r, Openings: openings})
	}
	_ = ask
}
