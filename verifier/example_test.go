package verifier_test

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// The files of an answer, here those of the test vectors: the trust file was pinned
// beforehand, the request is the asker's own, the rest came back.
func ExampleVerify() {
	var files struct{ Trust, Request, Bundle, Openings json.RawMessage }
	vectors, err := os.ReadFile("../docs/vectors/verifier.json")
	if err == nil {
		err = json.Unmarshal(vectors, &files)
	}
	if err != nil {
		log.Fatal(err)
	}
	trust, err := verifier.ParseTrust(files.Trust)
	if err != nil {
		log.Fatal(err)
	}
	request, err := statement.ParseRequest(files.Request)
	if err != nil {
		log.Fatal(err)
	}
	bundle, err := verifier.ParseBundle(files.Bundle)
	if err != nil {
		log.Fatal(err)
	}
	openings, err := verifier.ParseOpenings(files.Openings)
	if err != nil {
		log.Fatal(err)
	}
	at, err := statement.ParseTime("2026-08-01T12:00:00Z")
	if err != nil {
		log.Fatal(err)
	}
	verdict, err := verifier.Verify(bundle, verifier.Options{Trust: trust, Request: request, Openings: openings, At: at})
	if err != nil {
		log.Fatal(err) // neither yes nor no
	}
	fmt.Println("ok:", verdict.OK)
	for _, c := range verdict.Checks {
		if c.Outcome == verifier.Warn || c.Check == verifier.CheckOpenings {
			fmt.Printf("%s %s: %s\n", c.Outcome, c.Check, c.Observed)
		}
	}
	// Output:
	// ok: true
	// warn setup: a development setup, which the trust file allows: whoever made its keys can forge proofs
	// pass openings: area is 12.50, the subject is the one asked
}
