package server

import (
	"context"
	"errors"
	"time"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
)

// ListKeys lists an organisation's credentials.
func (h handlers) ListKeys(_ context.Context, request api.ListKeysRequestObject) (api.ListKeysResponseObject, error) {
	all, err := h.config.Directory.Keys(request.Organisation)
	if err != nil {
		return nil, err
	}
	return api.ListKeys200JSONResponse{Body: api.KeyList{Items: each(all, h.showKey)}}, nil
}

// CreateKey makes an API key.
func (h handlers) CreateKey(ctx context.Context, request api.CreateKeyRequestObject) (api.CreateKeyResponseObject, error) {
	b := request.Body
	if err := h.mayHandOut(ctx, b.Scopes); err != nil {
		return nil, err
	}
	key, secret, err := h.config.Directory.CreateKey(access.NewKey{Organisation: request.Organisation, Scopes: b.Scopes, Expires: b.Expires})
	if err != nil {
		return nil, err
	}
	if err := h.config.Service.Record(access.PrincipalOf(ctx), "key.created", key.ID); err != nil {
		return nil, err
	}
	return api.CreateKey201JSONResponse{
		Body:    api.IssuedKey{Key: h.showKey(key), Secret: secret},
		Headers: api.CreateKey201ResponseHeaders{Location: pathOfKey(key)},
	}, nil
}

// RotateKey makes an API key in the place of another.
func (h handlers) RotateKey(ctx context.Context, request api.RotateKeyRequestObject) (api.RotateKeyResponseObject, error) {
	old, err := h.key(request.Organisation, request.Key)
	if err != nil {
		return nil, err
	}
	if err := access.PrincipalOf(ctx).MayHandOut(old.Scopes); err != nil {
		return nil, err
	}
	key, secret, err := h.config.Directory.RotateKey(old.ID, time.Duration(request.Body.Overlap)*time.Second)
	if err != nil {
		return nil, err
	}
	if err := h.config.Service.Record(access.PrincipalOf(ctx), "key.rotated", key.ID); err != nil {
		return nil, err
	}
	return api.RotateKey201JSONResponse{
		Body:    api.IssuedKey{Key: h.showKey(key), Secret: secret},
		Headers: api.RotateKey201ResponseHeaders{Location: pathOfKey(key)},
	}, nil
}

// BindCertificate makes a client certificate a credential.
func (h handlers) BindCertificate(ctx context.Context, request api.BindCertificateRequestObject) (api.BindCertificateResponseObject, error) {
	b := request.Body
	if err := h.mayHandOut(ctx, b.Scopes); err != nil {
		return nil, err
	}
	certificate, err := access.ParseCertificate([]byte(b.Certificate))
	if err != nil {
		return nil, err
	}
	kind := access.KindCertificate
	if b.By == api.NewCertificateBySubject {
		kind = access.KindSubject
	}
	key, err := h.config.Directory.BindCertificate(access.NewKey{Organisation: request.Organisation, Scopes: b.Scopes, Expires: b.Expires}, kind, certificate)
	if err != nil {
		return nil, err
	}
	if err := h.config.Service.Record(access.PrincipalOf(ctx), "certificate.bound", key.ID); err != nil {
		return nil, err
	}
	return api.BindCertificate201JSONResponse{
		Body: h.showKey(key), Headers: api.BindCertificate201ResponseHeaders{Location: pathOfKey(key)},
	}, nil
}

// mayHandOut wants scopes to be some that there are, and whoever asks to have them.
func (h handlers) mayHandOut(ctx context.Context, scopes []string) error {
	if err := access.CheckScopes(scopes, h.scopes); err != nil {
		return err
	}
	return access.PrincipalOf(ctx).MayHandOut(scopes)
}

// key gives a credential that is the organisation's.
func (h handlers) key(organisation, id string) (access.Key, error) {
	key, err := h.config.Directory.Key(id)
	if err == nil && key.Organisation != organisation {
		err = access.ErrNotFound
	}
	return key, err
}

func pathOfKey(k access.Key) string { return "/v1/organisations/" + k.Organisation + "/keys/" + k.ID }

// RevokeKey revokes an organisation's credential.
func (h handlers) RevokeKey(ctx context.Context, request api.RevokeKeyRequestObject) (api.RevokeKeyResponseObject, error) {
	key, err := h.key(request.Organisation, request.Key)
	if err == nil {
		_, err = h.config.Directory.RevokeKey(key.ID)
	}
	if err != nil {
		return nil, err
	}
	if err := h.config.Service.Record(access.PrincipalOf(ctx), "key.revoked", key.ID); err != nil {
		return nil, err
	}
	return api.RevokeKey204Response{}, nil
}

func (h handlers) showKey(k access.Key) api.Key { return ShowKey(k, h.now()) }

// ShowKey gives a credential, and its state at an instant, as the API has it.
func ShowKey(k access.Key, at time.Time) api.Key {
	shown := api.Key{
		Id: k.ID, Organisation: k.Organisation, Kind: api.KeyKind(k.Kind), State: api.KeyStateValid, Scopes: k.Scopes,
		Created: k.Created, Expires: k.Expires, LastUsed: k.LastUsed, ReplacedBy: k.ReplacedBy,
		Certificate: k.Certificate, Subject: k.Subject,
	}
	switch err := k.State(at); {
	case errors.Is(err, access.ErrRevoked):
		shown.State = api.KeyStateRevoked
	case err != nil:
		shown.State = api.KeyStateExpired
	}
	return shown
}
