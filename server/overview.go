package server

import (
	"context"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// GetOverview counts what an organisation may see.
func (h handlers) GetOverview(ctx context.Context, _ api.GetOverviewRequestObject) (api.GetOverviewResponseObject, error) {
	o, err := h.config.Service.Overview(ctx, access.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	return api.GetOverview200JSONResponse{Body: api.Overview{
		Origin: o.Log.Origin, Entries: o.Log.Entries, Checkpoint: o.Log.Signed, Registries: o.Registries,
		Requests: o.Requests, Jobs: o.Jobs,
	}}, nil
}

// ListAudit lists the audit log.
func (h handlers) ListAudit(ctx context.Context, request api.ListAuditRequestObject) (api.ListAuditResponseObject, error) {
	f := filter(request.Params.Cursor, request.Params.Limit)
	f.Organisation, f.Action = request.Params.Organisation, request.Params.Action
	page, err := h.config.Service.Audit(access.PrincipalOf(ctx), f)
	if err != nil {
		return nil, err
	}
	return api.ListAudit200JSONResponse{Body: api.AuditPage{Items: each(page.Items, showAudit), Next: page.Next}}, nil
}

func showAudit(a *service.AuditRecord) api.AuditRecord {
	return api.AuditRecord{
		Number: a.Number, At: a.At, Organisation: a.Organisation, Credential: a.Credential, Action: a.Action, Outcome: a.Outcome,
		Request: a.Request, Proof: a.Proof, Job: a.Job, Registry: a.Registry, Epoch: a.Epoch, Entry: a.Entry, Target: a.Target,
		Facts: auditFacts(a.Facts),
	}
}

// auditFacts leaves the list out where there is none.
func auditFacts(facts []service.AuditFact) (out []api.AuditFact) {
	for _, f := range facts {
		out = append(out, api.AuditFact{
			Registry: f.Registry, Subject: f.Subject, Key: f.Key, Attributes: f.Attributes,
			Reveal: f.Reveal, Absent: f.Absent, Once: f.Once,
		})
	}
	return out
}
