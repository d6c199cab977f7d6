package op

import (
	"fmt"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// The image operators read their source at points between its elements. Along
// one axis, the element of index i is at point i.

// gridPoints returns where the out samples of the interval from first to last
// are taken, by the mode that resize_bilinear describes: with n = last - first
// + 1 for the size of the interval, sample i is at
//
//	DEFAULT               first + i·n/out
//	STRICT_ALIGN_CORNERS  first + i·(n-1)/(out-1)
//	ALIGN_CORNERS         the same, but a single sample is in the middle
//	OFFSET_CORNERS        first + (i + 1/2)·max(1, n-1)/out
//	UNALIGN_CORNERS       first + (i + 1/2)·n/out - 1/2
//
// The step between samples, a quotient, is rounded to float32 like the points,
// as in the frameworks that models come from: what is close to an element's
// middle or edge then falls to the same side.
func gridPoints(first, last float32, out int, mode string) []float64 {
	n, parts := last-first+1, float32(out)
	step, start := n/parts, float32(0) // in steps
	switch mode {
	case "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS":
		if step = (n - 1) / (parts - 1); out == 1 {
			if step = 0; mode == "ALIGN_CORNERS" {
				first += (n - 1) / 2
			}
		}
	case "OFFSET_CORNERS":
		step, start = max(1, n-1)/parts, 0.5
	case "UNALIGN_CORNERS":
		start = 0.5
		first -= 0.5
	}
	points := make([]float64, out)
	for i := range points {
		points[i] = float64((float32(i)+start)*step + first)
	}
	return points
}

// tap is where a sample comes from along one axis: (1-w)·x[lo] + w·x[hi].
type tap struct {
	lo, hi int
	w      float64
}

// tapAt returns the tap of a point in [0, n-1].
func tapAt(p float64, n int) tap {
	lo := int(p)
	return tap{lo, min(lo+1, n-1), p - float64(lo)}
}

// mix weighs two elements. An element without weight does not count, not even
// an infinite one.
func mix(lo, hi, w float64) float64 {
	if w == 0 {
		return lo
	}
	return lo*(1-w) + hi*w
}

// linearTaps returns the taps of points, which are first brought into an axis
// of n elements.
func linearTaps(points []float64, n int) []tap {
	taps := make([]tap, len(points))
	for i, p := range points {
		taps[i] = tapAt(min(max(p, 0), float64(n-1)), n)
	}
	return taps
}

// resizing is one axis to be resized.
type resizing struct {
	axis, size int
	points     []float64
}

// lastAxes asks for sizes of the last axes of x, sampled by a mode.
func lastAxes(x *tensor.Tensor, mode string, sizes ...int) []resizing {
	var out []resizing
	for i, n := range sizes {
		at := x.Rank() - len(sizes) + i
		if from := x.Shape()[at]; from != n {
			out = append(out, resizing{at, n, gridPoints(0, float32(from-1), n, mode)})
		}
	}
	return out
}

// resizedShape replaces the last dimensions of a shape; negative sizes are
// unknown ones.
func resizedShape(x *mil.Value, sizes ...int) ([]mil.Type, error) {
	shape := slices.Clone(dims(x))
	if len(shape) < len(sizes) {
		return nil, fmt.Errorf("want at least rank %d, have %s", len(sizes), x.Type)
	}
	for i, n := range sizes {
		at := len(shape) - len(sizes) + i
		switch {
		case n == 0:
			return nil, fmt.Errorf("a size of %d", n)
		case shape[at] == 0:
			return nil, fmt.Errorf("an empty image: %s", x.Type)
		}
		shape[at] = n
	}
	return result(x.Type.DType, shape...)
}

// resizeLinear interpolates along axes, one after the other. Integers are
// truncated, as cast does it.
func resizeLinear(x *tensor.Tensor, axes []resizing) (*tensor.Tensor, error) {
	if len(axes) == 0 {
		return x, nil
	}
	shape, data := slices.Clone(x.Shape()), x.Float64s()
	for _, a := range axes {
		n, inner := shape[a.axis], tensor.Size(shape[a.axis+1:])
		outer := tensor.Size(shape[:a.axis])
		shape[a.axis] = a.size
		size, err := tensor.CheckShape(shape)
		if err != nil {
			return nil, err
		}
		out := make([]float64, 0, size)
		taps := linearTaps(a.points, n)
		for o := range outer {
			block := data[o*n*inner : (o+1)*n*inner]
			for _, t := range taps {
				lo, hi := block[t.lo*inner:(t.lo+1)*inner], block[t.hi*inner:(t.hi+1)*inner]
				for i, v := range lo {
					out = append(out, mix(v, hi[i], t.w))
				}
			}
		}
		data = out
	}
	if x.DType().IsFloat() {
		return narrowed(x.DType(), shape, data), nil
	}
	out := make([]int32, len(data))
	for i, v := range data {
		out[i] = int32(v)
	}
	return tensor.New(x.DType(), shape, out), nil
}

// narrowed is a float tensor of values computed in float64.
func narrowed(d tensor.DType, shape []int, data []float64) *tensor.Tensor {
	out := make([]float32, len(data))
	for i, v := range data {
		out[i] = float32(v)
	}
	return tensor.New(d, shape, out)
}

// resizeNearest takes along each axis the element at or before a point, or
// with rounding the nearest one, of two the later.
func resizeNearest(x *tensor.Tensor, axes []resizing, round bool) (*tensor.Tensor, error) {
	for _, a := range axes {
		half := 0.0
		if round {
			half = 0.5
		}
		var err error
		if x, err = taken(x, a.axis, nearestTaps(a.points, half, x.Shape()[a.axis])); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// taken gathers along an axis.
func taken(x *tensor.Tensor, at int, index []int) (*tensor.Tensor, error) {
	shape := slices.Clone(x.Shape())
	n, inner := shape[at], tensor.Size(shape[at+1:])
	shape[at] = len(index)
	out, err := zeros(x.DType(), shape)
	if err != nil {
		return nil, err
	}
	var from []int
	for o := range tensor.Size(shape[:at]) {
		for _, p := range index {
			from = append(from, (o*n+p)*inner)
		}
	}
	runs(out, x, nil, from, inner)
	return out, nil
}

// scaledSize is a dimension times a factor, rounded down; unknown where the
// dimension is.
func scaledSize(d int, factor float32) (int, error) {
	if !(factor > 0) || factor > tensor.MaxElements {
		return 0, fmt.Errorf("a scale factor of %g", factor)
	}
	if d < 0 {
		return mil.Unknown, nil
	}
	return int(math.Floor(float64(d) * float64(factor))), nil
}

// upsampled is the type rule of scaling the last two dimensions.
func upsampled(x *mil.Value, height, width float32) ([]mil.Type, error) {
	shape := dims(x)
	if len(shape) < 3 {
		return nil, fmt.Errorf("want at least rank 3, have %s", x.Type)
	}
	h, err := scaledSize(shape[len(shape)-2], height)
	if err != nil {
		return nil, err
	}
	w, err := scaledSize(shape[len(shape)-1], width)
	if err != nil {
		return nil, err
	}
	return resizedShape(x, h, w)
}
