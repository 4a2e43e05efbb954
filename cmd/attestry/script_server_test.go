package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// background are a session's servers, by name.
type background map[string]*exec.Cmd

type backgroundKey struct{}

// start runs a server with --json until the session ends. Its program may have
// variables before it, as in a shell.
func start(ts *testscript.TestScript, _ bool, args []string) {
	name, environ := args[0], os.Environ()
	for strings.Contains(args[1], "=") {
		environ, args = append(environ, args[1]), args[1:]
	}
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	command := exec.Command(args[1], append(args[2:], "--json")...)
	command.Dir, command.Stderr, command.Env = ts.Getenv("WORK"), log, environ
	out, err := command.StdoutPipe()
	ts.Check(err)
	ts.Check(command.Start())
	ts.Check(log.Close())
	ts.Defer(func() {
		_ = command.Process.Kill() // if it runs still
		_ = command.Wait()
	})
	var said struct {
		Listening string `json:"listening"`
		Private   string `json:"private"`
	}
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&said); err != nil {
		ts.Fatalf("%s did not start: %v: %s", name, err, ts.ReadFile(name+".log"))
	}
	ts.Setenv(name, said.Listening)
	ts.Setenv(name+"_private", said.Private)
	servers(ts)[name] = command
}

func servers(ts *testscript.TestScript) background {
	return ts.Value(backgroundKey{}).(background)
}

// interrupt interrupts a server and waits for its end, which has to be a good one.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	command := servers(ts)[args[0]]
	if command == nil {
		ts.Fatalf("%s was not started", args[0])
	}
	ts.Check(command.Process.Signal(os.Interrupt))
	var exit *exec.ExitError
	if err := command.Wait(); errors.As(err, &exit) {
		ts.Fatalf("%s ended with %v: %s", args[0], exit, ts.ReadFile(args[0]+".log"))
	}
}

// crash kills a server, as a machine that goes away does, and waits for its end.
func crash(ts *testscript.TestScript, _ bool, args []string) {
	command := servers(ts)[args[0]]
	if command == nil {
		ts.Fatalf("%s was not started", args[0])
	}
	ts.Check(command.Process.Kill())
	_ = command.Wait() // it was killed
}

// get asks a server and writes its answer into a file.
func getURL(ts *testscript.TestScript, neg bool, args []string) {
	getAs(ts, neg, append([]string{""}, args...))
}

// getAs is get with an API key.
func getAs(ts *testscript.TestScript, _ bool, args []string) {
	key, args := args[0], args[1:]
	request, err := http.NewRequest(http.MethodGet, args[1], nil)
	ts.Check(err)
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	ts.Check(err)
	body, err := io.ReadAll(response.Body)
	ts.Check(errors.Join(err, response.Body.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), body, 0o600))
	if got := strconv.Itoa(response.StatusCode); got != args[0] {
		ts.Fatalf("status %s, not %s: %s", got, args[0], body)
	}
}

func copyDir(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}
