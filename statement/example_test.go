package statement_test

import (
	"errors"
	"fmt"

	"github.com/attestry/attestry/statement"
)

const schemaYAML = `
registry: titles
key: parcel_id
subject: owner_id
attributes:
  - {name: assessed_value, type: int, unit: USD}
  - {name: area, type: decimal, scale: 2, optional: true}
  - {name: garage, type: text}
`

const requestYAML = `
registry: titles
subject: OH-0001222
where:
  - assessed_value > 200000 && area < 1200
  - garage in ["detached", "attached"]
reveal: [area]
audience: bank-a
`

// From a schema and a request to the questions of the proofs that answer it.
func Example() {
	schema, err := statement.ParseSchema([]byte(schemaYAML))
	if err != nil {
		fmt.Println(err)
		return
	}
	request, err := statement.ParseRequest([]byte(requestYAML))
	if err != nil {
		fmt.Println(err)
		return
	}
	fact, err := request.CompileFact("fact", schema)
	if err != nil {
		fmt.Println(err)
		return
	}
	questions, err := fact.Questions()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, q := range questions {
		for _, p := range q.Predicates {
			fmt.Println(p)
		}
		fmt.Println("outputs:", q.Outputs[0], q.Outputs[1])
	}
	// Output:
	// area <= 1199.99
	// assessed_value >= 200001
	// garage in [attached, detached]
	// outputs: subject attribute:area
}

// What does not compile says where and what to write instead.
func ExampleCompileWhere_error() {
	schema, err := statement.ParseSchema([]byte(schemaYAML))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = statement.CompileWhere(schema, []string{`area >= 10 || garage == "none"`})
	fmt.Println(err)
	fmt.Println(errors.Is(err, statement.ErrBadExpression))
	// Output:
	// where[0], column 12: "||" is not part of the language (hint: && is the only connective; alternatives of one attribute are written x in [a, b])
	// true
}

// A matcher tries one fact's conditions on many records.
func ExampleMatcher() {
	schema, err := statement.ParseSchema([]byte(schemaYAML))
	if err != nil {
		fmt.Println(err)
		return
	}
	predicates, err := statement.CompileWhere(schema, []string{"area != 10", "assessed_value >= 5"})
	if err != nil {
		fmt.Println(err)
		return
	}
	matcher, err := statement.NewMatcher(schema, predicates)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, area := range []statement.Value{{Int: 1001}, {Int: 1000}, {Absent: true}} {
		failed, err := matcher.Match([]statement.Value{{Int: 5}, area, {Text: "none"}})
		fmt.Println(failed, err)
	}
	// Output:
	// -1 <nil>
	// 0 <nil>
	// 0 <nil>
}
