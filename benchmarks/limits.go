package main

// limits says, of figures that have missed their goals, what keeps them from it and what
// would reach it. The report gives it where a goal is missed.
func limits() map[string]string {
	return map[string]string{
		"ledger.append256.ratio": `that entries are decided one after the other, by the client that leads a group and writes its transaction: a
third of its time goes to looking up whether the statement is known and the record is pledged, and to the rows of the state, which bare bbolt only puts. Parsing and the
digest D are done ahead on the other core. It is 0.63 to 1.1 from round to round: both sides wait for the same disk.`,
		"ledger.append.p99_copied.x": `the backup's transaction. While it is open, appends write to pages that the file has not had before. (An export
has no such transaction.) A backup that copied entries in short transactions would not have it.`,
		"registry.large.epoch.x": `pages of the registry's file that the system dropped meanwhile. The changes lie all over it: some 30,000 pages are read,
many at a time, and as many are written and waited for. With the whole file in memory it is a good third less.`,
		"prove.oneshot.extra_ms": `the process reads keys and tables, and checks them against their hashes, before it can prove. Tables that
were mapped into memory and checked as they are used would take less, at the price of a check that comes late.`,
		"peers.snarkjs.ratio": `snarkjs proves in WebAssembly on all cores; the ratio for each constraint and that of processor time are beside it.`,
	}
}
