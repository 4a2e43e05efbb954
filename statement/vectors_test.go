package statement

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/google/go-cmp/cmp"

	"github.com/attestry/attestry/internal/canon"
)

const vectorsFile = "../docs/vectors/statement.json"

var update = flag.Bool("update", false, "write docs/vectors/statement.json anew")

// vectors are what docs/vectors/statement.json holds. Each part lists inputs and
// what follows from them; nothing in it is used by two parts but the schema and
// the questions.
type vectors struct {
	Comment   string             `json:"comment"`
	Null      Element            `json:"null"`
	End       Element            `json:"end"`
	Texts     []textVector       `json:"texts"`
	Values    []valueVector      `json:"values"`
	Schema    *Schema            `json:"schema"`
	Requests  []requestVector    `json:"requests"`
	Layouts   []layoutVector     `json:"layouts"`
	Contexts  []contextVector    `json:"contexts"`
	Grants    []grantVector      `json:"grants"`
	Publics   []publicVector     `json:"publics"`
	Statement statementVector    `json:"statement"`
	Random    []randomnessVector `json:"output_randomness"`
}

type textVector struct {
	Domain    TextDomain `json:"domain"`
	Text      string     `json:"text"`
	Canonical string     `json:"canonical"`
	Hash      Element    `json:"hash"`
}

type valueVector struct {
	Attribute Attribute `json:"attribute"`
	Text      string    `json:"text"` // as a file has it; empty for null
	Canonical string    `json:"canonical"`
	Element   Element   `json:"element"`
}

type requestVector struct {
	Where     []string   `json:"where"`
	Outputs   []Output   `json:"outputs"`
	Questions []Question `json:"questions"`
}

type layoutVector struct {
	Question Question  `json:"question"`
	Bits     string    `json:"bits"` // the lowest first
	Elements []Element `json:"elements"`
}

type contextVector struct {
	Context   Context `json:"context"`
	Canonical string  `json:"canonical"`
	Hash      Element `json:"hash"`
}

type grantVector struct {
	Grant     *Grant `json:"grant"`
	Canonical string `json:"canonical"`
	Digest    Digest `json:"digest"`
}

type publicVector struct {
	Public    Public  `json:"public"`
	Canonical string  `json:"canonical"`
	P         Element `json:"p"`
}

type statementVector struct {
	Comment         string     `json:"comment"`
	Question        Question   `json:"question"`
	OutputValues    [2]Element `json:"output_values"`
	Randomness      [2]Element `json:"output_randomness"`
	Outputs         [2]Element `json:"outputs"`
	Context         Element    `json:"context"`
	Blind           Element    `json:"blind"`
	Q               Element    `json:"q"`
	Serial          Element    `json:"serial"`
	SerialHash      Element    `json:"serial_hash"`
	HolderSecret    Element    `json:"holder_secret"`
	HolderTag       Element    `json:"holder_tag"`
	Scope           string     `json:"scope"`
	ScopeElement    Element    `json:"scope_element"`
	Nullifier       Element    `json:"nullifier"`
	P               Element    `json:"p"`
	Root            Element    `json:"root"`
	D               Element    `json:"d"`
	DWithoutAPledge Element    `json:"d_without_a_pledge"`
}

type randomnessVector struct {
	Seed       Seed    `json:"seed"`
	Class      string  `json:"class"`
	Randomness Element `json:"randomness"`
}

// counted gives 32 bytes that count up, for keys, digests and secrets.
func counted(from byte) (out [32]byte) {
	for i := range out {
		out[i] = from + byte(i)
	}
	return out
}

func element(n uint64) Element { return Element(fr.NewElement(n)) }

func makeVectors(t *testing.T) *vectors {
	v := &vectors{
		Comment: "Written by the tests of the statement package. Elements, digests and keys are base64; docs/spec/requests.md, present.md and hashes.md say how each follows.",
		Null:    Element(Null()), End: Element(EndKey()),
		Schema: parcelSchema(t),
	}
	v.texts(t)
	v.values(t)
	v.requests(t)
	v.contexts(t)
	v.grants(t)
	v.publics(t)
	v.statement(t)
	for _, class := range []string{"fact.key", "fact.subject", "title.key"} {
		seed := Seed(counted(1))
		v.Random = append(v.Random, randomnessVector{seed, class, seed.OutputRandomness(class)})
	}
	return v
}

func (v *vectors) texts(t *testing.T) {
	plain := TextDomain{Name: DefaultDomain}
	for _, c := range []struct {
		domain TextDomain
		text   string
	}{
		{plain, "OH-0001222"}, {plain, "oh-0001222"}, {plain, ""}, {plain, "e\u0301"}, {plain, "\u00e9"}, {plain, "建筑面积"}, {plain, " a "},
		{TextDomain{Name: "scope"}, "mortgage"},
		{TextDomain{Name: "parcel-id"}, "LC 00-042"},
		{TextDomain{Name: "parcel-id", Normalise: []string{Trim, Upper, Alnum}}, " lc 00-042\t"},
		{TextDomain{Name: "parcel-id", Normalise: []string{Trim, Upper, Alnum}}, "LC00042"},
		{TextDomain{Name: "name", Normalise: []string{Lower}}, "STRAẞE ǅ"},
		{TextDomain{Name: "name", Normalise: []string{Upper}}, "straße ǅ"},
		{TextDomain{Name: "name", Normalise: []string{Trim}}, "\u00a0\u3000a b\u2003"},
		{TextDomain{Name: "name", Normalise: []string{Alnum}}, "①٣Ⅷ a_b"},
	} {
		canonical, err := c.domain.Canonical(c.text)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := c.domain.Hash(c.text)
		if err != nil {
			t.Fatal(err)
		}
		v.Texts = append(v.Texts, textVector{c.domain, c.text, canonical, Element(hash)})
	}
}

func (v *vectors) values(t *testing.T) {
	s := v.Schema
	for _, c := range [][2]string{
		{"assessed_value", "0"}, {"assessed_value", "-1"}, {"assessed_value", "9223372036854775807"}, {"assessed_value", "-9223372036854775808"},
		{"sale_price", ""}, {"area", "12.5"}, {"area", "-0.05"}, {"width", "3"}, {"fine", "0.000000001"},
		{"sale_date", "1970-01-01"}, {"sale_date", "2000-02-29"}, {"sale_date", "0000-01-01"}, {"sale_date", "9999-12-31"}, {"built", ""},
		{"vacant", "true"}, {"vacant", "false"}, {"leased", ""}, {"garage", "attached"}, {"wall", ""}, {"code", " ab"},
	} {
		a := s.Attributes[s.Index(c[0])]
		value, err := s.ParseValue(a, c[1])
		if err != nil {
			t.Fatal(err)
		}
		e, err := s.Encode(a, value)
		if err != nil {
			t.Fatal(err)
		}
		v.Values = append(v.Values, valueVector{a, c[1], s.FormatValue(a, value), Element(e)})
	}
}

func (v *vectors) requests(t *testing.T) {
	for _, c := range []struct {
		where   []string
		outputs []Output
	}{
		{[]string{}, []Output{}},
		{[]string{"assessed_value > 5", "4.5 <= area && vacant"}, []Output{OutputKey}},
		{[]string{`garage in ["b", "a", "a"] && !(code in [" x", "y"])`, "wall == null", `built < date("2000-03-01")`}, []Output{OutputSubject, OutputKey}},
		{[]string{"sale_price * 100 > assessed_value * 120", "width == area", "!(leased)", "fine != -0.5"}, []Output{}},
		{[]string{"assessed_value in [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", "garage in ['a', 'b']", "sale_price != null"}, []Output{OutputAttribute("area"), OutputSubject, OutputKey}},
	} {
		ps, err := CompileWhere(v.Schema, c.where)
		if err != nil {
			t.Fatal(err)
		}
		questions, err := Split(v.Schema, ps, c.outputs, false)
		if err != nil {
			t.Fatal(err)
		}
		v.Requests = append(v.Requests, requestVector{c.where, c.outputs, questions})
		for _, q := range questions {
			v.Layouts = append(v.Layouts, layoutOf(t, v.Schema, q))
		}
	}
	holder := v.Layouts[0].Question
	holder.Holder = true
	v.Layouts = append(v.Layouts, layoutOf(t, v.Schema, holder))
}

func layoutOf(t *testing.T, s *Schema, q Question) layoutVector {
	l, err := q.Layout(s)
	if err != nil {
		t.Fatal(err)
	}
	out := layoutVector{Question: q}
	for _, bit := range l.Bits() {
		out.Bits += map[bool]string{false: "0", true: "1"}[bit]
	}
	for _, e := range l.Elements() {
		out.Elements = append(out.Elements, Element(e))
	}
	return out
}

func (v *vectors) contexts(t *testing.T) {
	nonce := counted(0)
	for _, c := range []Context{
		{Fact: FlatFact},
		{Fact: FlatFact, Audience: "bank-a", Purpose: "mortgage underwriting", Nonce: Nonce(nonce[:16]), Expires: "2026-12-31T00:00:00Z"},
		{Fact: "title", Audience: "银行 <a> & \"b\"", Nonce: Nonce(nonce[:16]), Grant: new(canon.Uint64(1<<53 + 1))},
	} {
		canonical, err := canon.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := c.Hash()
		if err != nil {
			t.Fatal(err)
		}
		v.Contexts = append(v.Contexts, contextVector{c, string(canonical), Element(hash)})
	}
}

func (v *vectors) grants(t *testing.T) {
	blind := GrantBlind(counted(9))
	for _, text := range []string{
		grantYAML,
		"audience: 银行\npurposes: ['<a> & \"b\"']\nvalid_until: 2027-01-01T00:00:00Z\nregistries: {parcels: {exists: true, any_record: true}}\n",
	} {
		g := parseGrant(t, text)
		g.Blind = &blind
		canonical, err := canon.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := g.Digest()
		if err != nil {
			t.Fatal(err)
		}
		v.Grants = append(v.Grants, grantVector{g, string(canonical), digest})
	}
}

func (v *vectors) publics(t *testing.T) {
	public := Public{
		Origin: "titles.example/log", Circuit: Digest(counted(1)), VK: Digest(counted(2)), Registry: "parcels",
		Schema: Digest(counted(3)), Epoch: Digest(counted(4)),
	}
	pledge := public
	pledge.ReleaseKey = new(ReleaseKey(counted(5)))
	for _, p := range []Public{public, pledge} {
		canonical, err := canon.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := p.P()
		if err != nil {
			t.Fatal(err)
		}
		v.Publics = append(v.Publics, publicVector{p, string(canonical), Element(hash)})
	}
}

// statement puts the parts together: a pledge of the second request's question.
func (v *vectors) statement(t *testing.T) {
	l, err := v.Requests[1].Questions[0].Layout(v.Schema)
	if err != nil {
		t.Fatal(err)
	}
	scope, err := ScopeElement("mortgage")
	if err != nil {
		t.Fatal(err)
	}
	s := statementVector{
		Comment:      "the question is that of requests[1], the context that of contexts[1], P that of publics[1] (publics[0] without a pledge)",
		Question:     v.Requests[1].Questions[0],
		OutputValues: [2]Element{v.Texts[0].Hash, element(12345)}, Randomness: [2]Element{element(1), element(2)},
		Context: v.Contexts[1].Hash, Blind: element(3), Serial: element(4), HolderSecret: element(5),
		Scope: "mortgage", ScopeElement: Element(scope), P: v.Publics[1].P, Root: element(6),
	}
	private := Private{Layout: l, Context: s.Context.Fr(), Blind: s.Blind.Fr()}
	for i := range s.Outputs {
		private.Outputs[i] = Commit(s.OutputValues[i].Fr(), s.Randomness[i].Fr())
		s.Outputs[i] = Element(private.Outputs[i])
	}
	q, nullifier := private.Q(), Nullifier(s.Serial.Fr(), scope)
	s.Q, s.Nullifier = Element(q), Element(nullifier)
	s.SerialHash, s.HolderTag = Element(SerialHash(s.Serial.Fr())), Element(HolderTag(s.HolderSecret.Fr()))
	s.D = Statement{P: s.P.Fr(), Root: s.Root.Fr(), Nullifier: nullifier, Scope: scope, Q: q}.D()
	s.DWithoutAPledge = Statement{P: v.Publics[0].P.Fr(), Root: s.Root.Fr(), Q: q}.D()
	v.Statement = s
}

// TestVectors holds the package to the vectors.
func TestVectors(t *testing.T) {
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(makeVectors(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorsFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the package makes other vectors than %s (-want +got)\n%s", vectorsFile, diff)
	}
}

// TestVectorsBySpecification computes from the file what SHA-256, HMAC and plain
// arithmetic give, by the words of docs/spec/hashes.md and none of the package.
func TestVectorsBySpecification(t *testing.T) {
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	same := func(what string, want [32]byte, got Element) {
		t.Helper()
		if b := got.Bytes(); b[0] != 0 || !bytes.Equal(b[1:], want[:31]) {
			t.Errorf("%s: %v is not the first 31 bytes of %x", what, got, want)
		}
	}
	for _, c := range v.Texts {
		var in []byte
		for _, part := range []string{"attestry/text/v1", c.Domain.Name, strings.Join(c.Domain.Normalise, ",")} {
			in = append(binary.BigEndian.AppendUint32(in, uint32(len(part))), part...)
		}
		same("text "+c.Text, sha256.Sum256(append(in, c.Canonical...)), c.Hash)
	}
	for _, c := range v.Contexts {
		same("context", sha256.Sum256([]byte("attestry/context/v1\n"+c.Canonical)), c.Hash)
	}
	for _, c := range v.Grants {
		if sha256.Sum256([]byte("attestry/grant-document/v1\n"+c.Canonical)) != c.Digest {
			t.Errorf("the digest of %s is another", c.Canonical)
		}
	}
	for _, c := range v.Publics {
		same("P", sha256.Sum256([]byte("attestry/public/v1\n"+c.Canonical)), c.P)
	}
	for _, c := range v.Random {
		mac := hmac.New(sha256.New, c.Seed[:])
		fmt.Fprintf(mac, "29:attestry/output-randomness/v1%d:%s", len(c.Class), c.Class)
		same("randomness "+c.Class, [32]byte(mac.Sum(nil)), c.Randomness)
	}
	for _, c := range v.Layouts {
		if len(c.Bits) != 121 || len(c.Elements) != 26 {
			t.Fatalf("%d bits and %d elements", len(c.Bits), len(c.Elements))
		}
		packed := c.Elements[0].Big()
		for i, bit := range c.Bits {
			if packed.Bit(i) != uint(bit-'0') {
				t.Errorf("bit %d of %v is not %c", i, packed, bit)
			}
		}
	}
}
