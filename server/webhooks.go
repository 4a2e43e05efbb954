package server

import (
	"context"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// GetWebhook gives an organisation's webhook.
func (h handlers) GetWebhook(ctx context.Context, _ api.GetWebhookRequestObject) (api.GetWebhookResponseObject, error) {
	w, err := h.config.Service.Webhook(access.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	return api.GetWebhook200JSONResponse{Body: showWebhook(w)}, nil
}

// SetWebhook sets an organisation's webhook.
func (h handlers) SetWebhook(ctx context.Context, request api.SetWebhookRequestObject) (api.SetWebhookResponseObject, error) {
	w, err := h.config.Service.SetWebhook(access.PrincipalOf(ctx), request.Body.Url)
	if err != nil {
		return nil, err
	}
	return api.SetWebhook200JSONResponse{Webhook: showWebhook(w), Secret: w.SecretText()}, nil
}

// DeleteWebhook ends an organisation's webhook.
func (h handlers) DeleteWebhook(ctx context.Context, _ api.DeleteWebhookRequestObject) (api.DeleteWebhookResponseObject, error) {
	if err := h.config.Service.DeleteWebhook(access.PrincipalOf(ctx)); err != nil {
		return nil, err
	}
	return api.DeleteWebhook204Response{}, nil
}

// ListDeliveries lists what an organisation was told.
func (h handlers) ListDeliveries(ctx context.Context, request api.ListDeliveriesRequestObject) (api.ListDeliveriesResponseObject, error) {
	page, err := h.config.Service.Deliveries(access.PrincipalOf(ctx), filter(request.Params.Cursor, request.Params.Limit))
	if err != nil {
		return nil, err
	}
	return api.ListDeliveries200JSONResponse{Body: api.DeliveryPage{Items: each(page.Items, showDelivery), Next: page.Next}}, nil
}

func showWebhook(w *service.Webhook) api.Webhook { return api.Webhook{Url: w.URL, Created: w.Created} }

func showDelivery(d *service.Delivery) api.Delivery {
	return api.Delivery{
		Id: d.ID, Type: d.Type, Request: d.Request, State: api.DeliveryState(d.State), Created: d.Created,
		Attempts: d.Attempts, Next: d.Next, Status: d.Status, Error: d.Error,
	}
}
