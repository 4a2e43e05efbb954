// Package queue runs jobs that outlive the process: what [Queue.Enqueue] has accepted
// ends as done, failed or cancelled, whatever happens in between.
//
//   - [Open] gives a queue in a bbolt database. Changes that come together share one
//     transaction, so that accepting jobs is not bound to one wait for the disk each.
//   - [Queue.Run] runs them with a [Handler]: so many at once, the organisations in
//     turns, each again after a failure that may mend ([Permanent] says which do not), all
//     within their deadlines.
//   - [Queue.Events] and [Queue.Wait] tell what happens to a job, under numbers that stay.
//
// A job's payload is private as a rule: it is stored as the caller gives it, sealed,
// and deleted when the job finishes. No log line and no stored failure holds anything of
// it, nor of an error that is no [Failure].
//
// A handler may be run again after it has done its work: when the process ends before
// that is stored. To prove and log a request once, it saves the proofs between
// prover.Agency.Prepare and prover.Agency.Log, and begins at Log where there is
// something saved.
package queue
