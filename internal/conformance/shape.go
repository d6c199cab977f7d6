package conformance

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// The ways to compare a shape; "" is none.
const (
	shapeExact     = "exact"
	shapeSqueeze   = "squeeze"
	shapeSize      = "size"
	shapeBroadcast = "broadcast"
)

// compareShape holds the shape of an output against what it should be. Where
// the shape is all that counts it must be the same unless the case says
// otherwise. Where the test looked at the output through a view, the shape is
// that of the view: squeezed, or whatever has as many elements.
func (e *entry) compareShape(want, got []int) error {
	how := e.ShapeCheck
	if how == "" && e.Check == checkShape {
		how = shapeExact
	}
	if how == shapeExact || how == shapeSqueeze {
		switch e.View {
		case nil, "":
		case "squeeze":
			how = shapeSqueeze
		default:
			how = shapeSize
		}
	}
	asked := want
	if e.ExpectedShape != nil {
		asked = e.ExpectedShape
	}
	ok := true
	switch how {
	case shapeExact:
		ok = slices.Equal(asked, got) || len(want) == 0 && slices.Equal(got, []int{1})
	case shapeSqueeze:
		ok = slices.Equal(squeeze(asked), squeeze(got))
	case shapeSize:
		ok = tensor.Size(asked) == tensor.Size(got)
	}
	if ok {
		return nil
	}
	return fmt.Errorf("want shape %s, have %s (compared by %s)", tensor.FormatShape(asked), tensor.FormatShape(got), how)
}

// squeeze drops the dimensions of 1.
func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}

// shapeOf returns the shape of a value, that of single ones being [].
func shapeOf(v Value) []int {
	switch v := v.(type) {
	case Array:
		return v.Shape()
	case Image:
		return v.Shape()
	}
	return nil
}

// maxBroadcast bounds the elements of values broadcast against each other.
const maxBroadcast = 1 << 24

// broadcast brings both arrays to their common shape by NumPy's rules.
func broadcast(aShape []int, a []float64, bShape []int, b []float64) (shape []int, aOut, bOut []float64, err error) {
	fail := func() ([]int, []float64, []float64, error) {
		return nil, nil, nil, fmt.Errorf("want values that can be compared with shape %s, have %s", tensor.FormatShape(aShape), tensor.FormatShape(bShape))
	}
	shape = make([]int, max(len(aShape), len(bShape)))
	for i := range shape {
		x, y := dimFromEnd(aShape, len(shape)-i), dimFromEnd(bShape, len(shape)-i)
		switch {
		case x == y || y == 1:
			shape[i] = x
		case x == 1:
			shape[i] = y
		default:
			return fail()
		}
	}
	if n, err := tensor.CheckShape(shape); err != nil || n > maxBroadcast {
		return fail()
	}
	return shape, expand(aShape, a, shape), expand(bShape, b, shape), nil
}

// dimFromEnd returns the dimension that is the i-th last, 1 before the first.
func dimFromEnd(shape []int, i int) int {
	if i > len(shape) {
		return 1
	}
	return shape[len(shape)-i]
}

// expand repeats values along the dimensions in which they have 1.
func expand(shape []int, v []float64, to []int) []float64 {
	out := make([]float64, tensor.Size(to))
	for i := range out {
		at, rest, stride := 0, i, 1
		for d := 1; d <= len(to); d++ {
			index := rest % to[len(to)-d]
			rest /= to[len(to)-d]
			n := dimFromEnd(shape, d)
			if n > 1 {
				at += index * stride
			}
			stride *= n
		}
		out[i] = v[at]
	}
	return out
}
