package registry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/imt"
	"github.com/attestry/attestry/statement"
)

const (
	// sentinel is the position of the leaf that begins the ordered list.
	sentinel = 0
	// maxRecords is how many keys a registry may ever have.
	maxRecords = imt.Capacity - 1
	// lastVersion finds the newest version of all.
	lastVersion = math.MaxUint64
)

// CommitOptions are the parameters of a commit.
type CommitOptions struct {
	// Time is the epoch's instant, cut to whole seconds; not before the last epoch's.
	Time time.Time
	// Publish makes the epoch public: it appends the signed epoch entry to the
	// ledger. It is called once, when all of the epoch is computed and written but
	// not yet committed to the file. If it fails, so does the commit, and nothing
	// has changed. It must not import into or commit the same store. nil publishes
	// nowhere.
	Publish func(Epoch) error
	// Join opens a registry that a derived one joins, by name. Its latest epoch is
	// joined. It must not be this store's.
	Join func(registry string) (*Store, error)
	// Progress, if not nil, hears how many of the hashes are done, those of the derived
	// registries among them, all of them when the epoch has come to be; it is called from
	// one goroutine at a time.
	Progress func(done, total int)
}

// Commit applies the staged import as the next epoch. Without one it makes an
// epoch with the last one's root: the agency says that it is still true.
//
// The end of the file's last transaction is the only point at which the new epoch
// comes to be; a first epoch that is large has several before it. Whoever is killed before it finds the old epoch and the staging;
// if that was after Publish, [Store.Redo] catches up with the ledger. An error
// that is [ErrUnstored] says the same without a crash.
func (s *Store) Commit(ctx context.Context, opts CommitOptions) (Epoch, error) {
	settle := func(last, next *Epoch) error {
		next.Time = opts.Time.UTC().Truncate(time.Second)
		if last != nil && next.Time.Before(last.Time) {
			return fmt.Errorf("%w: it is %s, and epoch %d has %s", ErrClock,
				statement.FormatTime(next.Time), last.Number, statement.FormatTime(last.Time))
		}
		return nil
	}
	join := func(name string) (joined, error) {
		other, err := openJoined(name, opts.Join)
		if err != nil {
			return joined{}, err
		}
		latest, ok := other.Latest()
		if !ok {
			return joined{}, fmt.Errorf("%w: registry %s has none, and a derived registry joins it: commit it first", ErrNoEpoch, name)
		}
		return joined{other, latest.Number}, nil
	}
	return s.commit(&attempt{ctx: ctx, meter: newMeter(opts.Progress, len(s.schema.Derived)), join: join, settle: settle, publish: opts.Publish})
}

func openJoined(name string, open func(string) (*Store, error)) (*Store, error) {
	if open == nil {
		return nil, fmt.Errorf("%w: registry %s, which a derived registry joins, is not at hand", ErrNoEpoch, name)
	}
	return open(name)
}

// Redo makes the epoch that the ledger holds and the store lacks, because the
// process ended between the two. e gives its number, root and time. What a commit
// makes is a function of the file alone (its state, staging and secrets), so the
// same epoch comes out; if it does not, nothing has changed and the error is
// [ErrDiverged]. An epoch that the store has already is compared. Call it when
// opening a store, before anything is imported. join opens what derived registries
// join, as in [CommitOptions].
func (s *Store) Redo(ctx context.Context, e Epoch, join func(registry string) (*Store, error)) error {
	if latest, _ := s.Latest(); e.Number <= latest.Number {
		return s.compare(e)
	}
	settle := func(_, next *Epoch) error {
		if next.Number != e.Number {
			return fmt.Errorf("%w: the ledger has epoch %d, and the store's next is %d", ErrDiverged, e.Number, next.Number)
		}
		if next.Root != e.Root || !next.Derivation.Equal(e.Derivation) {
			return fmt.Errorf("%w: the store gives another root for epoch %d than the ledger has", ErrDiverged, e.Number)
		}
		next.Time = e.Time.UTC().Truncate(time.Second)
		return nil
	}
	joinThen := func(name string) (joined, error) {
		if e.Derivation == nil || e.Derivation.Joins[name] == 0 {
			return joined{}, fmt.Errorf("%w: the ledger's epoch %d does not join registry %s", ErrDiverged, e.Number, name)
		}
		other, err := openJoined(name, join)
		return joined{other, e.Derivation.Joins[name]}, err
	}
	_, err := s.commit(&attempt{ctx: ctx, meter: newMeter(nil, 0), join: joinThen, settle: settle})
	return err
}

func (s *Store) compare(e Epoch) error {
	own, err := s.Epoch(e.Number)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDiverged, err)
	}
	if own.Root != e.Root || !own.Time.Equal(e.Time) || !own.Derivation.Equal(e.Derivation) {
		return fmt.Errorf("%w: the store's epoch %d has another root or time than the ledger's", ErrDiverged, e.Number)
	}
	return nil
}

// attempt is one commit.
type attempt struct {
	ctx     context.Context
	meter   *meter
	join    func(name string) (joined, error)
	settle  func(last, next *Epoch) error // sets the epoch's time and may refuse it
	publish func(Epoch) error

	next      Epoch
	derived   []derivedEpoch
	published bool
}

// commit makes the next epoch.
func (s *Store) commit(a *attempt) (Epoch, error) {
	if err := s.refuseDerived(); err != nil {
		return Epoch{}, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	p := s.parts(a.ctx)
	err := p.run(func() error { return s.attempt(p, a) })
	if err != nil && p.ended > 0 {
		err = errors.Join(err, s.db.Update(s.clearUnfinished))
	}
	switch {
	case err != nil && a.published:
		return Epoch{}, fmt.Errorf("%w: epoch %d: %w", ErrUnstored, a.next.Number, err)
	case err != nil:
		return Epoch{}, err
	}
	s.setLatest(a.next)
	for _, d := range a.derived {
		d.store.setLatest(d.epoch)
	}
	a.meter.finish()
	return a.next, nil
}

// attempt makes the epoch and publishes it, but for the end of the last transaction.
func (s *Store) attempt(p *parts, a *attempt) error {
	if err := s.clearUnfinished(p.tx); err != nil {
		return err
	}
	last, err := lastEpoch(p.tx)
	if err != nil {
		return err
	}
	c := newCommitter(s, p.to, last)
	c.meter = a.meter
	if a.next, err = c.make(a.ctx, p); err != nil {
		return err
	}
	if a.derived, a.next.Derivation, err = s.derive(a, p.tx); err != nil {
		return err
	}
	if err := a.settle(last, &a.next); err != nil {
		return err
	}
	for i := range a.derived {
		a.derived[i].epoch.Time = a.next.Time
		if err := putEpoch(a.derived[i].own, a.derived[i].epoch); err != nil {
			return err
		}
	}
	if err := errors.Join(putEpoch(p.tx, a.next), emptyStaging(p.tx), a.ctx.Err()); err != nil || a.publish == nil {
		return err
	}
	err = a.publish(a.next)
	a.published = err == nil
	return err
}

// committer applies the staging to the state of one transaction.
type committer struct {
	s       *Store
	tx      state
	epoch   uint64
	first   bool   // the registry has no epoch yet
	fresh   uint32 // the next position that was never used
	records int    // live
	changed int
	meter   *meter

	keys, retired         *keyList
	content, links, nodes *bbolt.Bucket
	origins               origins
	renamed               renamed

	leaves []leafChange // of the epoch, by position
}

func newCommitter(s *Store, tx state, last *Epoch) *committer {
	c := &committer{
		s: s, tx: tx, epoch: 1, first: last == nil, meter: newMeter(nil, 0),
		keys:    tx.list(bucketKeys),
		retired: tx.list(bucketRetired),
		content: tx.Bucket(bucketRecords),
		links:   tx.Bucket(bucketLinks),
		nodes:   tx.Bucket(bucketNodes),
		origins: tx.origins(),
		renamed: tx.renamed(),
	}
	if last != nil {
		c.epoch, c.records = last.Number+1, last.Records
	}
	return c
}

// make makes the epoch: a first one front to back, in several transactions if it is large,
// and a later one in the one that there is.
func (c *committer) make(ctx context.Context, p *parts) (Epoch, error) {
	if c.first {
		return c.load(ctx, p)
	}
	return c.apply(ctx)
}

// apply makes an epoch after another one: the list first, then leaves and nodes, then the records.
func (c *committer) apply(ctx context.Context) (Epoch, error) {
	fresh, err := decodePosition(c.tx.Bucket(bucketMeta).Get(metaFresh))
	if err != nil {
		return Epoch{}, err
	}
	c.fresh = fresh
	if err := c.relist(); err != nil {
		return Epoch{}, err
	}
	root, err := c.hash(ctx)
	if err != nil {
		return Epoch{}, err
	}
	err = c.tx.Bucket(bucketMeta).Put(metaFresh, positionKey(c.fresh))
	return Epoch{Number: c.epoch, Root: statement.Element(root), Records: c.records, Changed: c.changed}, err
}
