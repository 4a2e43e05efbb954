// Package store keeps a log on disk: its entries, its tree's hashes and the state
// of its rules in one bbolt database, and the last signed checkpoint in a guard
// file beside it.
//
// [Store.Append] decides every rule of [ledger.Rules] and writes in one
// transaction, which calls of several goroutines share: when it returns, all of its
// entries are on disk, or none is.
// [Store.PublishCheckpoint] signs what is on disk and never less, or other, than
// what it signed before. [Store.Export] writes the log as the static files of
// C2SP tlog-tiles, and [Store.Tile] gives one of them. [Store.Fsck] rebuilds
// everything from the entries, compares, and says what is damaged; [Store.Check] says
// only whether. [Store.Backup] copies a log that is being written, [Restore] puts a
// copy in the place of a lost log, and brings it forward from exported tiles to what
// the guard says was signed. [Compact] writes the database anew.
//
// One process at a time writes a log. The database grows and never shrinks by itself.
// After an error of the disk a log takes no more appends until it is opened again.
package store
