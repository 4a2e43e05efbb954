package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/service"
)

// called is one call of a webhook.
type called struct {
	header http.Header
	body   string
}

// hook serves a webhook that answers with one status after the other, the last one again
// and again.
func hook(t *testing.T, statuses ...int) (url string, calls chan called) {
	t.Helper()
	calls = make(chan called, 16)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content := must(io.ReadAll(r.Body))(t)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(statuses[0])
		if len(statuses) > 1 {
			statuses = statuses[1:]
		}
		calls <- called{r.Header, r.URL.Path + " " + string(content)}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/hook", calls
}

// deliveries waits until the one delivery is what a test wants.
func (x *world) delivery(who string, is func(api.Delivery) bool) api.Delivery {
	x.t.Helper()
	for {
		page := want[api.DeliveryPage](x, 200, who, "GET", "/v1/webhook/deliveries", "")
		if len(page.Items) > 0 && is(page.Items[0]) {
			return page.Items[0]
		}
		if x.t.Context().Err() != nil {
			x.t.Fatal("in vain")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestWebhook(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll, Webhooks: service.WebhookConfig{AllowPrivate: true}}).start()
	url, calls := hook(t, 204)
	set := want[api.IssuedWebhook](x, 200, "bank-a", "PUT", "/v1/webhook", `{"url":"`+url+`"}`)
	r, _ := x.answeredRequest("bank-a", annasValue)
	call := <-calls
	secret := must(base64.StdEncoding.DecodeString(strings.TrimPrefix(set.Secret, "whsec_")))(t)
	path, content, _ := strings.Cut(call.body, " ")
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, call.header.Get("Webhook-Id")+"."+call.header.Get("Webhook-Timestamp")+"."+content)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); call.header.Get("Webhook-Signature") != want {
		t.Errorf("signature %s, want %s", call.header.Get("Webhook-Signature"), want)
	}
	at := must(strconv.ParseInt(call.header.Get("Webhook-Timestamp"), 10, 64))(t)
	if age := time.Since(time.Unix(at, 0)); age < -time.Second || age > time.Minute || path != "/hook" {
		t.Errorf("timestamp %d, path %s", at, path)
	}
	var message struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      struct{ Request, Proof string }
	}
	if err := json.Unmarshal([]byte(content), &message); err != nil || message.Type != "request.answered" || message.Data.Request != r.Id || message.Data.Proof != r.Proof {
		t.Errorf("%v: %s", err, content)
	}
	d := x.delivery("bank-a", func(d api.Delivery) bool { return d.State == "delivered" })
	if d.Attempts != 1 || d.Status != 204 || d.Id != call.header.Get("Webhook-Id") {
		t.Errorf("%+v", d)
	}
	if got := text(t, x.call("bank-a", "GET", "/v1/webhook", "")); strings.Contains(got, set.Secret) || !strings.Contains(got, url) {
		t.Error(got)
	}
	if page := want[api.DeliveryPage](x, 200, "bank-b", "GET", "/v1/webhook/deliveries", ""); len(page.Items) != 0 {
		t.Error("another bank sees the delivery")
	}
	wantProblem(t, x.call("bank-b", "GET", "/v1/webhook", ""), CodeNotFound)
	want[any](x, 204, "bank-a", "DELETE", "/v1/webhook", "")
	wantProblem(t, x.call("bank-a", "GET", "/v1/webhook", ""), CodeNotFound)
}

// A delivery that fails is tried again, also by a later process; a redirection is none.
func TestWebhookRetries(t *testing.T) {
	t.Parallel() // it waits for the second attempt
	clock := time.Now()
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll, Webhooks: service.WebhookConfig{AllowPrivate: true, Attempts: 2}}).start()
	url, calls := hook(t, 307, 500)
	want[api.IssuedWebhook](x, 200, "bank-a", "PUT", "/v1/webhook", `{"url":"`+url+`"}`)
	x.answeredRequest("bank-a", annasValue)
	first := <-calls
	d := x.delivery("bank-a", func(d api.Delivery) bool { return d.Attempts == 1 })
	if d.State != "pending" || d.Status != 307 || d.Next.Before(clock.Add(3*time.Second)) || d.Next.After(time.Now().Add(5*time.Second)) {
		t.Errorf("%+v", d)
	}
	x.restart()
	x.start()
	second := <-calls // after its time: 4 to 5 seconds
	if second.body != first.body || second.header.Get("Webhook-Id") != first.header.Get("Webhook-Id") || time.Now().Before(d.Next) {
		t.Errorf("%v, then %v", first, second)
	}
	d = x.delivery("bank-a", func(d api.Delivery) bool { return d.State != "pending" })
	if d.State != "failed" || d.Attempts != 2 || d.Status != 500 {
		t.Errorf("%+v", d)
	}
}

// The server calls no address that only it reaches, by whatever name.
func TestWebhookAddresses(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll}).start()
	for _, bad := range []string{
		"http://bank.example/hook", "https://127.0.0.1/", "https://127.1.2.3:8443/", "https://[::1]/", "https://10.0.0.1/", "https://192.168.1.1/",
		"https://172.16.0.1/", "https://169.254.169.254/latest/meta-data", "https://[fe80::1]/", "https://[fd00::1]/", "https://0.0.0.0/",
		"https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://100.64.0.1/", "https://224.0.0.1/",
		"https://255.255.255.255/", "https://user@bank.example/", "https://bank.example/#x", "ftp://bank.example/", "https:bank.example", "//bank.example",
		"https://", "/v1/webhook", "gopher://x/",
	} {
		p := wantProblem(t, x.call("bank-a", "PUT", "/v1/webhook", object("url", string(must(json.Marshal(bad))(t)))), CodeBadWebhook)
		if strings.Contains(p.Detail, "bank.example") {
			t.Errorf("%s: %s", bad, p.Detail)
		}
	}
	// A name that resolves to such an address is found out when it is called.
	url, calls := hook(t, 204)
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	want[api.IssuedWebhook](x, 200, "bank-a", "PUT", "/v1/webhook", `{"url":"https://localhost:`+port+`"}`)
	x.answeredRequest("bank-a", annasValue)
	d := x.delivery("bank-a", func(d api.Delivery) bool { return d.Attempts == 1 })
	if d.Error != "the address is not public" || d.State != "pending" || len(calls) != 0 {
		t.Errorf("%+v, %d calls", d, len(calls))
	}
}
