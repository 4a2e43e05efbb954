package groth16

// maxHeight is the largest number of points in a column. A longer list of points that
// go into one sum is spread over several columns, whose sums are summed again: so many
// equal scalars, whose points all go into one bucket, cost what different ones do.
const maxHeight = 64

// column is a list of points to be summed: refs first to first+height-1.
type column struct {
	first, height int32
	sum           int32 // which sum it is a part of
}

// columnSum adds up lists of points.
//
// The lists, sorted by their length, are the columns of a matrix of points, in blocks.
// The lower half of a block's rows is added to the upper half, again and again, until
// one row is left. Each addition is of whole rows, so of independent points: no sum
// waits for another addition to it, and the vectors are always full.
type columnSum[P comparable] struct {
	group   group[P]
	points  []P
	refs    []ref
	sums    []P
	columns []column
	blocks  []int // where each block's columns start, and the end
	partial []P   // the sum of each column

	former []P // the points of a further round
	again  []ref
	starts []int32
	parts  []int32
}

// wipe forgets what was summed, and where it came from.
func (c *columnSum[P]) wipe() {
	clear(c.partial[:cap(c.partial)])
	clear(c.former[:cap(c.former)])
	clear(c.again[:cap(c.again)])
	clear(c.columns[:cap(c.columns)])
	clear(c.blocks[:cap(c.blocks)])
	clear(c.parts[:cap(c.parts)])
	clear(c.starts[:cap(c.starts)])
	c.points, c.refs, c.sums = nil, nil, nil
}

// start begins the sums of lists: sums[i] becomes that of the points which
// refs[starts[i]:starts[i+1]] name. None of them may be infinity.
func (c *columnSum[P]) start(points []P, refs []ref, starts []int32, sums []P) {
	clear(sums)
	c.sums = sums
	c.plan(points, refs, starts)
}

// plan makes the columns of the lists, the highest first, and the blocks.
func (c *columnSum[P]) plan(points []P, refs []ref, starts []int32) {
	c.points, c.refs = points, refs
	var place [maxHeight + 2]int32 // for each height, where the next column goes
	eachColumn(starts, func(_, height, _ int32) { place[height-1]++ })
	for h := maxHeight; h >= 0; h-- {
		place[h] += place[h+1]
	}
	c.columns = grow(c.columns, int(place[0]))
	c.partial = grow(c.partial, int(place[0]))
	eachColumn(starts, func(first, height, sum int32) {
		c.columns[place[height]] = column{first, height, sum}
		place[height]++
	})
	c.blocks = c.blocks[:0]
	for start := 0; start < len(c.columns); {
		c.blocks = append(c.blocks, start)
		start += max(c.group.lanes()/int(c.columns[start].height)/leafSize, 1) * leafSize
	}
	c.blocks = append(c.blocks, len(c.columns))
}

// eachColumn cuts the lists into columns of equal height.
func eachColumn(starts []int32, use func(first, height, sum int32)) {
	for i, first := range starts[:len(starts)-1] {
		left := starts[i+1] - first
		for parts := (left + maxHeight - 1) / maxHeight; parts > 0; parts-- {
			height := left / parts
			use(first, height, int32(i))
			first += height
			left -= height
		}
	}
}

// tasks gives the work of this round. A round without work has no columns.
func (c *columnSum[P]) tasks() []task {
	tasks := make([]task, len(c.blocks)-1)
	for b := range tasks {
		from, to := c.blocks[b], min(c.blocks[b+1], len(c.columns))
		tasks[b] = func(s *scratch) { c.block(s, from, to) }
	}
	return tasks
}

// block sums the columns from and up to to.
func (c *columnSum[P]) block(s *scratch, from, to int) {
	lanes := c.group.of(s)
	lanes.reset()
	columns := c.columns[from:to]
	width := len(columns)
	counts := s.counts[:columns[0].height]
	refs := grow(s.refs, width)
	s.refs = refs
	n := width
	for row := range counts {
		for int(columns[n-1].height) <= row {
			n--
		}
		for i := range columns[:n] {
			refs[i] = c.refs[int(columns[i].first)+row]
		}
		lanes.gather(row*width, c.points, refs[:n])
		counts[row] = n
	}
	sumRows(lanes, s, width, counts)
	for i := range columns {
		c.partial[from+i] = lanes.get(i)
	}
}

// sumRows adds all rows to row 0, where row i has counts[i] lanes and starts at lane i·width.
func sumRows[P any](lanes lanes[P], s *scratch, width int, counts []int) {
	for h := len(counts); h > 1; {
		half := (h + 1) / 2
		spans, room := s.spans[:0], lanes.batch()
		for row := range h - half {
			for at, n := 0, counts[row+half]; at < n; {
				m := min(n-at, room)
				spans = append(spans, span{row*width + at, (row+half)*width + at, m})
				at, room = at+m, room-m
				if room == 0 {
					lanes.add(spans)
					spans, room = spans[:0], lanes.batch()
				}
			}
		}
		if len(spans) > 0 {
			lanes.add(spans)
		}
		s.spans = spans
		h = half
	}
}

// next takes the columns' sums, and tells whether another round is needed: for sums
// that have more than one column.
func (c *columnSum[P]) next() (more bool) {
	var infinity P
	parts := grow(c.parts, len(c.sums))
	clear(parts)
	for i, column := range c.columns {
		if c.partial[i] != infinity {
			parts[column.sum]++
			c.sums[column.sum] = c.partial[i]
		}
	}
	starts := grow(c.starts, len(c.sums)+1)
	total := int32(0)
	for i, n := range parts {
		starts[i] = total
		if n > 1 { // a single one is in place
			total += n
			c.sums[i] = infinity // and stays so where they cancel
		}
		parts[i] = total
	}
	starts[len(parts)] = total
	c.again = grow(c.again, int(total))
	for i, column := range c.columns { // each list from its end
		if c.partial[i] != infinity && parts[column.sum] > starts[column.sum] {
			parts[column.sum]--
			c.again[parts[column.sum]] = newRef(i, false)
		}
	}
	c.starts, c.parts = starts, parts
	c.partial, c.former = c.former, c.partial
	c.plan(c.former, c.again, starts)
	return total > 0
}

// grow gives a slice of n elements, with the memory of s where that suffices. What it
// does without is cleared: nobody else would wipe it.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		clear(s[:cap(s)])
		return make([]T, n, n+n/8)
	}
	return s[:n]
}
