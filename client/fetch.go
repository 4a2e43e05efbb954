package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/attestry/attestry/client/api"
	"github.com/attestry/attestry/verifier"
)

// ErrSealed: what should be sealed openings is not, or not to this key.
var ErrSealed = errors.New("not openings that are sealed to this key")

// maxOpenings bounds openings that were sealed.
const maxOpenings = 1 << 20

// Bundle fetches the bundle of an answer. It is read strictly, and says nothing until it
// is verified.
func (c *Client) Bundle(ctx context.Context, proof string) (*verifier.Bundle, error) {
	answer, err := c.API.GetBundleWithResponse(ctx, proof, &api.GetBundleParams{})
	if err != nil {
		return nil, err
	}
	return verifier.ParseBundle(answer.Body)
}

// SealedOpenings fetches the openings of an answer: an age file, sealed to the recipient
// that the request named.
func (c *Client) SealedOpenings(ctx context.Context, proof string) ([]byte, error) {
	answer, err := c.API.GetOpeningsWithResponse(ctx, proof, &api.GetOpeningsParams{})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// Openings fetches the openings of an answer and opens them with the asker's identity.
func (c *Client) Openings(ctx context.Context, proof string, identities ...age.Identity) (*verifier.Openings, error) {
	sealed, err := c.SealedOpenings(ctx, proof)
	if err != nil {
		return nil, err
	}
	plain, err := Unseal(sealed, identities...)
	if err != nil {
		return nil, err
	}
	return verifier.ParseOpenings(plain)
}

// Unseal opens sealed openings, and checks that they are such. Its errors say nothing of
// what is in them.
func Unseal(sealed []byte, identities ...age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if err != nil {
		return nil, ErrSealed
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxOpenings+1))
	if err != nil || len(plain) > maxOpenings {
		return nil, ErrSealed
	}
	if _, err := verifier.ParseOpenings(plain); err != nil {
		return nil, fmt.Errorf("%w: what is in it is no openings file", ErrSealed)
	}
	return plain, nil
}

// Acknowledge says that the openings have arrived: the server forgets them, and what the
// request says.
func (c *Client) Acknowledge(ctx context.Context, proof string) error {
	_, err := c.API.AcknowledgeOpeningsWithResponse(ctx, proof)
	return err
}
