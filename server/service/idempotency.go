package service

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/server/access"
)

// replaysKept is how long the answer to an idempotency key is given again.
const replaysKept = 7 * 24 * time.Hour

// Replay is the answer to an operation that was done under an idempotency key.
type Replay struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    []byte            `json:"body,omitempty"`
}

// replayRecord is what is kept of an idempotency key.
type replayRecord struct {
	// Fingerprint is a keyed hash of what was asked for.
	Fingerprint []byte `json:"fingerprint"`
	// Run names the run of the process that does it, or did.
	Run    string    `json:"run"`
	Until  time.Time `json:"until,omitzero"`   // when it is put away
	Replay *Replay   `json:"replay,omitempty"` // nil while it is being done
}

// Operation is something that is being done under an idempotency key.
type Operation struct {
	s           *Service
	id          string
	fingerprint []byte
	until       time.Time
	of          operation
}

// Begin begins an operation under an organisation's idempotency key, of which request
// is all that says what is to be done. One that was done before is not begun: its answer
// is given instead. What a crash interrupted is begun again, and makes the same ids (see
// [Operation.Context]). Begin fails with [ErrOtherBody] and [ErrInProgress].
func (s *Service) Begin(p *access.Principal, name, key string, request ...string) (*Operation, *Replay, error) {
	of := operation{p.Organisation.ID, name, key}
	o := &Operation{
		s: s, of: of, id: hex.EncodeToString(s.secret.mac("replay", of.organisation, of.name, of.key)),
		fingerprint: s.secret.mac(append([]string{"fingerprint"}, request...)...),
	}
	var replay *Replay
	err := s.db.Update(func(tx *bbolt.Tx) error {
		r, err := s.replayRecord(tx, o.id)
		switch {
		case errors.Is(err, ErrNotFound):
			o.until = s.now().Add(replaysKept).Truncate(time.Millisecond) // as it stands among what is due
			return errors.Join(s.due(tx, o.until, dueReplay, o.id), o.write(tx, nil))
		case err != nil:
			return err
		case !hmac.Equal(r.Fingerprint, o.fingerprint):
			return ErrOtherBody
		case r.Replay != nil:
			replay = r.Replay
			return nil
		case r.Run == s.started:
			return &RetryError{time.Second, ErrInProgress}
		}
		o.until = r.Until
		return o.write(tx, nil)
	})
	if err != nil {
		return nil, nil, err
	}
	return o, replay, nil
}

func (s *Service) replayRecord(tx *bbolt.Tx, id string) (*replayRecord, error) {
	document, err := s.replays.get(tx, id)
	if err != nil {
		return nil, err
	}
	r := &replayRecord{}
	if err := json.Unmarshal(document, r); err != nil {
		return nil, fmt.Errorf("the record of an idempotency key: %w", err)
	}
	return r, nil
}

func (o *Operation) write(tx *bbolt.Tx, r *Replay) error {
	document, err := json.Marshal(replayRecord{Fingerprint: o.fingerprint, Run: o.s.started, Until: o.until, Replay: r})
	if err != nil {
		return err
	}
	return o.s.replays.put(tx, o.id, document)
}

// Context gives a context in which new things get the ids that this operation gives
// them whenever it is done.
func (o *Operation) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, operationKey{}, o.of)
}

// End keeps the operation's answer, to be given again.
func (o *Operation) End(r *Replay) error {
	return o.s.db.Update(func(tx *bbolt.Tx) error { return o.write(tx, r) })
}

// Forget lets the operation be begun again: nothing came of it that a client should be
// told again.
func (o *Operation) Forget() error {
	return o.s.db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(o.s.replays.delete(tx, o.id), tx.Bucket([]byte(dueBucket)).Delete(dueKey(o.until, dueReplay, o.id)))
	})
}

// Again tells whether the operation of a context may have been begun before.
func Again(ctx context.Context) bool {
	_, again := ctx.Value(operationKey{}).(operation)
	return again
}
