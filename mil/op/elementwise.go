package op

import (
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Unary is the argument struct of an operator on one tensor, element by
// element.
type Unary struct {
	X *mil.Value `mil:"x,T"`
}

// Binary is the argument struct of an operator on two tensors that broadcast
// against each other by NumPy's rules.
type Binary struct {
	X *mil.Value `mil:"x,T"`
	Y *mil.Value `mil:"y,T"`
}

// sameAsX is the type rule of an element-wise operator.
func sameAsX(a *Unary) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil }

// broadcastXY is the type rule of a broadcasting operator.
func broadcastXY(a *Binary) ([]mil.Type, error) { return broadcastTo(a, a.X.Type.DType) }

// compareXY is the type rule of a broadcasting operator with a truth value.
func compareXY(a *Binary) ([]mil.Type, error) { return broadcastTo(a, tensor.Bool) }

func broadcastTo(a *Binary, d tensor.DType) ([]mil.Type, error) {
	shape, err := mil.Broadcast(a.X.Type.Shape, a.Y.Type.Shape)
	if err != nil {
		return nil, err
	}
	return result(d, shape...) // two small tensors can broadcast to a huge one
}

// one wraps the single result of an evaluation.
func one(t *tensor.Tensor) ([]*tensor.Tensor, error) { return []*tensor.Tensor{t}, nil }

// mapFloats applies f to each element of a float tensor.
func mapFloats(x *tensor.Tensor, f func(float64) float64) *tensor.Tensor {
	in := x.F32()
	out := make([]float32, len(in))
	for i, v := range in {
		out[i] = float32(f(float64(v)))
	}
	return tensor.New(x.DType(), x.Shape(), out)
}

// floats is the Eval of an element-wise operator on float types: f is computed
// in float64 and rounded once.
func floats(f func(float64) float64) func(*Unary) ([]*tensor.Tensor, error) {
	return func(a *Unary) ([]*tensor.Tensor, error) { return one(mapFloats(a.X.Const, f)) }
}

// numbers is the Eval of an element-wise operator on float and integer types.
func numbers(f func(float32) float32, g func(int32) int32) func(*Unary) ([]*tensor.Tensor, error) {
	return func(a *Unary) ([]*tensor.Tensor, error) {
		if a.X.Type.DType.IsFloat() {
			return one(mapElements(a.X.Const, f))
		}
		return one(mapElements(a.X.Const, g))
	}
}

func mapElements[T tensor.Element](x *tensor.Tensor, f func(T) T) *tensor.Tensor {
	in := tensor.Data[T](x)
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return tensor.New(x.DType(), x.Shape(), out)
}

// numbers2 is the Eval of a broadcasting operator on float and integer types.
func numbers2(f func(x, y float32) float32, g func(x, y int32) int32) func(*Binary) ([]*tensor.Tensor, error) {
	return func(a *Binary) ([]*tensor.Tensor, error) {
		if a.X.Type.DType.IsFloat() {
			return one(zip(a.X.Const, a.Y.Const, a.X.Type.DType, f))
		}
		return one(zip(a.X.Const, a.Y.Const, a.X.Type.DType, g))
	}
}

// compare is the Eval of a broadcasting comparison.
func compare(f func(x, y float32) bool, g func(x, y int32) bool) func(*Binary) ([]*tensor.Tensor, error) {
	return func(a *Binary) ([]*tensor.Tensor, error) {
		if a.X.Type.DType.IsFloat() {
			return one(zip(a.X.Const, a.Y.Const, tensor.Bool, f))
		}
		return one(zip(a.X.Const, a.Y.Const, tensor.Bool, g))
	}
}

// truths is the Eval of a broadcasting operator on truth values.
func truths(f func(x, y bool) bool) func(*Binary) ([]*tensor.Tensor, error) {
	return func(a *Binary) ([]*tensor.Tensor, error) {
		return one(zip(a.X.Const, a.Y.Const, tensor.Bool, f))
	}
}

// zip applies f to each pair of elements of two tensors that broadcast.
func zip[T, U tensor.Element](x, y *tensor.Tensor, d tensor.DType, f func(T, T) U) *tensor.Tensor {
	shape, err := mil.Broadcast(x.Shape(), y.Shape())
	if err != nil {
		panic(err) // Infer has accepted the same shapes
	}
	xs, ys := tensor.Data[T](x), tensor.Data[T](y)
	out := make([]U, tensor.Size(shape))
	switch n := len(out); {
	case n == 0:
	case len(xs) == n && len(ys) == n:
		zipRow(out, xs, ys, 1, 1, f)
	case len(xs) == n && len(ys) == 1:
		zipRow(out, xs, ys, 1, 0, f)
	case len(xs) == 1 && len(ys) == n:
		zipRow(out, xs, ys, 0, 1, f)
	default:
		xi, yi := broadcastStrides(x.Shape(), shape), broadcastStrides(y.Shape(), shape)
		last := len(shape) - 1
		n := shape[last]
		each(shape[:last], func(i int, at []int) {
			zipRow(out[i*n:(i+1)*n], xs[dot(at, xi[:last]):], ys[dot(at, yi[:last]):], xi[last], yi[last], f)
		})
	}
	return tensor.New(d, shape, out)
}

// zipRow applies f along one row, in which the operands advance by dx and dy.
func zipRow[T, U tensor.Element](out []U, xs, ys []T, dx, dy int, f func(T, T) U) {
	for i, j, k := 0, 0, 0; i < len(out); i, j, k = i+1, j+dx, k+dy {
		out[i] = f(xs[j], ys[k])
	}
}

// sampleFloats returns a known float value of a random small shape.
func sampleFloats(r *rand.Rand, shape ...int) *mil.Value {
	if shape == nil {
		shape = sampleShape(r)
	}
	data := make([]float32, tensor.Size(shape))
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	return mil.NewConst("x", tensor.Floats(shape, data))
}

// sampleInts returns a known integer value with elements in [lo, hi).
func sampleInts(r *rand.Rand, lo, hi int, shape ...int) *mil.Value {
	data := make([]int32, tensor.Size(shape))
	for i := range data {
		data[i] = int32(lo + r.IntN(hi-lo))
	}
	return mil.NewConst("i", tensor.Ints(shape, data))
}

// sampleBools returns a known Bool value.
func sampleBools(r *rand.Rand, shape []int) *mil.Value {
	data := make([]bool, tensor.Size(shape))
	for i := range data {
		data[i] = r.IntN(2) == 0
	}
	return mil.NewConst("b", tensor.New(tensor.Bool, shape, data))
}

// sampleShape returns a shape of rank 1 to 5 with dimensions 1 to 6.
func sampleShape(r *rand.Rand) []int {
	shape := make([]int, 1+r.IntN(5))
	for i := range shape {
		shape[i] = 1 + r.IntN(6)
	}
	return shape
}

// sampleBetween returns a known float value of a random small shape with
// elements in [lo, hi).
func sampleBetween(r *rand.Rand, lo, hi float32) *mil.Value {
	shape := sampleShape(r)
	data := make([]float32, tensor.Size(shape))
	for i := range data {
		data[i] = lo + (hi-lo)*r.Float32()
	}
	return mil.NewConst("x", tensor.Floats(shape, data))
}

// sampleWithin makes the arguments of an element-wise operator that is defined
// on an interval only.
func sampleWithin(lo, hi float32) func(*rand.Rand) Unary {
	return func(r *rand.Rand) Unary { return Unary{X: sampleBetween(r, lo, hi)} }
}

// sampleX makes the arguments of an element-wise operator.
func sampleX(r *rand.Rand) Unary { return Unary{X: sampleFloats(r)} }

// sampleXY makes the arguments of a broadcasting operator: the second may lack
// leading dimensions, and either may have dimensions of 1.
func sampleXY(r *rand.Rand) Binary {
	x, y := sampleBroadcast(r)
	return Binary{X: sampleFloats(r, x...), Y: sampleFloats(r, y...)}
}

// sampleSmall is sampleXY with small whole numbers, some of them equal.
func sampleSmall(r *rand.Rand) Binary {
	a := sampleXY(r)
	for _, v := range []*mil.Value{a.X, a.Y} {
		v.Const = mapFloats(v.Const, math.Round)
	}
	return a
}

// sampleTruths is sampleXY with truth values.
func sampleTruths(r *rand.Rand) Binary {
	x, y := sampleBroadcast(r)
	return Binary{X: sampleBools(r, x), Y: sampleBools(r, y)}
}

func sampleBroadcast(r *rand.Rand) (x, y []int) {
	x = sampleShape(r)
	y = append([]int(nil), x[r.IntN(len(x)):]...)
	for i := range y {
		switch r.IntN(4) {
		case 0:
			y[i] = 1
		case 1:
			x[len(x)-len(y)+i] = 1
		}
	}
	return x, y
}
