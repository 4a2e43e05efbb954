package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

const recordsPath = "/v1/registries/titles/records"

// staged tells what waits for a commit in the registry of the tests.
func (x *world) staged() api.ImportCounts {
	x.t.Helper()
	return want[api.Registry](x, 200, "agency", "GET", "/v1/registries/titles", "").Staged
}

func TestImportAndCommit(t *testing.T) {
	x := newWorld(t, service.Config{}).start()
	wantProblem(t, x.call("agency", "POST", recordsPath, titlesCSV), CodeUnsupportedMedia)
	csv := strings.Replace(titlesCSV, "40,detached", "41,detached", 1) + "PARCEL-K4,carl,1,none\n"
	counts := want[api.ImportCounts](x, 200, "agency", "POST", recordsPath, csv, "Content-Type", "text/csv")
	if wanted := (api.ImportCounts{Registry: "titles", Rows: 4, Inserted: 1, Updated: 1, Unchanged: 2}); counts != wanted || x.staged() != wanted {
		t.Errorf("%+v, staged %+v", counts, x.staged())
	}
	j := want[api.Job](x, 200, "agency", "POST", "/v1/registries/titles/epochs", "", "Prefer", "wait=60")
	if j.State != "done" || j.Kind != "commit" || j.Epoch != 2 || j.Registry != "titles" {
		t.Errorf("%+v", j)
	}
	for who, records := range map[string]int{"agency": 4, "bank-a": -1, "other-agency": -1, "auditor": -1, "operator": -1} {
		e := want[api.Epoch](x, 200, who, "GET", "/v1/registries/titles/epochs/2", "")
		if (e.Records == nil) != (records < 0) || e.Records != nil && *e.Records != records || e.Number != 2 || !e.Counts {
			t.Errorf("%s sees %+v", who, e)
		}
	}
	// NDJSON, and a heartbeat epoch of nothing new.
	ndjson := `{"parcel":"PARCEL-K1","owner":"anna-canary","value":300,"garage":"attached"}` + "\n"
	counts = want[api.ImportCounts](x, 200, "agency", "POST", recordsPath, ndjson, "Content-Type", "application/x-ndjson; charset=utf-8")
	if counts.Deleted != 3 {
		t.Errorf("%+v", counts)
	}
	for n := uint64(3); n < 5; n++ {
		if j := want[api.Job](x, 200, "agency", "POST", "/v1/registries/titles/epochs", "", "Prefer", "wait=60"); j.Epoch != n {
			t.Errorf("%+v", j)
		}
	}
	wantProblem(t, x.call("bank-a", "GET", "/v1/registries/titles/epochs/9", ""), CodeNotFound)
	wantProblem(t, x.call("bank-a", "GET", "/v1/registries/ships/epochs", ""), CodeNotFound)
}

// What is not good changes nothing, and is told without a value.
func TestBadRecords(t *testing.T) {
	x := newWorld(t, service.Config{})
	good := want[api.ImportCounts](x, 200, "agency", "POST", recordsPath, titlesCSV, "Content-Type", "text/csv")
	many := "parcel,owner,value,garage\n"
	for i := range 20 {
		many += fmt.Sprintf("P%d,o,1,none\n", i)
	}
	for what, c := range map[string]struct {
		who, path, body, mediaType string
		code                       Code
	}{
		"a bad value":        {"agency", recordsPath, titlesCSV + "PARCEL-K9,o,value-canary,none\n", "text/csv", CodeBadRecords},
		"a key twice":        {"agency", recordsPath, titlesCSV + "PARCEL-K1,o,1,none\n", "text/csv", CodeBadRecords},
		"no header":          {"agency", recordsPath, "x\n1\n", "text/csv", CodeBadRecords},
		"the wrong format":   {"agency", recordsPath, titlesCSV, "application/x-ndjson", CodeBadRecords},
		"another's":          {"other-agency", recordsPath, titlesCSV, "text/csv", CodeNotFound},
		"no registry":        {"agency", "/v1/registries/ships/records", titlesCSV, "text/csv", CodeNotFound},
		"no registry's name": {"agency", "/v1/registries/..titles/records", titlesCSV, "text/csv", CodeNotFound},
	} {
		p := wantProblem(t, x.call(c.who, "POST", c.path, c.body, "Content-Type", c.mediaType), c.code)
		if strings.Contains(p.Detail, "canary") {
			t.Errorf("%s: %s", what, p.Detail)
		}
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(titlesCSV))
	_ = z.Close()
	wantProblem(t, x.call("agency", "POST", recordsPath, packed.String(), "Content-Type", "text/csv", "Content-Encoding", "gzip"), CodeUnsupportedMedia)
	x.server.limits.records = 64
	x.server.handler, _ = x.server.newRouter(must(api.Document())(t))
	wantProblem(t, x.call("agency", "POST", recordsPath, titlesCSV, "Content-Type", "text/csv"), CodeTooLarge)
	if got := x.staged(); got != good {
		t.Errorf("staged is %+v, was %+v", got, good)
	}
}

// A file that deletes most of the registry is taken for a cut one.
func TestManyDeletions(t *testing.T) {
	x := newWorld(t, service.Config{}).start()
	many := titlesCSV
	for i := range 20 {
		many += fmt.Sprintf("P%d,o,1,none\n", i)
	}
	want[api.ImportCounts](x, 200, "agency", "POST", recordsPath, many, "Content-Type", "text/csv")
	want[api.Job](x, 200, "agency", "POST", "/v1/registries/titles/epochs", "", "Prefer", "wait=60")
	wantProblem(t, x.call("agency", "POST", recordsPath, titlesCSV, "Content-Type", "text/csv"), CodeManyDeletions)
	want[api.ImportCounts](x, 200, "agency", "POST", recordsPath+"?allow_deletions=true", titlesCSV, "Content-Type", "text/csv")
}

// Changes are refused over an import that waits for its commit, and then count as the whole
// file would.
func TestChanges(t *testing.T) {
	x := newWorld(t, service.Config{}).start()
	want[api.ImportCounts](x, 200, "agency", "POST", recordsPath, titlesCSV, "Content-Type", "text/csv")
	changes := "parcel,owner,value,garage,_change\nPARCEL-K1,,,,delete\nPARCEL-K9,o,1,none,put\n"
	path := recordsPath + "?changes=true"
	p := wantProblem(t, x.call("agency", "POST", path, changes, "Content-Type", "text/csv"), CodeStaged)
	if p.Status != 409 {
		t.Errorf("%+v", p)
	}
	want[api.Job](x, 200, "agency", "POST", "/v1/registries/titles/epochs", "", "Prefer", "wait=60")
	wantProblem(t, x.call("agency", "POST", recordsPath, changes, "Content-Type", "text/csv"), CodeBadRecords)
	for _, again := range []string{path, path + "&replace=true"} {
		n := want[api.ImportCounts](x, 200, "agency", "POST", again, changes, "Content-Type", "text/csv")
		if n.Rows != 2 || n.Inserted != 1 || n.Deleted != 1 {
			t.Errorf("%s: %+v", again, n)
		}
	}
	want[api.Job](x, 200, "agency", "POST", "/v1/registries/titles/epochs", "", "Prefer", "wait=60")
	wantProblem(t, x.call("agency", "POST", path, changes, "Content-Type", "text/csv"), CodeBadRecords) // it is gone
}

// A stream that breaks off or pauses changes nothing, and a slow one that goes on is taken.
func TestRecordStreams(t *testing.T) {
	x := newWorld(t, service.Config{})
	x.server.limits.stream = 300 * time.Millisecond
	x.server.limits.read, x.server.limits.write = 200*time.Millisecond, 200*time.Millisecond // of the listener
	url := x.listen().URL
	header, rows, _ := strings.Cut(titlesCSV, "\n")
	post := func(body io.Reader) (*http.Response, error) {
		r := must(http.NewRequestWithContext(t.Context(), "POST", url+recordsPath, body))(t)
		r.Header.Set("Authorization", "Bearer "+x.tokens["agency"])
		r.Header.Set("Content-Type", "text/csv")
		return http.DefaultClient.Do(r)
	}
	write := func(w *io.PipeWriter, pause time.Duration, parts ...string) {
		for _, part := range parts {
			_, _ = io.WriteString(w, part)
			time.Sleep(pause)
		}
	}
	// It breaks off at the end of a line, where the file would be good.
	r, w := io.Pipe()
	go func() {
		write(w, 0, header+"\n", strings.SplitAfter(rows, "\n")[0])
		_ = w.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if response, err := post(r); err == nil {
		t.Errorf("a stream that breaks off: %s", response.Status)
	}
	// It pauses.
	r, w = io.Pipe()
	go func() { write(w, 900*time.Millisecond, header+"\n", rows); _ = w.Close() }()
	if response, err := post(r); err == nil {
		wantProblem(t, response, CodeTimeout)
	}
	// It is wrong at its beginning, which is told before its end: it is not gathered first.
	r, w = io.Pipe()
	go func() {
		write(w, 0, header+"\nPARCEL-K1,o,none,none\n"+strings.Repeat("PARCEL-K2,o,1,none\n", 1000))
		<-t.Context().Done()
	}()
	response, err := post(r)
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, response, CodeBadRecords)
	if got := x.staged(); got != (api.ImportCounts{}) {
		t.Errorf("staged is %+v", got)
	}
	// It takes longer than any other body may, and never pauses.
	r, w = io.Pipe()
	go func() {
		write(w, 100*time.Millisecond, append([]string{header + "\n"}, slices.Collect(strings.SplitAfterSeq(rows, "\n"))...)...)
		_ = w.Close()
	}()
	response, err = post(r)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(response, err)
	}
	if got := x.staged(); got.Rows != 3 {
		t.Errorf("staged is %+v", got)
	}
}

func TestRegistries(t *testing.T) {
	x := newWorld(t, service.Config{}).start()
	const liens = "registry: liens\nkey: parcel\nattributes: [{name: amount, type: int}]\n"
	wantProblem(t, x.call("bank-a", "POST", "/v1/registries", liens, "Content-Type", "application/yaml"), CodeForbidden)
	wantProblem(t, x.call("other-agency", "POST", "/v1/registries", strings.Replace(liens, "liens", "ships", 1), "Content-Type", "application/yaml"), CodeForbidden)
	made := x.call("other-agency", "POST", "/v1/registries", liens, "Content-Type", "application/yaml", "Idempotency-Key", "k")
	if made.StatusCode != 201 || made.Header.Get("Location") != "/v1/registries/liens" {
		t.Fatal(text(t, made))
	}
	conform(t, "/v1/registries", "POST", made)
	kept := keep(t, made)
	sameAnswer(t, "again", kept(), x.call("other-agency", "POST", "/v1/registries", liens, "Content-Type", "application/yaml", "Idempotency-Key", "k"))
	wantProblem(t, x.call("other-agency", "POST", "/v1/registries", liens, "Content-Type", "application/yaml"), CodeExists)
	wantProblem(t, x.call("agency", "POST", "/v1/registries", "registry: X\n", "Content-Type", "application/yaml"), CodeBadSchema)
	wantProblem(t, x.call("agency", "POST", "/v1/registries", `{"registry":"x","key":"k","attributes":[{"name":"a","type":"float"}]}`), CodeBadSchema)
	wantProblem(t, x.call("other-agency", "POST", "/v1/registries/liens/epochs", ""), CodeNothingStaged)
	wantProblem(t, x.call("other-agency", "POST", "/v1/registries/titles/epochs", ""), CodeNotFound)
	// A schema that may replace it, with a registry that derives; and one that may not.
	wider := `{"registry":"liens","key":"parcel","attributes":[{"name":"amount","type":"int"}],"derived":[{"registry":"counts","group_by":"key","attributes":[{"name":"liens","type":"int","compute":"count"}]}]}`
	if r := want[api.Registry](x, 200, "other-agency", "PUT", "/v1/registries/liens", wider); r.SchemaEntry == 0 {
		t.Errorf("%+v", r)
	}
	wantProblem(t, x.call("other-agency", "PUT", "/v1/registries/liens", strings.Replace(liens, "int", "text", 1), "Content-Type", "application/yaml"), CodeBadSchema)
	wantProblem(t, x.call("agency", "PUT", "/v1/registries/titles", liens, "Content-Type", "application/yaml"), CodeBadSchema)
	if list := want[api.RegistryList](x, 200, "bank-a", "GET", "/v1/registries", ""); len(list.Items) != 3 || list.Items[0].DerivedFrom != "liens" || list.Items[2].Latest.Number != 1 {
		t.Errorf("%+v", list)
	}
	wantProblem(t, x.call("other-agency", "POST", "/v1/registries/counts/epochs", ""), CodeDerivedRegistry)
	want[api.ImportCounts](x, 200, "other-agency", "POST", "/v1/registries/liens/records", "parcel,amount\nPARCEL-K1,5\n", "Content-Type", "text/csv")
	if j := want[api.Job](x, 200, "other-agency", "POST", "/v1/registries/liens/epochs", "", "Prefer", "wait=60"); j.State != "done" {
		t.Errorf("%+v", j)
	}
	// A bundle about a registry that was made through the server is verified by it.
	d := ask(t, "registry: liens\nkey: PARCEL-K1\nwhere: [amount <= 5]\naudience: bank-a\n")
	want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", d.text)
	id := want[api.RequestPage](x, 200, "other-agency", "GET", "/v1/requests", "").Items[0].Id
	j := want[api.Job](x, 200, "other-agency", "POST", "/v1/proofs", object("request", `"`+id+`"`), "Prefer", "wait=60")
	bundle := text(t, x.call("bank-a", "GET", "/v1/proofs/"+j.Proof+"/bundle", ""))
	if v := want[api.Verdict](x, 200, "", "POST", "/v1/verify", object("bundle", bundle, "request", d.text)); !v.OK {
		t.Errorf("%+v", v)
	}
}
