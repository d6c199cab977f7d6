package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// TransposeArgs are the arguments of transpose. Dimension i of the result is
// dimension Perm[i] of X, negative ones counted from the end.
type TransposeArgs struct {
	X    *mil.Value `mil:"x,T"`
	Perm []int      `mil:"perm,int32,const"`
}

// Transpose permutes the dimensions of a tensor.
var Transpose = Define(Spec[TransposeArgs]{
	Name: "transpose", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: inferTranspose, Eval: evalTranspose, Sample: sampleTranspose,
})

// TransposeIOS17 is Transpose for more element types.
var TransposeIOS17 = Define(Spec[TransposeArgs]{
	Name: "transpose", Since: mil.IOS17, Types: Types{"T": AnyIOS17},
	Infer: inferTranspose, Eval: evalTranspose, Sample: sampleTranspose,
})

func inferTranspose(a *TransposeArgs) ([]mil.Type, error) {
	shape, err := permuted(dims(a.X), a.Perm)
	if err != nil {
		return nil, err
	}
	return result(a.X.Type.DType, shape...)
}

// permuted returns v[perm[0]], v[perm[1]], …; perm must be a permutation.
func permuted(v, perm []int) ([]int, error) {
	if len(perm) != len(v) {
		return nil, fmt.Errorf("perm %v for a tensor of rank %d", perm, len(v))
	}
	if len(v) == 0 {
		return nil, nil
	}
	if _, err := axesOf(perm, len(v)); err != nil {
		return nil, fmt.Errorf("perm: %w", err)
	}
	out := make([]int, len(v))
	for i, p := range perm {
		out[i] = v[(p+len(v))%len(v)]
	}
	return out, nil
}

func evalTranspose(a *TransposeArgs) ([]*tensor.Tensor, error) {
	x := a.X.Const
	shape, err := permuted(x.Shape(), a.Perm)
	if err != nil {
		return nil, err
	}
	from, err := permuted(strides(x.Shape()), a.Perm)
	if err != nil {
		return nil, err
	}
	t, err := rearranged(x, shape, move{shape: shape, from: from})
	return []*tensor.Tensor{t}, err
}

func sampleTranspose(r *rand.Rand) TransposeArgs {
	x := sampleFloats(r)
	perm := r.Perm(x.Type.Rank())
	if r.IntN(2) == 0 {
		perm[0] -= len(perm)
	}
	return TransposeArgs{X: x, Perm: perm}
}
