package server

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// CreateProof answers a request that a bank sent, or that came another way.
func (h handlers) CreateProof(ctx context.Context, request api.CreateProofRequestObject) (api.CreateProofResponseObject, error) {
	p := access.PrincipalOf(ctx)
	wait := h.preferredWait(request.Params.Prefer)
	ctx, end, err := h.wait(ctx, wait)
	if err != nil {
		return nil, err
	}
	defer end()
	j, err := h.startAnswer(ctx, p, request.Body)
	if err == nil {
		j, err = h.config.Service.AwaitJob(ctx, p, j.ID, wait)
	}
	if err != nil {
		return nil, err
	}
	location, preference := "/v1/jobs/"+j.ID, applied(wait)
	if j.State.Finished() {
		return api.CreateProof200JSONResponse{Body: showJob(j), Headers: api.CreateProof200ResponseHeaders{Location: location, PreferenceApplied: preference}}, nil
	}
	return api.CreateProof202JSONResponse{Body: showJob(j), Headers: api.CreateProof202ResponseHeaders{Location: location, PreferenceApplied: preference}}, nil
}

func (h handlers) startAnswer(ctx context.Context, p *access.Principal, body *api.NewProof) (*service.Job, error) {
	if bytes.HasPrefix(bytes.TrimSpace(body.Request), []byte("{")) {
		return h.config.Service.AnswerDocument(ctx, p, body.Request, body.Facts)
	}
	var id string
	if err := json.Unmarshal(body.Request, &id); err != nil {
		return nil, newProblem(CodeMalformed, "request is neither an id nor a document")
	}
	if len(body.Facts) > 0 {
		return nil, newProblem(CodeMalformed, "facts go with a document: of a request that is here, its asker said which")
	}
	return h.config.Service.Answer(ctx, p, id)
}

// ListProofs lists answers.
func (h handlers) ListProofs(ctx context.Context, request api.ListProofsRequestObject) (api.ListProofsResponseObject, error) {
	f := filter(request.Params.Cursor, request.Params.Limit)
	f.Registry = request.Params.Registry
	page, err := h.config.Service.Proofs(access.PrincipalOf(ctx), f)
	if err != nil {
		return nil, err
	}
	items := []api.Proof{}
	for _, p := range page.Items {
		shown, err := h.showProof(p)
		if err != nil {
			return nil, err
		}
		items = append(items, shown)
	}
	return api.ListProofs200JSONResponse{Body: api.ProofPage{Items: items, Next: page.Next}}, nil
}

// GetProof gives an answer without what it holds.
func (h handlers) GetProof(ctx context.Context, request api.GetProofRequestObject) (api.GetProofResponseObject, error) {
	p, err := h.config.Service.Proof(access.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	shown, err := h.showProof(p)
	return api.GetProof200JSONResponse{Body: shown}, err
}

// GetBundle gives an answer's bundle.
func (h handlers) GetBundle(ctx context.Context, request api.GetBundleRequestObject) (api.GetBundleResponseObject, error) {
	bundle, err := h.config.Service.Bundle(access.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	return api.GetBundle200JSONResponse{Body: bundle}, nil
}

// GetOpenings gives the sealed openings to who asked.
func (h handlers) GetOpenings(ctx context.Context, request api.GetOpeningsRequestObject) (api.GetOpeningsResponseObject, error) {
	sealed, err := h.config.Service.Sealed(access.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	return api.GetOpenings200ApplicationoctetStreamResponse{Body: bytes.NewReader(sealed), ContentLength: int64(len(sealed))}, nil
}

// AcknowledgeOpenings forgets the openings.
func (h handlers) AcknowledgeOpenings(ctx context.Context, request api.AcknowledgeOpeningsRequestObject) (api.AcknowledgeOpeningsResponseObject, error) {
	if err := h.config.Service.Acknowledge(access.PrincipalOf(ctx), request.Id); err != nil {
		return nil, err
	}
	return api.AcknowledgeOpenings204Response{}, nil
}

// ListReaders gives the auditors that may read a bundle.
func (h handlers) ListReaders(ctx context.Context, request api.ListReadersRequestObject) (api.ListReadersResponseObject, error) {
	readers, err := h.config.Service.Readers(access.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	return api.ListReaders200JSONResponse{Body: api.Readers{Organisations: readers}}, nil
}

// AddReader lets an auditor read a bundle.
func (h handlers) AddReader(ctx context.Context, request api.AddReaderRequestObject) (api.AddReaderResponseObject, error) {
	o, err := h.config.Directory.Organisation(request.Organisation)
	if err != nil {
		return nil, err
	}
	if o.Role != access.RoleAuditor {
		return nil, newProblem(CodeInvalid, "%s is no auditor", o.ID)
	}
	if err := h.config.Service.SetReader(access.PrincipalOf(ctx), request.Id, o.ID, true); err != nil {
		return nil, err
	}
	return api.AddReader204Response{}, nil
}

// RemoveReader lets an auditor read a bundle no more.
func (h handlers) RemoveReader(ctx context.Context, request api.RemoveReaderRequestObject) (api.RemoveReaderResponseObject, error) {
	if err := h.config.Service.SetReader(access.PrincipalOf(ctx), request.Id, request.Organisation, false); err != nil {
		return nil, err
	}
	return api.RemoveReader204Response{}, nil
}

func (h handlers) showProof(p *service.Proof) (api.Proof, error) {
	shown := api.Proof{
		Id: p.ID, Request: p.Request, Organisation: p.Organisation, Audience: p.Audience, Created: p.Created, Facts: []api.ProvedFact{},
		Timings: showTimings(p.Timings),
		Openings: api.Openings{
			State: api.OpeningsState(p.Openings.State), Expires: p.Openings.Expires,
			Acknowledged: p.Openings.Acknowledged, Bytes: p.Openings.Bytes,
		},
	}
	for _, f := range p.Facts {
		fact := api.ProvedFact{Name: f.Name, Registry: f.Registry, Epoch: f.Epoch, Entries: f.Entries}
		if f.Pledge {
			pledge, err := h.config.Service.Pledge(f.Entries[0])
			if err != nil {
				return shown, err
			}
			whole := showPledge(pledge)
			fact.Pledge = api.ProvedPledge{Entry: whole.Index, Scope: whole.Scope, State: whole.State, ReleasedBy: whole.ReleasedBy}
		}
		shown.Facts = append(shown.Facts, fact)
	}
	return shown, nil
}

func showTimings(t service.Timings) api.Timings {
	return api.Timings{Proofs: t.Proofs, ProveMs: t.ProveMS, LogMs: t.LogMS}
}

func showJob(j *service.Job) api.Job {
	return api.Job{
		Id: j.ID, Kind: j.Kind, Organisation: j.Organisation, State: api.JobState(j.State), Attempt: j.Attempt,
		Position: j.Position, Cancelling: j.Cancelling, Enqueued: j.Enqueued, NotBefore: notBefore(j.Job),
		Started: j.Started, Finished: j.Finished, Deadline: j.Deadline,
		Request: j.Request, Proof: j.Proof, Registry: j.Registry, Epoch: j.Epoch, Timings: showTimings(j.Timings),
		Code: j.Code, Detail: j.Detail,
	}
}

// notBefore is worth telling while a job waits to be tried again.
func notBefore(j queue.Job) (t apiTime) {
	if j.State == queue.Queued {
		return j.NotBefore
	}
	return t
}
