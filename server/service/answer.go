package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"filippo.io/age"
	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/server/budget"
	"github.com/attestry/attestry/server/tracing"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// giveJob enqueues a job that answers a request, as an operation wants.
func (s *Service) giveJob(tx *bbolt.Tx, r *Request, operation string) error {
	r.Jobs++
	r.State, r.Started, r.Job = Answering, operation, s.secret.id("job", r.ID, strconv.Itoa(r.Jobs))
	_, err := s.queue.EnqueueTx(tx, queue.New{
		ID: r.Job, Organisation: r.Organisation, Kind: KindAnswer, Payload: []byte(r.ID), Deadline: r.Expires,
	})
	return errors.Join(err, setTarget(tx, r.Job, target{Request: r.ID}))
}

// Answer has a bank's request answered, and gives the job. Of one that is being answered
// it gives the job that does. It fails with [ErrWrongState] where the request has ended.
func (s *Service) Answer(ctx context.Context, p *access.Principal, id string) (*Job, error) {
	operation := s.newID(ctx)
	r, err := s.change(id, func(tx *bbolt.Tx, r *Request) error {
		switch {
		case !r.isAnsweredBy(p.Organisation):
			return ErrNotFound
		case r.State == Answering, r.Started == operation: // the latter before a crash
			return nil
		case r.State.Ended():
			return fmt.Errorf("%w: it is %s", ErrWrongState, r.State)
		}
		return errors.Join(
			s.giveJob(tx, r, operation),
			s.record(tx, p, AuditRecord{Action: "answer.started", Request: id, Job: r.Job}),
		)
	})
	if err != nil {
		return nil, err
	}
	return s.Job(ctx, p, r.Job)
}

// AnswerDocument has a request answered that came another way. The agency is its asker
// here, but the openings are sealed to whom the document names. only names the facts to
// prove; none is all.
func (s *Service) AnswerDocument(ctx context.Context, p *access.Principal, document []byte, only []string) (*Job, error) {
	asked, err := s.read(document, only)
	if err != nil {
		return nil, err
	}
	if !asked.request.isAnsweredBy(p.Organisation) {
		return nil, fmt.Errorf("to answer from these registries is %w", ErrForbidden)
	}
	r, err := s.take(ctx, p, asked, true)
	if err != nil {
		return nil, err
	}
	return s.Job(ctx, p, r.Job)
}

// kept is what a job keeps of its work before it logs it, sealed: what was proved, and
// the openings, which are sealed to the asker besides. Or the refusal that it came to.
type kept struct {
	Prepared []byte   `json:"prepared,omitempty"`
	Openings []byte   `json:"openings,omitempty"` // an age file
	Timings  Timings  `json:"timings"`
	Refusal  *Refusal `json:"refusal,omitempty"`
}

// placeSaved is where a job's saved state belongs.
func placeSaved(job string) []byte { return place("service.saved", []byte(job)) }

func (s *Service) openKept(j queue.Job) (*kept, error) {
	if len(j.Saved) == 0 {
		return nil, nil
	}
	plain, err := s.config.Sealer.Open(placeSaved(j.ID), j.Saved)
	if err != nil {
		return nil, err
	}
	k := &kept{}
	return k, json.Unmarshal(plain, k)
}

func (s *Service) saveKept(t *queue.Task, k *kept) error {
	plain, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return t.Save(s.config.Sealer.Seal(placeSaved(t.Job.ID), plain))
}

// staleTries is how often an answer is proved anew because an epoch was committed
// between the proof and its entry.
const staleTries = 3

// answer is the job that answers a request.
func (s *Service) answer(ctx context.Context, t *queue.Task) ([]byte, error) {
	r, document, err := s.toAnswer(string(t.Job.Payload))
	if err != nil {
		return nil, err
	}
	k, err := s.openKept(t.Job)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		p, err := s.prepared(ctx, t, r, document, &k)
		if err == nil {
			var bundle *verifier.Bundle
			start := time.Now()
			logging, end := tracing.Begin(ctx, s.config.Tracer, "log", tracing.Proofs.Int(p.Timings.Proofs))
			bundle, err = s.w.Agency().Log(logging, p)
			end(partCode(err))
			if err == nil {
				k.Timings.LogMS = time.Since(start).Milliseconds()
				return s.keepAnswer(r, bundle, k)
			}
		}
		if errors.Is(err, ledger.ErrStaleEpoch) && try < staleTries {
			k = nil // of an epoch that is over
			continue
		}
		return nil, s.refused(ctx, t, err)
	}
}

// toAnswer gives a request that is to be answered, with its document.
func (s *Service) toAnswer(id string) (r *Request, document *statement.Request, err error) {
	var raw []byte
	err = s.db.View(func(tx *bbolt.Tx) error {
		if r, err = s.requests.get(tx, id); err != nil {
			return err
		}
		raw, err = s.documents.get(tx, id)
		return err
	})
	if err == nil {
		document, err = statement.ParseRequest(raw)
	}
	if err != nil {
		return nil, nil, queue.Permanent(err)
	}
	return r, document, nil
}

// prepared gives the proofs of a request: those that were kept, or new ones, which it
// keeps first.
func (s *Service) prepared(ctx context.Context, t *queue.Task, r *Request, document *statement.Request, k **kept) (*prover.Prepared, error) {
	if *k != nil && len((*k).Prepared) > 0 {
		return prover.ParsePrepared((*k).Prepared, document, r.Only...)
	}
	p, err := s.prepare(ctx, r, document)
	if err != nil {
		return nil, err
	}
	fresh := &kept{Timings: Timings{Proofs: p.Timings.Proofs, ProveMS: p.Timings.Prove.Milliseconds()}}
	if fresh.Prepared, err = p.Marshal(); err != nil {
		return nil, err
	}
	if fresh.Openings, err = sealOpenings(p.Openings, document); err != nil {
		return nil, err
	}
	*k = fresh
	return p, s.saveKept(t, fresh)
}

// prepare makes the proofs of a request, once grants allow it and its asker's budget, too.
func (s *Service) prepare(ctx context.Context, r *Request, document *statement.Request) (p *prover.Prepared, err error) {
	a := s.w.Agency()
	if err = a.CheckNamedGrants(document, r.Only...); err == nil {
		if err = s.chargeRecords(r, document); err == nil {
			proving, end := tracing.Begin(ctx, s.config.Tracer, "prove")
			p, err = a.Prepare(proving, document, r.Only...)
			end(partCode(err))
		}
	}
	if isNotGranted(err) { // said before a condition was held to a record
		err = fmt.Errorf("%w: %w", errNotGranted, err)
	}
	return p, err
}

// sealOpenings encrypts openings to the asker.
func sealOpenings(o *verifier.Openings, r *statement.Request) ([]byte, error) {
	to, err := recipient(r)
	if err != nil {
		return nil, err
	}
	plain, err := o.Marshal()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(append(plain, '\n')); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // it writes the last part
		return nil, err
	}
	return out.Bytes(), nil
}

// partCode is what a span says of the error of a part: that there is one. Which one it is,
// the job's own span says.
func partCode(err error) string {
	switch {
	case err == nil:
		return ""
	case isNo(err):
		return "refused"
	}
	return queue.CodeInternal
}

// isNo tells the errors that say that the request cannot be answered from those of a
// server that failed, which may go better another time.
func isNo(err error) bool {
	for _, no := range []error{
		prover.ErrFalse, prover.ErrPledged, prover.ErrNotProvable, prover.ErrNoRegistry, prover.ErrNoEpoch,
		budget.ErrSpent, prover.ErrNoGrant, statement.ErrNotGranted, statement.ErrBadRequest, ledger.ErrPledged, ledger.ErrStaleEpoch, ledger.ErrRevoked, ledger.ErrSunset,
	} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// errNotGranted says that grants do not allow a request, whatever the records say: the
// asker may be told. What a grant's end keeps back later would tell that there is an answer.
var errNotGranted = errors.New("not granted")

func isNotGranted(err error) bool {
	return errors.Is(err, prover.ErrNoGrant) || errors.Is(err, statement.ErrNotGranted)
}

// refused makes an error of proving the job's end where it is an answer in itself: why is
// kept for the agency, sealed, and the job tells the asker no more than it may know.
func (s *Service) refused(ctx context.Context, t *queue.Task, err error) error {
	var logged *prover.LoggedError
	if !isNo(err) || errors.As(err, &logged) && !isNotGranted(err) || ctx.Err() != nil {
		return err
	}
	refusal := &Refusal{Code: RefusedNotProvable, Detail: err.Error()}
	var pledged *prover.PledgedError
	switch {
	case errors.Is(err, errNotGranted):
		refusal.Code = RefusedNotGranted
	case errors.As(prover.AskerError(err), &pledged):
		refusal.Code, refusal.Entry = RefusedAlreadyPledged, &pledged.Entry
	}
	if err := s.saveKept(t, &kept{Refusal: refusal}); err != nil {
		return err
	}
	return queue.Permanent(&queue.Failure{Code: refusal.Code})
}

// keepAnswer keeps the bundle and the openings, and gives the job's result: the proof
// that [Service.answerFinished] makes known.
func (s *Service) keepAnswer(r *Request, bundle *verifier.Bundle, k *kept) ([]byte, error) {
	document, err := bundle.Marshal()
	if err != nil {
		return nil, err
	}
	facts, err := provedFacts(bundle)
	if err != nil {
		return nil, err
	}
	p := &Proof{
		ID: s.secret.id("proof", r.ID), Request: r.ID, Organisation: r.Organisation, Audience: r.Audience,
		Facts: facts, Timings: k.Timings, Openings: Openings{State: OpeningsWaiting, Bytes: len(k.Openings)},
	}
	for _, f := range r.here() {
		p.Sources = append(p.Sources, f.Source)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(s.bundles.put(tx, p.ID, append(document, '\n')), s.openings.put(tx, p.ID, k.Openings))
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// answerFinished makes the end of an answer's job the request's.
func (s *Service) answerFinished(tx *bbolt.Tx, j queue.Job) error {
	r, err := s.requests.get(tx, string(j.Payload))
	if errors.Is(err, ErrNotFound) || err == nil && r.Job != j.ID {
		return nil // the request was not taken after all
	}
	if err != nil {
		return err
	}
	return s.changeIn(tx, r, func() error {
		switch {
		case j.State == queue.Done:
			return s.answered(tx, r, j)
		case r.Withdrawing:
			return s.withdrawn(tx, r)
		case j.State == queue.Failed:
			k, err := s.openKept(j)
			if err == nil && k != nil && k.Refusal != nil {
				return s.refuse(tx, nil, r, k.Refusal)
			}
			if err != nil {
				s.log.Error("what a job kept cannot be opened", "job", j.ID)
			}
		}
		if !s.now().Before(r.Expires) {
			return s.expire(tx, r)
		}
		r.State = Asked
		return s.record(tx, nil, AuditRecord{Action: "answer." + string(j.State), Outcome: j.Code, Request: r.ID, Job: j.ID})
	})
}

// answered makes a proof known.
func (s *Service) answered(tx *bbolt.Tx, r *Request, j queue.Job) error {
	p := &Proof{}
	if err := json.Unmarshal(j.Result, p); err != nil {
		return err
	}
	p.Created = s.now().UTC()
	p.Openings.Expires = p.Created.Add(s.config.OpeningsKept)
	r.State, r.Proof = Answered, p.ID
	return errors.Join(
		s.proofs.add(tx, p.ID, p.Organisation, p),
		s.due(tx, p.Openings.Expires, dueOpenings, p.ID),
		s.record(tx, nil, AuditRecord{Action: "request.answered", Request: r.ID, Proof: p.ID, Job: j.ID}),
		s.notify(tx, "request.answered", r),
	)
}
