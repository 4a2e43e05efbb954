package service

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	mrand "math/rand/v2"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/prover/queue"
	"github.com/attestry/attestry/server/access"
)

// Webhook is where an organisation is told of its requests' ends.
type Webhook struct {
	URL     string    `json:"url"`
	Created time.Time `json:"created"`
	// Secret is what deliveries are signed with, 32 random bytes.
	Secret []byte `json:"secret"`
}

// webhookSecretPrefix begins a secret's text, as Standard Webhooks has it.
const webhookSecretPrefix = "whsec_"

// SecretText gives the secret as its organisation gets it.
func (w *Webhook) SecretText() string {
	return webhookSecretPrefix + base64.StdEncoding.EncodeToString(w.Secret)
}

// DeliveryState is what became of a delivery.
type DeliveryState string

// The states.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed" // it is not tried any more
)

// Delivery is one thing that an organisation is told.
type Delivery struct {
	ID           string        `json:"id"`
	Organisation string        `json:"organisation"`
	Type         string        `json:"type"`
	Request      string        `json:"request"`
	Proof        string        `json:"proof,omitempty"`
	State        DeliveryState `json:"state"`
	Created      time.Time     `json:"created"`
	Attempts     int           `json:"attempts"`
	Next         time.Time     `json:"next,omitzero"`
	Status       int           `json:"status,omitempty"` // of the last HTTP answer
	Error        string        `json:"error,omitempty"`  // why there was none
}

// undeliveredBucket holds the ids of deliveries whose next attempt is not in the queue.
const undeliveredBucket = "service.undelivered"

// SetWebhook has an organisation told at an address, under a new secret. It fails with
// [ErrWebhook].
func (s *Service) SetWebhook(p *access.Principal, address string) (*Webhook, error) {
	if err := s.sender.check(address); err != nil {
		return nil, err
	}
	w := &Webhook{URL: address, Created: s.now().UTC(), Secret: make([]byte, 32)}
	_, _ = rand.Read(w.Secret) // never fails: it ends the program instead
	document, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	return w, s.db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(s.webhooks.put(tx, p.Organisation.ID, document), s.record(tx, p, AuditRecord{Action: "webhook.set"}))
	})
}

// Webhook gives an organisation's webhook. It fails with [ErrNotFound].
func (s *Service) Webhook(p *access.Principal) (w *Webhook, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		w, err = s.webhookOf(tx, p.Organisation.ID)
		return err
	})
	return w, err
}

func (s *Service) webhookOf(tx *bbolt.Tx, organisation string) (*Webhook, error) {
	document, err := s.webhooks.get(tx, organisation)
	if err != nil {
		return nil, err
	}
	w := &Webhook{}
	return w, json.Unmarshal(document, w)
}

// DeleteWebhook has an organisation told no more. Where it was not, that is no error.
func (s *Service) DeleteWebhook(p *access.Principal) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(s.webhooks.delete(tx, p.Organisation.ID), s.record(tx, p, AuditRecord{Action: "webhook.deleted"}))
	})
}

// Deliveries lists what an organisation was or is to be told, the newest first.
func (s *Service) Deliveries(p *access.Principal, f Filter) (page Page[*Delivery], err error) {
	list := f.list("deliveries", p)
	below, err := s.at(list, f.Cursor)
	if err != nil {
		return page, err
	}
	page.Items = []*Delivery{}
	err = s.db.View(func(tx *bbolt.Tx) error {
		some, next, err := s.deliveries.page(tx, p.Organisation.ID, below, f.Limit, func(*Delivery) bool { return true })
		page.Items, page.Next = append(page.Items, some...), s.cursor(list, next)
		return err
	})
	return page, err
}

// notify tells who asked of a request's end, if it has a webhook, in the transaction of
// that end.
func (s *Service) notify(tx *bbolt.Tx, what string, r *Request) error {
	if _, err := s.webhookOf(tx, r.Organisation); errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	d := &Delivery{
		ID: s.secret.id("delivery", what, r.ID), Organisation: r.Organisation, Type: what, Request: r.ID, Proof: r.Proof,
		State: DeliveryPending, Created: s.now().UTC(),
	}
	return errors.Join(s.deliveries.add(tx, d.ID, d.Organisation, d), s.undelivered(tx, d))
}

// undelivered has a delivery's next attempt queued once the transaction is over.
func (s *Service) undelivered(tx *bbolt.Tx, d *Delivery) error {
	tx.OnCommit(s.kick)
	return tx.Bucket([]byte(undeliveredBucket)).Put([]byte(d.ID), []byte{1})
}

// kick wakes [Service.deliver].
func (s *Service) kick() {
	select {
	case s.kicked <- struct{}{}:
	default: // it is awake
	}
}

// deliver queues attempts of deliveries until ctx ends. Where the queue is full, they
// wait for the next time.
func (s *Service) deliver(ctx context.Context) {
	ticks := time.NewTicker(sweepInterval)
	defer ticks.Stop()
	for {
		if err := s.queueDeliveries(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("queue deliveries", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-s.kicked:
		case <-ticks.C:
		}
	}
}

func (s *Service) queueDeliveries(ctx context.Context) error {
	var waiting []*Delivery
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(undeliveredBucket)).ForEach(func(id, _ []byte) error {
			d, err := s.deliveries.get(tx, string(id))
			waiting = append(waiting, d)
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, d := range waiting {
		_, err := s.queue.Enqueue(ctx, queue.New{
			ID: s.secret.id("attempt", d.ID, strconv.Itoa(d.Attempts)), Organisation: d.Organisation,
			Kind: KindWebhook, Payload: []byte(d.ID), NotBefore: d.Next,
		})
		if err != nil {
			return err
		}
		err = s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(undeliveredBucket)).Delete([]byte(d.ID)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// pause gives how long after a failed attempt, counted from 1, the next one follows.
func pause(attempt int) time.Duration {
	pauses := []time.Duration{
		5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
	}
	p := pauses[min(attempt, len(pauses))-1]
	// Less a random part, so that what failed together does not come again together.
	return p - mrand.N(p/4)
}

// call is the job of one attempt.
func (s *Service) call(ctx context.Context, t *queue.Task) ([]byte, error) {
	id := string(t.Job.Payload)
	var d *Delivery
	var w *Webhook
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		if d, err = s.deliveries.get(tx, id); err != nil {
			return err
		}
		w, err = s.webhookOf(tx, d.Organisation)
		if errors.Is(err, ErrNotFound) {
			return nil // deleted meanwhile
		}
		return err
	})
	if err != nil {
		return nil, queue.Permanent(err)
	}
	if d.State != DeliveryPending {
		return nil, nil
	}
	if w == nil {
		d.State, d.Error = DeliveryFailed, "there is no webhook any more"
	} else if err := s.attempt(ctx, d, w); err != nil {
		return nil, err
	}
	return nil, s.db.Update(func(tx *bbolt.Tx) error {
		if err := s.deliveries.put(tx, d.ID, d); err != nil || d.State != DeliveryPending {
			return err
		}
		return s.undelivered(tx, d)
	})
}

// attempt tells an organisation, and notes what came of it. It fails only where ctx ends.
func (s *Service) attempt(ctx context.Context, d *Delivery, w *Webhook) error {
	body, err := d.body()
	if err != nil {
		return err
	}
	status, err := s.sender.send(ctx, w, d.ID, s.now(), body)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.Attempts++
	d.Status, d.Error, d.Next = status, "", time.Time{}
	if err != nil {
		d.Error = reason(err)
	}
	switch {
	case err == nil && status/100 == 2:
		d.State = DeliveryDelivered
	case d.Attempts >= s.sender.config.Attempts:
		d.State = DeliveryFailed
	default:
		d.Next = s.now().UTC().Add(pause(d.Attempts))
	}
	return nil
}

// body gives what an organisation is told: ids and a state, and nothing private.
func (d *Delivery) body() ([]byte, error) {
	type data struct {
		Request string `json:"request"`
		Proof   string `json:"proof,omitempty"`
	}
	return json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      data      `json:"data"`
	}{d.Type, d.Created, data{d.Request, d.Proof}})
}
