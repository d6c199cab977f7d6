package quant

import (
	"context"
	"slices"
)

// This file finds the partition of points on a line into k clusters with the
// least sum of squared distances to the cluster means.
//
// Optimal clusters are stretches of the sorted points, so a partition is a
// path through the n+1 borders between points, and the price of a step from
// border i to border j is the squared error of the points between. That price
// obeys the quadrangle inequality
//
//	c(a,c) + c(b,d) ≤ c(a,d) + c(b,c)   for a ≤ b ≤ c ≤ d,
//
// from which three things follow (Aggarwal, Schieber, Tokuyama: Finding a
// minimum-weight k-link path in graphs with the concave Monge property, 1994;
// Wu: Optimal quantization by matrix searching, 1991):
//
//   - with a fixed toll on every step and no demand on their number, the
//     cheapest path is found in about linear time, since a later border that
//     once is the better predecessor stays it (method run);
//   - the least error f(k) is convex in k, so every k that is a corner of f is
//     found under some toll, a higher toll giving fewer steps (search);
//   - a k that lies on a straight piece of f, as happens with evenly spaced
//     points, is spliced together from the corners beside it (splice).
//
// Few tolls need to be tried: the number of steps goes about with the inverse
// third power of the toll, and a coarse copy of the points tells the toll well
// before the full set is touched.

// border lies between two neighbours of the sorted points and holds sums over
// the points before it, counted from the border next to the median and with
// the median for zero: away from the median they grow, so that differences of
// sums keep the precision of the points that lie between.
type border struct {
	w, s1, s2 float64 // Σ weight, Σ weight*x, Σ weight*x²
	cost      float64 // least cost of a path to here, tolls included
}

// stepCost is the squared error of the points between two borders around
// their mean.
func stepCost(a, b *border) float64 {
	w := b.w - a.w
	if w <= 0 { // a weight too small to change the sum
		return 0
	}
	s1 := b.s1 - a.s1
	return b.s2 - a.s2 - s1*s1/w
}

// partition holds the borders of n points and the working space for paths: 48
// bytes a point.
type partition struct {
	borders []border
	prev    []int32 // predecessor on the cheapest path

	// The predecessors that will be the best of those known so far for some
	// border: queue[i] from border since[i] up to since[i+1].
	queue, since []int32
}

func newPartition(borders []border) *partition {
	n := len(borders)
	space := make([]int32, 3*n)
	return &partition{borders, space[:n], space[n : 2*n], space[2*n:]}
}

// run finds the cheapest path from the first to the last border when every
// step costs toll more, and returns the borders on it.
func (p *partition) run(ctx context.Context, toll float64) ([]int32, error) {
	borders, queue, since := p.borders, p.queue, p.since
	last := len(borders) - 1
	// better tells whether the step to border at is better made from a than from b.
	better := func(a, b *border, at int) bool {
		t := &borders[at]
		return a.cost+stepCost(a, t) <= b.cost+stepCost(b, t)
	}
	borders[0].cost = 0
	queue[0], since[0] = 0, 1
	head, tail := 0, 1
	for j := 1; ; j++ {
		if j&0xffff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for head+1 < tail && int(since[head+1]) <= j {
			head++
		}
		b, from := &borders[j], &borders[queue[head]]
		b.cost = from.cost + stepCost(from, b) + toll
		p.prev[j] = queue[head]
		if j == last {
			break
		}
		// Border j is better from some border on; find the first, hi. It is
		// better than lo's predecessor at hi and not yet at lo.
		lo, hi := j, last+1
		for tail > head {
			at := max(int(since[tail-1]), j+1)
			if !better(b, &borders[queue[tail-1]], at) {
				lo = at
				break
			}
			hi = at
			tail--
		}
		if tail > head {
			// Mostly hi is near lo: steps of growing length, then bisection.
			other := &borders[queue[tail-1]]
			for step := 1; lo+step < hi; step *= 2 {
				if better(b, other, lo+step) {
					hi = lo + step
					break
				}
				lo += step
			}
			for hi-lo > 1 {
				mid := int(uint(lo+hi) / 2)
				if better(b, other, mid) {
					hi = mid
				} else {
					lo = mid
				}
			}
		}
		if hi <= last {
			queue[tail], since[tail] = int32(j), int32(hi)
			tail++
		}
	}
	var path []int32
	for j := int32(last); j > 0; j = p.prev[j] {
		path = append(path, j)
	}
	path = append(path, 0)
	slices.Reverse(path)
	return path, nil
}

// pathCost is the squared error of a partition.
func (p *partition) pathCost(path []int32) float64 {
	sum := 0.0
	for i, b := range path[1:] {
		sum += stepCost(&p.borders[path[i]], &p.borders[b])
	}
	return sum
}

// search returns the borders of the best partition into k stretches and the
// toll that led to it, beginning with the given toll.
func (p *partition) search(ctx context.Context, k int, toll float64) ([]int32, float64, error) {
	n := len(p.borders) - 1
	// The best partitions known into fewer and into more stretches.
	fewer, more := []int32{0, int32(n)}, make([]int32, n+1)
	for i := range more {
		more[i] = int32(i)
	}
	if k >= n {
		return more, 0, ctx.Err()
	}
	if k <= 1 {
		return fewer, 0, ctx.Err()
	}
	fewerCost, moreCost := p.pathCost(fewer), 0.0
	low, high := 0.0, fewerCost // tolls that gave too many and too few steps
	for round := 0; ; round++ {
		// The line through both known points of f tells for certain whether
		// there is a corner between them, but may be slow to close in; the
		// guess by the third power is fast, but may lead nowhere.
		onLine := round%3 == 2 || round > 30 || toll <= low || toll >= high
		slope := (fewerCost - moreCost) / float64(len(more)-len(fewer))
		if onLine {
			toll = slope
		}
		path, err := p.run(ctx, toll)
		if err != nil {
			return nil, 0, err
		}
		steps, cost := len(path)-1, p.pathCost(path)
		if steps == k {
			return path, toll, nil
		}
		if onLine {
			line := fewerCost + float64(toll*float64(len(fewer)-1))
			gain := line - (cost + float64(toll*float64(steps)))
			if steps < len(fewer) || steps >= len(more)-1 || gain <= 1e-14*line {
				return splice(fewer, more, k), toll, nil
			}
		}
		if steps < k {
			if steps >= len(fewer) {
				fewer, fewerCost = path, cost
			}
			high = min(high, toll)
		} else {
			if steps < len(more)-1 {
				more, moreCost = path, cost
			}
			low = max(low, toll)
		}
		ratio := float64(steps) / float64(k)
		toll *= ratio * ratio * ratio
	}
}

// splice makes a path of k steps from one with fewer and one with more that
// are cheapest under the same toll. Somewhere a step of the short path holds
// the step of the long path that should follow it when k steps are to come
// out; crossing over there costs nothing, by the quadrangle inequality.
func splice(fewer, more []int32, k int) []int32 {
	shift := len(more) - 1 - k
	for i := range len(fewer) - 1 {
		if fewer[i] <= more[i+shift] && more[i+shift+1] <= fewer[i+1] {
			return slices.Concat(fewer[:i+1], more[i+shift+1:])
		}
	}
	panic("quant: no place to splice") // the first border is before, the last behind
}

// bestPartition returns the borders of the best partition into k stretches.
func bestPartition(ctx context.Context, borders []border, k int) ([]int32, error) {
	n := len(borders) - 1
	// For evenly spread points f(k) is f(1)/k², and its slope 2 f(1)/k³.
	toll := 2 * stepCost(&borders[0], &borders[n]) / (float64(k) * float64(k) * float64(k))
	if stride := n / max(4096, 32*k); stride >= 4 {
		coarse := make([]border, 0, n/stride+2)
		for i := 0; i < n; i += stride {
			coarse = append(coarse, borders[i])
		}
		coarse = append(coarse, borders[n])
		var err error
		if _, toll, err = newPartition(coarse).search(ctx, k, toll); err != nil {
			return nil, err
		}
	}
	path, _, err := newPartition(borders).search(ctx, k, toll)
	return path, err
}
