package op

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// LocalResponseNormArgs are the arguments of LocalResponseNorm.
type LocalResponseNormArgs struct {
	X     *mil.Value `mil:"x,T"`
	Size  int        `mil:"size,int32,const"`
	Alpha float32    `mil:"alpha,T,const,optional"`
	Beta  float32    `mil:"beta,T,const,optional"`
	K     float32    `mil:"k,T,const,optional"`
}

// LocalResponseNormIOS17Args are LocalResponseNormArgs with parameters of
// their own float type.
type LocalResponseNormIOS17Args struct {
	X     *mil.Value `mil:"x,T"`
	Size  int        `mil:"size,int32,const"`
	Alpha float32    `mil:"alpha,U,const,optional"`
	Beta  float32    `mil:"beta,U,const,optional"`
	K     float32    `mil:"k,U,const,optional"`
}

// LocalResponseNorm is x / (k + alpha / size · sum of x²)^beta. The sum is
// taken over size channels around x's, from size/2 before it on (rounded
// down); channels outside are zeros. As in the layer of neural networks that
// it comes from, the channels are the third dimension from the end, at any
// rank: a tensor of rank 3 is one [C, H, W].
var LocalResponseNorm = Define(Spec[LocalResponseNormArgs]{
	Name: "local_response_norm", Since: mil.IOS15, Types: Types{"T": Float},
	Default: LocalResponseNormArgs{Alpha: 1e-4, Beta: 0.75, K: 1},
	Infer:   inferLocalResponseNorm,
	Eval:    evalLocalResponseNorm,
	Sample:  sampleLocalResponseNorm,
})

// LocalResponseNormIOS17 is LocalResponseNorm with parameters of their own
// float type.
var LocalResponseNormIOS17 = Define(Spec[LocalResponseNormIOS17Args]{
	Name: "local_response_norm", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Default: LocalResponseNormIOS17Args{Alpha: 1e-4, Beta: 0.75, K: 1},
	Infer: func(a *LocalResponseNormIOS17Args) ([]mil.Type, error) {
		return inferLocalResponseNorm((*LocalResponseNormArgs)(a))
	},
	Eval: func(a *LocalResponseNormIOS17Args) ([]*tensor.Tensor, error) {
		return evalLocalResponseNorm((*LocalResponseNormArgs)(a))
	},
	Sample: func(r *rand.Rand) LocalResponseNormIOS17Args {
		return LocalResponseNormIOS17Args(sampleLocalResponseNorm(r))
	},
})

func inferLocalResponseNorm(a *LocalResponseNormArgs) ([]mil.Type, error) {
	if a.X.Type.Rank() < 3 {
		return nil, fmt.Errorf("x is %s, want rank 3 or more", a.X.Type)
	}
	if a.Size < 1 {
		return nil, fmt.Errorf("size %d is not positive", a.Size)
	}
	return []mil.Type{a.X.Type}, nil
}

func evalLocalResponseNorm(a *LocalResponseNormArgs) ([]*tensor.Tensor, error) {
	x := a.X.Const
	in, out := x.F32(), make([]float32, x.Len())
	alpha, beta, k := float64(a.Alpha)/float64(a.Size), float64(a.Beta), float64(a.K)
	lanes(x.Shape(), x.Rank()-3, func(first, n, stride int) {
		for c := range n {
			var sum float64
			for j := max(0, c-a.Size/2); j < min(n, c-a.Size/2+a.Size); j++ {
				v := float64(in[first+j*stride])
				sum += v * v
			}
			i := first + c*stride
			out[i] = float32(float64(in[i]) / math.Pow(k+alpha*sum, beta))
		}
	})
	return one(tensor.New(x.DType(), x.Shape(), out))
}

func sampleLocalResponseNorm(r *rand.Rand) LocalResponseNormArgs {
	x, _ := sampleChannels(r)
	return LocalResponseNormArgs{x, 1 + r.IntN(6), r.Float32(), r.Float32(), 1 + r.Float32()}
}
