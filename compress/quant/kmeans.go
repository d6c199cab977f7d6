package quant

import (
	"context"
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/tensor"
)

// KMeansOptions refine [KMeans]; the zero value asks for nothing.
type KMeansOptions struct {
	// Importance weighs the squared error of each value. Nil is 1 for all.
	Importance []float32
	// Table is the type whose values the table may hold: Float32 (or Invalid)
	// or Float16, where magnitudes beyond 65504 become 65504.
	Table tensor.DType
}

// KMeans makes the table of 2^bits values with the least
//
//	Σ importance[i] * (w[i] - table[code[i]])²,
//
// the global optimum up to the rounding of float64 sums, found without
// randomness (see partition.go for how). The table ascends; its entries are
// cluster means, rounded to the table's type, and each code is that of the
// nearest entry after rounding, the lower one of two. With no more than 2^bits
// distinct values the table holds these, filled up with the greatest. Zero and
// negative zero are the same value.
//
// A value that is NaN or infinite, or an importance that is negative, NaN or
// infinite, is an error, as are importances that are all zero.
//
// For n values of which m are distinct the work is O(m log m) for each of
// usually one to five passes, and the memory about 8n + 52m bytes, 16n + 52m
// with importances. A context that ends stops it.
func KMeans(ctx context.Context, w []float32, bits int, opt KMeansOptions) (Palette, error) {
	if err := checkBits(bits); err != nil {
		return Palette{}, err
	}
	if err := checkFinite(w); err != nil {
		return Palette{}, err
	}
	if len(w) >= maxValues {
		return Palette{}, fmt.Errorf("%d values are more than k-means takes", len(w))
	}
	switch opt.Table {
	case tensor.Invalid, tensor.Float32, tensor.Float16:
	default:
		return Palette{}, fmt.Errorf("tables are fp32 or fp16, not %s", opt.Table)
	}
	if err := checkImportance(opt.Importance, len(w)); err != nil {
		return Palette{}, err
	}
	points, borders := distinct(w, opt.Importance)
	zero := accumulate(points, borders)
	path, err := bestPartition(ctx, borders, 1<<bits)
	if err != nil {
		return Palette{}, err
	}
	table := make([]float32, 0, 1<<bits)
	for i, b := range path[1:] {
		first, last := points[path[i]], points[b-1]
		from, to := &borders[path[i]], &borders[b]
		mean := first
		if weight := to.w - from.w; first != last && weight > 0 {
			mean = float32(zero + (to.s1-from.s1)/weight)
		}
		table = append(table, max(first, min(last, mean)))
	}
	if opt.Table == tensor.Float16 {
		const most = 65504
		for i, x := range table {
			table[i] = max(-most, min(most, x))
		}
		tensor.RoundTo(tensor.Float16, table)
	}
	codes := nearest(w, table)
	return Palette{padTable(table, bits), codes}, ctx.Err()
}

func checkImportance(importance []float32, n int) error {
	if importance == nil {
		return nil
	}
	if len(importance) != n {
		return fmt.Errorf("want an importance for each of %d values, have %d", n, len(importance))
	}
	some := false
	for i, x := range importance {
		if !(x >= 0) || !finite(x) {
			return fmt.Errorf("importance %d is %v", i, x)
		}
		some = some || x > 0
	}
	if !some {
		return fmt.Errorf("all importances are zero")
	}
	return nil
}

// nearest returns the index of the table's entry nearest to each value, the
// lower one of two as near. The table ascends.
func nearest(w, table []float32) []uint8 {
	// The code is the number of midpoints below the value: bisection over a
	// power of two of them, infinities for the missing ones.
	size := 1
	for size < len(table) {
		size *= 2
	}
	var middle [256]float64
	for i := range middle {
		middle[i] = math.Inf(1)
		if i+1 < len(table) {
			middle[i] = (float64(table[i]) + float64(table[i+1])) / 2
		}
	}
	codes := make([]uint8, len(w))
	for i, x := range w {
		x, q := float64(x), 0
		for step := size / 2; step > 0; step /= 2 {
			if middle[uint8(q+step-1)] < x {
				q += step
			}
		}
		codes[i] = uint8(q)
	}
	return codes
}
