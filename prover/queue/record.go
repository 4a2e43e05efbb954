package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/canon"
)

// format is what the meta bucket says of the others.
const format = "attestry/queue/v1"

// The buckets. A job's number is its key in all but two of them, so that jobs are in
// the order in which they came.
var (
	bucketMeta          = []byte("queue.meta")          // "format", "next": the number of the next job
	bucketIDs           = []byte("queue.ids")           // id -> number
	bucketJobs          = []byte("queue.jobs")          // number -> record
	bucketPayloads      = []byte("queue.payloads")      // number -> payload, until it has finished
	bucketSaved         = []byte("queue.saved")         // number -> what the handler saved, until it has finished
	bucketResults       = []byte("queue.results")       // number -> result
	bucketLive          = []byte("queue.live")          // numbers of unfinished jobs
	bucketOrganisations = []byte("queue.organisations") // organisation, 0, number
	bucketEvents        = []byte("queue.events")        // number, number of the event -> event
	bucketFinished      = []byte("queue.finished")      // instant, number
)

var (
	keyFormat = []byte("format")
	keyNext   = []byte("next")
)

// record is what is stored of a job but for its payload, what was saved and its result.
type record struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation"`
	Kind         string    `json:"kind"`
	Fingerprint  []byte    `json:"fingerprint"` // SHA-256 of the caller's, or of the payload
	State        State     `json:"state"`
	Attempt      int       `json:"attempt"`
	Failures     int       `json:"failures"` // runs that failed
	Crashes      int       `json:"crashes"`  // runs that the process's end cut short
	Events       uint64    `json:"events"`   // the number of the last one
	Cancelling   bool      `json:"cancelling,omitempty"`
	Enqueued     time.Time `json:"enqueued"`
	Started      time.Time `json:"started,omitzero"`
	Finished     time.Time `json:"finished,omitzero"`
	Deadline     time.Time `json:"deadline,omitzero"`
	NotBefore    time.Time `json:"not_before,omitzero"`
	Code         string    `json:"code,omitempty"`
	Detail       string    `json:"detail,omitempty"`
}

// storedEvent is an event without its number, which is in its key.
type storedEvent struct {
	Type      EventType `json:"type"`
	At        time.Time `json:"at"`
	Attempt   int       `json:"attempt"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Code      string    `json:"code,omitempty"`
}

func (r *record) job() Job {
	return Job{
		ID: r.ID, Organisation: r.Organisation, Kind: r.Kind, State: r.State, Attempt: r.Attempt,
		Enqueued: r.Enqueued, Started: r.Started, Finished: r.Finished, Deadline: r.Deadline, NotBefore: r.NotBefore,
		Cancelling: r.Cancelling, Code: r.Code, Detail: r.Detail,
	}
}

// same tells whether a job is the one that is to be enqueued.
func (r *record) same(n New) bool {
	return r.Organisation == n.Organisation && r.Kind == n.Kind && bytes.Equal(r.Fingerprint, n.fingerprint())
}

func (n New) fingerprint() []byte {
	h := sha256.New()
	if len(n.Fingerprint) > 0 {
		h.Write([]byte("fingerprint\x00"))
		h.Write(n.Fingerprint)
	} else {
		h.Write([]byte("payload\x00"))
		h.Write(n.Payload)
	}
	return h.Sum(nil)
}

func key(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

func eventKey(number, event uint64) []byte { return binary.BigEndian.AppendUint64(key(number), event) }

func organisationKey(organisation string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(organisation), 0), number)
}

func finishedKey(at time.Time, number uint64) []byte {
	return binary.BigEndian.AppendUint64(key(uint64(at.UnixNano())), number)
}

// number reads the last 8 bytes of a key or value.
func number(b []byte) (uint64, error) {
	if len(b) < 8 {
		return 0, errors.New("the queue is damaged: a number of fewer than 8 bytes")
	}
	return binary.BigEndian.Uint64(b[len(b)-8:]), nil
}

// prepareBuckets makes the buckets, or sees that they are of this version.
func prepareBuckets(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta != nil {
		if got := meta.Get(keyFormat); string(got) != format {
			return fmt.Errorf("%w: its format is %q, and not %s", ErrVersion, got, format)
		}
		return nil
	}
	for _, name := range [][]byte{
		bucketMeta, bucketIDs, bucketJobs, bucketPayloads, bucketSaved, bucketResults,
		bucketLive, bucketOrganisations, bucketEvents, bucketFinished,
	} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyFormat, []byte(format))
}

// find gives the number of a job by its id.
func find(tx *bolt.Tx, id string) (uint64, error) {
	at := tx.Bucket(bucketIDs).Get([]byte(id))
	if at == nil {
		return 0, ErrNotFound
	}
	return number(at)
}

func read(tx *bolt.Tx, number uint64) (*record, error) {
	data := tx.Bucket(bucketJobs).Get(key(number))
	if data == nil {
		return nil, ErrNotFound
	}
	r := &record{}
	if err := canon.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("the queue is damaged: job %d: %w", number, err)
	}
	return r, nil
}

func put(tx *bolt.Tx, number uint64, r *record) error {
	data, err := canon.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketJobs).Put(key(number), data)
}

// happened notes an event of a job, and counts it in the record.
func happened(tx *bolt.Tx, number uint64, r *record, t EventType, at time.Time) error {
	r.Events++
	e := storedEvent{Type: t, At: at, Attempt: r.Attempt}
	if t == EventRetrying {
		e.NotBefore = r.NotBefore
	}
	if t == EventRetrying || t == EventFailed {
		e.Code = r.Code
	}
	data, err := canon.Marshal(e)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketEvents).Put(eventKey(number, r.Events), data)
}

// now gives the present instant as it is stored.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
