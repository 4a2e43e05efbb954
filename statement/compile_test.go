package statement

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parcels has an attribute of every kind that the language tells apart.
const parcels = `registry: parcels
key: id
subject: owner
attributes:
  - {name: assessed_value, type: int}
  - {name: sale_price, type: int, optional: true}
  - {name: area, type: decimal, scale: 2, optional: true}
  - {name: width, type: decimal, scale: 0}
  - {name: fine, type: decimal, scale: 9}
  - {name: sale_date, type: date}
  - {name: built, type: date, optional: true}
  - {name: vacant, type: bool}
  - {name: leased, type: bool, optional: true}
  - {name: garage, type: text}
  - {name: wall, type: text, optional: true}
  - {name: code, type: text}
domains: {code: {name: code, normalise: [trim, upper]}}
`

func parcelSchema(t testing.TB) *Schema {
	t.Helper()
	s, err := ParseSchema([]byte(parcels))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func literal(attribute string, op Op, values ...string) Predicate {
	return Predicate{Attribute: attribute, Op: op, Values: values}
}

func pairOf(fx int64, x string, op Op, fy int64, y string) Predicate {
	return Predicate{Attribute: x, Op: op, Factor: fx, Other: y, OtherFactor: fy}
}

func TestCompileWhere(t *testing.T) {
	s := parcelSchema(t)
	for src, want := range map[string][]Predicate{
		// Literals of each type, and their canonical texts.
		"assessed_value == 200000":        {literal("assessed_value", OpEqual, "200000")},
		"assessed_value != -0":            {literal("assessed_value", OpNotEqual, "0")},
		"assessed_value >= 007":           {literal("assessed_value", OpAtLeast, "7")},
		"area == 12":                      {literal("area", OpEqual, "12.00")},
		"area <= -0.5":                    {literal("area", OpAtMost, "-0.50")},
		"width != 3":                      {literal("width", OpNotEqual, "3")},
		"fine >= 9223372036.854775807":    {literal("fine", OpAtLeast, "9223372036.854775807")},
		"sale_date >= date('1998-02-28')": {literal("sale_date", OpAtLeast, "1998-02-28")},
		"vacant == false":                 {literal("vacant", OpEqual, "false")},
		"vacant != true":                  {literal("vacant", OpNotEqual, "true")},
		`garage == "attached"`:            {literal("garage", OpEqual, "attached")},
		`garage == ""`:                    {literal("garage", OpEqual, "")},
		`garage == 'it\'s "x" \u00e9'`:    {literal("garage", OpEqual, `it's "x" é`)},
		"garage == \"e\u0301\"":           {literal("garage", OpEqual, "é")},
		`code == " ab "`:                  {literal("code", OpEqual, "AB")},
		// Strict orders become the other order against the neighbour.
		"assessed_value < 5":                    {literal("assessed_value", OpAtMost, "4")},
		"assessed_value > 5":                    {literal("assessed_value", OpAtLeast, "6")},
		"area < 5":                              {literal("area", OpAtMost, "4.99")},
		"area > -0.01":                          {literal("area", OpAtLeast, "0.00")},
		`sale_date < date("1998-03-01")`:        {literal("sale_date", OpAtMost, "1998-02-28")},
		`sale_date > date("2000-02-28")`:        {literal("sale_date", OpAtLeast, "2000-02-29")},
		"assessed_value > 9223372036854775806":  {literal("assessed_value", OpAtLeast, "9223372036854775807")},
		"assessed_value < -9223372036854775807": {literal("assessed_value", OpAtMost, "-9223372036854775808")},
		// A literal on the left flips.
		"200000 <= assessed_value":       {literal("assessed_value", OpAtLeast, "200000")},
		"5 > assessed_value":             {literal("assessed_value", OpAtMost, "4")},
		"5 == assessed_value":            {literal("assessed_value", OpEqual, "5")},
		`date("2000-01-01") > sale_date`: {literal("sale_date", OpAtMost, "1999-12-31")},
		// Null, and bool attributes by themselves.
		"sale_price == null":     {literal("sale_price", OpIsNull)},
		"null != sale_price":     {literal("sale_price", OpIsNotNull)},
		"assessed_value != null": {literal("assessed_value", OpIsNotNull)},
		"vacant":                 {literal("vacant", OpEqual, "true")},
		"!vacant":                {literal("vacant", OpEqual, "false")},
		"!(vacant)":              {literal("vacant", OpEqual, "false")},
		// Sets.
		`garage in ["detached", "attached"]`:                            {literal("garage", OpIn, "attached", "detached")},
		`garage in ["a"]`:                                               {literal("garage", OpEqual, "a")},
		`!(garage in ["a"])`:                                            {literal("garage", OpNotEqual, "a")},
		`!(wall in ["b", "a", "b"])`:                                    {literal("wall", OpNotIn, "a", "b")},
		`code in ["x", "X ", " y"]`:                                     {literal("code", OpIn, "X", "Y")},
		`code in ["x", "X "]`:                                           {literal("code", OpEqual, "X")},
		"assessed_value in [10, 9, -1]":                                 {literal("assessed_value", OpIn, "-1", "10", "9")},
		"area in [1, 1.0, 1.00, 2]":                                     {literal("area", OpIn, "1.00", "2.00")},
		"vacant in [true, false]":                                       {literal("vacant", OpIn, "false", "true")},
		`built in [date("2000-01-01")]`:                                 {literal("built", OpEqual, "2000-01-01")},
		"assessed_value in [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,16]": {literal("assessed_value", OpIn, "1", "10", "11", "12", "13", "14", "15", "16", "2", "3", "4", "5", "6", "7", "8", "9")},
		// Attribute against attribute.
		"sale_price * 100 <= assessed_value * 120": {pairOf(100, "sale_price", OpAtMost, 120, "assessed_value")},
		"sale_price > assessed_value":              {pairOf(1, "assessed_value", OpLess, 1, "sale_price")},
		"2 * sale_price >= 3 * assessed_value":     {pairOf(3, "assessed_value", OpAtMost, 2, "sale_price")},
		"sale_price < assessed_value * 65535":      {pairOf(1, "sale_price", OpLess, 65535, "assessed_value")},
		"sale_price * 2 == assessed_value":         {pairOf(1, "assessed_value", OpEqual, 2, "sale_price")},
		"assessed_value != sale_price * 2":         {pairOf(1, "assessed_value", OpNotEqual, 2, "sale_price")},
		"area <= sale_price * 3":                   {pairOf(1, "area", OpAtMost, 3, "sale_price")},
		"width == area":                            {pairOf(1, "area", OpEqual, 1, "width")},
		"(sale_price * 2) < (assessed_value)":      {pairOf(2, "sale_price", OpLess, 1, "assessed_value")},
		"sale_date < built":                        {pairOf(1, "sale_date", OpLess, 1, "built")},
		"vacant != leased":                         {pairOf(1, "leased", OpNotEqual, 1, "vacant")},
		"wall == garage":                           {pairOf(1, "garage", OpEqual, 1, "wall")},
		// Conjunctions, parentheses, white space, repetition.
		"assessed_value >= 1 && (area < 5 && (vacant))": {
			literal("area", OpAtMost, "4.99"), literal("assessed_value", OpAtLeast, "1"), literal("vacant", OpEqual, "true")},
		"\tassessed_value>=1\n&&assessed_value>0 ":                   {literal("assessed_value", OpAtLeast, "1")},
		"(((assessed_value))) == (((5)))":                            {literal("assessed_value", OpEqual, "5")},
		strings.Repeat("(", 32) + "vacant" + strings.Repeat(")", 32): {literal("vacant", OpEqual, "true")},
	} {
		got, err := CompileWhere(s, []string{src})
		if err != nil {
			t.Errorf("%s: %v", src, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", src, diff)
		}
	}
}

func TestCompileWhereOfNothing(t *testing.T) {
	if got, err := CompileWhere(parcelSchema(t), nil); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// refusals lists an expression, the column that the error points at, part of its
// message and part of its hint.
var refusals = []struct {
	src       string
	column    int
	msg, hint string
	kind      error
}{
	// Characters and tokens.
	{"", 1, "the expression is empty", "leave it out", ErrBadExpression},
	{"  ", 1, "the expression is empty", "", ErrBadExpression},
	{"vacant == \xff", 11, "not clean UTF-8", "", ErrBadExpression},
	{"vacant == \x00", 11, "not clean UTF-8", "", ErrBadExpression},
	{"面积 == 5", 1, "unexpected character '面'", "texts stand in quotes", ErrBadExpression},
	{"garage == “x”", 11, "unexpected character '“'", "", ErrBadExpression},
	{"garage == \"界\" && x == 1", 18, `unknown attribute "x"`, "the attributes are", ErrUnknownAttribute},
	{"garage == 'x", 11, "no closing '", "", ErrBadExpression},
	{"garage == 'x\ny'", 11, "over the end of a line", `\n`, ErrBadExpression},
	{`garage == "\q"`, 12, `no escape \q`, `\\`, ErrBadExpression},
	{`garage == "\ud800"`, 12, "not 4 digits of a code point", "", ErrBadExpression},
	{`garage == "\U00110000"`, 12, "not 8 digits of a code point", "", ErrBadExpression},
	{`garage == "\x4"`, 12, "not 2 digits", "", ErrBadExpression},
	{`garage == "\8"`, 12, `no escape \8`, "", ErrBadExpression},
	{`garage == "\u12`, 12, "an escape ends early", "", ErrBadExpression},
	{`garage == "\`, 12, "an escape ends early", "", ErrBadExpression},
	{`garage == "\0z9"`, 12, "not 3 digits", "", ErrBadExpression},
	{`garage == "\000"`, 11, "U+FFFD or U+0000", "", ErrBadExpression},
	{`garage == "\ufffd"`, 11, "U+FFFD or U+0000", "", ErrBadExpression},
	{`garage == r"x"`, 11, "raw and bytes strings", "plain string", ErrBadExpression},
	{`garage == b'x'`, 11, "raw and bytes strings", "plain string", ErrBadExpression},
	{`garage == """x"""`, 11, "three quotes", "plain string", ErrBadExpression},
	{"assessed_value == 0xFF", 19, "hexadecimal", "in decimal", ErrBadExpression},
	{"assessed_value == 1e6", 19, "exponent", "all the digits", ErrBadExpression},
	{"area == 1.5E3", 9, "exponent", "all the digits", ErrBadExpression},
	{"area == .5", 9, "begins with a digit", "0.5", ErrBadExpression},
	{"area == 5.", 10, `unexpected "."`, "", ErrBadExpression},
	{"assessed_value == 5u", 19, "unsigned", "suffix", ErrBadExpression},
	{"assessed_value == 1_000", 19, "digits are not grouped", "separators", ErrBadExpression},
	{"assessed_value == 5kg", 20, `unexpected "kg" after a number`, "", ErrBadExpression},
	{"vacant // really", 8, `"//" is not part`, "no comments", ErrBadExpression},
	{"vacant @", 8, "unexpected character '@'", "", ErrBadExpression},

	// Grammar: what CEL or SQL would allow.
	{"vacant || leased", 8, `"||" is not part`, "&& is the only connective", ErrBadExpression},
	{"(vacant || leased)", 9, `"||" is not part`, "&& is the only connective", ErrBadExpression},
	{"vacant ? leased : vacant", 8, `"?" is not part`, "&& is the only connective", ErrBadExpression},
	{"vacant and leased", 8, `"and" is not part`, "written &&", ErrBadExpression},
	{"vacant or leased", 8, `"or" is not part`, "only connective", ErrBadExpression},
	{"vacant & leased", 8, `"&" is not part`, "written &&", ErrBadExpression},
	{"vacant; leased", 7, `";" is not part`, "written &&", ErrBadExpression},
	{"assessed_value = 5", 16, `"=" is not part`, "written ==", ErrBadExpression},
	{"assessed_value <> 5", 16, `"<>" is not part`, "written !=", ErrBadExpression},
	{"assessed_value + 1 > 5", 16, `"+" is not part`, "only arithmetic", ErrBadExpression},
	{"assessed_value - 1 > 5", 16, `"-" is not part`, "only arithmetic", ErrBadExpression},
	{"assessed_value / 2 > 5", 16, `"/" is not part`, "only arithmetic", ErrBadExpression},
	{"assessed_value % 2 == 0", 16, `"%" is not part`, "only arithmetic", ErrBadExpression},
	{"-assessed_value > 5", 1, "a minus stands only before a number", "negative", ErrBadExpression},
	{"assessed_value == --5", 19, "a minus stands only before a number", "", ErrBadExpression},
	{"1 < assessed_value < 5", 20, "comparisons do not chain", "a < b && b < c", ErrBadExpression},
	{"assessed_value in [1] in [2]", 23, "comparisons do not chain", "", ErrBadExpression},
	{"vacant == leased == true", 18, "comparisons do not chain", "", ErrBadExpression},
	{"size(garage) > 5", 1, `no function "size"`, "the only function", ErrBadExpression},
	{"has(garage)", 1, `no function "has"`, "the only function", ErrBadExpression},
	{`garage.startsWith("a")`, 7, "there are no fields", "", ErrBadExpression},
	{"garage[0] == 'a'", 7, "there is no indexing", "", ErrBadExpression},
	{"garage{a: 1}", 7, "there are no messages", "", ErrBadExpression},
	{"garage IN ['a']", 8, `"IN" is not part`, "write in", ErrBadExpression},
	{"garage not in ['a']", 8, `"not" is not part`, "!(x in", ErrBadExpression},
	{"wall is null", 6, `"is" is not part`, "== null", ErrBadExpression},
	{"assessed_value between 1", 16, `"between" is not part`, ">= a", ErrBadExpression},
	{"garage like 'a%'", 8, `"like" is not part`, "whole", ErrBadExpression},
	{"garage in 'a'", 11, "expected a list", "", ErrBadExpression},
	{"garage in wall", 11, "expected a list", "", ErrBadExpression},
	{"garage in []", 12, "the list is empty", "", ErrBadExpression},
	{"garage in ['a',]", 16, "expected another member", "last comma", ErrBadExpression},
	{"garage in ['a' 'b']", 16, "expected , or ]", "", ErrBadExpression},
	{"garage in ['a'", 15, "expected , or ]", "", ErrBadExpression},
	{"['a'] == garage", 1, `unexpected "["`, "", ErrBadExpression},
	{"vacant &&", 10, "unexpected the end", "", ErrBadExpression},
	{"&& vacant", 1, `unexpected "&&"`, "", ErrBadExpression},
	{"(vacant", 8, `expected ")"`, "", ErrBadExpression},
	{"vacant)", 7, `unexpected ")"`, "", ErrBadExpression},
	{"()", 2, `unexpected ")"`, "", ErrBadExpression},
	{"vacant leased", 8, `unexpected "leased"`, "", ErrBadExpression},
	{"in [1]", 1, `unexpected "in"`, "", ErrBadExpression},
	{strings.Repeat("(", 33) + "vacant" + strings.Repeat(")", 33), 33, "nested deeper than 32", "", ErrBadExpression},
	{strings.Repeat("!", 33) + "vacant", 33, "nested deeper than 32", "", ErrBadExpression},
	{"vacant" + strings.Repeat(" ", 4091), 4097, "longer than 4096 bytes", "several", ErrBadExpression},

	// Names.
	{"asessed_value > 5", 1, `unknown attribute "asessed_value"`, `did you mean "assessed_value"?`, ErrUnknownAttribute},
	{"vacant && Garage == 'x'", 11, `unknown attribute "Garage"`, `did you mean "garage"?`, ErrUnknownAttribute},
	{"key == 'LC-1'", 1, `unknown attribute "key"`, "beside where", ErrUnknownAttribute},
	{"subject == 'x'", 1, `unknown attribute "subject"`, "beside where", ErrUnknownAttribute},
	{"assessed_value > zzzzzzzz", 18, `unknown attribute "zzzzzzzz"`, "the attributes are assessed_value,", ErrUnknownAttribute},

	// What is no condition.
	{"garage", 1, `"garage" is a text and no condition`, "compare it", ErrBadExpression},
	{"!garage", 2, `"garage" is a text and no condition`, "compare it", ErrBadExpression},
	{"true", 1, "a literal is not a condition", "", ErrBadExpression},
	{"null", 1, "a literal is not a condition", "", ErrBadExpression},
	{"vacant && 5", 11, "a literal is not a condition", "", ErrBadExpression},
	{"assessed_value * 3", 1, "a product is not a condition", "compare it", ErrBadExpression},
	{"!(assessed_value == 5)", 1, "a comparison is not negated", "opposite", ErrBadExpression},
	{"!(vacant && leased)", 1, "a conjunction is not negated", "single", ErrBadExpression},
	{"!!vacant", 1, "only in and a bool attribute are negated", "", ErrBadExpression},
	{"!5", 1, "only in and a bool attribute are negated", "", ErrBadExpression},
	{"!garage in ['a']", 1, "found a negation", "parentheses", ErrBadExpression},
	{"!vacant == true", 1, "found a negation", "", ErrBadExpression},
	{"(vacant && leased) == true", 2, "found a condition", "", ErrBadExpression},
	{"(garage in ['a']) == true", 2, "found a condition", "", ErrBadExpression},
	{"5 in [5]", 1, "found a literal", "", ErrBadExpression},
	{"5 == 5", 1, "neither side is an attribute", "", ErrBadExpression},
	{"null == null", 1, "neither side is an attribute", "", ErrBadExpression},

	// Types.
	{"assessed_value == '5'", 19, "does not compare with a string", "without quotes", ErrBadExpression},
	{"assessed_value == true", 19, "does not compare with true or false", "", ErrBadExpression},
	{"assessed_value == 5.0", 19, "1 decimals, where 0 are allowed", "", ErrBadExpression},
	{"assessed_value == date('2000-01-01')", 19, "does not compare with a date", "", ErrBadExpression},
	{"area >= 0.125", 9, "3 decimals, where 2 are allowed", "", ErrBadExpression},
	{"area in [1, 0.125]", 13, "3 decimals", "", ErrBadExpression},
	{"garage == 5", 11, "does not compare with a number", "in quotes", ErrBadExpression},
	{"garage in ['a', 5]", 17, "does not compare with a number", "in quotes", ErrBadExpression},
	{"wall in ['a', null]", 15, "expected a literal", "null is compared", ErrBadExpression},
	{"wall in ['a', garage]", 15, "expected a literal", "", ErrBadExpression},
	{"garage > 'a'", 1, "has no order", "== or in", ErrBadExpression},
	{"vacant >= true", 1, "has no order", "", ErrBadExpression},
	{"wall < null", 6, "null has no order", "== null", ErrBadExpression},
	{"sale_date == '2000-01-01'", 14, "does not compare with a string", `date("2026-01-31")`, ErrBadExpression},
	{"sale_date == 20000101", 14, "does not compare with a number", "", ErrBadExpression},
	{"sale_date == date('2000-02-30')", 14, "not a date of the calendar", "", ErrBadExpression},
	{"sale_date == date('2000-2-3')", 14, "not a date of the calendar", "", ErrBadExpression},
	{"sale_date == date('2000-01-01T00:00:00Z')", 14, "not a date of the calendar", "", ErrBadExpression},
	{"sale_date == date(20000101)", 19, "date takes one string", "", ErrBadExpression},
	{"sale_date == date('2000-01-01', 'UTC')", 31, `expected ")"`, "", ErrBadExpression},
	{"vacant == 1", 11, "does not compare with a number", "true or false", ErrBadExpression},
	{"assessed_value == 9223372036854775808", 19, "out of the range", "", ErrBadExpression},
	{"assessed_value >= -9223372036854775809", 19, "out of the range", "", ErrBadExpression},
	{"fine >= 9223372036.854775808", 9, "out of the range", "", ErrBadExpression},
	{"fine >= 9223372037", 9, "out of the range", "", ErrBadExpression},
	{"date('2000-01-01') < date('2000-01-02')", 1, "neither side", "", ErrBadExpression},

	// Pairs.
	{"assessed_value == assessed_value", 16, "compared with itself", "", ErrBadExpression},
	{"assessed_value * 2 > assessed_value", 20, "compared with itself", "", ErrBadExpression},
	{"assessed_value == garage", 16, "they do not compare", "", ErrBadExpression},
	{"sale_date < assessed_value", 11, "they do not compare", "", ErrBadExpression},
	{"garage < wall", 8, "has no order", "== or !=", ErrBadExpression},
	{"vacant <= leased", 8, "has no order", "", ErrBadExpression},
	{"garage == code", 8, "different domains", "same domain", ErrBadExpression},
	{"sale_date * 2 < built", 15, "has no multiples", "", ErrBadExpression},
	{"assessed_value * 0 < sale_price", 18, "a factor of 0", "", ErrBadExpression},
	{"assessed_value * -1 < sale_price", 18, "positive whole number", "multiply both sides", ErrBadExpression},
	{"assessed_value * 1.5 < sale_price", 18, "positive whole number", "multiply both sides", ErrBadExpression},
	{"assessed_value * 65536 < sale_price", 18, "over 65535", "common factor", ErrInexpressible},
	{"assessed_value * 99999999999999999999 < sale_price", 18, "over 65535", "", ErrInexpressible},
	{"assessed_value * 2 * 3 < sale_price", 20, "one factor for each", "", ErrBadExpression},
	{"assessed_value * sale_price < area", 16, "not multiplied with each other", "", ErrInexpressible},
	{"2 * 3 < assessed_value", 3, "an attribute times a whole number", "", ErrBadExpression},
	{"assessed_value * 'a' < sale_price", 16, "an attribute times a whole number", "", ErrBadExpression},
	{"assessed_value * 3 <= 100", 16, "factors need an attribute on both sides", "divide the literal", ErrInexpressible},
	{"assessed_value * 3 in [3]", 16, "factors need an attribute on both sides", "", ErrInexpressible},
	{"fine < assessed_value", 1, "the factors and the difference in scale exceed 65535", "", ErrInexpressible},
	{"area * 2 <= sale_price * 700", 1, "the factors and the difference in scale exceed 65535", "", ErrInexpressible},
	{"assessed_value in [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", 59, "over 16 members", "", ErrInexpressible},

	// What cannot be true.
	{"assessed_value < -9223372036854775808", 18, "cannot be true: no int is less than", "", ErrBadExpression},
	{"assessed_value > 9223372036854775807", 18, "cannot be true: no int is greater than", "", ErrBadExpression},
	{"fine > 9223372036.854775807", 8, "cannot be true: no decimal is greater than 9223372036.854775807", "", ErrBadExpression},
	{"sale_date < date('0000-01-01')", 13, "cannot be true: no date is less than 0000-01-01", "", ErrBadExpression},
	{"date('9999-12-31') < sale_date", 1, "cannot be true: no date is greater than 9999-12-31", "", ErrBadExpression},
	{"assessed_value == null", 1, "is not optional", "", ErrBadExpression},
	{"assessed_value >= 5 && assessed_value <= 4", 24, "cannot be true: no value of assessed_value is left", "", ErrBadExpression},
	{"area > 1 && vacant && area < 1", 23, "no value of area is left", "", ErrBadExpression},
	{"area > 1 && area < 1.01", 13, "no value of area is left", "", ErrBadExpression},
	{"garage == 'a' && garage == 'b'", 18, "no value of garage is left", "", ErrBadExpression},
	{"garage in ['a', 'b'] && !(garage in ['b', 'a', 'c'])", 25, "no value of garage is left", "", ErrBadExpression},
	{"vacant && !vacant", 11, "no value of vacant is left", "", ErrBadExpression},
	{"vacant != true && vacant != false", 19, "no value of vacant is left", "", ErrBadExpression},
	{"assessed_value in [1, 2] && assessed_value > 2", 29, "no value of assessed_value is left", "", ErrBadExpression},
	{"assessed_value >= 1 && assessed_value <= 3 && !(assessed_value in [1, 2, 3])", 47, "no value", "", ErrBadExpression},
	{"wall == null && wall != null", 17, "null and have a value", "", ErrBadExpression},
	{"wall != 'a' && wall == null", 16, "null and have a value", "", ErrBadExpression},
	{"sale_price == null && sale_price < assessed_value", 23, "sale_price would have to be null", "", ErrBadExpression},
	{"assessed_value != sale_price && sale_price == null", 33, "sale_price would have to be null", "", ErrBadExpression},
}

func TestCompileWhereRefuses(t *testing.T) {
	s := parcelSchema(t)
	for _, c := range refusals {
		// The expression before it shows that the index is the one at fault.
		_, err := CompileWhere(s, []string{"fine >= 0", c.src})
		var e *ExprError
		if !errors.As(err, &e) {
			t.Errorf("%q: error %v, want an ExprError", c.src, err)
			continue
		}
		if e.Where != 1 || e.Column != c.column || !strings.Contains(e.Msg, c.msg) || !strings.Contains(e.Hint, c.hint) || !errors.Is(err, c.kind) {
			t.Errorf("%q: %v (%v); want column %d, %q, hint %q, %v", c.src, err, e.kind, c.column, c.msg, c.hint, c.kind)
		}
		if prefix := []rune(c.src[:e.Offset]); len(prefix)+1 != e.Column {
			t.Errorf("%q: byte %d is not character %d", c.src, e.Offset, e.Column)
		}
	}
}

func TestExprErrorText(t *testing.T) {
	_, err := CompileWhere(parcelSchema(t), []string{"vacant", "area >= 1.5 && asessed_value > 5"})
	want := `where[1], column 16: unknown attribute "asessed_value" (hint: did you mean "assessed_value"?)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestContradictionAcrossExpressions(t *testing.T) {
	_, err := CompileWhere(parcelSchema(t), []string{"assessed_value >= 5", "vacant", "area > 1 && 4 >= assessed_value"})
	var e *ExprError
	if !errors.As(err, &e) || e.Where != 2 || e.Column != 13 {
		t.Errorf("%v; want where[2], column 13", err)
	}
}

func TestTooManyPredicates(t *testing.T) {
	where := make([]string, 0, 65)
	for range 65 {
		where = append(where, "vacant")
	}
	if _, err := CompileWhere(parcelSchema(t), where[:64]); err != nil {
		t.Errorf("64 conditions: %v", err)
	}
	_, err := CompileWhere(parcelSchema(t), where)
	var e *ExprError
	if !errors.As(err, &e) || e.Where != 64 || !errors.Is(err, ErrInexpressible) {
		t.Errorf("65 conditions: %v", err)
	}
}
