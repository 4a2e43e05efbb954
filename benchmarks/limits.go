package main

// limits says, of figures that have missed their goals, what keeps them from it and what
// would reach it. The report gives it where a goal is missed.
func limits() map[string]string {
	return map[string]string{
		"ledger.append256.ratio": `that entries are decided one after the other, by the client that leads a group and writes its transaction: a
third of its time goes to looking up whether the statement is known and the record is pledged, and to the rows of the state, which bare bbolt only puts. Parsing and the
digest D are done ahead on the other core. It is 0.63 to 1.1 from round to round: both sides wait for the same disk.`,
		"ledger.append.p99_copied.x": `the disk, which backup and appends share: a backup writes a piece, waits for it and leaves the disk alone for as long,
and an append may come behind a piece. It is 1.4 to 2.2 from run to run. A backup that paused for longer would take longer, with a transaction open that keeps pages from being used again.`,
		"registry.large.epoch.x": `the changes lie all over the registry's file: some 47,000 pages of records, subjects and nodes are read, many
at a time, written anew beside what they replace, and waited for; most of the rest are hashes, on both cores. A layout of the file in which an epoch's rows stand
together, with the way to them in the nodes above, would take most of the writing out of it.`,
		"noavx.prove.present.wall_ratio": `the field's arithmetic: without vector code an addition of points takes both sides as long, and what is left is that there
are fewer of them. It is 2.30 to 2.47 from run to run.`,
		"server.verify.ratio": `HTTP and JSON, of which a bundle of 5.6 kB has more than any other request, on the same two cores as the verification. It is 0.77 to 0.94
from run to run.`,
		"prove.oneshot.extra_ms": `the process reads keys and tables, and checks them against their hashes, before it can prove. Tables that
were mapped into memory and checked as they are used would take less, at the price of a check that comes late.`,
		"peers.snarkjs.ratio": `snarkjs proves in WebAssembly on all cores; the ratio for each constraint and that of processor time are beside it.`,
	}
}
