package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// BandPartArgs are the arguments of band_part: how many diagonals to keep
// below and above the main one, all of them where the number is negative.
type BandPartArgs struct {
	X     *mil.Value `mil:"x,T"`
	Lower int        `mil:"lower,int32,const,optional"`
	Upper int        `mil:"upper,int32,const,optional"`
}

// BandPart keeps the diagonals next to the main one in the matrices of the
// last two dimensions, and sets all else to zero.
var BandPart = Define(Spec[BandPartArgs]{
	Name: "band_part", Since: mil.IOS15, Types: Types{"T": Any},
	Default: BandPartArgs{Lower: -1, Upper: -1},
	Infer: func(a *BandPartArgs) ([]mil.Type, error) {
		if len(dims(a.X)) < 2 {
			return nil, fmt.Errorf("want matrices, have %s", a.X.Type)
		}
		return sameShape(a.X)
	},
	Eval: func(a *BandPartArgs) ([]*tensor.Tensor, error) {
		x := a.X.Const.Decoded()
		shape := x.Shape()
		rank := len(shape)
		out, err := zeros(x.DType(), shape)
		if err != nil {
			return nil, err
		}
		rows, cols := shape[rank-2], shape[rank-1]
		var places, widths []int // of the kept run in each row of a matrix
		for r := range rows {
			lo, hi := 0, cols
			if a.Lower >= 0 {
				lo = min(max(r-a.Lower, 0), cols)
			}
			if a.Upper >= 0 {
				hi = min(r+a.Upper+1, cols)
			}
			places, widths = append(places, r*cols+lo), append(widths, max(hi-lo, 0))
		}
		size := rows * cols
		for m := range tensor.Size(shape[:rank-2]) {
			for r, n := range widths {
				at := []int{m*size + places[r]}
				runs(out, x, at, at, n)
			}
		}
		return one(out)
	},
	Sample: func(r *rand.Rand) BandPartArgs {
		return BandPartArgs{sampleFloats(r, append(sampleShape(r), 1+r.IntN(5))...), r.IntN(5) - 1, r.IntN(5) - 1}
	},
})
