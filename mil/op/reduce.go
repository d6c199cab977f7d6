package op

import (
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Reduction is the argument struct of the reduce_* operators. No axes means
// all of them.
type Reduction struct {
	X        *mil.Value `mil:"x,T"`
	Axes     []int      `mil:"axes,int32,const,optional"`
	KeepDims bool       `mil:"keep_dims,bool,const,optional"`
}

// inferReduction drops the axes, or keeps each as a dimension of 1.
func inferReduction(a *Reduction) ([]mil.Type, error) {
	shape, err := reducedShape(a.X.Type.Shape, a.Axes, a.KeepDims)
	if err != nil {
		return nil, err
	}
	return []mil.Type{mil.TensorType(a.X.Type.DType, shape...)}, nil
}

func reducedShape(shape, axes []int, keep bool) ([]int, error) {
	axes, err := axesOf(axes, len(shape))
	if err != nil {
		return nil, err
	}
	var out []int
	for i, d := range shape {
		switch {
		case len(axes) == 0 || axes[0] != i:
			out = append(out, d)
		default:
			axes = axes[1:]
			if keep {
				out = append(out, 1)
			}
		}
	}
	return out, nil
}

// groups calls f once per element of a reduced shape, in row-major order, with
// its linear position and those of the elements that it is made of. The slice
// is reused between calls.
func groups(shape, axes []int, f func(i int, at []int)) {
	axes, _ = axesOf(axes, len(shape)) // Infer has checked them
	var outer, inner, outerStrides, innerStrides []int
	for i, s := range strides(shape) {
		if len(axes) > 0 && axes[0] == i {
			inner, innerStrides = append(inner, shape[i]), append(innerStrides, s)
			axes = axes[1:]
		} else {
			outer, outerStrides = append(outer, shape[i]), append(outerStrides, s)
		}
	}
	offsets := make([]int, tensor.Size(inner))
	each(inner, func(j int, at []int) { offsets[j] = dot(at, innerStrides) })
	positions := make([]int, len(offsets))
	each(outer, func(i int, at []int) {
		base := dot(at, outerStrides)
		for j, o := range offsets {
			positions[j] = base + o
		}
		f(i, positions)
	})
}

// rows calls f once per element of the reduced tensor with the elements it is
// made of, in row-major order, and with its linear position. The slice is
// reused between calls and must not be changed.
func rows[T tensor.Element](x *tensor.Tensor, axes []int, f func(i int, row []T)) {
	data := tensor.Data[T](x)
	if n, ok := trailing(x.Shape(), axes); ok {
		for i := range len(data) / max(n, 1) {
			f(i, data[i*n:(i+1)*n])
		}
		return
	}
	var row []T
	groups(x.Shape(), axes, func(i int, at []int) {
		row = row[:0]
		for _, j := range at {
			row = append(row, data[j])
		}
		f(i, row)
	})
}

// trailing returns the number of elements of a group where the axes are the
// last ones, so that groups lie one after another, and where there are any.
func trailing(shape, axes []int) (n int, ok bool) {
	axes, _ = axesOf(axes, len(shape))
	first := len(shape) - len(axes)
	if len(axes) > 0 && axes[0] != first {
		return 0, false
	}
	n = tensor.Size(shape[first:])
	return n, n > 0
}

// reduction is the Eval of a reduce_* operator: f for floats, g for integers.
func reduction(f func([]float32) float32, g func([]int32) int32) func(*Reduction) ([]*tensor.Tensor, error) {
	return func(a *Reduction) ([]*tensor.Tensor, error) {
		x := a.X.Const
		shape, err := reducedShape(x.Shape(), a.Axes, a.KeepDims)
		if err != nil {
			return nil, err
		}
		if !x.DType().IsFloat() {
			out := make([]int32, tensor.Size(shape))
			rows(x, a.Axes, func(i int, row []int32) { out[i] = g(row) })
			return one(tensor.New(x.DType(), shape, out))
		}
		out := make([]float32, tensor.Size(shape))
		rows(x, a.Axes, func(i int, row []float32) { out[i] = f(row) })
		return one(tensor.New(x.DType(), shape, out))
	}
}

// truncate converts as a cast does: toward zero, saturating, NaN to 0.
func truncate(v float64) int32 {
	switch {
	case v != v:
		return 0
	case v <= math.MinInt32:
		return math.MinInt32
	case v >= math.MaxInt32:
		return math.MaxInt32
	}
	return int32(v)
}

func sampleReduction(r *rand.Rand) Reduction {
	x := sampleFloats(r)
	a := Reduction{X: x, KeepDims: r.IntN(2) == 0}
	for i := range x.Type.Rank() {
		if r.IntN(2) == 0 {
			a.Axes = append(a.Axes, i-x.Type.Rank()*r.IntN(2))
		}
	}
	return a
}
