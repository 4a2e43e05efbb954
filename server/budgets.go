package server

import (
	"context"
	"time"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/budget"
)

// GetBudget gives what an organisation may ask and has asked.
func (h handlers) GetBudget(ctx context.Context, request api.GetBudgetRequestObject) (api.GetBudgetResponseObject, error) {
	b, err := h.config.Service.Budget(access.PrincipalOf(ctx), request.Organisation)
	if err != nil {
		return nil, err
	}
	o, err := h.config.Directory.Organisation(request.Organisation)
	if err != nil {
		return nil, err
	}
	return api.GetBudget200JSONResponse{Body: api.Budget{
		Organisation: o.ID, Window: int64(b.Window / time.Second), Questions: b.Questions, RegistryQuestions: b.RegistryQuestions,
		Registries: each(b.Registries, showUsage),
	}}, nil
}

func showUsage(u budget.Usage) api.BudgetUsage {
	return api.BudgetUsage{Registry: u.Registry, Questions: u.Questions, AnyRecord: u.AnyRecord, Names: u.Names, Spent: u.Spent}
}
