package op

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ordered returns, for every row of x along an axis, the places of its
// elements in order: equal ones as they come, NaN last. Row r, one of outer ×
// inner, is at [r·n, (r+1)·n).
func ordered(x *tensor.Tensor, at int, ascending bool, f func(outer, inner int, order []int32)) {
	if x.DType().IsFloat() {
		order(x.Shape(), x.F32(), at, ascending, f)
	} else {
		order(x.Shape(), x.I32(), at, ascending, f)
	}
}

func order[T float32 | int32](shape []int, data []T, at int, ascending bool, f func(outer, inner int, order []int32)) {
	type entry struct {
		v T
		i int32
	}
	compare := func(a, b entry) int {
		switch {
		case a.v < b.v && ascending || a.v > b.v && !ascending:
			return -1
		case a.v == b.v:
			return cmp.Compare(a.i, b.i)
		case a.v < b.v || a.v > b.v:
			return 1
		case a.v == a.v: // b is NaN
			return -1
		case b.v == b.v: // a is NaN
			return 1
		}
		return cmp.Compare(a.i, b.i)
	}
	n, inner := shape[at], tensor.Size(shape[at+1:])
	row, out := make([]entry, n), make([]int32, n)
	for o := range tensor.Size(shape[:at]) {
		for in := range inner {
			for i := range row {
				row[i] = entry{data[(o*n+i)*inner+in], int32(i)}
			}
			slices.SortFunc(row, compare)
			for i, e := range row {
				out[i] = e.i
			}
			f(o, in, out)
		}
	}
}

// firsts gives the first k elements of every row in order, and their places.
func firsts(x *tensor.Tensor, at, k int, ascending bool, d tensor.DType) (values, indices *tensor.Tensor, err error) {
	shape := slices.Clone(x.Shape())
	n, inner := shape[at], tensor.Size(shape[at+1:])
	shape[at] = k
	if values, err = zeros(x.DType(), shape); err != nil {
		return nil, nil, err
	}
	index, from := make([]int32, values.Len()), make([]int, values.Len())
	ordered(x, at, ascending, func(outer, in int, order []int32) {
		for i, p := range order[:k] {
			to := (outer*k+i)*inner + in
			index[to], from[to] = p, (outer*n+int(p))*inner+in
		}
	})
	runs(values, x, nil, from, 1)
	return values, tensor.New(d, shape, index), nil
}

// indexType is the element type of places along an axis of n elements.
func indexType(name string, n int) (tensor.DType, error) {
	if name == "uint16" {
		if n > 1<<16 {
			return tensor.Invalid, fmt.Errorf("places along an axis of %d do not fit uint16", n)
		}
		return tensor.Uint16, nil
	}
	return tensor.Int32, nil
}

// knownAxis is the size of an axis that may be counted from the end.
func knownAxis(x *mil.Value, a int) (at, n int, err error) {
	if at, err = axis(a, len(dims(x))); err != nil {
		return 0, 0, err
	}
	return at, dims(x)[at], nil
}
