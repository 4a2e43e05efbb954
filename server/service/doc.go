// Package service is what agencies, banks and auditors do with each other, without the
// HTTP: a bank asks, a job answers, the bank fetches the bundle and the openings, which
// are sealed to it, an auditor sees who asked what and when.
//
// A [Service] is opened on a workspace and a queue. Each method takes who asks (an
// [access.Principal]) and does what that organisation may do; what it may not see it does
// not find. Whatever is private is sealed before it is in the database ([Sealer]), and
// forgotten when its time is over: a request's document, which names whom the question is
// about, and the openings are kept until the asker acknowledges the openings or they
// expire.
//
//	s, err := service.Open(service.Config{Workspace: w, Queue: q})
//	go s.Run(ctx)
//	r, err := s.Ask(ctx, bank, document, nil)
//	r, err = s.Await(ctx, bank, r.ID, time.Minute)
//	bundle, err := s.Bundle(bank, r.Proof)
//
// Exactly one proof comes of each request that was taken, whenever the process ends: the
// job keeps what it proved before it logs it, and what it logs twice is in the ledger
// once ([prover.Agency.Log]).
package service
