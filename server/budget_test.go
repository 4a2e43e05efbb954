package server

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/api"
	"github.com/attestry/attestry/server/budget"
	"github.com/attestry/attestry/server/service"
	"github.com/attestry/attestry/statement"
)

// newProbed makes a world with budgets, and with liens on titles' parcels.
func newProbed(t testing.TB, automatic service.Automatic, l budget.Limits) *world {
	t.Helper()
	x := newWorld(t, service.Config{Automatic: automatic})
	schema := must(statement.ParseSchema([]byte("registry: liens\nkey: parcel\nsubject: owner\nattributes: [{name: total, type: int}]\n")))(t)
	if err := x.w.CreateRegistry(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	s := must(x.w.Registry("liens"))(t)
	must(s.Import(t.Context(), strings.NewReader("parcel,owner,total\nPARCEL-K1,anna-canary,80\n"), registry.CSV, nil))(t)
	must(x.w.Commit(t.Context(), "liens", nil))(t)
	x.budget = &l
	x.restart()
	return x
}

// bank lets another bank in.
func (x *world) bank(name string) {
	x.t.Helper()
	d := x.server.config.Directory
	must(d.CreateOrganisation(access.Organisation{ID: name, Role: access.RoleBank}))(x.t)
	x.key(name)
}

// key gives an organisation another key, which it uses from now on.
func (x *world) key(organisation string) {
	x.t.Helper()
	_, token, err := x.server.config.Directory.CreateKey(access.NewKey{Organisation: organisation})
	if err != nil {
		x.t.Fatal(err)
	}
	x.tokens[organisation] = token
}

// The value of PARCEL-K1, of which the attackers know that it is one of 2^20.
const (
	hiddenValue = 300
	hiddenBits  = 20
)

// search is a search for the hidden value by halving.
type search struct {
	x      *world
	bank   string
	lo, hi int // it is in [lo, hi)
	taken  int
}

// ask asks whether the value is at least the middle. The attacker is better than any: what
// is taken is taken for answered, and truly. It tells whether it was.
func (s *search) ask(question func(middle int) string) bool {
	s.x.t.Helper()
	middle := s.lo + (s.hi-s.lo)/2
	r := s.x.call(s.bank, "POST", "/v1/requests", ask(s.x.t, "audience: "+s.bank+"\n"+question(middle)).text)
	if r.StatusCode != http.StatusCreated {
		wantProblem(s.x.t, r, CodeBudgetSpent)
		return false
	}
	s.taken++
	if hiddenValue >= middle {
		s.lo = middle
	} else {
		s.hi = middle
	}
	return true
}

// entropy is how many bits are hidden still.
func (s *search) entropy() float64 { return math.Log2(float64(s.hi - s.lo)) }

// probed are the questions of an attack: each is asked in turn, and one that is refused
// is asked once more in the end.
func (s *search) run(t *testing.T, questions []func(middle int) string) {
	t.Helper()
	for refused, i := 0, 0; refused < 2*len(questions) && i < 200; i++ {
		if s.ask(questions[i%len(questions)]) {
			refused = 0
		} else {
			refused++
		}
	}
}

const probedQuestions = 4

// A hidden value is not found by halving, in whatever way the questions are spread: each name
// that leads to the record gives as many as the budget has, and no more.
func TestBinarySearchRunsDry(t *testing.T) {
	x := newProbed(t, service.AutomaticNone, budget.Limits{Window: 24 * time.Hour, Questions: probedQuestions, RegistryQuestions: 1000})
	asking := func(format string) func(int) string {
		return func(middle int) string { return strings.ReplaceAll(format, "MIDDLE", strconv.Itoa(middle)) }
	}
	const byKey, bySubject = "registry: titles\nkey: PARCEL-K1\n", "registry: titles\nsubject: anna-canary\n"
	byTie := func(lien string) string {
		return "facts:\n  lien: {registry: liens, " + lien + "}\n  title: {registry: titles, key: {from: lien.key}, where: [value >= MIDDLE]}\n"
	}
	for i, c := range []struct {
		what  string
		names int // by which the record can be asked for here
		ways  []string
	}{
		{"one question after the other", 1, []string{byKey + "where: [value >= MIDDLE]\n"}},
		{"other operators", 1, []string{
			byKey + "where: [value < MIDDLE]\n", byKey + "where: [value >= MIDDLE]\n", byKey + "where: ['value in [MIDDLE, 7]']\n",
			byKey + "where: [value > MIDDLE]\n", byKey + "where: [value <= MIDDLE]\n", byKey + "where: ['!(value in [MIDDLE])']\n",
		}},
		{"with other conditions", 1, []string{
			byKey + "where: ['value >= MIDDLE && garage != \"x\"']\n", byKey + "where: ['garage != \"y\"', 'value >= MIDDLE']\n",
			byKey + "where: [value >= MIDDLE]\nreveal: [garage]\n", byKey + "where: [value >= MIDDLE]\npurpose: other\n",
		}},
		{"about other attributes", 1, []string{byKey + "where: ['garage == \"attached\"']\n", byKey + "where: [value >= MIDDLE]\n", byKey + "reveal: [value]\n"}},
		{"about earlier epochs", 1, []string{byKey + "where: [value >= MIDDLE]\n", byKey + "as_of: 1\nwhere: [value >= MIDDLE]\n", byKey + "as_of: 2099-01-01T00:00:00Z\nwhere: [value >= MIDDLE]\n"}},
		{"as pledges", 1, []string{byKey + "where: [value >= MIDDLE]\nonce: mortgage\n", byKey + "where: [value >= MIDDLE]\n"}},
		{"existence and absence", 1, []string{byKey, byKey + "absent: true\n"}},
		{"key and subject together", 1, []string{byKey + "subject: anna-canary\nwhere: [value >= MIDDLE]\n", byKey + "subject: bert-canary\n"}},
		{"by key and by subject", 2, []string{byKey + "where: [value >= MIDDLE]\n", bySubject + "where: [value >= MIDDLE]\n"}},
		{"naming nothing", 1, []string{"registry: titles\nwhere: ['value >= MIDDLE && garage == \"attached\"']\n"}},
		{"naming it, and nothing", 1, []string{byKey + "where: [value >= MIDDLE]\n", "registry: titles\nwhere: ['value >= MIDDLE && garage == \"attached\"']\n"}},
		{"nothing, and then naming it in both ways", 2, []string{
			"registry: titles\nwhere: ['value >= MIDDLE && garage == \"attached\"']\n", byKey + "where: [value >= MIDDLE]\n", bySubject + "where: [value >= MIDDLE]\n",
		}},
		{"joined by the key", 1, []string{byTie("key: PARCEL-K1"), byTie("key: PARCEL-K1, absent: true"), byKey + "where: [value >= MIDDLE]\n"}},
		{"joined by the key the other way", 1, []string{"facts:\n  title: {registry: titles, key: PARCEL-K1, where: [value >= MIDDLE]}\n  lien: {registry: liens, key: {from: title.key}}\n", byKey + "where: [value >= MIDDLE]\n"}},
		{"joined by what leads there", 1, []string{byTie("subject: anna-canary"), byTie("subject: anna-canary, where: [total > 1]")}},
		{"in all ways", 3, []string{
			byTie("subject: anna-canary"), byTie("key: PARCEL-K1"), byKey + "where: [value >= MIDDLE]\n", bySubject + "where: [value >= MIDDLE]\n", "registry: titles\nwhere: [value >= MIDDLE]\n",
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := &search{x: x, bank: fmt.Sprint("prober-", i), hi: 1 << hiddenBits}
			x.bank(s.bank)
			var questions []func(int) string
			for _, way := range c.ways {
				questions = append(questions, asking(way))
			}
			s.run(t, questions)
			most := c.names * probedQuestions
			if s.taken > most || s.taken < probedQuestions || s.entropy() < float64(hiddenBits-most) || s.lo > hiddenValue || s.hi <= hiddenValue {
				t.Errorf("%d questions were taken, of at most %d: the value is in [%d, %d)", s.taken, most, s.lo, s.hi)
			}
			if s.hi-s.lo < 100 {
				t.Errorf("it is one of %d", s.hi-s.lo)
			}
		})
	}
}

// Nor by sending the same question with other nonces, withdrawing what was asked, with
// another API key, or after a restart.
func TestNothingGivesABudgetBack(t *testing.T) {
	x := newProbed(t, service.AutomaticNone, budget.Limits{Window: 24 * time.Hour, Questions: probedQuestions})
	for i, between := range []func(bank string, last api.Request){
		func(string, api.Request) {},
		func(bank string, last api.Request) { want[any](x, 204, bank, "DELETE", "/v1/requests/"+last.Id, "") },
		func(_ string, last api.Request) {
			want[api.Request](x, 200, "agency", "POST", "/v1/requests/"+last.Id+"/refusal", "{}")
		},
		func(bank string, _ api.Request) { x.key(bank) },
		func(string, api.Request) { x.restart() },
	} {
		bank := fmt.Sprint("prober-", i)
		x.bank(bank)
		yaml := "registry: titles\nkey: PARCEL-K1\nwhere: [value >= 200]\naudience: " + bank + "\n"
		for range probedQuestions {
			between(bank, want[api.Request](x, 201, bank, "POST", "/v1/requests", ask(t, yaml).text))
		}
		for range 3 {
			wantProblem(t, x.call(bank, "POST", "/v1/requests", ask(t, yaml).text), CodeBudgetSpent)
		}
		if page := want[api.RequestPage](x, 200, bank, "GET", "/v1/requests", ""); len(page.Items) != probedQuestions {
			t.Errorf("%d: %d requests are kept", i, len(page.Items))
		}
	}
}

// Nor by asking at once, by several keys of one's own, with the same idempotency key or others:
// a question is charged in the transaction that takes it.
func TestQuestionsAtOnce(t *testing.T) {
	x := newProbed(t, service.AutomaticNone, budget.Limits{Window: 24 * time.Hour, Questions: probedQuestions, RegistryQuestions: 2 * probedQuestions})
	for what, c := range map[string]struct {
		yaml func(i int) string
		most int
	}{
		"one name":      {func(int) string { return "registry: titles\nkey: PARCEL-K1\n" }, probedQuestions},
		"nothing named": {func(int) string { return "registry: titles\n" }, probedQuestions},
		"many names":    {func(i int) string { return fmt.Sprintf("registry: titles\nkey: PARCEL-K%d\n", i) }, 2 * probedQuestions},
	} {
		bank := "prober-of-" + strings.ReplaceAll(what, " ", "-")
		x.bank(bank)
		tokens := []string{x.tokens[bank]}
		x.key(bank)
		tokens = append(tokens, x.tokens[bank])
		statuses := make([]int, 4*probedQuestions)
		var all sync.WaitGroup
		for i := range statuses {
			r := request("POST", "/v1/requests", ask(t, "audience: "+bank+"\n"+c.yaml(i)).text)
			r.Header.Set("Authorization", "Bearer "+tokens[i%2])
			if i%3 > 0 {
				r.Header.Set("Idempotency-Key", fmt.Sprint(i))
			}
			all.Go(func() { statuses[i] = do(x.server.Handler(), r).StatusCode })
		}
		all.Wait()
		taken := 0
		for _, status := range statuses {
			if status == http.StatusCreated {
				taken++
			} else if status != http.StatusTooManyRequests {
				t.Errorf("%s: %d", what, status)
			}
		}
		if page := want[api.RequestPage](x, 200, bank, "GET", "/v1/requests?limit=500", ""); taken != c.most || len(page.Items) != taken {
			t.Errorf("%s: %d questions were taken and %d kept, of %d", what, taken, len(page.Items), c.most)
		}
	}
}

// Nor by being let in again.
func TestEnabledAgainWithTheOldBudget(t *testing.T) {
	x := newProbed(t, service.AutomaticNone, budget.Limits{Window: 24 * time.Hour, Questions: 1})
	yaml := "registry: titles\nkey: PARCEL-K1\naudience: bank-a\n"
	want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, yaml).text)
	want[any](x, 204, "operator", "DELETE", "/v1/organisations/bank-a", "")
	wantProblem(t, x.call("operator", "POST", "/v1/organisations", `{"id":"bank-a","role":"bank"}`), CodeExists)
	want[any](x, 204, "operator", "POST", "/v1/organisations/bank-a/enablement", "")
	wantProblem(t, x.call("bank-a", "POST", "/v1/requests", ask(t, yaml).text), CodeBudgetSpent)
}

// What is not taken is not charged: an answer given again, a nonce that came before, a
// document that is refused.
func TestChargedOnce(t *testing.T) {
	x := newProbed(t, service.AutomaticNone, budget.Limits{Window: 24 * time.Hour, Questions: 2})
	yaml := "registry: titles\nkey: PARCEL-K1\naudience: bank-a\n"
	d := ask(t, yaml)
	for range 5 {
		want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", d.text, "Idempotency-Key", "one")
		wantProblem(t, x.call("bank-a", "POST", "/v1/requests", d.text), CodeExists)
		wantProblem(t, x.call("bank-a", "POST", "/v1/requests", strings.Replace(d.text, "titles", "ships", 1)), CodeMalformed)
		x.restart()
	}
	// Nor is the agency, whose records they are.
	for range 5 {
		want[api.Job](x, 202, "agency", "POST", "/v1/proofs", object("request", ask(t, yaml).text))
	}
	want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, yaml).text)
	spent := ask(t, yaml).text
	for range 2 { // a key whose operation was refused can be used again
		wantProblem(t, x.call("bank-a", "POST", "/v1/requests", spent, "Idempotency-Key", "two"), CodeBudgetSpent)
	}
	want[api.Request](x, 201, "bank-b", "POST", "/v1/requests", ask(t, strings.Replace(yaml, "bank-a", "bank-b", 1)).text)
	now := time.Now()
	x.config.Now = func() time.Time { return now.Add(25 * time.Hour) }
	x.restart()
	want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", spent, "Idempotency-Key", "two")
}

// A refusal tells nothing of the registry: it is the same, and comes after as many questions,
// whether there is such a record, whose it is, and whatever was asked by its other names.
func TestSpentTellsNothing(t *testing.T) {
	x := newProbed(t, service.AutomaticNone, budget.Limits{Window: 24 * time.Hour, Questions: 3})
	now := time.Now()
	x.config.Now = func() time.Time { return now }
	x.restart()
	ways := map[string]string{
		"a key that there is":                   "registry: titles\nkey: PARCEL-K1\n",
		"one that there is not":                 "registry: titles\nkey: PARCEL-K7\n",
		"the absence of one that there is":      "registry: titles\nkey: PARCEL-K2\nabsent: true\n",
		"the absence of one that there is not":  "registry: titles\nkey: PARCEL-K8\nabsent: true\n",
		"a subject that there is":               "registry: titles\nsubject: anna-canary\n",
		"one that there is not, as a subject":   "registry: titles\nsubject: carl\n",
		"the other parcel of an owner":          "registry: titles\nkey: PARCEL-K3\n",
		"by a tie to somebody who has a parcel": "facts:\n  lien: {registry: liens, subject: anna-canary}\n  title: {registry: titles, key: {from: lien.key}}\n",
		"by a tie to somebody who has none":     "facts:\n  lien: {registry: liens, subject: carl}\n  title: {registry: titles, key: {from: lien.key}}\n",
	}
	var first string
	for what, yaml := range ways { // in any order
		for range 3 {
			want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, "audience: bank-a\n"+yaml).text)
		}
		r := x.call("bank-a", "POST", "/v1/requests", ask(t, "audience: bank-a\n"+yaml).text)
		p := wantProblem(t, r, CodeBudgetSpent)
		p.Instance = ""
		said := fmt.Sprintf("%+v, again after %s s", p, r.Header.Get("Retry-After"))
		if first == "" {
			first = said
		}
		if said != first {
			t.Errorf("%s: %s, elsewhere %s", what, said, first)
		}
	}
}

// Keys cannot be gone through, by whatever questions.
func TestEnumerationRunsDry(t *testing.T) {
	const most = 20
	x := newProbed(t, service.AutomaticNone, budget.Limits{Window: 24 * time.Hour, Questions: 3, RegistryQuestions: most})
	taken := 0
	for i := range 3 * most {
		yaml := fmt.Sprintf("audience: bank-a\nregistry: titles\nkey: PARCEL-K%d\n", i)
		switch i % 3 {
		case 1:
			yaml += "absent: true\n"
		case 2:
			yaml = fmt.Sprintf("audience: bank-a\nfacts:\n  lien: {registry: liens, key: PARCEL-K%d, absent: true}\n  title: {registry: titles, key: {from: lien.key}, absent: true}\n", i)
		}
		if r := x.call("bank-a", "POST", "/v1/requests", ask(t, yaml).text); r.StatusCode == http.StatusCreated {
			taken++
		} else {
			wantProblem(t, r, CodeBudgetSpent)
		}
	}
	if taken != most {
		t.Errorf("%d keys were asked for, of %d", taken, most)
	}
	want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, "audience: bank-a\nregistry: liens\nkey: PARCEL-K1\n").text)
}

// An attack with answers: the bank believes the server alone, and what it has at the end is
// what it knew by its last answer.
func TestBinarySearchByAnswers(t *testing.T) {
	x := newProbed(t, service.AutomaticAll, budget.Limits{Window: 24 * time.Hour, Questions: 5})
	x.start()
	lo, hi, answers := 0, 1<<hiddenBits, 0
	for hi-lo > 1 {
		middle := lo + (hi-lo)/2
		yaml := fmt.Sprintf("registry: titles\nkey: PARCEL-K1\nwhere: [value >= %d]\naudience: bank-a\n", middle)
		r := x.call("bank-a", "POST", "/v1/requests", ask(t, yaml).text, "Prefer", "wait=60")
		if r.StatusCode == http.StatusTooManyRequests {
			wantProblem(t, r, CodeBudgetSpent)
			break
		}
		id := r.Header.Get("Location")
		switch got := want[api.Request](x, 200, "bank-a", "GET", id, ""); got.State {
		case "answered":
			lo = middle
		case "refused":
			hi = middle
		default:
			t.Fatalf("%+v", got)
		}
		answers++
	}
	if answers != 5 || hi-lo != 1<<(hiddenBits-5) || lo > hiddenValue || hi <= hiddenValue {
		t.Errorf("after %d answers it is in [%d, %d)", answers, lo, hi)
	}
}

// A record is asked about so often and no more, by whatever names and ties: what goes
// beyond is refused like a claim that is false, and the agency reads why.
func TestBudgetOfARecord(t *testing.T) {
	const most = 3
	x := newProbed(t, service.AutomaticAll, budget.Limits{Window: 24 * time.Hour, Questions: most}).start()
	const condition = "where: ['value >= MIDDLE && garage == \"attached\"']" // which other parcels do not meet
	ways := []string{
		"registry: titles\nkey: PARCEL-K1\n" + condition,
		"registry: titles\nsubject: anna-canary\n" + condition,
		"facts:\n  other: {registry: titles, key: PARCEL-K2}\n  title: {registry: titles, subject: {from: other.subject}, " + condition + "}",
		"facts:\n  lien: {registry: liens, subject: anna-canary}\n  title: {registry: titles, key: {from: lien.key}, " + condition + "}",
		"registry: titles\n" + condition,
	}
	lo, hi, truths, lies, spent := 0, 1<<hiddenBits, 0, 0, 0
	for i := 0; spent < len(ways); i++ {
		middle := lo + (hi-lo)/2
		yaml := "audience: bank-a\n" + strings.Replace(ways[i%len(ways)], "MIDDLE", strconv.Itoa(middle), 1)
		r := x.call("bank-a", "POST", "/v1/requests", ask(t, yaml).text, "Prefer", "wait=60")
		if r.StatusCode == http.StatusTooManyRequests {
			spent++
			continue
		}
		spent = 0
		path := r.Header.Get("Location")
		detail := want[api.Request](x, 200, "agency", "GET", path, "").Refusal.Detail
		switch got := want[api.Request](x, 200, "bank-a", "GET", path, ""); {
		case got.State == "answered":
			lo, truths = middle, truths+1
		case got.State != "refused" || got.Refusal != (api.Refusal{Code: "not_provable"}):
			t.Fatalf("%+v", got)
		case strings.Contains(detail, "budget"):
			lies++ // which the bank cannot know for one
		default:
			hi, truths = middle, truths+1
		}
		if i%3 == 0 {
			x.stop()
			x.restart()
			x.start()
		}
	}
	if truths != most || lies < most || lo > hiddenValue || hi <= hiddenValue || hi-lo != 1<<(hiddenBits-most) {
		t.Errorf("after %d truths and %d others it is in [%d, %d)", truths, lies, lo, hi)
	}
	// Another owner's parcel is not spent, and what the agency answers by itself is not charged.
	x.bank("bank-c")
	for bank, yaml := range map[string]string{"bank-a": "registry: titles\nkey: PARCEL-K3\n", "bank-c": ways[0]} {
		yaml = "audience: " + bank + "\n" + strings.Replace(yaml, "MIDDLE", "200", 1)
		if r := want[api.Request](x, 201, bank, "POST", "/v1/requests", ask(t, yaml).text, "Prefer", "wait=60"); r.State != "answered" {
			t.Errorf("%s: %+v", bank, r)
		}
	}
	byHand := ask(t, "audience: bank-a\n"+strings.Replace(ways[0], "MIDDLE", "200", 1))
	if j := want[api.Job](x, 200, "agency", "POST", "/v1/proofs", object("request", byHand.text), "Prefer", "wait=60"); j.State != "done" {
		t.Errorf("%+v", j)
	}
}

// A question whose answer fails on the way, and is begun again, is charged once.
func TestChargedOnceWhenBegunAgain(t *testing.T) {
	x := newProbed(t, service.AutomaticAll, budget.Limits{Window: 24 * time.Hour, Questions: 1})
	circuits := filepath.Join(x.dir, "circuits")
	if err := os.Rename(circuits, circuits+" away"); err != nil {
		t.Fatal(err)
	}
	r := want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
	x.start()
	failed := false
	for after, ended := uint64(0), false; !ended; {
		for _, e := range must(x.queue.Wait(t.Context(), r.Job, after))(t) {
			after, ended = e.Number, e.Type == queue.EventDone || e.Type == queue.EventFailed
			if e.Type == queue.EventRetrying && !failed {
				failed = true
				if err := os.Rename(circuits+" away", circuits); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if r = want[api.Request](x, 200, "bank-a", "GET", "/v1/requests/"+r.Id, ""); r.State != "answered" || !failed {
		t.Errorf("it failed on the way: %t; %+v", failed, r)
	}
	wantProblem(t, x.call("bank-a", "POST", "/v1/requests", ask(t, annasValue).text), CodeBudgetSpent)
}

// Who may see a bank's budget, and that it is numbers.
func TestBudgetSeen(t *testing.T) {
	x := newProbed(t, service.AutomaticNone, budget.Limits{Window: 24 * time.Hour, Questions: 2, RegistryQuestions: 50})
	for range 2 {
		want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, annasValue).text)
	}
	want[api.Request](x, 201, "bank-a", "POST", "/v1/requests", ask(t, "registry: titles\nkey: PARCEL-K1\naudience: bank-a\n").text)
	for range 3 { // of which the audit log has one record
		wantProblem(t, x.call("bank-a", "POST", "/v1/requests", ask(t, annasValue).text), CodeBudgetSpent)
	}
	for _, who := range []string{"bank-a", "operator", "auditor"} {
		r := x.call(who, "GET", "/v1/organisations/bank-a/budget", "")
		conform(t, "/v1/organisations/{organisation}/budget", "GET", r)
		b := want[api.Budget](x, 200, who, "GET", "/v1/organisations/bank-a/budget", "")
		if b.Window != 86400 || b.Questions != 2 || b.RegistryQuestions != 50 || len(b.Registries) != 1 || b.Registries[0] != (api.BudgetUsage{Registry: "titles", Questions: 3, Names: 2, Spent: 1}) {
			t.Errorf("%s: %+v", who, b)
		}
		if strings.Contains(text(t, r), "canary") {
			t.Error("it names whom was asked about")
		}
	}
	wantProblem(t, x.call("bank-b", "GET", "/v1/organisations/bank-a/budget", ""), CodeNotFound)
	wantProblem(t, x.call("operator", "GET", "/v1/organisations/nobody/budget", ""), CodeNotFound)
	wantProblem(t, x.call("agency", "GET", "/v1/organisations/bank-a/budget", ""), CodeForbidden)
	if b := want[api.Budget](x, 200, "operator", "GET", "/v1/organisations/bank-b/budget", ""); len(b.Registries) != 0 {
		t.Errorf("%+v", b)
	}
	if items, _ := x.pages("auditor", "/v1/audit?action=request.over_budget", 10); len(items) != 1 || !strings.Contains(items[0], `"outcome":"budget_spent"`) || strings.Contains(items[0], "canary") {
		t.Errorf("%v", items)
	}
	if b := want[api.Budget](newWorld(t, service.Config{}), 200, "operator", "GET", "/v1/organisations/bank-a/budget", ""); b.Questions != 0 || len(b.Registries) != 0 {
		t.Errorf("without budgets: %+v", b)
	}
}
