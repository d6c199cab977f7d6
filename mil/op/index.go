package op

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// strides returns the row-major strides of a shape, in elements.
func strides(shape []int) []int {
	out := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		out[i] = n
		n *= shape[i]
	}
	return out
}

// broadcastStrides returns the strides with which a tensor of shape from is
// read at the indices of the shape to: 0 where a dimension is repeated.
func broadcastStrides(from, to []int) []int {
	own := strides(from)
	out := make([]int, len(to))
	for i := range from {
		if from[i] != 1 {
			out[len(to)-len(from)+i] = own[i]
		}
	}
	return out
}

func dot(at, strides []int) int {
	n := 0
	for i, s := range strides {
		n += at[i] * s
	}
	return n
}

// each calls f for every index of a shape in row-major order, with its linear
// position. The index is reused between calls.
func each(shape []int, f func(i int, at []int)) {
	at := make([]int, len(shape))
	for i := range tensor.Size(shape) {
		f(i, at)
		for d := len(at) - 1; d >= 0; d-- {
			if at[d]++; at[d] < shape[d] {
				break
			}
			at[d] = 0
		}
	}
}

// lanes calls f for each one-dimensional lane of a shape along an axis, with
// its first linear position, its length and the distance of its elements.
func lanes(shape []int, axis int, f func(first, n, stride int)) {
	n, inner := shape[axis], tensor.Size(shape[axis+1:])
	for outer := range tensor.Size(shape[:axis]) {
		for i := range inner {
			f(outer*n*inner+i, n, inner)
		}
	}
}

// axis returns an axis counted from the front, for a tensor of that rank.
func axis(a, rank int) (int, error) {
	if a < -rank || a >= rank {
		return 0, fmt.Errorf("axis %d of a tensor of rank %d", a, rank)
	}
	if a < 0 {
		a += rank
	}
	return a, nil
}

// axesOf returns axes counted from the front, sorted; none given means all.
func axesOf(axes []int, rank int) ([]int, error) {
	if len(axes) == 0 {
		axes = make([]int, rank)
		for i := range axes {
			axes[i] = i
		}
		return axes, nil
	}
	out := make([]int, len(axes))
	for i, a := range axes {
		var err error
		if out[i], err = axis(a, rank); err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	if len(slices.Compact(slices.Clone(out))) != len(out) {
		return nil, fmt.Errorf("axes %v name one axis twice", axes)
	}
	return out, nil
}
