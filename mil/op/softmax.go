package op

import (
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SoftmaxArgs are the arguments of Softmax.
type SoftmaxArgs struct {
	X    *mil.Value `mil:"x,T"`
	Axis int        `mil:"axis,int32,const,optional"`
}

// Softmax is eˣ divided by the sum of eˣ along an axis, computed from the
// differences to the greatest x so that nothing overflows.
var Softmax = Define(Spec[SoftmaxArgs]{
	Name: "softmax", Since: mil.IOS15, Types: Types{"T": Float},
	Default: SoftmaxArgs{Axis: -1},
	Infer: func(a *SoftmaxArgs) ([]mil.Type, error) {
		if _, err := axis(a.Axis, a.X.Type.Rank()); err != nil {
			return nil, err
		}
		return []mil.Type{a.X.Type}, nil
	},
	Eval: func(a *SoftmaxArgs) ([]*tensor.Tensor, error) {
		x := a.X.Const
		at, err := axis(a.Axis, x.Rank())
		if err != nil {
			return nil, err
		}
		in, out := x.F32(), make([]float32, x.Len())
		lanes(x.Shape(), at, func(first, n, stride int) {
			end := first + n*stride
			greatest := math.Inf(-1)
			for i := first; i < end; i += stride {
				greatest = max(greatest, float64(in[i]))
			}
			var sum float64
			for i := first; i < end; i += stride {
				e := math.Exp(float64(in[i]) - greatest)
				out[i], sum = float32(e), sum+e
			}
			for i := first; i < end; i += stride {
				out[i] = float32(float64(out[i]) / sum)
			}
		})
		return one(tensor.New(x.DType(), x.Shape(), out))
	},
	Sample: func(r *rand.Rand) SoftmaxArgs {
		x := sampleFloats(r)
		return SoftmaxArgs{x, r.IntN(2*x.Type.Rank()) - x.Type.Rank()}
	},
})
