package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// RandomCategoricalArgs are the arguments of RandomCategorical. X is
// [*D, classes]: probabilities or their logarithms, up to a common factor.
type RandomCategoricalArgs struct {
	X    *mil.Value `mil:"x,T"`
	Mode string     `mil:"mode,string,const,optional" values:"logits|probs"`
	Size int        `mil:"size,int32,const,optional"`
	Seed int        `mil:"seed,int32,const,optional"`
}

// RandomCategorical draws size classes from each distribution, with
// replacement: [*D, size].
var RandomCategorical = Define(Spec[RandomCategoricalArgs]{
	Name: "random_categorical", Since: mil.IOS15, Types: Types{"T": Float}, Random: true,
	Default: RandomCategoricalArgs{Mode: "logits", Size: 1, Seed: -1},
	Infer:   inferRandomCategorical,
	Eval: func(a *RandomCategoricalArgs) ([]*tensor.Tensor, error) {
		types, err := inferRandomCategorical(a)
		if err != nil {
			return nil, err
		}
		r, shape := generator(a.Seed), types[0].Shape
		out := make([]float32, tensor.Size(shape))
		rows(a.X.Const, []int{-1}, func(i int, row []float32) {
			sums := cumulated(row, a.Mode == "logits")
			for j := range a.Size {
				u := r.Float64() * sums[len(sums)-1]
				// The first class whose sum passes u: never one of probability 0.
				k := sort.Search(len(sums)-1, func(k int) bool { return sums[k] > u })
				out[i*a.Size+j] = float32(k)
			}
		})
		return one(tensor.New(types[0].DType, shape, out))
	},
	Sample: func(r *rand.Rand) RandomCategoricalArgs {
		return RandomCategoricalArgs{sampleBetween(r, 0, 1), []string{"logits", "probs"}[r.IntN(2)], 1 + r.IntN(4), r.IntN(9)}
	},
})

func inferRandomCategorical(a *RandomCategoricalArgs) ([]mil.Type, error) {
	shape := a.X.Type.Shape
	last := len(shape) - 1
	if last < 0 || shape[last] == 0 {
		return nil, fmt.Errorf("x is %s, want one class or more along the last dimension", a.X.Type)
	}
	if a.Size < 0 {
		return nil, fmt.Errorf("size %d is negative", a.Size)
	}
	return result(a.X.Type.DType, append(append([]int(nil), shape[:last]...), a.Size)...)
}

// cumulated returns the running sums of probabilities up to a common factor.
func cumulated(row []float32, logits bool) []float64 {
	greatest := math.Inf(-1)
	for _, v := range row {
		greatest = max(greatest, float64(v))
	}
	sums, sum := make([]float64, len(row)), 0.0
	for i, v := range row {
		if p := float64(v); logits {
			sum += math.Exp(p - greatest)
		} else {
			sum += p
		}
		sums[i] = sum
	}
	return sums
}
