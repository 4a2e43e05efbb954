package main

// limits says, of figures that have missed their goals, what keeps them from it and what
// would reach it. The report gives it where a goal is missed.
func limits() map[string]string {
	return map[string]string{
		"ledger.append256.ratio": `a third of what an append costs the processor is the statement's digest D, one permutation of Poseidon2 of
width 8, which tells whether the statement is known and which bare bbolt does not compute. Digests of all entries of a group
at once, in vectors, would take half of that where the processor has AVX-512 with IFMA.`,
		"ledger.append.p99_copied.x": `the backup's transaction. While it is open, appends write to pages that the file has not had before. (An export
has no such transaction.) A backup that copied entries in short transactions would not have it.`,
		"registry.large.epoch.x": `pages of the registry's file that the system dropped meanwhile. The changes lie all over it, and bbolt reads a page
at a time: with the whole file in memory the commit takes a third of it. Asking for the pages of all changes together, before the first is read, would
keep the disk busy.`,
		"prove.oneshot.extra_ms": `the process reads keys and tables, and checks them against their hashes, before it can prove. Tables that
were mapped into memory and checked as they are used would take less, at the price of a check that comes late.`,
		"peers.snarkjs.ratio": `snarkjs proves in WebAssembly on all cores; the ratio for each constraint and that of processor time are beside it.`,
	}
}
