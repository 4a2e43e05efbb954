package groth16

import "math/bits"

// smallArray is a number of points that are weighed one after the other.
const smallArray = 16

// array is a part of the points of a weighted sum: point first+i counts (i+1)·2^shift.
type array struct{ first, n, shift int }

// weightedSum gives the sum of (i+1)·points[i].
//
// A weight of 2k bits is written as low + 2^k·high. The points of equal low are summed,
// and those of equal high: two additions of independent points for each point, where the
// running sums of the textbook have two that wait for each other. What is left are
// two sums of the same kind, of 2^k points.
type weightedSum[P comparable] struct {
	sum    columnSum[P]
	arrays []array
	points []P
	memory [2][]P
	refs   []ref
	starts []int32
	step   func() []task
	result P
}

// wipe forgets the points and the result.
func (w *weightedSum[P]) wipe() {
	var infinity P
	w.sum.wipe()
	clear(w.memory[0][:cap(w.memory[0])])
	clear(w.memory[1][:cap(w.memory[1])])
	clear(w.refs[:cap(w.refs)])
	clear(w.starts[:cap(w.starts)])
	w.points, w.result = nil, infinity
}

func (w *weightedSum[P]) begin(points []P) {
	w.points = points
	w.arrays = append(w.arrays[:0], array{0, len(points), 0})
	w.step = w.split
}

// next gives the tasks of the next phase, and none when the result is there.
func (w *weightedSum[P]) next() []task {
	for w.step != nil {
		if tasks := w.step(); len(tasks) > 0 {
			return tasks
		}
	}
	return nil
}

// split begins the sums of equal low and equal high parts, where any array is still long.
func (w *weightedSum[P]) split() []task {
	if w.arrays[0].n <= smallArray {
		w.step = nil
		return []task{func(*scratch) { w.finish() }}
	}
	w.refs, w.starts = w.refs[:0], append(w.starts[:0], 0)
	var arrays []array
	for _, a := range w.arrays {
		k := bits.Len(uint(a.n)) / 2
		low, high := 1<<k-1, a.n>>k
		arrays = append(arrays, array{len(w.starts) - 1, low, a.shift}, array{len(w.starts) - 1 + low, high, a.shift + k})
		for v := 1; v <= low; v++ {
			w.list(a, v, a.n, 1<<k)
		}
		for v := 1; v <= high; v++ {
			w.list(a, v<<k, min(v<<k+low, a.n), 1)
		}
	}
	w.arrays = arrays
	w.memory[0] = grow(w.memory[0], len(w.starts)-1)
	w.sum.start(w.points, w.refs, w.starts, w.memory[0])
	w.step = w.further
	return w.sum.tasks()
}

// list makes one list, of the points of weights from, from+step, ... up to to.
func (w *weightedSum[P]) list(a array, from, to, step int) {
	var infinity P
	for v := from; v <= to; v += step {
		if w.points[a.first+v-1] != infinity {
			w.refs = append(w.refs, newRef(a.first+v-1, false))
		}
	}
	w.starts = append(w.starts, int32(len(w.refs)))
}

func (w *weightedSum[P]) further() []task {
	if w.sum.next() {
		return w.sum.tasks()
	}
	w.points = w.memory[0]
	w.memory[0], w.memory[1] = w.memory[1], w.memory[0]
	w.step = w.split
	return nil
}

// finish weighs the small arrays, the one of the highest shift first.
func (w *weightedSum[P]) finish() {
	var total P
	shift := 0
	for i := len(w.arrays) - 1; i >= 0; i-- {
		a := w.arrays[i]
		part := w.sum.group.weigh(w.points[a.first : a.first+a.n])
		total = w.sum.group.raise(total, shift-a.shift, part)
		shift = a.shift
	}
	w.result = total
}
