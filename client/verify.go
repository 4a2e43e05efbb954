package client

import (
	"context"
	"time"

	"github.com/attestry/attestry/client/api"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// Verification is what a server is asked to verify. Only Bundle is needed; a check whose
// input is absent is skipped and says so.
type Verification struct {
	Bundle   *verifier.Bundle
	Request  *statement.Request
	Openings *verifier.Openings // their release secrets are not sent
	Audience string             // who verifies
	At       time.Time          // as of when expiry and age are judged; zero: now
}

// Verify has a server verify, against the trust file that the server has. It sees what is
// sent; package verifier gives the same verdict and shows nothing to anybody.
func (c *Client) Verify(ctx context.Context, v Verification) (*verifier.Verdict, error) {
	body, err := v.body()
	if err != nil {
		return nil, err
	}
	answer, err := c.API.VerifyWithResponse(ctx, body)
	if err != nil {
		return nil, err
	}
	if answer.JSON200 == nil || len(answer.JSON200.Checks) == 0 {
		return nil, badAnswer("no verdict")
	}
	return answer.JSON200, nil
}

func (v Verification) body() (body api.VerifyRequest, err error) {
	if body.Bundle, err = v.Bundle.Marshal(); err != nil {
		return body, err
	}
	if v.Request != nil {
		if body.Request, err = v.Request.JSON(); err != nil {
			return body, err
		}
	}
	if v.Openings != nil {
		if body.Openings, err = v.Openings.Public().Marshal(); err != nil {
			return body, err
		}
	}
	body.Audience = v.Audience
	if !v.At.IsZero() {
		body.At = statement.FormatTime(v.At)
	}
	return body, nil
}
