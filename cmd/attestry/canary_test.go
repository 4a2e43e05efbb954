package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

// The canaries: values that occur nowhere by chance. The first record answers.
const (
	canarySchema = `
registry: titles
key: parcel
subject: owner
attributes:
  - {name: amount, type: int}
  - {name: area, type: decimal, scale: 2}
  - {name: sold, type: date}
  - {name: remark, type: text}
  - {name: debt, type: int}
domains:
  key: {name: parcel-id, normalise: [trim, upper]}
`
	canaryRecords = `parcel,owner,amount,area,sold,remark,debt
Key-Kanari-7f3a91,owner-kanari-52d8e0,7391846520193,912873465120.37,1931-07-23,"remark-kanari-朝南, 7c1",-8264019375521
key-kanari-0b66e4,owner-kanari-e91b77,6120938475619,827364509182.46,1917-11-02,remark-kanari-b30,-5527183940617
`
	canaryQuestion = `
registry: titles
subject: owner-kanari-52d8e0
where:
  - amount >= 7000918273641
  - debt != -3384756120981
  - sold >= date("1901-02-03")
  - '!(remark in ["operand-kanari-4e2", "operand-kanari-9a7"])'
reveal: [remark]
audience: audience-kanari-d44
purpose: purpose-kanari-831
expires: 2097-05-19T00:00:00Z
`
	trueOperand = 7000918273641 // the one that the dictionary looks for
)

// canary is one value and its forms, by what they are.
type canary map[string][]byte

func textCanary(text string, domain statement.TextDomain) (canary, error) {
	c := canary{}
	c.add("text", []byte(text))
	hash, err := domain.Hash(text)
	if err != nil {
		return nil, err
	}
	b := hash.Bytes()
	c.add("unblinded hash", b[1:]) // the first byte of 248 bits in 32 bytes is 0
	canonical, err := domain.Canonical(text)
	c.add("canonical text", []byte(canonical))
	return c, err
}

func numberCanary(texts []string, n int64) canary {
	c := canary{}
	for _, text := range texts {
		c.add("text "+text, []byte(text))
	}
	c.add("8 bytes", binary.BigEndian.AppendUint64(nil, uint64(n)))
	e := statement.EncodeInt(n)
	b := e.Bytes()
	c.add("element", b[:])
	c.add("hash of the text", hashOf(texts[0]))
	return c
}

func hashOf(text string) []byte {
	hash, err := statement.TextDomain{Name: statement.DefaultDomain}.Hash(text)
	if err != nil {
		return []byte(err.Error())
	}
	b := hash.Bytes()
	return b[1:]
}

// add takes in every form of some bytes: as they are, reversed, in hexadecimal, and
// in base64 wherever they stand in what is encoded.
func (c canary) add(what string, b []byte) {
	reversed := slices.Clone(b)
	slices.Reverse(reversed)
	for order, b := range map[string][]byte{"big-endian": b, "little-endian": reversed} {
		c[what+", "+order] = b
		c[what+", "+order+", hex"] = []byte(hex.EncodeToString(b))
		c[what+", "+order+", HEX"] = []byte(strings.ToUpper(hex.EncodeToString(b)))
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for shift := range 3 {
				encoded := encoding.EncodeToString(append(make([]byte, shift), b...))
				// Only the digits that no neighbour has a bit in.
				name := what + ", " + order + ", base64 at " + string(rune('0'+shift)) + string(encoding.EncodeToString([]byte{0xff})[1])
				c[name] = []byte(encoded[(8*shift+5)/6 : 8*(shift+len(b))/6])
			}
		}
	}
}

// in gives the forms that occur in some data.
func (c canary) in(data []byte) (found []string) {
	for form, needle := range c {
		if bytes.Contains(data, needle) {
			found = append(found, form)
		}
	}
	slices.Sort(found)
	return found
}

// canaries are those of the records and those of the question.
type canaries struct{ records, question map[string]canary }

func newCanaries(t *testing.T) canaries {
	t.Helper()
	text := statement.TextDomain{Name: statement.DefaultDomain}
	key := statement.TextDomain{Name: "parcel-id", Normalise: []string{"trim", "upper"}}
	c := canaries{map[string]canary{}, map[string]canary{}}
	add := func(to map[string]canary, domain statement.TextDomain, texts ...string) {
		for _, s := range texts {
			made, err := textCanary(s, domain)
			if err != nil {
				t.Fatal(err)
			}
			to[s] = made
		}
	}
	add(c.records, key, "Key-Kanari-7f3a91", "key-kanari-0b66e4")
	add(c.records, text, "owner-kanari-52d8e0", "owner-kanari-e91b77", "remark-kanari-朝南, 7c1", "remark-kanari-b30")
	add(c.question, text, "operand-kanari-4e2", "operand-kanari-9a7", "audience-kanari-d44", "purpose-kanari-831", "2097-05-19T00:00:00Z")
	c.records["7391846520193"] = numberCanary([]string{"7391846520193"}, 7391846520193)
	c.records["6120938475619"] = numberCanary([]string{"6120938475619"}, 6120938475619)
	c.records["912873465120.37"] = numberCanary([]string{"912873465120.37", "91287346512037"}, 91287346512037)
	c.records["827364509182.46"] = numberCanary([]string{"827364509182.46", "82736450918246"}, 82736450918246)
	c.records["-8264019375521"] = numberCanary([]string{"8264019375521"}, -8264019375521)
	c.records["-5527183940617"] = numberCanary([]string{"5527183940617"}, -5527183940617)
	c.records["1931-07-23"] = numberCanary([]string{"1931-07-23"}, -14042)
	c.records["1917-11-02"] = numberCanary([]string{"1917-11-02"}, -19053)
	c.question["7000918273641"] = numberCanary([]string{"7000918273641"}, trueOperand)
	c.question["-3384756120981"] = numberCanary([]string{"3384756120981"}, -3384756120981)
	c.question["1901-02-03"] = numberCanary([]string{"1901-02-03"}, -25169)
	return c
}

// TestCanaries: no value of a record occurs in the ledger, its export, the bundle, what
// is kept before a proof is logged or a log, and nothing of the question in the ledger or its export, in any form.
func TestCanaries(t *testing.T) {
	c := newCanaries(t)
	var log buffer
	a, export := canaryRun(t, &log)
	places := map[string][]byte{
		"ledger.db": withoutEmptyPages(read(t, filepath.Join(a.dir, "ledger.db"))),
		"export":    everything(t, export),
		"bundle":    read(t, a.bundle),
		"prepared":  preparedCanaries(t, a),
		"logs":      []byte(log.String()),
	}
	for name, record := range c.records {
		for place, data := range places {
			if found := record.in(data); len(found) > 0 {
				t.Errorf("%s of a record is in %s: %q", name, place, found)
			}
		}
	}
	for name, part := range c.question {
		for _, place := range []string{"ledger.db", "export"} {
			if found := part.in(places[place]); len(found) > 0 {
				t.Errorf("%s of the question is in %s: %q", name, place, found)
			}
		}
	}
	searchFinds(t, c, a)
	noneConfirmed(t, a)
}

// TestCanariesAtRest: of a workspace that is encrypted at rest, no file has a value of a
// record in any form, whether it was encrypted before the records came or afterwards.
func TestCanariesAtRest(t *testing.T) {
	c := newCanaries(t)
	for name, before := range map[string]bool{"encrypted before": true, "encrypted afterwards": false} {
		dir, key, public := newWorkspace(t), filepath.Join(t.TempDir(), "at-rest.key"), filepath.Join(t.TempDir(), "at-rest.pub")
		must(t, dir, "at-rest", "keygen", "-o", key, "--recipient", public)
		enable := func() { must(t, dir, "at-rest", "enable", "--encrypt-to", public, "--at-rest-key", key) }
		if before {
			enable()
		}
		for _, args := range [][]string{
			{"registry", "create", file(t, "schema.yaml", canarySchema)},
			{"registry", "import", "titles", file(t, "records.csv", canaryRecords)},
			{"registry", "commit", "titles"},
			{"prove", file(t, "question.yaml", canaryQuestion), "-o", filepath.Join(t.TempDir(), "bundle.json"), "--openings", filepath.Join(t.TempDir(), "openings.json")},
			{"registry", "import", "titles", file(t, "records.csv", canaryRecords+"next,owner,1,1,2001-01-01,x,1\n")},
		} {
			must(t, dir, append(args, "--at-rest-key", key)...)
		}
		if !before {
			found := 0
			for _, record := range c.records {
				found += len(record.in(everything(t, dir)))
			}
			if found < len(c.records) {
				t.Errorf("only %d forms are found before anything is encrypted", found)
			}
			enable()
		}
		must(t, dir, "registry", "check", "titles", file(t, "records.csv", canaryRecords), "--at-rest-key", key)
		var log buffer
		_, stop := serve(t, &log, "--dir", dir, "--at-rest-key", key)
		stop()
		for line := range strings.Lines(string(read(t, key))) {
			if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "#") && strings.Contains(log.String(), line[len(line)-20:]) {
				t.Errorf("%s: the log holds the key", name)
			}
		}
		private := everything(t, filepath.Join(dir, "registries"))
		private = append(private, everything(t, filepath.Join(dir, "keys"))...)
		private = append(private, withoutEmptyPages(read(t, filepath.Join(dir, "ledger.db")))...)
		for what, record := range c.records {
			if found := record.in(private); len(found) > 0 {
				t.Errorf("%s: %s of a record is there: %q", name, what, found)
			}
		}
	}
}

// canaryRun goes the whole way with the canaries and gives everything that is
// logged on it.
func canaryRun(t *testing.T, log *buffer) (a answered, export string) {
	t.Helper()
	dir, files := newWorkspace(t), t.TempDir()
	path := func(name string) string { return filepath.Join(files, name) }
	a = answered{dir, path("request.json"), path("bundle.json"), path("openings.json"), path("trust.json")}
	export = path("export")
	for _, args := range [][]string{
		{"registry", "create", file(t, "schema.yaml", canarySchema)},
		{"registry", "import", "titles", file(t, "records.csv", canaryRecords)},
		{"registry", "commit", "titles"},
		{"registry", "list"}, {"registry", "epochs", "titles"},
		{"request", "new", file(t, "question.yaml", canaryQuestion), "-o", a.request},
		{"prove", a.request, "-o", a.bundle, "--openings", a.openings},
		{"trust", "export", "-o", a.trust},
		{"ledger", "export", "-o", export},
		{"ledger", "fsck"},
		{"audit", export, "--trust", a.trust},
	} {
		r := must(t, dir, args...)
		_, _ = log.Write([]byte(r.out + r.errors))
	}
	r := must(t, dir, "verify", a.bundle, "--trust", a.trust, "--request", a.request, "--openings", a.openings)
	_, _ = log.Write([]byte(r.errors)) // the verdict itself shows what was opened
	serveCanaries(t, a, log)
	return a, export
}

// preparedCanaries gives what is kept of a proof between its making and its entry.
func preparedCanaries(t *testing.T, a answered) []byte {
	t.Helper()
	w, err := workspace.Open(a.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	r, err := statement.ParseRequest(read(t, a.request))
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Agency().Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	document, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// serveCanaries has a server verify, so that what it logs is searched, too.
func serveCanaries(t *testing.T, a answered, log *buffer) {
	address, stop := serve(t, log, "--dir", a.dir)
	for _, body := range []map[string]json.RawMessage{
		{"bundle": read(t, a.bundle), "request": read(t, a.request), "openings": read(t, a.openings)},
		{"bundle": read(t, a.openings), "request": read(t, a.request)}, // malformed
	} {
		document, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.Post(address+"/v1/verify", "application/json", bytes.NewReader(document))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	stop()
	if !strings.Contains(log.String(), "POST") {
		t.Errorf("the server logged nothing: %s", log)
	}
}

// withoutEmptyPages leaves out a database's pages of zeros, which are most of it.
func withoutEmptyPages(data []byte) []byte {
	const page = 4096
	kept := []byte{}
	for chunk := range slices.Chunk(data, page) {
		if len(bytes.Trim(chunk, "\x00")) > 0 {
			kept = append(kept, chunk...)
		}
	}
	return kept
}

// everything gives the content of all files below a directory, with their names.
func everything(t *testing.T, dir string) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all = append(append(all, path...), data...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// searchFinds makes sure that the search finds what is there: the records in the
// registry's private file, the question in the bundle, and each form by itself.
func searchFinds(t *testing.T, c canaries, a answered) {
	private := read(t, filepath.Join(a.dir, "registries", "titles.db"))
	for name, record := range c.records {
		if len(record.in(private)) == 0 {
			t.Errorf("%s is not found in the registry's file", name)
		}
		for form, needle := range record {
			planted := slices.Concat([]byte("before"), needle, []byte("after"))
			if len(needle) < 6 || !slices.Contains(record.in(planted), form) {
				t.Errorf("%s: the form %q is not found where it is, or is too short to tell", name, form)
			}
		}
	}
	bundle := read(t, a.bundle)
	for name, part := range c.question {
		if len(part.in(bundle)) == 0 {
			t.Errorf("%s is not found in the bundle", name)
		}
	}
	encoded := []byte(base64.StdEncoding.EncodeToString([]byte("xxxxremark-kanari-b30x")))
	if !slices.ContainsFunc(c.records["remark-kanari-b30"].in(encoded), func(form string) bool { return strings.Contains(form, "base64") }) {
		t.Error("a text inside of a longer base64 is not found")
	}
}

// noneConfirmed holds a thousand candidate questions against the logged entry. Who
// guesses knows everything but the blind: the schema, the other conditions, even
// the outputs and the context.
func noneConfirmed(t *testing.T, a answered) {
	bundle, err := verifier.ParseBundle(read(t, a.bundle))
	if err != nil {
		t.Fatal(err)
	}
	fact := bundle.Facts[0]
	proof := fact.Proofs[0]
	parsed, err := ledger.ParseEntry(proof.Entry)
	if err != nil {
		t.Fatal(err)
	}
	logged := parsed.(*ledger.ProofEntry).Q
	guesses := guessQuestions(t, &fact)
	confirmed := 0
	for i, guess := range guesses {
		for _, blind := range []statement.Element{{}, element(1), logged, proof.Outputs[0], parsed.(*ledger.ProofEntry).Root} {
			guess.Blind = blind.Fr()
			if statement.Element(guess.Q()) == logged {
				t.Errorf("candidate %d is confirmed by the entry", i)
			}
		}
		guess.Blind = proof.Blind.Fr()
		if statement.Element(guess.Q()) == logged {
			confirmed++
		}
	}
	if len(guesses) != 1000 || confirmed != 1 {
		t.Errorf("with the bundle's blind %d of %d candidates are confirmed, not the true one alone", confirmed, len(guesses))
	}
}

func element(n uint64) statement.Element {
	var e fr.Element
	e.SetUint64(n)
	return statement.Element(e)
}

// guessQuestions gives the thousand questions whose one operand is near the true one.
func guessQuestions(t *testing.T, fact *verifier.Fact) []statement.Private {
	t.Helper()
	schema, err := statement.ParseSchema([]byte(canarySchema))
	if err != nil {
		t.Fatal(err)
	}
	context, err := fact.Context.Hash()
	if err != nil {
		t.Fatal(err)
	}
	question := fact.Proofs[0].Question
	at := slices.IndexFunc(question.Predicates, func(p statement.Predicate) bool { return p.Attribute == "amount" })
	all := []statement.Private{}
	for n := int64(trueOperand - 500); n < trueOperand+500; n++ {
		candidate := question
		candidate.Predicates = slices.Clone(question.Predicates)
		candidate.Predicates[at].Values = []string{schema.FormatValue(schema.Attributes[0], statement.Value{Int: n})}
		layout, err := candidate.Layout(schema)
		if err != nil {
			t.Fatal(err)
		}
		guess := statement.Private{Layout: layout, Context: context}
		for i, output := range fact.Proofs[0].Outputs {
			guess.Outputs[i] = output.Fr()
		}
		all = append(all, guess)
	}
	return all
}
