package service

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"
)

// collection is a kind of things with ids, in the order in which they were made, for
// each owner and for all. The things are sealed; ids, owners and order are not.
//
//	NAME         id -> the sealed thing
//	NAME.order   owner, 0, number -> id; the owner of all is empty
type collection[T any] struct {
	name string
	seal Sealer
}

func newCollection[T any](name string, seal Sealer) collection[T] {
	return collection[T]{"service." + name, seal}
}

func (c collection[T]) buckets() []string { return []string{c.name, c.name + ".order"} }

// add puts in a thing that is not there yet.
func (c collection[T]) add(tx *bbolt.Tx, id, owner string, thing *T) error {
	order := tx.Bucket([]byte(c.name + ".order"))
	number, err := order.NextSequence()
	if err != nil {
		return err
	}
	for _, o := range []string{"", owner} {
		if err := order.Put(orderKey(o, number), []byte(id)); err != nil {
			return err
		}
	}
	return c.put(tx, id, thing)
}

// put replaces a thing.
func (c collection[T]) put(tx *bbolt.Tx, id string, thing *T) error {
	plain, err := json.Marshal(thing)
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(c.name)).Put([]byte(id), c.seal.Seal(place(c.name, []byte(id)), plain))
}

// get fails with [ErrNotFound].
func (c collection[T]) get(tx *bbolt.Tx, id string) (*T, error) {
	sealed := tx.Bucket([]byte(c.name)).Get([]byte(id))
	if sealed == nil {
		return nil, ErrNotFound
	}
	plain, err := c.seal.Open(place(c.name, []byte(id)), bytes.Clone(sealed))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.name, id, err)
	}
	thing := new(T)
	if err := json.Unmarshal(plain, thing); err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.name, id, err)
	}
	return thing, nil
}

// maxLooked bounds how many things a page looks at, where a filter leaves out most.
const maxLooked = 5000

// page gives things of an owner, the newest first, from the one below a number on
// (0: from the newest), as far as keep wants them. next is where to go on, 0 at the end.
func (c collection[T]) page(tx *bbolt.Tx, owner string, below uint64, limit int, keep func(*T) bool) (things []*T, next uint64, err error) {
	cursor := tx.Bucket([]byte(c.name + ".order")).Cursor()
	prefix := append([]byte(owner), 0)
	looked := 0
	for k, id := seekBelow(cursor, owner, below); bytes.HasPrefix(k, prefix); k, id = cursor.Prev() {
		if len(things) == limit || looked == maxLooked {
			return things, next, nil
		}
		thing, err := c.get(tx, string(id))
		if err != nil {
			return nil, 0, err
		}
		if keep(thing) {
			things = append(things, thing)
		}
		looked, next = looked+1, binary.BigEndian.Uint64(k[len(prefix):])
	}
	return things, 0, nil
}

// seekBelow goes to the last key of an owner below a number.
func seekBelow(cursor *bbolt.Cursor, owner string, below uint64) (k, v []byte) {
	if below == 0 {
		below = ^uint64(0)
	}
	if k, _ = cursor.Seek(orderKey(owner, below)); k == nil {
		return cursor.Last()
	}
	return cursor.Prev()
}

func orderKey(owner string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(owner), 0), number)
}
