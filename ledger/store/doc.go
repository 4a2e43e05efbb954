// Package store keeps a log on disk: its entries, its tree's hashes and the state
// of its rules in one bbolt database, and the last signed checkpoint in a guard
// file beside it.
//
// [Store.Append] decides every rule of [ledger.Rules] and writes in one
// transaction: when it returns, all of its entries are on disk, or none is.
// [Store.PublishCheckpoint] signs what is on disk and never less, or other, than
// what it signed before. [Store.Export] writes the log as the static files of
// C2SP tlog-tiles, and [Store.Tile] gives one of them. [Store.Check] rebuilds
// everything from the entries and compares.
//
// One process at a time writes a log. The database grows and never shrinks.
package store
