package op

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// MatmulArgs are the arguments of Matmul.
type MatmulArgs struct {
	X          *mil.Value `mil:"x,T"`
	Y          *mil.Value `mil:"y,T"`
	TransposeX bool       `mil:"transpose_x,bool,const,optional"`
	TransposeY bool       `mil:"transpose_y,bool,const,optional"`
}

// MatmulIOS17Args are MatmulArgs whose types may differ where one argument is
// a constant.
type MatmulIOS17Args struct {
	X          *mil.Value `mil:"x,T"`
	Y          *mil.Value `mil:"y,U"`
	TransposeX bool       `mil:"transpose_x,bool,const,optional"`
	TransposeY bool       `mil:"transpose_y,bool,const,optional"`
}

// Matmul is the product of matrices, the last two dimensions of x and y; the
// others broadcast. A vector is a row as x and a column as y, and that
// dimension is not in the result; transposing it does nothing. Integers wrap
// around.
var Matmul = Define(Spec[MatmulArgs]{
	Name: "matmul", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferMatmul, Eval: evalMatmul, Sample: sampleMatmul,
})

// MatmulIOS17 is Matmul of two types where one argument is a constant; the
// result has the type of the other.
var MatmulIOS17 = Define(Spec[MatmulIOS17Args]{
	Name: "matmul", Since: mil.IOS17, Types: Types{"T": Number, "U": Number},
	Infer:  func(a *MatmulIOS17Args) ([]mil.Type, error) { return inferMatmul((*MatmulArgs)(a)) },
	Eval:   func(a *MatmulIOS17Args) ([]*tensor.Tensor, error) { return evalMatmul((*MatmulArgs)(a)) },
	Sample: func(r *rand.Rand) MatmulIOS17Args { return MatmulIOS17Args(sampleMatmul(r)) },
})

// matmulType is the element type of the result: where types differ, that of
// the argument which is no constant of the program. Where that does not decide
// it, because both are known by now, it is the one that can hold the other.
func matmulType(x, y *mil.Value) (tensor.DType, error) {
	a, b := x.Type.DType, y.Type.DType
	switch p, q := known(x), known(y); {
	case a == b || p < q:
		return a, nil
	case q < p:
		return b, nil
	case p == 0:
		return a, fmt.Errorf("x is %s and y is %s, and neither is a constant", a, b)
	case b.IsFloat() && !a.IsFloat():
		return b, nil
	}
	return a, nil
}

// known ranks values by how early they are known: 2 for constants of the
// program, 1 for what was computed since, 0 for what is still unknown.
func known(v *mil.Value) int {
	switch {
	case v.Const == nil:
		return 0
	case v.Node != nil:
		return 1
	}
	return 2
}

// matrices splits a shape into its leading dimensions and its matrix, as
// stored.
func matrices(name string, v *mil.Value, column bool) (lead []int, m, n int, err error) {
	shape := dims(v)
	switch r := len(shape); {
	case r == 0:
		return nil, 0, 0, errors.New(name + " is a scalar")
	case r > 1:
		return shape[:r-2], shape[r-2], shape[r-1], nil
	case column:
		return nil, shape[0], 1, nil
	}
	return nil, 1, shape[0], nil
}

func inferMatmul(a *MatmulArgs) ([]mil.Type, error) {
	d, err := matmulType(a.X, a.Y)
	if err != nil {
		return nil, err
	}
	lead, m, k, err := matrices("x", a.X, false)
	if err != nil {
		return nil, err
	}
	other, l, n, err := matrices("y", a.Y, true)
	if err != nil {
		return nil, err
	}
	if a.TransposeX && len(dims(a.X)) > 1 {
		m, k = k, m
	}
	if a.TransposeY && len(dims(a.Y)) > 1 {
		l, n = n, l
	}
	if _, ok := merge(k, l); !ok {
		return nil, fmt.Errorf("the product of %s and %s: %d columns and %d rows", a.X.Type, a.Y.Type, k, l)
	}
	shape, err := mil.Broadcast(lead, other)
	if err != nil {
		return nil, err
	}
	shape = slices.Clone(shape)
	if len(dims(a.X)) > 1 {
		shape = append(shape, m)
	}
	if len(dims(a.Y)) > 1 {
		shape = append(shape, n)
	}
	return result(d, shape...)
}

func evalMatmul(a *MatmulArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferMatmul, a)
	if err != nil {
		return nil, err
	}
	d, err := matmulType(a.X, a.Y)
	if err != nil {
		return nil, err
	}
	if d.IsFloat() {
		return one(tensor.New(d, shape, multiplied[float32, float64](a, shape)))
	}
	return one(tensor.New(d, shape, multiplied[int32, int32](a, shape)))
}

func multiplied[T float32 | int32, S float64 | int32](a *MatmulArgs, shape []int) []T {
	out := make([]T, tensor.Size(shape))
	if len(out) == 0 {
		return out
	}
	xs, ys := numbersOf[T](a.X.Const), numbersOf[T](a.Y.Const)
	xLead, m, k, _ := matrices("x", a.X, false) // Infer has accepted them
	yLead, l, n, _ := matrices("y", a.Y, true)
	lead, _ := mil.Broadcast(xLead, yLead)
	xi, yi := broadcastStrides(xLead, lead), broadcastStrides(yLead, lead)
	size := len(out) / tensor.Size(lead)
	each(lead, func(i int, at []int) {
		x := rowMajor(xs[dot(at, xi)*m*k:], m, k, a.TransposeX && len(dims(a.X)) > 1)
		y := rowMajor(ys[dot(at, yi)*l*n:], l, n, a.TransposeY && len(dims(a.Y)) > 1)
		multiply[T, S](out[i*size:][:size], y.n, x, y, nil)
	})
	return out
}

func sampleMatmul(r *rand.Rand) MatmulArgs {
	m, k, n := 1+r.IntN(5), 1+r.IntN(5), 1+r.IntN(5)
	a := MatmulArgs{TransposeX: r.IntN(2) == 0, TransposeY: r.IntN(2) == 0}
	x, y := sampleBroadcast(r)
	x, y = x[:min(len(x), 3)], y[:min(len(y), 3)]
	if _, err := mil.Broadcast(x, y); err != nil || r.IntN(3) == 0 {
		x, y = nil, nil
	}
	p, q := []int{m, k}, []int{k, n}
	if a.TransposeX {
		p = []int{k, m}
	}
	if a.TransposeY {
		q = []int{n, k}
	}
	x, y = append(x, p...), append(y, q...)
	switch r.IntN(6) {
	case 0:
		x = []int{k}
	case 1:
		y = []int{k}
	case 2:
		x, y = []int{k}, []int{k}
	}
	a.X, a.Y = sampleFloats(r, x...), sampleFloats(r, y...)
	return a
}
