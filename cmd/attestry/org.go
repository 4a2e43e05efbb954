package main

import (
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/workspace"
)

// directory gives a workspace's organisations and their credentials.
func directory(w *workspace.Workspace) (*access.Directory, error) {
	db, err := w.ServiceDB()
	if err != nil {
		return nil, err
	}
	return access.Open(db)
}
