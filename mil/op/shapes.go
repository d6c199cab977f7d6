package op

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Sets of element types of the operators that only move elements, as iOS17
// widened them.
var (
	AnyIOS17 = []tensor.DType{
		tensor.Float16, tensor.Float32, tensor.Int8, tensor.Int16, tensor.Int32, tensor.Uint8, tensor.Uint16, tensor.Bool,
	}
	SignedInt = []tensor.DType{tensor.Int8, tensor.Int16, tensor.Int32}
	onlyInt32 = []tensor.DType{tensor.Int32}
)

// maxRank bounds the rank of a result: a rank comes from the length of a
// list, which a bad file may make as long as it likes.
const maxRank = 32

// maxOutputs bounds the outputs of one node.
const maxOutputs = 1 << 16

// dims returns the shape of a value; that of its tensor where it is known.
func dims(v *mil.Value) []int {
	if v.Const != nil {
		return v.Const.Shape()
	}
	return v.Type.Shape
}

// knownInts returns the elements of an integer value, and whether they are
// known.
func knownInts(v *mil.Value) ([]int, bool) {
	if v.Const == nil || !v.Const.DType().IsInt() {
		return nil, false
	}
	out := make([]int, v.Const.Len())
	for i, x := range v.Const.Float64s() {
		out[i] = int(x)
	}
	return out, true
}

// vector returns the number of elements of a value that must have rank 1,
// negative where it is not known.
func vector(name string, v *mil.Value) (int, error) {
	shape := dims(v)
	if len(shape) != 1 {
		return 0, fmt.Errorf("%s: want a vector, have %s", name, v.Type)
	}
	return shape[0], nil
}

// unknownDims is a shape of which only the rank is known.
func unknownDims(rank int) []int {
	out := make([]int, rank)
	for i := range out {
		out[i] = mil.Unknown
	}
	return out
}

// anyShape is the type of a tensor of which not even the rank is known.
func anyShape(d tensor.DType) ([]mil.Type, error) {
	return []mil.Type{{DType: d, AnyRank: true}}, nil
}

// result is the type of an operator's single output. It fails for a shape
// that no tensor can have.
func result(d tensor.DType, shape ...int) ([]mil.Type, error) {
	if len(shape) > maxRank {
		return nil, fmt.Errorf("a result of rank %d", len(shape))
	}
	known := slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d < 0 })
	if _, err := tensor.CheckShape(known); err != nil {
		return nil, err
	}
	return []mil.Type{mil.TensorType(d, shape...)}, nil
}

// sameShape is the type of an output like x.
func sameShape(x *mil.Value) ([]mil.Type, error) { return result(x.Type.DType, dims(x)...) }

// staticShape returns the shape of the output that infer gives to arguments
// whose values are known.
func staticShape[A any](infer func(*A) ([]mil.Type, error), a *A) ([]int, error) {
	types, err := infer(a)
	if err != nil {
		return nil, err
	}
	if !types[0].IsStatic() {
		return nil, fmt.Errorf("the shape of the result is not known: %s", types[0])
	}
	return types[0].Shape, nil
}

// product multiplies dimensions. It is Unknown where one is unknown, unless
// another is zero, and at most one more than a tensor can have.
func product(shape []int) int {
	n := 1
	for _, d := range shape {
		switch {
		case d == 0:
			return 0
		case d < 0 || n < 0:
			n = mil.Unknown
		default:
			n = min(n*min(d, tensor.MaxElements), tensor.MaxElements+1)
		}
	}
	return n
}

// merge returns the dimension that two descriptions of it agree on.
func merge(a, b int) (int, bool) {
	switch {
	case a == b || b < 0 && a >= 0:
		return a, true
	case a < 0 && b >= 0:
		return b, true
	case a < 0 && b < 0:
		return mil.Unknown, true
	}
	return 0, false
}

// compatible tells whether two shapes can be the same.
func compatible(a, b []int) bool {
	return slices.EqualFunc(a, b, func(x, y int) bool { _, ok := merge(x, y); return ok })
}

// rank checks the rank of an argument.
func rank(name string, v *mil.Value, want int) error {
	if have := len(dims(v)); have != want {
		return fmt.Errorf("%s: want rank %d, have %s", name, want, v.Type)
	}
	return nil
}

// oneBool reads a constant truth value.
func oneBool(name string, t *tensor.Tensor) (bool, error) {
	if t.DType() != tensor.Bool || t.Len() != 1 {
		return false, fmt.Errorf("%s: want one truth value, have %s", name, t)
	}
	return t.Bools()[0], nil
}
