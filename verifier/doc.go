// Package verifier turns a bundle into a verdict: a list of checks, each with what
// was expected, what was observed and what it rests on.
//
// A relying party pins a [Trust] file beforehand: the logs, the issuers and the
// circuits that it relies on. [ParseBundle] reads the one file that an answer
// comes in, [Verify] checks it, with the [statement.Request] that it answers and
// the [Openings] that only the asker holds, where there are any. [Audit] replays a
// whole ledger from its export. Nothing here needs a network, a database or the
// proof system's compiler: the proofs are checked with the curve's pairing alone
// ([VerifyingKey.Verify]).
//
// A verifier reads files from whom it does not trust. Every decoder here is
// canonical and bounded, no input makes it panic, and no byte of a bundle that
// passes can be changed (other than to an equal JSON document) without failing.
package verifier
