package main

import (
	"context"
	"net/http"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	rules "github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/workspace"
)

// administration is who may use the service of a workspace. What is changed is told by the
// audit log.
type administration struct {
	w       *workspace.Workspace
	service *rules.Service // nil where no server runs
}

// localCredential is what the audit log has for the credential of a command on the server's
// machine, which needs none but the file system's.
const localCredential = "local"

// directory gives a workspace's organisations and their credentials.
func directory(w *workspace.Workspace) (*access.Directory, error) {
	db, err := w.ServiceDB()
	if err != nil {
		return nil, err
	}
	return access.Open(db)
}

// record tells the audit log of a change.
func (a *administration) record(action, target string) error {
	who := &access.Principal{Credential: localCredential}
	if a.service == nil {
		return rules.RecordStopped(a.w, a.w.AtRest(), who, action, target)
	}
	return a.service.Record(who, action, target)
}

// administrative is an order about organisations and credentials.
type administrative[R any] interface {
	carryOut(a *administration) (R, error)
}

// administer carries out an order, or has the server do it that holds the workspace.
func administer[R any](ctx context.Context, g *globals, what string, o administrative[R]) (result R, err error) {
	err = g.with(func(w *workspace.Workspace) (err error) {
		result, err = o.carryOut(&administration{w: w})
		return err
	})
	return result, g.through(ctx, err, what, o, &result)
}

// takeOrders has a server's control socket take the orders.
func (a *administration) takeOrders(mux *http.ServeMux) {
	mux.HandleFunc("POST /"+orderOrgCreate, takeAdministrative[orgCreateOrder](a))
	mux.HandleFunc("POST /"+orderOrgSwitch, takeAdministrative[orgSwitchOrder](a))
	mux.HandleFunc("POST /"+orderOrgList, takeAdministrative[orgListOrder](a))
	mux.HandleFunc("POST /"+orderOrgBind, takeAdministrative[orgBindOrder](a))
	mux.HandleFunc("POST /"+orderOrgUnbind, takeAdministrative[orgUnbindOrder](a))
	mux.HandleFunc("POST /"+orderKeyCreate, takeAdministrative[keyCreateOrder](a))
	mux.HandleFunc("POST /"+orderKeyList, takeAdministrative[keyListOrder](a))
	mux.HandleFunc("POST /"+orderKeyRevoke, takeAdministrative[keyRevokeOrder](a))
	mux.HandleFunc("POST /"+orderKeyRotate, takeAdministrative[keyRotateOrder](a))
}

func takeAdministrative[O administrative[R], R any](a *administration) http.HandlerFunc {
	return takeOrder(func(_ context.Context, o O) (R, error) { return o.carryOut(a) })
}

// The names of the orders.
const (
	orderOrgCreate = "org-create"
	orderOrgSwitch = "org-switch"
	orderOrgList   = "org-list"
	orderOrgBind   = "org-bind"
	orderOrgUnbind = "org-unbind"
	orderKeyCreate = "key-create"
	orderKeyList   = "key-list"
	orderKeyRevoke = "key-revoke"
	orderKeyRotate = "key-rotate"
)

// scopes lists what a key can be narrowed to.
func scopes() ([]string, error) {
	document, err := api.Document()
	if err != nil {
		return nil, err
	}
	return access.Scopes(document)
}
