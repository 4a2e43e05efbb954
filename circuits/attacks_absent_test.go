package circuits

import (
	"fmt"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/frontend"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

// absentAttacks lists the attacks on absent, as presentAttacks does for present.
func absentAttacks(t testing.TB) []attack {
	t.Helper()
	all := absentDigits()
	all = append(all, absentTrees()...)
	all = append(all, absentWires()...)
	return append(all, absentStatements()...)
}

func trueGap() *AbsentInput { return gap(element(10), element(15), element(20)) }

// regap puts a changed low leaf into the same place.
func regap(in *AbsentInput) *AbsentInput {
	in.Low.Link = imt.Link(in.Low.Key, in.Next, in.LinkBlinding)
	carrier := PresentInput{Leaf: in.Low, Layout: &statement.Layout{}}
	graft(&carrier, position)
	in.Path, in.Root = carrier.Path, carrier.Root
	return in
}

// ranges is the part of Absent that compares the keys.
type ranges struct{ Low, Key, Next frontend.Variable }

func (r *ranges) Define(api frontend.API) error {
	(&Absent{Low: r.Low, Key: r.Key, Next: r.Next}).between(api)
	return nil
}

// absentDigits claims keys that are there, or beyond their neighbours.
func absentDigits() (all []attack) {
	for name, in := range map[string]*AbsentInput{
		"low":  gap(element(10), element(10), element(20)),
		"next": gap(element(10), element(20), element(20)),
	} {
		c := in.Assignment()
		part := &ranges{Low: c.Low, Key: c.Key, Next: c.Next}
		for digit := range keyBits {
			all = append(all, attack{name: fmt.Sprintf("%s: digit %d holds it all", name, digit), circuit: c, part: part, lies: lies{digits: allIn(digit)}, many: digit > 0})
		}
		all = append(all, attack{name: name + ": digits of another number", circuit: c, part: part, lies: lies{digits: ofZero}})
		all = append(all, attack{name: "the " + name + " key itself", circuit: c})
	}
	return append(all,
		attack{name: "below the low key", circuit: gap(element(10), element(5), element(20)).Assignment()},
		attack{name: "above the next key", circuit: gap(element(10), element(25), element(20)).Assignment()})
}

func absentTrees() (all []attack) {
	for level := range imt.Levels {
		in := regap(trueGap())
		carrier := PresentInput{Path: in.Path, Leaf: in.Low}
		carrier.Path[level][onPath(level)] = element(9)
		resealFrom(&carrier, level)
		in.Path, in.Root = carrier.Path, carrier.Root
		all = append(all, attack{name: fmt.Sprintf("a way that breaks off under level %d", level), circuit: in.Assignment()})
		for child := range imt.Arity(level) {
			if child != onPath(level) {
				all = append(all, absentSibling(level, child))
			}
		}
		all = append(all, absentBranch(level))
	}
	in := regap(trueGap())
	in.Root = element(9)
	return append(all, attack{name: "another root", circuit: in.Assignment()})
}

func absentSibling(level, child int) attack {
	in := regap(trueGap())
	c := in.Assignment()
	setChild(&c.Path, &c.PathTop, level, child, element(9))
	return attack{name: fmt.Sprintf("another sibling %d/%d", level, child), circuit: c, many: true,
		free: map[string]fr.Element{fmt.Sprintf("node %d/%d", level, child): in.Path[level][child]}}
}

func absentBranch(level int) attack {
	in, forged := regap(trueGap()), trueGap()
	forged.Low.Blinding = element(9)
	regap(forged)
	for above := level + 1; above < imt.Levels; above++ {
		forged.Path[above] = in.Path[above]
	}
	forged.Root = in.Root
	return attack{name: fmt.Sprintf("a forged branch under level %d", level), circuit: forged.Assignment(),
		free: map[string]fr.Element{fmt.Sprintf("node %d/%d", level, onPath(level)): in.Path[level][onPath(level)]}}
}

// absentWires changes one private wire that a hash fixes.
func absentWires() (all []attack) {
	in := regap(trueGap())
	add := func(name, connection string, honest fr.Element, change func(c *Absent)) {
		c := in.Assignment()
		change(c)
		all = append(all, attack{name: name, circuit: c, free: map[string]fr.Element{connection: honest}})
	}
	low := in.Low
	// each of the leaf's, the link's and the commitment's parts
	add("another opening of the low leaf: attributes", "leaf/attributes", low.AttributesHash(), func(c *Absent) { c.AttributesHash = element(9) })
	add("another opening of the low leaf: subject", "leaf/subject", low.Subject, func(c *Absent) { c.Subject = element(9) })
	add("another opening of the low leaf: holder", "leaf/holder", low.Holder, func(c *Absent) { c.Holder = element(9) })
	add("another opening of the low leaf: serial", "leaf/serial", low.SerialHash, func(c *Absent) { c.SerialHash = element(9) })
	add("another opening of the low leaf: blinding", "leaf/blinding", low.Blinding, func(c *Absent) { c.Blinding = element(9) })
	add("another next key", "link/next", in.Next, func(c *Absent) { c.Next = element(99) })
	add("another link blinding", "link/blinding", in.LinkBlinding, func(c *Absent) { c.LinkBlinding = element(9) })
	add("another leaf's link", "leaf/link", low.Link, func(c *Absent) { c.Next, c.LinkBlinding = element(99), element(98) })
	add("another key than committed", "output/key", in.Key, func(c *Absent) { c.Key = element(16) })
	add("another randomness", "output/randomness", in.Randomness, func(c *Absent) { c.Randomness = element(9) })
	add("another commitment", "question/output", in.Output(), func(c *Absent) { c.Key, c.Randomness = element(16), element(9) })
	add("another context", "question/context", in.Context, func(c *Absent) { c.Context = element(9) })
	add("another blind", "question/blind", in.Blind, func(c *Absent) { c.Blind = element(9) })

	// Low stands in both the leaf and the link: the one is forged to suit the other.
	forged := regap(trueGap())
	forged.Low.Link = imt.Link(element(9), forged.Next, forged.LinkBlinding)
	carrier := PresentInput{Leaf: forged.Low, Layout: &statement.Layout{}}
	graft(&carrier, position)
	forged.Path, forged.Root = carrier.Path, carrier.Root
	all = append(all, attack{name: "the link of another low key", circuit: forged.Assignment(), free: map[string]fr.Element{"link/low": element(9)}})
	c := forged.Assignment()
	c.Low = element(9)
	return append(all, attack{name: "the leaf of another low key", circuit: c, free: map[string]fr.Element{"leaf/key": element(10)}})
}

func absentStatements() (all []attack) {
	in := regap(trueGap())
	nine := element(9)
	for name, change := range map[string]func(*statement.Statement){
		"p":         func(s *statement.Statement) { s.P = nine },
		"root":      func(s *statement.Statement) { s.Root = nine },
		"nullifier": func(s *statement.Statement) { s.Nullifier = nine },
		"scope":     func(s *statement.Statement) { s.Scope = nine },
		"question":  func(s *statement.Statement) { s.Q = nine },
	} {
		c, s := in.Assignment(), in.Statement()
		change(&s)
		c.D = s.D().Fr()
		all = append(all, attack{name: "D states another " + name, circuit: c, free: map[string]fr.Element{"statement/" + name: nine}})
	}
	c := in.Assignment()
	c.D = nine
	return append(all, attack{name: "D of nothing", circuit: c})
}
