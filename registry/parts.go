package registry

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"
)

const (
	// partBytes is how many bytes one of several transactions puts in: bbolt holds them in
	// memory, several times over, until it ends.
	partBytes = 32 << 20
	// sortBytes is how much of what is sorted is held in memory.
	sortBytes = 64 << 20
)

// limits bound the memory that imports and commits take. Tests make them small.
type limits struct{ part, sort int }

// parts is a change of a file in transactions of bounded size. What the earlier ones have
// put in must be nothing that anybody reads before the last one has ended.
type parts struct {
	ctx   context.Context
	db    *bbolt.DB
	in    func(*bbolt.Tx) state
	limit int // bytes of a transaction
	tx    *bbolt.Tx
	to    state
	size  int
	ended int // transactions
}

// run runs a change; its last transaction ends when fn has returned.
func (p *parts) run(fn func() error) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer func() {
		if p.tx != nil {
			_ = p.tx.Rollback()
		}
	}()
	if err := fn(); err != nil {
		return err
	}
	return p.end()
}

func (p *parts) begin() (err error) {
	if p.tx, err = p.db.Begin(true); err != nil {
		p.tx = nil
		return err
	}
	p.size, p.to = 0, p.in(p.tx)
	return nil
}

func (p *parts) end() error {
	tx := p.tx
	p.tx = nil
	p.ended++
	return tx.Commit()
}

// next ends a transaction and begins another one.
func (p *parts) next() error {
	if err := errors.Join(p.end(), p.ctx.Err()); err != nil {
		return err
	}
	return p.begin()
}

// wrote counts bytes; fresh tells that a new transaction has begun.
func (p *parts) wrote(n int) (fresh bool, err error) {
	if p.size += n; p.size < p.limit {
		return false, nil
	}
	return true, p.next()
}
