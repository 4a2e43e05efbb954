// Package budget bounds what an organisation can find out about a record by asking again
// and again. A condition is one bit of what is hidden, so who may ask without end finds any
// value by halving, and every key by going through them.
//
// A question is charged to every name by which it asks for records ([prover.Touched]: a
// key, a subject, …), to the organisation and not to the credential, before anything is
// looked at and whatever comes of it. A question that names no record is charged to
// the whole registry, and so to every name in it. What is counted is in the service's
// database, in the transaction that takes the request ([Budget.Charge]): a request is
// charged if it is kept, and once.
//
// Names, and not records: that a question is not taken must tell nothing, and it would tell
// that two names are one record's if one were charged for the other. Whether a
// name is spent depends on what the organisation itself has asked, and on nothing else.
//
// But a record has several names, and ties lead to it from others. So when a question is
// answered, it is charged to the records that could answer it, too, apart from names
// ([Budget.ChargeRecords]). What is over there is refused like a claim that is false.
//
//	b, err := budget.Open(db, budget.Options{Limits: budget.Limits{Window: 720 * time.Hour, Questions: 8}})
//	…
//	err = b.Charge(tx, "bank-a", touched) // a [*SpentError] says when to come again
//	…
//	err = b.ChargeRecords(tx, "bank-a", candidates) // a [*SpentError] is for the agency's eyes
//
// In the database, names are keyed hashes: it tells who has asked how often, and not for
// what.
package budget
