package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// LinearArgs are the arguments of Linear: x is [*D, in], weight [out, in],
// bias [out], zeros where it is nil.
type LinearArgs struct {
	X      *mil.Value     `mil:"x,T"`
	Weight *tensor.Tensor `mil:"weight,T,const"`
	Bias   *tensor.Tensor `mil:"bias,T,const,optional"`
}

// LinearIOS17Args are LinearArgs with weights of their own type.
type LinearIOS17Args struct {
	X      *mil.Value     `mil:"x,T"`
	Weight *tensor.Tensor `mil:"weight,U,const"`
	Bias   *tensor.Tensor `mil:"bias,U,const,optional"`
}

// Linear is x·weightᵀ + bias; integers wrap around.
var Linear = Define(Spec[LinearArgs]{
	Name: "linear", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferLinear, Eval: evalLinear, Sample: sampleLinear,
})

// LinearIOS17 is Linear with weights of their own type; the result has that
// of x.
var LinearIOS17 = Define(Spec[LinearIOS17Args]{
	Name: "linear", Since: mil.IOS17, Types: Types{"T": Number, "U": Number},
	Infer:  func(a *LinearIOS17Args) ([]mil.Type, error) { return inferLinear((*LinearArgs)(a)) },
	Eval:   func(a *LinearIOS17Args) ([]*tensor.Tensor, error) { return evalLinear((*LinearArgs)(a)) },
	Sample: func(r *rand.Rand) LinearIOS17Args { return LinearIOS17Args(sampleLinear(r)) },
})

func inferLinear(a *LinearArgs) ([]mil.Type, error) {
	shape, w := slices.Clone(dims(a.X)), a.Weight.Shape()
	if len(shape) < 1 || len(w) != 2 {
		return nil, fmt.Errorf("want x of rank 1 or more and a matrix as weight, have %s and %s", a.X.Type, a.Weight)
	}
	last := len(shape) - 1
	if shape[last] >= 0 && shape[last] != w[1] {
		return nil, fmt.Errorf("weight: want %d numbers a row, have %s", shape[last], a.Weight)
	}
	if b := a.Bias; b != nil && !slices.Equal(b.Shape(), w[:1]) {
		return nil, fmt.Errorf("bias: want %d numbers, have %s", w[0], b)
	}
	shape[last] = w[0]
	return result(a.X.Type.DType, shape...)
}

func evalLinear(a *LinearArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferLinear, a)
	if err != nil {
		return nil, err
	}
	if a.X.Type.DType.IsFloat() {
		return one(tensor.New(a.X.Type.DType, shape, projected[float32, float64](a, shape)))
	}
	return one(tensor.New(a.X.Type.DType, shape, projected[int32, int32](a, shape)))
}

func projected[T float32 | int32, S float64 | int32](a *LinearArgs, shape []int) []T {
	out := make([]T, tensor.Size(shape))
	rows, m, n := tensor.Size(shape[:len(shape)-1]), a.Weight.Shape()[0], a.Weight.Shape()[1]
	multiply[T, S](out, m, rowMajor(tensor.Data[T](a.X.Const), rows, n, false), rowMajor(numbersOf[T](a.Weight), m, n, true), numbersOf[T](a.Bias))
	return out
}

func sampleLinear(r *rand.Rand) LinearArgs {
	shape := sampleShape(r)
	shape = shape[:min(len(shape), 3)]
	n, m := shape[len(shape)-1], 1+r.IntN(6)
	a := LinearArgs{X: sampleFloats(r, shape...), Weight: sampleFloats(r, m, n).Const}
	if r.IntN(2) == 0 {
		a.Bias = sampleFloats(r, m).Const
	}
	return a
}
