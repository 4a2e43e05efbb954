package budget

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/prover"
)

// Errors.
var (
	// ErrSpent says that an organisation has asked as much as it may for now.
	ErrSpent = errors.New("the budget is spent")
	// ErrFormat: the buckets are of another version or hold something else.
	ErrFormat = errors.New("not a budget of this version")
)

// SpentError is an [ErrSpent]. It says neither which budget is spent nor for what.
type SpentError struct {
	// After is when the same question can be asked again.
	After time.Duration
}

// Error implements error.
func (e *SpentError) Error() string { return ErrSpent.Error() }

// Is tells that the error is an [ErrSpent].
func (*SpentError) Is(target error) bool { return target == ErrSpent }

// Limits are what one organisation may ask in a window of time. 0 questions: no bound.
type Limits struct {
	Window            time.Duration
	Questions         int // that ask by one name
	RegistryQuestions int // about one registry
}

// Sealer keeps the key of the hashes from whoever reads the database's file.
type Sealer interface {
	Seal(place, plain []byte) []byte
	Open(place, sealed []byte) ([]byte, error)
}

// Options are what a budget is opened with.
type Options struct {
	Limits
	Sealer Sealer           // nil: the key is written in the clear
	Now    func() time.Time // nil: time.Now
}

// Budget is the budgets of all organisations.
type Budget struct {
	limits Limits
	step   uint64 // milliseconds, to which instants are rounded up
	now    func() time.Time
	db     *bbolt.DB
	secret [sha256.Size]byte
	swept  []byte // up to where old rows were looked for; of the one transaction that writes
}

const (
	metaBucket = "budget.meta"
	metaFormat = "format"
	metaSecret = "secret"
	formatNow  = "attestry/budget/v1"

	// chargesBucket has a row for each name: group (16), name (16) -> charges.
	chargesBucket = "budget.charges"
	hashBytes     = 16

	// steps is into how many a window is divided: a charge counts for a window, and up to
	// one step more.
	steps = 32
)

// placeSecret is where the sealed secret belongs.
func placeSecret() []byte { return []byte(metaBucket + "\x00" + metaSecret) }

// Open opens the budgets in the service's database, and makes its part of it where there
// is none. It fails with [ErrFormat].
func Open(db *bbolt.DB, o Options) (*Budget, error) {
	if o.Window < steps*time.Millisecond || o.Questions < 0 || o.RegistryQuestions < 0 {
		return nil, fmt.Errorf("a budget over %s of %d and %d questions is none", o.Window, o.Questions, o.RegistryQuestions)
	}
	o.Window = (o.Window + time.Millisecond - 1).Truncate(time.Millisecond)
	b := &Budget{limits: o.Limits, step: uint64(o.Window.Milliseconds() / steps), now: o.Now, db: db}
	if b.now == nil {
		b.now = time.Now
	}
	return b, db.Update(func(tx *bbolt.Tx) error { return b.open(tx, o.Sealer) })
}

func (b *Budget) open(tx *bbolt.Tx, seal Sealer) error {
	if meta := tx.Bucket([]byte(metaBucket)); meta != nil {
		if got := string(meta.Get([]byte(metaFormat))); got != formatNow {
			return fmt.Errorf("%w: its format is %q", ErrFormat, got)
		}
		plain := slices.Clone(meta.Get([]byte(metaSecret)))
		var err error
		if seal != nil {
			plain, err = seal.Open(placeSecret(), plain)
		}
		if err != nil || len(plain) != len(b.secret) {
			return errors.Join(fmt.Errorf("%w: its secret cannot be opened", ErrFormat), err)
		}
		copy(b.secret[:], plain)
		return nil
	}
	_, _ = rand.Read(b.secret[:]) // never fails: it ends the program instead
	sealed := b.secret[:]
	if seal != nil {
		sealed = seal.Seal(placeSecret(), sealed)
	}
	if _, err := tx.CreateBucket([]byte(chargesBucket)); err != nil {
		return err
	}
	meta, err := tx.CreateBucket([]byte(metaBucket))
	if err != nil {
		return err
	}
	return errors.Join(meta.Put([]byte(metaFormat), []byte(formatNow)), meta.Put([]byte(metaSecret), sealed))
}

// hash gives a keyed hash of parts, each with its length.
func (b *Budget) hash(parts ...string) []byte {
	h := hmac.New(sha256.New, b.secret[:])
	for _, p := range parts {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p)))) // never fails
		_, _ = h.Write([]byte(p))
	}
	return h.Sum(nil)[:hashBytes]
}

// byRegistry names the count of all questions about a registry. No [prover.Touched.By] is it.
const byRegistry = "registry"

// What a group of rows counts. They are apart: what counts for names must not depend on
// whose records they are.
const (
	ofNames   = "group"
	ofRecords = "records"
)

// group gives the first half of the keys of what an organisation asks of a registry.
func (b *Budget) group(kind, organisation, registry string) []byte {
	return b.hash(kind, organisation, registry)
}

// row gives the key of a name's row.
func (b *Budget) row(group []byte, by, name string) string {
	return string(append(slices.Clone(group), b.hash("name", string(group), by, name)...))
}

// Charge charges a question, in the transaction that takes it, to all the names by which
// it asks. It fails with a [*SpentError], and then the transaction must not be committed.
func (b *Budget) Charge(tx *bbolt.Tx, organisation string, touched []prover.Touched) error {
	return b.chargeAll(tx, ofNames, organisation, touched)
}

// ChargeRecords charges a question that was charged to its names to the records that could
// answer it, whatever they are named by. It fails with a [*SpentError], which is not for
// the asker, and then the transaction must not be committed.
func (b *Budget) ChargeRecords(tx *bbolt.Tx, organisation string, candidates []prover.Touched) error {
	return b.chargeAll(tx, ofRecords, organisation, candidates)
}

func (b *Budget) chargeAll(tx *bbolt.Tx, kind, organisation string, touched []prover.Touched) error {
	in := map[string][]prover.Touched{}
	for _, t := range touched {
		in[t.Registry] = append(in[t.Registry], t)
	}
	var after time.Duration
	for _, registry := range slices.Sorted(maps.Keys(in)) {
		group := b.group(kind, organisation, registry)
		late, err := b.chargeNames(tx, group, in[registry])
		if err != nil {
			return err
		}
		after = max(after, late)
		if kind == ofNames {
			if late, err = b.chargeRegistry(tx, group); err != nil {
				return err
			}
			after = max(after, late)
		}
	}
	if after > 0 {
		return &SpentError{after}
	}
	return b.sweep(tx, 2*len(touched)+2)
}

// add charges a row once more.
func (b *Budget) add(bucket *bbolt.Bucket, key string) (charges, error) {
	c, err := readCharges(bucket.Get([]byte(key)))
	if err != nil {
		return nil, err
	}
	now := b.instant()
	c = c.since(now, b.limits.Window).add(b.rounded(now))
	return c, bucket.Put([]byte(key), c.bytes())
}

// chargeRegistry charges a question about a registry, and tells how long it has to wait;
// 0: it is within the budget.
func (b *Budget) chargeRegistry(tx *bbolt.Tx, group []byte) (after time.Duration, err error) {
	if b.limits.RegistryQuestions == 0 {
		return 0, nil
	}
	c, err := b.add(tx.Bucket([]byte(chargesBucket)), b.row(group, byRegistry, ""))
	return c.wait(b.instant(), b.limits.Window, b.limits.RegistryQuestions), err
}

// chargeNames charges a question to the names of one registry, each once, and tells how
// long it has to wait.
func (b *Budget) chargeNames(tx *bbolt.Tx, group []byte, touched []prover.Touched) (after time.Duration, err error) {
	if b.limits.Questions == 0 {
		return 0, nil
	}
	bucket := tx.Bucket([]byte(chargesBucket))
	rows, ofAny := map[string]charges{}, b.row(group, prover.ByNothing, "")
	for _, t := range touched {
		key := b.row(group, t.By, t.Name)
		if _, done := rows[key]; done {
			continue
		}
		if rows[key], err = b.add(bucket, key); err != nil {
			return 0, err
		}
	}
	anyRecord, asksAny := rows[ofAny]
	if asksAny { // it could be any of those that were asked for by a name
		err = b.each(bucket, group, func(key string, c charges) { rows[key] = c })
	} else {
		anyRecord, err = readCharges(bucket.Get([]byte(ofAny)))
	}
	if err != nil {
		return 0, err
	}
	delete(rows, ofAny)
	delete(rows, b.row(group, byRegistry, ""))
	now := b.instant()
	after = anyRecord.wait(now, b.limits.Window, b.limits.Questions)
	for _, c := range rows {
		after = max(after, c.with(anyRecord).wait(now, b.limits.Window, b.limits.Questions))
	}
	return after, nil
}

// each gives the rows of a group.
func (b *Budget) each(bucket *bbolt.Bucket, group []byte, fn func(key string, c charges)) error {
	cursor := bucket.Cursor()
	for k, v := cursor.Seek(group); len(k) == 2*hashBytes && string(k[:hashBytes]) == string(group); k, v = cursor.Next() {
		c, err := readCharges(v)
		if err != nil {
			return err
		}
		fn(string(k), c)
	}
	return nil
}

// instant gives now in milliseconds.
func (b *Budget) instant() uint64 { return uint64(max(b.now().UnixMilli(), 0)) }

// rounded gives an instant as it is kept: later, and one of few, so that a row is short.
func (b *Budget) rounded(instant uint64) uint64 { return (instant/b.step + 1) * b.step }

// sweep deletes rows that no longer count, a few at a time, so that the bucket does not grow
// with every name that was ever asked for.
func (b *Budget) sweep(tx *bbolt.Tx, n int) error {
	bucket, now := tx.Bucket([]byte(chargesBucket)), b.instant()
	cursor := bucket.Cursor()
	var old [][]byte
	k, v := cursor.Seek(b.swept)
	for ; k != nil && n > 0; k, v = cursor.Next() {
		c, err := readCharges(v)
		if err != nil {
			return err
		}
		if len(c.since(now, b.limits.Window)) == 0 {
			old = append(old, slices.Clone(k))
		}
		n--
	}
	b.swept = slices.Clone(k) // nil at the end: from the beginning again
	for _, k := range old {
		if err := bucket.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// Usage is what an organisation has asked of one registry in the last window.
type Usage struct {
	Registry  string
	Questions int // of all kinds; 0 where they are not bounded
	AnyRecord int // that named no record
	Names     int // by which it has asked
	Spent     int // of the names, those by which it can ask no more
}

// Usage tells what an organisation has asked of these registries; one that it has not
// asked about is left out. It names no name.
func (b *Budget) Usage(organisation string, registries []string) (all []Usage, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		for _, registry := range registries {
			u, err := b.usage(tx.Bucket([]byte(chargesBucket)), organisation, registry)
			if err != nil {
				return err
			}
			if u.Questions+u.AnyRecord+u.Names > 0 {
				all = append(all, u)
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Usage) int { return cmp.Compare(a.Registry, b.Registry) })
	return all, err
}

func (b *Budget) usage(bucket *bbolt.Bucket, organisation, registry string) (Usage, error) {
	group, now := b.group(ofNames, organisation, registry), b.instant()
	u, rows := Usage{Registry: registry}, map[string]int{}
	err := b.each(bucket, group, func(key string, c charges) {
		if n := c.since(now, b.limits.Window).sum(); n > 0 {
			rows[key] = n
		}
	})
	ofAll, ofAny := b.row(group, byRegistry, ""), b.row(group, prover.ByNothing, "")
	u.Questions, u.AnyRecord = rows[ofAll], rows[ofAny]
	delete(rows, ofAll)
	delete(rows, ofAny)
	u.Names = len(rows)
	for _, n := range rows {
		if n+u.AnyRecord >= b.limits.Questions {
			u.Spent++
		}
	}
	return u, err
}

// Limits gives what the budgets are.
func (b *Budget) Limits() Limits { return b.limits }
