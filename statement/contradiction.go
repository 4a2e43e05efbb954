package statement

import "slices"

// possible is what the predicates so far leave possible for one attribute.
type possible struct {
	null, notNull bool
	ordered       bool // lo and hi mean something
	lo, hi        int64
	limited       bool // to the values in allowed
	allowed       []Value
	excluded      map[Value]bool
}

// possibilities tracks single attributes only: it is there to catch slips of the
// pen, not to decide whether some record could satisfy everything.
type possibilities map[string]*possible

// add takes in a predicate that has a layout. It gives the reason if no value of
// an attribute remains.
func (m *possibilities) add(s *Schema, p Predicate) (why string) {
	if *m == nil {
		*m = possibilities{}
	}
	if p.Other != "" {
		x, y := m.of(s, p.Attribute), m.of(s, p.Other)
		x.notNull, y.notNull = true, true
		if why := x.impossible(p.Attribute); why != "" {
			return why
		}
		return y.impossible(p.Other)
	}
	x := m.of(s, p.Attribute)
	x.restrict(s, p)
	return x.impossible(p.Attribute)
}

func (m *possibilities) of(s *Schema, name string) *possible {
	x := (*m)[name]
	if x == nil {
		a := s.Attributes[s.Index(name)]
		x = &possible{ordered: a.Type != Text, excluded: map[Value]bool{}}
		x.lo, x.hi = a.Bounds()
		(*m)[name] = x
	}
	return x
}

func (x *possible) restrict(s *Schema, p Predicate) {
	a := s.Attributes[s.Index(p.Attribute)]
	var values []Value
	for _, text := range p.Values {
		v, err := s.ParseLiteral(a, text)
		if err != nil {
			return // no layout: refused elsewhere
		}
		values = append(values, v)
	}
	x.notNull = x.notNull || p.Op != OpIsNull
	switch p.Op {
	case OpIsNull:
		x.null = true
	case OpAtLeast:
		x.lo = max(x.lo, values[0].Int)
	case OpAtMost:
		x.hi = min(x.hi, values[0].Int)
	case OpNotEqual, OpNotIn:
		for _, v := range values {
			x.excluded[v] = true
		}
	case OpEqual, OpIn:
		if x.limited {
			values = slices.DeleteFunc(values, func(v Value) bool { return !slices.Contains(x.allowed, v) })
		}
		x.limited, x.allowed = true, values
	}
}

func (x *possible) impossible(name string) string {
	switch {
	case x.null && x.notNull:
		return name + " would have to be null and have a value"
	case x.limited && !slices.ContainsFunc(x.allowed, x.passes):
		return "no value of " + name + " is left"
	case !x.limited && x.ordered && !x.rangeHasValue():
		return "no value of " + name + " is left"
	}
	return ""
}

func (x *possible) passes(v Value) bool {
	return !x.excluded[v] && (!x.ordered || x.lo <= v.Int && v.Int <= x.hi)
}

// rangeHasValue looks for a value from lo to hi that is not excluded: at most one
// more than there are exclusions needs looking at.
func (x *possible) rangeHasValue() bool {
	n := x.lo
	for range len(x.excluded) + 1 {
		if n > x.hi {
			return false
		}
		if x.passes(Value{Int: n}) {
			return true
		}
		if n == x.hi {
			return false
		}
		n++
	}
	return true
}
