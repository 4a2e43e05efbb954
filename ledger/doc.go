// Package ledger is the append-only log's formats and rules: what an entry's
// bytes are, what a checkpoint, an inclusion proof, a tile and an entry bundle
// look like, and which entries a log may accept. It keeps nothing on disk
// (package ledger/store does), so that an auditor can replay a whole log with it.
//
// Its main types are
//
//   - [Entry] and its kinds ([SchemaEntry], [CircuitEntry], [EpochEntry],
//     [ProofEntry], [ReleaseEntry], …), read by [ParseEntry] and written by
//     [MarshalEntry]: canonical JSON whose bytes are the leaf of the log's tree;
//   - [Checkpoint], a log's signed size and root, and [Inclusion], the proof that
//     an entry is in it;
//   - [TilePath], the names of the files that a log is published as;
//   - [Rules], which decides one entry after another against a [State].
//
// An entry is public. It holds no record, no question and nothing derived from
// them but hiding commitments: a proof entry shows what P is made of, the root,
// the nullifier, the scope, Q and the proof, and nothing else.
//
// docs/spec/ledger.md specifies all of this, docs/vectors/ledger.json has examples.
package ledger
