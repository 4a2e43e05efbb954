package groth16

import (
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// chunk is the number of scalars that one task cuts into digits.
const chunk = 2048

// multiExp sums scalars times the bases of a table. The digits of all windows go into
// one set of buckets, because the windows' factors are in the table's points.
//
// It is a sequence of phases, each a number of independent tasks, so that several sums
// are worked on together, each phase by all workers.
type multiExp[P comparable] struct {
	table   *table[P]
	scalars []fr.Element // as long as the table has bases
	step    func() []task

	digits  []int16
	counts  []int32 // of each chunk, for each bucket: how many refs, then where they go
	refs    []ref
	starts  []int32
	buckets []P
	sum     columnSum[P]
	weights weightedSum[P]
}

func newMultiExp[P comparable](g group[P], t *table[P]) *multiExp[P] {
	buckets := t.windows.buckets()
	chunks := (t.n + chunk - 1) / chunk
	return &multiExp[P]{
		table: t, scalars: make([]fr.Element, t.n),
		digits: make([]int16, len(t.points)), refs: make([]ref, len(t.points)),
		counts: make([]int32, chunks*buckets), starts: make([]int32, buckets+1), buckets: make([]P, buckets),
		sum: columnSum[P]{group: g}, weights: weightedSum[P]{sum: columnSum[P]{group: g}},
	}
}

// begin starts a sum over the scalars that have been put into m.scalars.
func (m *multiExp[P]) begin() { m.step = m.cut }

// next gives the tasks of the next phase, and none when the sum is there.
func (m *multiExp[P]) next() []task {
	for m.step != nil {
		if tasks := m.step(); len(tasks) > 0 {
			return tasks
		}
	}
	return nil
}

// result gives the sum.
func (m *multiExp[P]) result() P { return m.weights.result }

// wipe forgets the scalars, and the sum.
func (m *multiExp[P]) wipe() {
	clear(m.scalars)
	clear(m.digits)
	clear(m.counts)
	clear(m.refs)
	clear(m.starts)
	clear(m.buckets)
	m.sum.wipe()
	m.weights.wipe()
}

func (m *multiExp[P]) chunks(work func(chunk, from, to int)) []task {
	tasks := make([]task, 0, m.table.n/chunk+1)
	for from := 0; from < m.table.n; from += chunk {
		tasks = append(tasks, func(*scratch) { work(from/chunk, from, min(from+chunk, m.table.n)) })
	}
	return tasks
}

// cut gives the scalars' digits, and counts them.
func (m *multiExp[P]) cut() []task {
	m.step = m.sort
	return m.chunks(func(c, from, to int) {
		counts := m.counts[c*len(m.buckets) : (c+1)*len(m.buckets)]
		clear(counts)
		for i := from; i < to; i++ {
			m.table.windows.digits(&m.scalars[i], m.digits[i:], m.table.n)
		}
		for w := range m.table.windows.widths {
			for _, digit := range m.digits[w*m.table.n+from : w*m.table.n+to] {
				if digit != 0 {
					counts[max(digit, -digit)-1]++
				}
			}
		}
	})
}

// sort puts refs to the points into the order of the buckets.
func (m *multiExp[P]) sort() []task {
	m.step = m.fill
	total := int32(0)
	for bucket := range m.buckets {
		m.starts[bucket] = total
		for i := bucket; i < len(m.counts); i += len(m.buckets) {
			total, m.counts[i] = total+m.counts[i], total
		}
	}
	m.starts[len(m.buckets)] = total
	return m.chunks(func(c, from, to int) {
		place := m.counts[c*len(m.buckets) : (c+1)*len(m.buckets)]
		for w := range m.table.windows.widths {
			row := w * m.table.n
			for i, digit := range m.digits[row+from : row+to] {
				if digit == 0 {
					continue
				}
				at := &place[max(digit, -digit)-1]
				m.refs[*at] = newRef(row+from+i, digit < 0)
				*at++
			}
		}
	})
}

func (m *multiExp[P]) fill() []task {
	m.step = m.refill
	m.sum.start(m.table.points, m.refs, m.starts, m.buckets)
	return m.sum.tasks()
}

func (m *multiExp[P]) refill() []task {
	if m.sum.next() {
		return m.sum.tasks()
	}
	m.weights.begin(m.buckets)
	m.step = m.weigh
	return nil
}

func (m *multiExp[P]) weigh() []task {
	tasks := m.weights.next()
	if tasks == nil {
		m.step = nil
	}
	return tasks
}
