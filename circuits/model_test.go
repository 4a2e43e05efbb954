package circuits

import (
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/statement"
)

var (
	modelCases = flag.Int("cases", 300, "requests that TestPropertyModel tries on the slots of present")
	modelWhole = flag.Int("whole", 5, "requests that TestPropertyModel tries on the whole of present")
	modelSeed  = flag.Uint64("seed", 1, "where TestPropertyModel's random cases begin")
)

// TestPropertyModel holds present against a naive model: cel-go evaluating a
// request's conditions over the raw cells of a row. The model shares nothing with
// the statement package: it reads cells and literals itself, numbers as rationals.
// A question of a row can be proved exactly where cel-go says true.
//
//	go test ./circuits -run TestPropertyModel -args -cases 5000 -whole 100
func TestPropertyModel(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	for i := range uint64(*modelCases) {
		count[newModelCase(t, *modelSeed, i).try(t, slotHolds)]++
	}
	system, err := Compile(&Present{})
	if err != nil {
		t.Fatal(err)
	}
	whole := func(t testing.TB, attributes [statement.MaxAttributes]fr.Element, l *statement.Layout) bool {
		in := honest(t)
		in.Leaf.Attributes, in.Layout = attributes, l
		graft(in, position)
		return system.IsSolved(newWitness(t, in.Assignment())) == nil
	}
	wholes := map[string]int{}
	for i := range uint64(*modelWhole) {
		wholes[newModelCase(t, ^*modelSeed, i).try(t, whole)]++
	}
	t.Logf("slots: %d tried: %v; whole: %d tried: %v; 0 disagreements", *modelCases, count, *modelWhole, wholes)
	if n := *modelCases / 10; count["proved"] < n || count["not provable"] < n {
		t.Errorf("one side was hardly tried: %v", count)
	}
}

// modelCase is a row of raw cells with conditions on it, in the request language
// and as cel-go is asked.
type modelCase struct {
	*rand.Rand
	schema     *statement.Schema
	cells      []string
	env        *celModel
	ours, cels []string
}

func newModelCase(t testing.TB, seed, n uint64) *modelCase {
	c := &modelCase{Rand: rand.New(rand.NewPCG(seed, n)), schema: &statement.Schema{Registry: "r", Key: "id", Domains: map[string]statement.TextDomain{}}}
	for i := range 2 + c.IntN(15) {
		a := statement.Attribute{Name: fmt.Sprintf("a%d", i), Optional: c.IntN(2) == 0}
		a.Type = []statement.Type{statement.Int, statement.Int, statement.Decimal, statement.Date, statement.Bool, statement.Text}[c.IntN(6)]
		if a.Type == statement.Decimal {
			a.Scale = c.IntN(6)
		}
		if a.Type == statement.Text && c.IntN(2) == 0 {
			c.schema.Domains[a.Name] = statement.TextDomain{Name: "d", Normalise: []string{statement.Trim, statement.Upper}}
		}
		c.schema.Attributes = append(c.schema.Attributes, a)
		c.cells = append(c.cells, "")
		if !a.Optional || c.IntN(4) != 0 {
			c.cells[i] = c.cell(a)
		}
	}
	if err := c.schema.Validate(); err != nil {
		t.Fatal(err)
	}
	c.env = newCELModel(t, c.schema, c.cells)
	c.conditions(t)
	return c
}

// conditions draws up to 10, mostly such as are true, else no conjunction would be.
func (c *modelCase) conditions(t testing.TB) {
	fond := c.IntN(2) == 0
	for range 1 + c.IntN(10) {
		ours, cels := c.condition()
		for tries := 0; fond && tries < 20 && !c.env.holds(t, cels); tries++ {
			ours, cels = c.condition()
		}
		c.ours, c.cels = append(c.ours, ours), append(c.cels, cels)
	}
}

// cell draws a cell as a file might hold it.
func (c *modelCase) cell(a statement.Attribute) string {
	switch a.Type {
	case statement.Bool:
		return []string{"true", "false", "1", "0", "TRUE"}[c.IntN(5)]
	case statement.Text:
		return []string{"a", "b", "A", " a", "é", "É", "界", `q"\`}[c.IntN(8)]
	case statement.Date:
		days := []int64{-719528, -719527, -1, 0, 1, 2932895, 2932896, c.Int64N(600) - 300}[c.IntN(8)]
		return time.Unix(days*86400, 0).UTC().Format(time.DateOnly)
	}
	text := big.NewRat(1, 1).SetFrac(big.NewInt(c.integer()), tenTo(a.Scale)).FloatString(a.Scale)
	if whole, negative := strings.CutPrefix(text, "-"); c.IntN(4) == 0 {
		text = map[bool]string{true: "-"}[negative] + "00" + whole
	}
	return text
}

func (c *modelCase) integer() int64 {
	ends := []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}
	return []int64{ends[c.IntN(len(ends))], c.Int64N(7) - 3, int64(c.Uint64()), c.Int64N(1 << 20)}[c.IntN(4)]
}

func tenTo(scale int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
}

// literal draws a literal for the attribute, often the row's own cell or one unit
// beside it.
func (c *modelCase) literal(i int) (ours, cels string) {
	a, cell := c.schema.Attributes[i], c.cells[i]
	if cell == "" || c.IntN(3) == 0 {
		cell = c.cell(a)
	}
	switch a.Type {
	case statement.Bool:
		b := strconv.FormatBool(readBool(cell))
		return b, b
	case statement.Text:
		return strconv.Quote(cell), strconv.Quote(c.env.text(a, cell))
	case statement.Date:
		day := fmt.Sprintf("date(%q)", cell)
		return day, day
	}
	r := readNumber(cell)
	if c.IntN(3) == 0 {
		unit := big.NewRat(1, 1).SetFrac(big.NewInt(int64(c.IntN(3)-1)), tenTo(a.Scale))
		if beside := new(big.Rat).Add(r, unit); inRange64(beside, a.Scale) {
			r = beside
		}
	}
	text := r.FloatString(a.Scale)
	return text, fmt.Sprintf("num(%q)", text)
}

func inRange64(r *big.Rat, scale int) bool {
	scaled := new(big.Rat).Mul(r, new(big.Rat).SetInt(tenTo(scale)))
	return scaled.Num().IsInt64()
}

// condition draws one condition. cel-go's is guarded, so that null satisfies
// nothing but the test for it.
func (c *modelCase) condition() (ours, cels string) {
	i := c.IntN(len(c.cells))
	a := c.schema.Attributes[i]
	guarded := func(s string) string { return fmt.Sprintf("(%s != null && %s)", a.Name, s) }
	switch form := c.IntN(8); {
	case form == 0 && a.Optional:
		s := a.Name + []string{" == null", " != null"}[c.IntN(2)]
		return s, "(" + s + ")"
	case form == 1 && a.Type == statement.Bool:
		s := []string{"", "!"}[c.IntN(2)] + a.Name
		return s, guarded(s)
	case form <= 3:
		members, asked := make([]string, 1+c.IntN(8)), make([]string, 0, 8)
		for j := range members {
			var m string
			members[j], m = c.literal(i)
			asked = append(asked, m)
		}
		f := []string{"%s in [%s]", "!(%s in [%s])"}[c.IntN(2)]
		return fmt.Sprintf(f, a.Name, strings.Join(members, ", ")), guarded(fmt.Sprintf(f, a.Name, strings.Join(asked, ", ")))
	case form <= 5:
		if ours, cels, ok := c.pair(a); ok {
			return ours, cels
		}
	}
	op := c.op(a.Type)
	l, m := c.literal(i)
	if c.IntN(2) == 0 {
		return l + op + a.Name, guarded(m + op + a.Name)
	}
	return a.Name + op + l, guarded(a.Name + op + m)
}

func (c *modelCase) op(t statement.Type) string {
	ops := []string{" == ", " != ", " < ", " <= ", " > ", " >= "}
	if t == statement.Text || t == statement.Bool {
		ops = ops[:2]
	}
	return ops[c.IntN(len(ops))]
}

func (c *modelCase) pair(a statement.Attribute) (ours, cels string, ok bool) {
	numeric := func(a statement.Attribute) bool { return a.Type == statement.Int || a.Type == statement.Decimal }
	b := c.schema.Attributes[c.IntN(len(c.cells))]
	_, domainA := c.schema.Domains[a.Name]
	_, domainB := c.schema.Domains[b.Name]
	if b.Name == a.Name || b.Type != a.Type && !(numeric(a) && numeric(b)) || domainA != domainB {
		return "", "", false
	}
	side := func(a statement.Attribute) string {
		if !numeric(a) || c.IntN(2) == 0 {
			return a.Name
		}
		return fmt.Sprintf("%s * %d", a.Name, []int{1, 2, 3, 1 + c.IntN(600), statement.MaxFactor}[c.IntN(5)])
	}
	ours = side(a) + c.op(a.Type) + side(b)
	return ours, fmt.Sprintf("(%s != null && %s != null && %s)", a.Name, b.Name, ours), true
}

// try compiles the request, lays its questions out, asks whether all of them hold,
// and compares with cel-go.
func (c *modelCase) try(t testing.TB, holds func(testing.TB, [statement.MaxAttributes]fr.Element, *statement.Layout) bool) string {
	t.Helper()
	want := c.env.holds(t, strings.Join(c.cels, " && "))
	predicates, err := statement.CompileWhere(c.schema, c.ours)
	switch {
	case err != nil && strings.Contains(err.Error(), "difference in scale"):
		return "not expressible"
	case err != nil && strings.Contains(err.Error(), "cannot be true") && !want:
		return "refused as never true"
	case err != nil:
		t.Fatalf("%v of %v: cel-go says %v, the compiler %v", c.ours, c.cells, want, err)
	}
	questions, err := statement.Split(c.schema, predicates, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	got := true
	for _, q := range questions {
		l, err := q.Layout(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		checkCanonical(t, l, len(c.schema.Attributes))
		got = got && holds(t, c.attributes(t), l)
	}
	if got != want {
		t.Fatalf("%v of %v in %+v: provable is %v, cel-go says %v to %v", c.ours, c.cells, c.schema, got, want, c.cels)
	}
	return map[bool]string{true: "proved", false: "not provable"}[got]
}

// attributes gives the row as a leaf holds it.
func (c *modelCase) attributes(t testing.TB) (out [statement.MaxAttributes]fr.Element) {
	for i := range out {
		out[i] = statement.Null()
	}
	for i, a := range c.schema.Attributes {
		v, err := c.schema.ParseValue(a, c.cells[i])
		if err != nil {
			t.Fatal(err)
		}
		if out[i], err = c.schema.Encode(a, v); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
