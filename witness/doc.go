// Package witness holds logs to one history: the server that a bank or an auditor
// runs, and the client with which a log collects cosignatures. It speaks C2SP
// tlog-witness and signs C2SP cosignature/v1 with Ed25519.
//
// A [Witness] follows logs whose keys were pinned, keeps the last checkpoint that it
// cosigned of each on disk, and cosigns another one only if that contains it. What it
// cosigns is on disk before the cosignature leaves, so that no crash lets it cosign two
// histories; who deletes or restores its directory can. [Witness.Handler] is its HTTP
// interface, [Serve] a server with timeouts.
//
//	vkey, err := witness.Init(dir, "witness.bank.example/w1") // once; vkey is pinned by others
//	w, err := witness.Open(dir, []witness.Log{{Key: logKey}})
//	http.Handle("/", w.Handler(nil))
//
// A [Peer] is a witness as a log knows it: [Peer.Submit] gives the verified line of
// its cosignature, or says that it has seen another history ([ErrBetrayed]).
package witness
