package op

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// L2NormArgs are the arguments of L2Norm. X has rank 3 or more.
type L2NormArgs struct {
	X       *mil.Value `mil:"x,T"`
	Epsilon float32    `mil:"epsilon,T,const,optional"`
}

// L2NormIOS17Args are L2NormArgs with a parameter of its own float type.
type L2NormIOS17Args struct {
	X       *mil.Value `mil:"x,T"`
	Epsilon float32    `mil:"epsilon,U,const,optional"`
}

// L2Norm is x / sqrt(sum of x² + epsilon), the sum taken over the last three
// dimensions.
var L2Norm = Define(Spec[L2NormArgs]{
	Name: "l2_norm", Since: mil.IOS15, Types: Types{"T": Float},
	Default: L2NormArgs{Epsilon: 1e-6},
	Infer:   inferL2Norm,
	Eval:    evalL2Norm,
	Sample:  sampleL2Norm,
})

// L2NormIOS17 is L2Norm with a parameter of its own float type.
var L2NormIOS17 = Define(Spec[L2NormIOS17Args]{
	Name: "l2_norm", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Default: L2NormIOS17Args{Epsilon: 1e-6},
	Infer:   func(a *L2NormIOS17Args) ([]mil.Type, error) { return inferL2Norm((*L2NormArgs)(a)) },
	Eval:    func(a *L2NormIOS17Args) ([]*tensor.Tensor, error) { return evalL2Norm((*L2NormArgs)(a)) },
	Sample:  func(r *rand.Rand) L2NormIOS17Args { return L2NormIOS17Args(sampleL2Norm(r)) },
})

func inferL2Norm(a *L2NormArgs) ([]mil.Type, error) {
	if a.X.Type.Rank() < 3 {
		return nil, fmt.Errorf("x is %s, want rank 3 or more", a.X.Type)
	}
	return []mil.Type{a.X.Type}, nil
}

func evalL2Norm(a *L2NormArgs) ([]*tensor.Tensor, error) {
	x := a.X.Const
	out := make([]float32, x.Len())
	n := x.Rank()
	rows(x, []int{n - 3, n - 2, n - 1}, func(i int, row []float32) {
		var sum float64
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		scale := 1 / math.Sqrt(sum+float64(a.Epsilon))
		for j, v := range row {
			out[i*len(row)+j] = float32(float64(v) * scale)
		}
	})
	return one(tensor.New(x.DType(), x.Shape(), out))
}

func sampleL2Norm(r *rand.Rand) L2NormArgs {
	x, _ := sampleChannels(r)
	return L2NormArgs{x, 1e-6 + r.Float32()/10}
}
