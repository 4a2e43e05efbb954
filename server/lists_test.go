package server

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// page is what all lists have in common.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// pages follows a list to its end.
func (x *world) pages(who, path string, limit int) (items, cursors []string) {
	x.t.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	cursor := ""
	for range 100 {
		p := want[page](x, 200, who, "GET", fmt.Sprintf("%s%slimit=%d%s", path, separator, limit, cursor), "")
		if len(p.Items) > limit {
			x.t.Errorf("%s: %d items where %d were asked for", path, len(p.Items), limit)
		}
		for _, item := range p.Items {
			items = append(items, string(item))
		}
		if p.Next == "" {
			return items, cursors
		}
		cursors = append(cursors, p.Next)
		cursor = "&cursor=" + url.QueryEscape(p.Next)
	}
	x.t.Fatalf("%s has no end", path)
	return nil, nil
}

func TestPages(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	for range 7 {
		want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
		want[api.Request](x, 201, "bank-b", "POST", "/v1/requests", ask(t, "registry: titles\naudience: bank-b\n").text)
	}
	for _, c := range []struct {
		who, path string
		n         int
	}{
		{"bank-a", "/v1/requests", 7}, {"agency", "/v1/requests", 14}, {"operator", "/v1/requests?state=answering", 14},
		{"agency", "/v1/requests?state=asked", 0}, {"other-agency", "/v1/requests", 0}, {"agency", "/v1/requests?registry=titles", 14},
		{"bank-b", "/v1/jobs", 7}, {"agency", "/v1/jobs?state=queued", 14}, {"agency", "/v1/jobs?state=done", 0},
		{"auditor", "/v1/audit", 14}, {"auditor", "/v1/audit?organisation=bank-a", 7}, {"operator", "/v1/audit?action=request.created", 14},
		{"bank-a", "/v1/ledger/entries", 4}, {"bank-a", "/v1/ledger/entries?from=2", 2}, {"bank-a", "/v1/ledger/entries?type=attestry/epoch/v1", 1},
		{"bank-a", "/v1/registries/titles/epochs", 1}, {"bank-a", "/v1/pledges", 0}, {"bank-a", "/v1/proofs", 0}, {"bank-a", "/v1/webhook/deliveries", 0},
	} {
		all, _ := x.pages(c.who, c.path, 500)
		for _, limit := range []int{1, 3, 7} {
			some, _ := x.pages(c.who, c.path, limit)
			if len(some) != c.n || !slices.Equal(some, all) {
				t.Errorf("%s %s by %d: %d items, want %d, the same as in one page", c.who, c.path, limit, len(some), c.n)
			}
		}
	}
	var requests []api.Request
	items, _ := x.pages("bank-a", "/v1/requests", 2)
	for _, item := range items {
		var r api.Request
		if err := json.Unmarshal([]byte(item), &r); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, r)
	}
	if !slices.IsSortedFunc(requests, func(a, b api.Request) int { return b.Created.Compare(a.Created) }) {
		t.Error("the newest do not come first")
	}
}

// A cursor is good for the list, the filters and the organisation that it was given for.
func TestCursors(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll})
	for range 3 {
		want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
		want[api.Request](x, 201, "bank-b", "POST", "/v1/requests", ask(t, "registry: titles\naudience: bank-b\n").text)
	}
	_, cursors := x.pages("bank-a", "/v1/requests", 1)
	_, jobs := x.pages("bank-a", "/v1/jobs", 1)
	forged := []byte(cursors[0])
	forged[len(forged)-1] ^= 1
	for _, c := range []struct{ who, path, cursor string }{
		{"bank-b", "/v1/requests", cursors[0]}, {"agency", "/v1/requests", cursors[0]}, {"bank-a", "/v1/jobs", cursors[0]},
		{"bank-a", "/v1/requests", jobs[0]}, {"bank-a", "/v1/proofs", cursors[0]}, {"bank-a", "/v1/requests?state=answering", cursors[0]},
		{"bank-a", "/v1/requests", string(forged)}, {"bank-a", "/v1/requests", "x"}, {"bank-a", "/v1/requests", strings.Repeat("A", 40)},
		{"bank-a", "/v1/requests", cursors[0] + "="}, {"bank-a", "/v1/requests", strings.Repeat("A", 300)},
	} {
		separator := "?"
		if strings.Contains(c.path, "?") {
			separator = "&"
		}
		wantProblem(t, x.call(c.who, "GET", c.path+separator+"cursor="+url.QueryEscape(c.cursor), ""), CodeMalformed)
	}
	for _, query := range []string{"limit=0", "limit=501", "limit=x", "limit=1&limit=2", "state=lost", "sort=up", "state=", "cursor=", "%zz"} {
		wantProblem(t, x.call("bank-a", "GET", "/v1/requests?"+query, ""), CodeMalformed)
	}
	x.restart()
	want[page](x, 200, "bank-a", "GET", "/v1/requests?limit=1&cursor="+cursors[0], "")
}

// Each resource with an ETag answers 304 to who has it, and changes it when it changes.
func TestConditionalReads(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll}).start()
	r, _ := x.answeredRequest("bank-a", "registry: titles\nkey: PARCEL-K1\nonce: mortgage\naudience: bank-a\n")
	want[api.IssuedWebhook](x, 200, "bank-a", "PUT", "/v1/webhook", `{"url":"https://bank.example/hook"}`)
	grant := x.grant(annasGrant)
	pledge := want[api.PledgePage](x, 200, "bank-a", "GET", "/v1/pledges", "").Items[0]
	fill := func(path string) string {
		id := r.Id
		if strings.HasPrefix(path, "/v1/proofs") {
			id = r.Proof
		} else if strings.HasPrefix(path, "/v1/jobs") {
			id = r.Job
		}
		index := pledge.Index
		if strings.HasPrefix(path, "/v1/grants") {
			index = grant.Index
		}
		return strings.NewReplacer("{id}", id, "{registry}", "titles", "{index}", fmt.Sprint(index), "{number}", "1", "{organisation}", "bank-a").Replace(path)
	}
	document, checked := must(api.Document())(t), 0
	for path, item := range document.Paths.Map() {
		operation := item.Get
		if operation == nil || !has(operation, headerIfNoneMatch) || operation.Extensions["x-roles"] == nil {
			continue
		}
		who := map[bool]string{true: "bank-a", false: "operator"}[allows(operation, "bank")]
		if strings.HasSuffix(path, "/readers") {
			who = "agency"
		}
		first := x.call(who, "GET", fill(path), "")
		conform(t, path, "GET", first)
		tag := first.Header.Get("ETag")
		if first.StatusCode != 200 || tag == "" || first.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %v: %s", path, first.StatusCode, first.Header, text(t, first))
			continue
		}
		same := x.call(who, "GET", fill(path), "", "If-None-Match", tag)
		if content := text(t, same); same.StatusCode != 304 || content != "" || same.Header.Get("ETag") != tag {
			t.Errorf("%s: %d with its own ETag, %q", path, same.StatusCode, content)
		}
		if other := x.call(who, "GET", fill(path), "", "If-None-Match", `"other"`); other.StatusCode != 200 {
			t.Errorf("%s: %d with another ETag", path, other.StatusCode)
		}
		checked++
	}
	if checked < 32 {
		t.Errorf("%d resources", checked)
	}
	path := "/v1/proofs/" + r.Proof
	before := x.call("bank-a", "GET", path, "").Header.Get("ETag")
	want[any](x, 204, "bank-a", "DELETE", path+"/openings", "")
	if after := x.call("bank-a", "GET", path, "", "If-None-Match", before); after.StatusCode != 200 {
		t.Error("an acknowledged proof is the one that waited")
	}
}

func allows(operation *openapi3.Operation, role string) bool {
	roles, _ := operation.Extensions["x-roles"].([]any)
	return slices.Contains(roles, any(role))
}
