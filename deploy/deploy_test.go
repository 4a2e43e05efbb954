// Package deploy has no code: its test holds what is in this directory to the program.
package deploy

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/attestry/attestry/internal/config"
)

// nobody is the user of the image.
const nobody = 65532

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// setting gives the values of a setting of a unit, or the arguments of an instruction.
func setting(t *testing.T, file, pattern string) []string {
	t.Helper()
	var values []string
	for _, m := range regexp.MustCompile(`(?m)^`+pattern+`(.*)$`).FindAllStringSubmatch(read(t, file), -1) {
		values = append(values, m[1])
	}
	if len(values) == 0 {
		t.Fatalf("%s has no %s", file, pattern)
	}
	return values
}

func TestConfiguration(t *testing.T) {
	c, err := config.Read("attestry.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("it warns of %q", w)
	}
	stop, err := time.ParseDuration(setting(t, "attestry.service", "TimeoutStopSec=")[0])
	if err != nil || stop <= c.Drain.Delay+c.Drain.Timeout {
		t.Errorf("the unit is killed after %v, and drains for %v: %v", stop, c.Drain.Delay+c.Drain.Timeout, err)
	}
	if state := setting(t, "attestry.service", "StateDirectory=")[0]; c.Dir != "/var/lib/"+state+"/data" {
		t.Errorf("the workspace %s is not in the unit's state directory %s", c.Dir, state)
	}
	environ := append(setting(t, "at-rest.conf", "Environment="), strings.Fields(setting(t, "Containerfile", "ENV ")[0])...)
	if names := config.Strangers(environ, "ATTESTRY_DIR"); len(names) > 0 {
		t.Errorf("no setting has the variables %v", names)
	}
	if _, err := config.Read("attestry.yaml", environ, nil); err != nil {
		t.Error(err)
	}
}

// The unit is what systemd understands, and lets the service do little.
func TestUnit(t *testing.T) {
	analyse, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not on this machine: the unit was not checked")
	}
	dir := t.TempDir()
	unit := filepath.Join(dir, "attestry.service")
	here := strings.Replace(read(t, "attestry.service"), "/usr/local/bin/attestry", os.Args[0], 1) // a program that is there
	for name, content := range map[string]string{unit: here, unit + ".d/at-rest.conf": read(t, "at-rest.conf")} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"verify", "--man=no"}, {"security", "--offline=yes", "--no-pager", "--threshold=15"}} {
		if out, err := exec.Command(analyse, append(args, unit)...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// The image has one static program, and is run by nobody in particular.
func TestContainerfile(t *testing.T) {
	stages := setting(t, "Containerfile", "FROM ")
	if stages[len(stages)-1] != "scratch" {
		t.Errorf("the image is made from %s", stages[len(stages)-1])
	}
	if user := setting(t, "Containerfile", "USER "); !slices.Equal(user, []string{fmt.Sprintf("%d:%d", nobody, nobody)}) {
		t.Errorf("its user is %s", user)
	}
	if build := setting(t, "Containerfile", "RUN CGO_ENABLED=0 go build "); len(build) != 1 {
		t.Errorf("it is built by %q", build)
	}
	version := setting(t, "../go.mod", "go ")[0]
	if !strings.HasSuffix(strings.Fields(stages[0])[0], ":"+version) {
		t.Errorf("it is built by %s, and go.mod says %s", stages[0], version)
	}
}

// root is a directory that a program runs in as if it were the whole machine, as nobody
// and without an environment: what a scratch image has.
type root struct{ dir string }

func newRoot(t *testing.T) root {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("changing the root directory needs root: that the static program needs nothing else was not checked")
	}
	r := root{t.TempDir()}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(r.dir, "attestry"), "../cmd/attestry")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, dir := range []string{"state", "etc"} {
		if err := os.Mkdir(filepath.Join(r.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(r.dir, "state"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "etc/attestry.yaml"), []byte(read(t, "attestry.yaml")), 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r root) command(args ...string) *exec.Cmd {
	return &exec.Cmd{
		Path: "/attestry", Args: append([]string{"attestry"}, args...), Dir: "/", Env: []string{},
		SysProcAttr: &syscall.SysProcAttr{Chroot: r.dir, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}},
	}
}

func (r root) run(t *testing.T, args ...string) string {
	t.Helper()
	c := r.command(args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, &errs)
	}
	return string(out)
}

// serve runs a server, gives what answers on a path of it, and stops it, which has to end well.
func (r root) serve(t *testing.T, path string, args ...string) string {
	t.Helper()
	c := r.command(append([]string{"serve", "--listen", "127.0.0.1:0", "--json"}, args...)...)
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill() }() // if it runs still
	var said struct {
		Listening string `json:"listening"`
	}
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&said); err != nil {
		_ = c.Wait()
		t.Fatalf("serve %q: %v\n%s", args, err, &log)
	}
	response, err := http.Get(said.Listening + path)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close(), c.Process.Signal(syscall.SIGTERM), c.Wait()); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("serve %q: %s: %v\n%s\n%s", args, response.Status, err, body, &log)
	}
	return string(body)
}

// TestScratch runs the static program where there is nothing else: no library, no
// temporary directory, no other file, no variable, no right.
func TestScratch(t *testing.T) {
	r := newRoot(t)
	program, err := elf.Open(filepath.Join(r.dir, "attestry"))
	if err != nil {
		t.Fatal(err)
	}
	if libraries, err := program.ImportedLibraries(); err != nil || len(libraries) > 0 || slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("it is not static: it needs %q: %v", libraries, err)
	}
	if err := program.Close(); err != nil {
		t.Fatal(err)
	}
	if out := r.run(t, "version"); !strings.Contains(out, "circuit present") {
		t.Errorf("version says %s", out)
	}
	r.run(t, "config", "check", "/etc/attestry.yaml")
	r.run(t, "init", "--dir", "/state/data")
	r.run(t, "trust", "export", "--dir", "/state/data", "-o", "/state/trust.json")
	if body := r.serve(t, "/checkpoint", "--dir", "/state/data"); !strings.HasPrefix(body, "attestry.invalid/") {
		t.Errorf("the checkpoint is %s", body)
	}
	r.serve(t, "/readyz", "--verify-only", "--trust", "/state/trust.json")
	r.run(t, "backup", "/state/backup", "--dir", "/state/data")
	r.run(t, "restore", "/state/backup", "--accept-rollback", "--dir", "/state/again")
}
