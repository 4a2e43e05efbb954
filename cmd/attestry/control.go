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

// maxControlBytes bounds a message either way.
const maxControlBytes = 64 << 10

// backupOrder asks a server to copy its ledger into a new file.
type backupOrder struct {
	File string `json:"file"` // absolute
}

// serveControl answers on the workspace's control socket until the context ends. stop
// waits for orders that are being carried out.
func serveControl(ctx context.Context, env *cli.Env, w *workspace.Workspace) (stop func(), err error) {
	path := filepath.Join(w.Dir(), workspace.ControlSocket)
	// Whoever holds the workspace's lock is the only server: a socket that is there is a
	// dead one's.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		// A path that is too long for a socket, say: the server is no worse without it.
		env.Note("no control socket, so that the ledger cannot be backed up while this runs: %v", err)
		return func() {}, nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /backup", func(rw http.ResponseWriter, r *http.Request) { controlBackup(rw, r, w) })
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

func controlBackup(rw http.ResponseWriter, r *http.Request, w *workspace.Workspace) {
	var order backupOrder
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxControlBytes))
	if err == nil {
		err = canon.Unmarshal(body, &order)
	}
	if err == nil && !filepath.IsAbs(order.File) {
		err = errors.New("the file's path is not absolute")
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	entries, err := w.Ledger.Backup(order.File)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusConflict)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(backupResult{order.File, entries}) // the copy is there, whoever hears of it
}

// backupThrough has the server of a workspace copy its ledger. It fails with
// [fs.ErrNotExist] where no server listens.
func backupThrough(ctx context.Context, dir, file string) (entries uint64, err error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return 0, err
	}
	order, err := canon.Marshal(backupOrder{absolute})
	if err != nil {
		return 0, err
	}
	socket := filepath.Join(dir, workspace.ControlSocket)
	if _, err := os.Stat(socket); err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/backup", bytes.NewReader(order))
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("%w: nobody answers at %s: %w", fs.ErrNotExist, socket, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxControlBytes))
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the running server: %s", bytes.TrimSpace(body))
	}
	var result backupResult
	err = json.Unmarshal(body, &result)
	return result.Entries, err
}
