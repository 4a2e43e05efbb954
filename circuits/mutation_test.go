package circuits

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"

	"github.com/attestry/attestry/internal/imt"
)

// subject is a circuit under attack.
type subject struct {
	name    string
	circuit frontend.Circuit
	honest  frontend.Circuit // an assignment that satisfies it
	attacks []attack
	variant func(assigned frontend.Circuit, k knife) frontend.Circuit
	mutant  func(m mutated) frontend.Circuit
	hash    string
	// offset is what the whole asserts between the packed bits and the part that
	// attacks run alone: the way up, and that the key is not the sentinel's.
	offset int
}

func subjects(t testing.TB) []*subject {
	return []*subject{
		{"present", &Present{}, everything(t).Assignment(), presentAttacks(t), func(c frontend.Circuit, k knife) frontend.Circuit {
			return &presentVariant{*c.(*Present), k}
		}, func(m mutated) frontend.Circuit { return &mutatedPresent{m: m} }, PresentHash, imt.Levels + 2},
		{"absent", &Absent{}, trueGap().Assignment(), absentAttacks(t), func(c frontend.Circuit, k knife) frontend.Circuit {
			return &absentVariant{*c.(*Absent), k}
		}, func(m mutated) frontend.Circuit { return &mutatedAbsent{m: m} }, AbsentHash, imt.Levels + 1},
	}
}

// broken gives the assertions that an attack breaks, by their indices in the whole.
func (s *subject) broken(t testing.TB, a attack, assertions int) (indices []int, of *trace) {
	t.Helper()
	if a.part != nil {
		of = run(t, a.part, a.lies)
		indices = of.failed()
		for i := range indices {
			indices[i] += s.offset
		}
		if a.many {
			return indices, of
		}
	}
	inPart := indices
	of = run(t, a.circuit, a.lies)
	indices = of.failed()
	if len(of.assertions) != assertions || a.part != nil && !slices.Equal(indices, inPart) {
		t.Fatalf("%s: %s: of %d assertions %v fail, in the part %v", s.name, a.name, len(of.assertions), indices, inPart)
	}
	return indices, of
}

// TestMutation shows that the attacks would see the loss of any of the circuits'
// rules, and that the circuits withstand all of them.
func TestMutation(t *testing.T) {
	for _, s := range subjects(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for name, test := range map[string]func(t *testing.T){
				"every assertion":           s.everyAssertion,
				"every connection":          s.everyConnection,
				"weakened rules":            s.weakenedRules,
				"the variant is a copy":     s.variantIsCopy,
				"gnark rejects the attacks": s.gnarkRejects,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t)
				})
			}
		})
	}
}

// Every assertion of the circuits is needed, and its loss would be seen: for each,
// some attack breaks it alone, so that a circuit without it would accept the attack.
// The hash permutations make no assertions. For each line that asserts something,
// gnark confirms it: the mutant without an assertion of that line, compiled to an
// R1CS and solved, accepts the attack.
func (s *subject) everyAssertion(t *testing.T) {
	honest := run(t, s.honest, lies{})
	if failed := honest.failed(); len(failed) != 0 {
		t.Fatalf("%s: the honest assignment breaks %v", s.name, failed)
	}
	caught := make([]bool, len(honest.assertions))
	confirmed := map[string]bool{}
	alone := 0
	for _, a := range s.attacks {
		failed, of := s.broken(t, a, len(caught))
		if len(failed) == 0 {
			t.Errorf("%s: the attack is accepted", a.name)
		}
		if len(failed) != 1 {
			continue
		}
		alone++
		caught[failed[0]] = true
		line := of.assertions[of.failed()[0]]
		if group := line.site + " " + string(line.kind); !confirmed[group] {
			confirmed[group] = true
			if !acceptsWithout(t, s, a, failed[0], len(caught)) {
				t.Errorf("%s without %s: %s: gnark rejects the attack", s.name, group, a.name)
			}
		}
	}
	for i, ok := range caught {
		if !ok {
			t.Errorf("%s: no attack breaks assertion %d (%s) alone", s.name, i, honest.assertions[i].kind)
		}
	}
	t.Logf("%s: %d assertions; %d attacks, %d of which break one assertion alone; %d mutants by gnark: %s", s.name, len(caught), len(s.attacks),
		alone, len(confirmed), strings.Join(slices.Sorted(maps.Keys(confirmed)), "; "))
}

// Every connection from a wire to a hash is needed: were it cut, the prover choosing
// the other end, an attack would be accepted.
func (s *subject) everyConnection(t *testing.T) {
	seen := map[string]bool{}
	run(t, s.variant(s.honest, knife{seen: seen}), lies{})
	connections := len(seen)
	for _, a := range s.attacks {
		if len(a.free) == 0 {
			continue
		}
		if failed := run(t, s.variant(a.circuit, knife{free: a.free}), a.lies).failed(); len(failed) != 0 {
			t.Errorf("%s: %s: the variant without the connection still breaks %v", s.name, a.name, failed)
		}
		for connection := range a.free {
			delete(seen, connection)
		}
	}
	for connection := range seen {
		t.Errorf("%s: no attack needs the connection %s", s.name, connection)
	}
	t.Logf("%s: %d connections", s.name, connections)
}

// Rules that are weakened, not left out, and the attack that each would let in.
func (s *subject) weakenedRules(t *testing.T) {
	tables := map[string]map[weakness]string{
		"present": {
			wideRange:       "slot 0: null is above 5",
			widePairRange:   "slot 7: null is above 5",
			narrowNotEqual:  "slot 5: null is not 5",
			onlyX:           "slot 6: value and null differ",
			noLess:          "slot 7: equal is less",
			noFactor:        "slot 6: a factor left out",
			allGroups:       "slot 3: a member of another set",
			noGroups:        "slot 2: not in its own set",
			anySign:         "slot 1: upper bound",
			nullifierNoZero: "a nullifier without a scope",
			holderIfAsked:   "a holder's record that the question does not call so",
			nullSubject:     "output 1 is the subject that is not there",
		},
		"absent": {
			lowTouches:  "the low key itself",
			nextTouches: "the next key itself",
			fullLow:     "below the low key",
			fullNext:    "above the next key",
		},
	}
	for w, name := range tables[s.name] {
		i := slices.IndexFunc(s.attacks, func(a attack) bool { return a.name == name })
		if i < 0 {
			t.Errorf("no attack %q", name)
			continue
		}
		a := s.attacks[i]
		if len(run(t, a.circuit, a.lies).failed()) == 0 {
			t.Errorf("%s: %s: the attack is accepted", s.name, name)
		}
		if failed := run(t, s.variant(a.circuit, knife{weak: w}), a.lies).failed(); len(failed) != 0 {
			t.Errorf("%s, where %s: it withstands %q by %v", s.name, w, name, failed)
		}
	}
}

// The variants are copies of the circuits: with nothing weakened or cut, they have
// the circuits' hashes.
func (s *subject) variantIsCopy(t *testing.T) {
	system, err := Compile(s.variant(s.circuit, knife{}))
	if err != nil {
		t.Fatal(err)
	}
	if h := Hash(system).Hex(); h != s.hash {
		t.Errorf("%s: the copy hashes to %s", s.name, h)
	}
}

// gnark's own engine rejects the attacks: those that stand alone, and a sample of
// the long families.
func (s *subject) gnarkRejects(t *testing.T) {
	system, err := Compile(s.circuit)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range s.attacks {
		if a.many && i%29 != 0 {
			continue
		}
		if system.IsSolved(newWitness(t, a.circuit), a.lies.options()...) == nil {
			t.Errorf("%s: the attack is accepted", a.name)
		}
	}
}

// mutant drops one assertion of a circuit on its way to gnark's builder. It counts
// assertions as trace does.
type mutant struct {
	frontend.API
	drop  int
	count int
}

// next tells whether the assertion that is about to be made stays.
func (m *mutant) next() bool {
	m.count++
	return m.count-1 != m.drop
}

func (m *mutant) AssertIsEqual(a, b frontend.Variable) {
	if m.next() {
		m.API.AssertIsEqual(a, b)
	}
}

func (m *mutant) AssertIsDifferent(a, b frontend.Variable) {
	if m.next() {
		m.API.AssertIsDifferent(a, b)
	}
}

// AssertIsBoolean only marks the wire where the assertion is dropped: Select would
// otherwise make up for it.
func (m *mutant) AssertIsBoolean(b frontend.Variable) {
	_, constant := m.Compiler().ConstantValue(b)
	switch {
	case constant || m.Compiler().IsBoolean(b):
	case m.next():
		m.API.AssertIsBoolean(b)
	default:
		m.Compiler().MarkBoolean(b)
	}
}

func (m *mutant) Select(b, yes, no frontend.Variable) frontend.Variable {
	m.AssertIsBoolean(b)
	return m.API.Select(b, yes, no)
}

func (m *mutant) Lookup2(b0, b1, i0, i1, i2, i3 frontend.Variable) frontend.Variable {
	m.AssertIsBoolean(b0)
	m.AssertIsBoolean(b1)
	return m.API.Lookup2(b0, b1, i0, i1, i2, i3)
}

// IsZero drops its second row: the one that makes the answer 0 for what is not 0.
func (m *mutant) IsZero(a frontend.Variable) frontend.Variable {
	if m.next() {
		return m.API.IsZero(a)
	}
	inverse, err := m.Compiler().NewHint(solver.InvZeroHint, 1, a)
	if err != nil {
		panic(err) // one input and one output are what the hint has
	}
	answer := m.Sub(1, m.Mul(a, inverse[0]))
	m.Compiler().MarkBoolean(answer)
	return answer
}

// mutated is a circuit without one of its assertions.
type mutated struct {
	drop  int
	count *int
}

// The circuit's own wires are what a schema sees, so a mutant has one type for each.
type mutatedPresent struct {
	Present
	m mutated `gnark:"-"`
}

func (c *mutatedPresent) Define(api frontend.API) error { return c.m.define(api, &c.Present) }

type mutatedAbsent struct {
	Absent
	m mutated `gnark:"-"`
}

func (c *mutatedAbsent) Define(api frontend.API) error { return c.m.define(api, &c.Absent) }

func (m mutated) define(api frontend.API, circuit frontend.Circuit) error {
	dropping := &mutant{API: api, drop: m.drop}
	err := circuit.Define(dropping)
	*m.count = dropping.count
	return err
}

// acceptsWithout tells whether gnark accepts an attack on the circuit without one assertion.
func acceptsWithout(t *testing.T, s *subject, a attack, drop, assertions int) bool {
	t.Helper()
	count := 0
	circuit := s.mutant(mutated{drop: drop, count: &count})
	system, err := frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, circuit, frontend.IgnoreUnconstrainedInputs())
	if err != nil {
		t.Fatal(err)
	}
	if count != assertions {
		t.Fatalf("%s: gnark's builder sees %d assertions, the trace %d", s.name, count, assertions)
	}
	return system.IsSolved(newWitness(t, a.circuit), a.lies.options()...) == nil
}
