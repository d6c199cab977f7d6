package quant

import (
	"math"
	"slices"
)

// distinct returns the different values in ascending order and borders around
// them. Border i+1 has the number, or the importance, of copies of value i for
// its w; values without importance are left out.
func distinct(w, importance []float32) ([]float32, []border) {
	if importance == nil {
		keys := make([]uint32, len(w))
		for i, x := range w {
			keys[i] = keyOf(x)
		}
		radixSort(keys, 0)
		return collect(len(keys), func(i int) (float32, float64) { return valueOf(keys[i]), 1 })
	}
	keys := make([]uint64, 0, len(w)) // the key, then the index
	for i, x := range w {
		if importance[i] > 0 {
			keys = append(keys, uint64(keyOf(x))<<32|uint64(i))
		}
	}
	radixSort(keys, 32)
	return collect(len(keys), func(i int) (float32, float64) {
		return valueOf(uint32(keys[i] >> 32)), float64(importance[uint32(keys[i])])
	})
}

// collect merges equal neighbours among n sorted values with weights.
func collect(n int, at func(i int) (value float32, weight float64)) ([]float32, []border) {
	m := 0
	for i, prev := 0, float32(0); i < n; i++ {
		x, _ := at(i)
		if i == 0 || x != prev {
			m++
		}
		prev = x
	}
	points, borders := make([]float32, m), make([]border, m+1)
	m = 0
	for i := range n {
		x, weight := at(i)
		if m == 0 || x != points[m-1] {
			points[m] = x
			m++
		}
		borders[m].w += weight
	}
	return points, borders
}

// accumulate turns weights into sums from the weighted median outward and
// returns the median, the zero of these sums.
func accumulate(points []float32, borders []border) (zero float64) {
	total := 0.0
	for i := range borders {
		total += borders[i].w
	}
	middle, sum := 0, borders[1].w
	for middle+1 < len(points) && sum < total/2 {
		middle++
		sum += borders[middle+1].w
	}
	zero = float64(points[middle])
	// add returns b moved over the point x of the given weight. The
	// conversions keep products from being fused into the sums.
	add := func(b border, x float32, weight float64) border {
		d := float64(x) - zero
		wd := weight * d
		return border{w: b.w + weight, s1: b.s1 + float64(wd), s2: b.s2 + float64(wd*d)}
	}
	weight := borders[middle].w
	borders[middle] = border{}
	for i := middle - 1; i >= 0; i-- {
		before := borders[i].w
		borders[i] = add(borders[i+1], points[i], -weight)
		weight = before
	}
	for i := middle; i < len(points); i++ {
		borders[i+1] = add(borders[i], points[i], borders[i+1].w)
	}
	return zero
}

// keyOf maps values to integers in the same order, both zeros to one.
func keyOf(x float32) uint32 {
	b := math.Float32bits(x + 0) // -0+0 = +0
	if b>>31 != 0 {
		return ^b
	}
	return b | 1<<31
}

func valueOf(key uint32) float32 {
	if key>>31 != 0 {
		return math.Float32frombits(key &^ (1 << 31))
	}
	return math.Float32frombits(^key)
}

// radixSort sorts by the 32 bits from bit low on, 11 bits at a time.
func radixSort[T uint32 | uint64](a []T, low int) {
	if len(a) < 512 {
		slices.Sort(a)
		return
	}
	const digit = 11
	b := make([]T, len(a))
	for shift := low; shift < low+32; shift += digit {
		var next [1 << digit]int32
		for _, v := range a {
			next[uint32(v>>shift)&(1<<digit-1)]++
		}
		at := int32(0)
		for i, count := range next {
			next[i] = at
			at += count
		}
		for _, v := range a {
			d := uint32(v>>shift) & (1<<digit - 1)
			b[next[d]] = v
			next[d]++
		}
		a, b = b, a
	}
	// Three passes: the result lies in the slice made here.
	copy(b, a)
}
