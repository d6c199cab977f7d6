package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ReshapeArgs are the arguments of reshape. In Shape one element may be -1,
// the size that is left over, and a 0 takes the dimension of X: of the same
// place, which needs equal ranks; from iOS17 on of the same place counted from
// the end, 1 where X has none.
type ReshapeArgs struct {
	X     *mil.Value `mil:"x,T"`
	Shape *mil.Value `mil:"shape,U"`
}

// Reshape gives the elements of a tensor another shape.
var Reshape = Define(Spec[ReshapeArgs]{
	Name: "reshape", Since: mil.IOS15, Types: Types{"T": Any, "U": onlyInt32},
	Infer:  func(a *ReshapeArgs) ([]mil.Type, error) { return inferReshape(a, false) },
	Eval:   func(a *ReshapeArgs) ([]*tensor.Tensor, error) { return evalReshape(a, false) },
	Sample: sampleReshape,
})

// ReshapeIOS17 is Reshape for more element types, and with zeros that count
// from the end.
var ReshapeIOS17 = Define(Spec[ReshapeArgs]{
	Name: "reshape", Since: mil.IOS17, Types: Types{"T": AnyIOS17, "U": SignedInt},
	Infer:  func(a *ReshapeArgs) ([]mil.Type, error) { return inferReshape(a, true) },
	Eval:   func(a *ReshapeArgs) ([]*tensor.Tensor, error) { return evalReshape(a, true) },
	Sample: sampleReshape,
})

func inferReshape(a *ReshapeArgs, fromEnd bool) ([]mil.Type, error) {
	d := a.X.Type.DType
	n, err := vector("shape", a.Shape)
	if err != nil {
		return nil, err
	}
	if n > maxRank {
		return nil, fmt.Errorf("a result of rank %d", n)
	}
	want, known := knownInts(a.Shape)
	switch {
	case n < 0:
		return anyShape(d)
	case !known:
		return result(d, unknownDims(n)...)
	}
	shape, err := reshaped(dims(a.X), want, fromEnd)
	if err != nil {
		return nil, err
	}
	return result(d, shape...)
}

// reshaped fills in the zeros and the -1 of a shape asked for.
func reshaped(from, want []int, fromEnd bool) ([]int, error) {
	fail := func() ([]int, error) {
		return nil, fmt.Errorf("%s cannot take the shape %s", mil.FormatDims(from), mil.FormatDims(want))
	}
	shape := slices.Clone(want)
	left := slices.Clone(from) // the dimensions of x that no 0 has taken
	rest := -1
	var asked []int // the sizes given, all positive
	for i, d := range want {
		switch {
		case d > 0:
			asked = append(asked, d)
		case d == -1 && rest < 0:
			rest = i
		case d != 0:
			return fail()
		case fromEnd:
			if j := len(from) - len(want) + i; j >= 0 {
				shape[i], left[j] = from[j], 1
			} else {
				shape[i] = 1
			}
		case len(from) != len(want):
			return fail()
		default:
			shape[i], left[i] = from[i], 1
		}
	}
	have, need := product(left), product(asked)
	switch {
	case have > tensor.MaxElements || need > tensor.MaxElements:
		return fail()
	case have < 0 && rest >= 0:
		shape[rest] = leftOver(left, need)
	case have < 0:
	case rest < 0:
		if have != need && product(from) != product(shape) { // the latter where a 0 took a size of 0
			return fail()
		}
	case have%need != 0:
		return fail()
	default:
		shape[rest] = have / need
	}
	return shape, nil
}

// leftOver is the size of the dimension -1 when some dimensions are unknown:
// a symbol passes through alone, everything else is unknown.
func leftOver(left []int, need int) int {
	symbol := mil.Unknown
	rest := 1
	for _, d := range left {
		switch {
		case d >= 0:
			rest *= d
		case symbol != mil.Unknown:
			return mil.Unknown
		default:
			symbol = d
		}
	}
	if rest != need {
		return mil.Unknown
	}
	return symbol
}

func evalReshape(a *ReshapeArgs, fromEnd bool) ([]*tensor.Tensor, error) {
	want, _ := knownInts(a.Shape)
	shape, err := reshaped(dims(a.X), want, fromEnd)
	if err != nil {
		return nil, err
	}
	return one(a.X.Const.Reshape(shape))
}

func sampleReshape(r *rand.Rand) ReshapeArgs {
	x := sampleFloats(r)
	shape := slices.Clone(x.Type.Shape)
	for i := range shape {
		if r.IntN(3) == 0 {
			shape[i] = 0
		}
	}
	switch i := r.IntN(len(shape)); r.IntN(3) {
	case 0:
		shape[i] = -1
	case 1:
		shape = []int{x.Const.Len()}
	}
	return ReshapeArgs{X: x, Shape: vectorOf(shape...)}
}

// vectorOf returns a known integer vector.
func vectorOf(v ...int) *mil.Value {
	return mil.NewConst("v", integers([]int{len(v)}, tensor.Int32, v...))
}
