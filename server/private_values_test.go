package server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/metrics"
	"github.com/attestry/attestry/server/service"
)

// testSealer seals with AES-256-GCM under a key of the test's.
type testSealer struct{ cipher.AEAD }

func newTestSealer(t *testing.T) testSealer {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return testSealer{must(cipher.NewGCM(must(aes.NewCipher(key))(t)))(t)}
}

// Seal implements service.Sealer.
func (s testSealer) Seal(place, plain []byte) []byte {
	nonce := make([]byte, s.NonceSize())
	_, _ = rand.Read(nonce)
	return s.AEAD.Seal(nonce, nonce, plain, place)
}

// Open implements service.Sealer.
func (s testSealer) Open(place, sealed []byte) ([]byte, error) {
	n := min(s.NonceSize(), len(sealed))
	return s.AEAD.Open(nil, sealed[:n], sealed[n:], place)
}

// Whatever was asked and answered, refused or failed: the log holds no value, key, subject,
// purpose, question or credential, and the service's database none of them in the clear.
func TestPrivateValues(t *testing.T) {
	x := newWorld(t, service.Config{Automatic: service.AutomaticAll, Sealer: newTestSealer(t)}).start()
	counted := metrics.New()
	x.server.config.Metrics = counted
	const asked = "subject: anna-canary\nwhere: ['value != 2718281828', 'garage != \"operand-canary\"']\nreveal: [garage]\npurpose: purpose-canary\naudience: bank-a\n"
	r, d := x.answeredRequest("bank-a", "registry: titles\n"+asked)
	for _, yaml := range []string{
		"registry: titles\nkey: PARCEL-K3\nwhere: ['value >= 2718281828']\npurpose: purpose-canary\naudience: bank-a\n",
		"registry: titles\nkey: key-canary\naudience: bank-a\n",
	} {
		if r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, yaml).text, "Prefer", "wait=60"); r.State != "refused" {
			t.Errorf("%+v", r)
		}
	}
	x.call("bank-a", "POST", "/v1/requests", strings.Replace(ask(t, "registry: titles\n"+asked).text, "value", "worth-canary", 1))
	x.call("bank-a", "GET", "/v1/requests?state=query-canary", "")
	x.call("agency", "POST", recordsPath, titlesCSV+"PARCEL-K9,o,value-canary,none\n", "Content-Type", "text/csv")
	x.call("agency", "POST", recordsPath, titlesCSV+"PARCEL-K9,o,1,none\n", "Content-Type", "text/csv")
	want[api.Job](x, 200, "agency", "POST", "/v1/registries/titles/epochs", "", "Prefer", "wait=60")
	text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/bundle", ""))
	d.unseal(t, []byte(text(t, x.call("bank-a", "GET", "/v1/proofs/"+r.Proof+"/openings", ""))))
	hookSecret := want[api.IssuedWebhook](x, 200, "bank-a", "PUT", "/v1/webhook", `{"url":"https://bank.example/url-canary"}`).Secret
	audit := text(t, x.call("auditor", "GET", "/v1/audit", ""))
	figures := text(t, do(counted.Handler(), request("GET", "/metrics", "")))
	if !strings.Contains(figures, `route="/v1/webhook"`) {
		t.Error("the metrics count nothing")
	}
	x.close()
	db := string(must(os.ReadFile(filepath.Join(x.dir, "service.db")))(t))
	x.open()
	log := x.log.String()
	canaries := []string{"canary", "PARCEL", "2718281828", "bank.example", hookSecret[len("whsec_"):], string(must(d.request.Seed.MarshalText())(t)), d.identity.String()}
	for _, token := range x.tokens {
		canaries = append(canaries, token[strings.LastIndex(token, "_")+1:])
	}
	for _, c := range canaries {
		for name, content := range map[string]string{"the log": log, "service.db": db, "the audit log": audit, "the metrics": figures} {
			if strings.Contains(content, c) {
				t.Errorf("%s holds %q", name, c)
			}
		}
	}
	for _, wanted := range []string{`"attributes":["garage","value"]`, `"reveal":["garage"]`, `"subject":true`, `"action":"openings.read"`, `"outcome":"not_provable"`} {
		if !strings.Contains(audit, wanted) {
			t.Errorf("the audit log lacks %s: %s", wanted, audit)
		}
	}
	if !strings.Contains(log, "request.answered") || !strings.Contains(log, r.Proof) {
		t.Error("the log lacks the audit log's records")
	}
	// Another key does not open it, and says so.
	x.close()
	other := x.config
	other.Sealer = newTestSealer(t)
	other.Workspace = x.w
	x.open()
	other.Workspace, other.Queue = x.w, x.queue
	if _, err := service.Open(other); err == nil {
		t.Error("a service opens with another key")
	}
}
