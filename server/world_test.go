package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/rand"

	"filippo.io/age"
	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/prover/provertest"
	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/budget"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

// testDir is the tests' own directory, which TestMain makes and removes.
var testDir string

// fresh is the workspace that tests work on copies of.
var fresh = sync.OnceValue(func() string {
	dir := filepath.Join(testDir, "fresh")
	if err := makeFresh(context.Background(), dir); err != nil {
		panic(err)
	}
	if err := provertest.ShareTables(filepath.Join(dir, "circuits"), testDir); err != nil {
		panic(err)
	}
	return dir
})

const titlesYAML = `registry: titles
key: parcel
subject: owner
attributes:
  - {name: value, type: int}
  - {name: garage, type: text}
scopes: [{name: mortgage, consent: issuer}]
`

// The records of the tests: all of anna's parcels are worth something, one of bert's not
// much. Keys and owners are canaries: they occur nowhere by chance.
const titlesCSV = "parcel,owner,value,garage\n" +
	"PARCEL-K1,anna-canary,300,attached\nPARCEL-K2,anna-canary,500,none\nPARCEL-K3,bert-canary,40,detached\n"

func makeFresh(ctx context.Context, dir string) error {
	if err := workspace.Init(ctx, dir, workspace.InitOptions{Origin: "example.org/test"}); err != nil {
		return err
	}
	w, err := workspace.Open(dir)
	if err != nil {
		return err
	}
	schema, err := statement.ParseSchema([]byte(titlesYAML))
	if err != nil {
		return err
	}
	if err := w.CreateRegistry(ctx, schema); err != nil {
		return err
	}
	s, err := w.Registry("titles")
	if err != nil {
		return err
	}
	if _, err := s.Import(ctx, strings.NewReader(titlesCSV), registry.CSV, nil); err != nil {
		return err
	}
	if _, err := w.Commit(ctx, "titles", nil); err != nil {
		return err
	}
	if _, err := w.Publish(ctx); err != nil {
		return err
	}
	return w.Close()
}

// world is a server on a workspace, with its organisations.
type world struct {
	t       testing.TB
	dir     string
	config  service.Config
	w       *workspace.Workspace
	service *service.Service
	queue   *queue.Bolt
	server  *Server
	log     logLines
	tokens  map[string]string // by organisation
	unlock  workspace.Unlock  // of a workspace that is encrypted at rest
	budget  *budget.Limits    // nil: there is none
	stop    func()
}

// newWorld makes a world with two agencies, of which one has no registry here, two banks,
// an auditor and an operator. Its service is run only once start is called.
func newWorld(t testing.TB, c service.Config) *world {
	t.Helper()
	x := &world{t: t, dir: filepath.Join(t.TempDir(), "w"), config: c, tokens: map[string]string{}}
	if err := os.CopyFS(x.dir, os.DirFS(fresh())); err != nil {
		t.Fatal(err)
	}
	x.open()
	t.Cleanup(func() { x.close() })
	d := x.server.config.Directory
	for _, o := range []access.Organisation{
		{ID: "agency", Role: access.RoleAgency}, {ID: "other-agency", Role: access.RoleAgency, Registries: []string{"liens"}},
		{ID: "bank-a", Role: access.RoleBank}, {ID: "bank-b", Role: access.RoleBank},
		{ID: "auditor", Role: access.RoleAuditor}, {ID: "operator", Role: access.RoleOperator},
	} {
		o = must(d.CreateOrganisation(o))(t)
		_, token, err := d.CreateKey(access.NewKey{Organisation: o.ID})
		if err != nil {
			t.Fatal(err)
		}
		x.tokens[o.ID] = token
	}
	return x
}

// open opens the workspace and makes the server, as a process does when it starts.
func (x *world) open() {
	x.t.Helper()
	t := x.t
	x.w = must(workspace.OpenWith(x.dir, workspace.Options{Unlock: x.unlock}))(t)
	db := must(x.w.ServiceDB())(t)
	d := must(access.Open(db))(t)
	c := x.config
	c.Workspace, c.Logger = x.w, x.log.logger()
	if c.Sealer == nil {
		c.Sealer = x.w.AtRest()
	}
	if x.budget != nil {
		c.Budget = must(budget.Open(db, budget.Options{Limits: *x.budget, Sealer: c.Sealer, Now: c.Now}))(t)
	}
	q := must(queue.Open(db, queue.Options{
		OnFinish: func(tx *bbolt.Tx, j queue.Job) error { return x.service.Finished(tx, j) }, Log: c.Logger,
	}))(t)
	c.Queue, x.queue = q, q
	x.service = must(service.Open(c))(t)
	x.server = newTestServer(t, Config{
		Trust: must(x.w.Trust())(t), OwnTrust: true, Log: x.w.Ledger, Service: x.service, Directory: d,
		Access: must(access.NewAuthenticator(access.Options{Directory: d}))(t), Logger: c.Logger, Now: time.Now, Tracer: c.Tracer,
	}, testLimits())
	x.stop = func() {}
}

// start runs the service's jobs until the world is closed.
func (x *world) start() *world {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.service.Run(ctx) }()
	x.stop = func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			x.t.Error(err)
		}
		x.stop = func() {}
	}
	return x
}

func (x *world) close() {
	x.stop()
	if err := x.w.Close(); err != nil {
		x.t.Error(err)
	}
}

// restart does what a new process does.
func (x *world) restart() {
	x.t.Helper()
	x.close()
	x.open()
}

// call makes a request for an organisation; "" is nobody. headers are names and values.
func (x *world) call(who, method, path, body string, headers ...string) *http.Response {
	r := request(method, path, body)
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+x.tokens[who])
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return do(x.server.Handler(), r)
}

// want makes a request, wants a status and decodes the answer.
func want[T any](x *world, status int, who, method, path, body string, headers ...string) T {
	x.t.Helper()
	r := x.call(who, method, path, body, headers...)
	content := text(x.t, r)
	if r.StatusCode != status {
		x.t.Fatalf("%s %s %s: status %d, want %d: %.500s", who, method, path, r.StatusCode, status, content)
	}
	var out T
	if status == http.StatusNoContent {
		return out
	}
	dec := json.NewDecoder(strings.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		x.t.Fatalf("%s %s: %v: %.500s", method, path, err, content)
	}
	return out
}

// document is a bank's completed request, and the identity that its openings are sealed to.
type document struct {
	request  *statement.Request
	text     string
	identity *age.X25519Identity
}

// ask completes a request, as attestry request new does.
func ask(t testing.TB, yaml string) document {
	t.Helper()
	r := must(statement.ParseRequest([]byte(yaml)))(t)
	if err := r.Fill(rand.Reader); err != nil {
		t.Fatal(err)
	}
	identity := must(age.GenerateX25519Identity())(t)
	r.SealTo = identity.Recipient().String()
	for _, name := range r.PledgeFacts() {
		r.SetPledgeKey(name, statement.DeriveReleaseSecret(statement.ReleaseSecret{7}, *r.Nonce, name).Public())
	}
	return document{r, string(must(r.JSON())(t)), identity}
}

const annasValue = "registry: titles\nsubject: anna-canary\nwhere: [value >= 200]\nreveal: [garage]\naudience: bank-a\n"

// unseal opens sealed openings.
func (d document) unseal(t testing.TB, sealed []byte) *verifier.Openings {
	t.Helper()
	plain := must(age.Decrypt(bytes.NewReader(sealed), d.identity))(t)
	return must(verifier.ParseOpenings(must(io.ReadAll(plain))(t)))(t)
}

// listen serves the world on a local port, with the timeouts of Serve.
func (x *world) listen() *httptest.Server {
	x.t.Helper()
	s := httptest.NewUnstartedServer(x.server.Handler())
	l := x.server.limits
	s.Config.ReadHeaderTimeout, s.Config.ReadTimeout, s.Config.WriteTimeout = l.readHeader, l.read, l.write
	s.Start()
	x.t.Cleanup(s.Close)
	return s
}
