package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Flatten2dArgs are the arguments of flatten2d. Axis may be the rank of X.
type Flatten2dArgs struct {
	X    *mil.Value `mil:"x,T"`
	Axis int        `mil:"axis,int32,const,optional"`
}

// Flatten2d makes a matrix of a tensor: the dimensions before an axis are the
// rows, the others the columns.
var Flatten2d = Define(Spec[Flatten2dArgs]{
	Name: "flatten2d", Since: mil.IOS15, Types: Types{"T": Any},
	Default: Flatten2dArgs{Axis: 1},
	Infer:   inferFlatten2d,
	Eval:    func(a *Flatten2dArgs) ([]*tensor.Tensor, error) { return reshapedBy(inferFlatten2d, a, a.X) },
	Sample: func(r *rand.Rand) Flatten2dArgs {
		x := sampleFloats(r)
		return Flatten2dArgs{x, r.IntN(2*x.Type.Rank()+1) - x.Type.Rank()}
	},
})

func inferFlatten2d(a *Flatten2dArgs) ([]mil.Type, error) {
	shape := dims(a.X)
	at := a.Axis
	if at < 0 {
		at += len(shape)
	}
	if at < 0 || at > len(shape) {
		return nil, fmt.Errorf("axis %d of a tensor of rank %d", a.Axis, len(shape))
	}
	return result(a.X.Type.DType, alone(shape[:at]), alone(shape[at:]))
}

// alone is the product of dimensions; one symbol among dimensions of 1 stays.
func alone(shape []int) int {
	n, symbol := 1, 0
	for _, d := range shape {
		if d < 0 {
			n, symbol = n+1, d
		} else if d != 1 {
			n++
		}
	}
	if n == 2 && symbol != 0 {
		return symbol
	}
	return product(shape)
}
