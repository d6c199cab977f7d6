package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// CumsumArgs are the arguments of cumsum.
type CumsumArgs struct {
	X         *mil.Value `mil:"x,T"`
	Axis      int        `mil:"axis,int32,const,optional"`
	Exclusive bool       `mil:"exclusive,bool,const,optional"`
	Reverse   bool       `mil:"reverse,bool,const,optional"`
}

// Cumsum gives for each element the sum of those up to it along an axis:
// exclusive, without itself; in reverse, from it on. Floats are added in
// float64, integers wrap around.
var Cumsum = Define(Spec[CumsumArgs]{
	Name: "cumsum", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: func(a *CumsumArgs) ([]mil.Type, error) {
		if _, err := axis(a.Axis, len(dims(a.X))); err != nil {
			return nil, err
		}
		return sameShape(a.X)
	},
	Eval: func(a *CumsumArgs) ([]*tensor.Tensor, error) {
		if a.X.Const.DType().IsFloat() {
			return cumsum[float32, float64](a)
		}
		return cumsum[int32, int32](a)
	},
	Sample: func(r *rand.Rand) CumsumArgs {
		x := sampleFloats(r)
		return CumsumArgs{x, r.IntN(2*x.Type.Rank()) - x.Type.Rank(), r.IntN(2) == 0, r.IntN(2) == 0}
	},
})

func cumsum[T float32 | int32, S float64 | int32](a *CumsumArgs) ([]*tensor.Tensor, error) {
	x := a.X.Const
	shape := x.Shape()
	at, err := axis(a.Axis, len(shape))
	if err != nil {
		return nil, err
	}
	data := tensor.Data[T](x)
	out := make([]T, len(data))
	n, inner := shape[at], tensor.Size(shape[at+1:])
	sums := make([]S, inner)
	for block := 0; block+n*inner <= len(data) && n*inner > 0; block += n * inner {
		clear(sums)
		for i := range n {
			row := block + i*inner
			if a.Reverse {
				row = block + (n-1-i)*inner
			}
			from, to := data[row:row+inner], out[row:row+inner]
			for j, v := range from {
				before := sums[j]
				sums[j] += S(v)
				if a.Exclusive {
					to[j] = T(before)
				} else {
					to[j] = T(sums[j])
				}
			}
		}
	}
	return one(tensor.New(x.DType(), shape, out))
}
