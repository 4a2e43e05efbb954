package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/attestry/attestry/internal/canon"
	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/workspace"
)

// The control socket is how commands of the same user reach the server that holds a
// workspace. Its credential is the file system's: socket and directory are open to
// their owner alone.

const (
	// maxControlBytes bounds an order.
	maxControlBytes = 64 << 10
	// maxControlAnswer bounds what comes of one: a list of all keys is the longest.
	maxControlAnswer = 64 << 20
)

// backupOrder asks a server to copy its ledger into a new file.
type backupOrder struct {
	File string `json:"file"` // absolute
}

// serveControl answers on the workspace's control socket until the context ends. stop
// waits for orders that are being carried out.
func serveControl(ctx context.Context, env *cli.Env, w *workspace.Workspace, a *administration) (stop func(), err error) {
	path := filepath.Join(w.Dir(), workspace.ControlSocket)
	// Whoever holds the workspace's lock is the only server: a socket that is there is a
	// dead one's.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		// A path that is too long for a socket, say: the server is no worse without it.
		env.Note("no control socket, so that no command can back up, or change organisations and keys, while this runs: %v", err)
		return func() {}, nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /backup", takeOrder(orderBackup(w)))
	mux.HandleFunc("POST /workspace-backup", takeOrder(orderWorkspaceBackup(w)))
	a.takeOrders(mux)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with Shutdown
	}()
	return func() {
		_ = s.Shutdown(context.WithoutCancel(ctx))
		<-done
	}, nil
}

// takeOrder reads an order, has it carried out, and answers with what came of it.
func takeOrder[O, R any](carryOut func(context.Context, O) (R, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var order O
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxControlBytes))
		if err == nil {
			err = canon.Unmarshal(body, &order)
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		result, err := carryOut(r.Context(), order)
		if errors.Is(err, errBadOrder) {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusConflict)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(result) // it is done, whoever hears of it
	}
}

var errBadOrder = errors.New("the file's path is not absolute")

// orderBackup copies a served ledger.
func orderBackup(w *workspace.Workspace) func(context.Context, backupOrder) (backupResult, error) {
	return func(_ context.Context, o backupOrder) (backupResult, error) {
		if !filepath.IsAbs(o.File) {
			return backupResult{}, errBadOrder
		}
		entries, err := w.Ledger.Backup(o.File)
		return backupResult{o.File, entries}, err
	}
}

// orderWorkspaceBackup copies a served workspace.
func orderWorkspaceBackup(w *workspace.Workspace) func(context.Context, workspaceBackupOrder) (workspaceBackupResult, error) {
	return func(ctx context.Context, o workspaceBackupOrder) (workspaceBackupResult, error) {
		if !filepath.IsAbs(o.Directory) {
			return workspaceBackupResult{}, errBadOrder
		}
		return o.carryOut(ctx, w)
	}
}

// through has the server of the workspace carry out an order, where err says that one
// holds it; any other error is given back, and so is that one where no server listens.
func (g *globals) through(ctx context.Context, err error, what string, o, result any) error {
	if !errors.Is(err, workspace.ErrInUse) {
		return err
	}
	if through := order(ctx, g.workspaceDir(), what, o, result); !errors.Is(through, fs.ErrNotExist) {
		return through
	}
	return err
}

// order has the server of a workspace carry out an order, and gives what came of it. It
// fails with [fs.ErrNotExist] where no server listens.
func order(ctx context.Context, dir, what string, order, result any) error {
	content, err := canon.Marshal(order)
	if err != nil {
		return err
	}
	socket := filepath.Join(dir, workspace.ControlSocket)
	if _, err := os.Stat(socket); err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/"+what, bytes.NewReader(content))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: nobody answers at %s: %w", fs.ErrNotExist, socket, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxControlAnswer))
	if err != nil {
		return fmt.Errorf("the running server, which may have done it: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the running server: %s", bytes.TrimSpace(body))
	}
	return json.Unmarshal(body, result)
}
