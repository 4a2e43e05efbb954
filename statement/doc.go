// Package statement is what attestry claims, before anything is proved: the schema
// of a registry, the request that someone sends, the questions that it becomes, and
// the digests that a proof and a ledger entry hold of them.
//
// The way of one fact through this package:
//
//	ParseSchema         a registry's schema, from YAML: types, text domains, scopes
//	ParseRequest        a request, from YAML or JSON: one fact, or several tied ones
//	Request.CompileFact its conditions as canonical Predicates, its outputs
//	Split               the Questions of as many proofs as they need
//	Question.Layout     one question as the circuit sees it, element for element
//	Private.Q           the hiding hash of question, outputs, context and blind
//	Statement.D         the digest: the circuit's one public input
//
// [Predicate.Holds] and [Matcher] decide whether a record satisfies what was asked,
// exactly as the circuit does; an absent value satisfies nothing but "is null".
//
// Both sides compute all of this alike: a prover from the request it answers, a
// verifier from the request it holds or from the question in a bundle. Hence one
// rule for everything here: two spellings of one thing have one canonical form
// (a predicate, a value's text, a context), and what is not in that form is refused
// where it is read. Nothing passes through a float, and times are whole seconds of
// UTC.
//
// docs/spec/requests.md defines the language of requests, docs/spec/hashes.md the
// hashes; docs/vectors/statement.json has a value of each.
package statement
