package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// TileArgs are the arguments of tile. Reps has one element for every dimension
// of X.
type TileArgs struct {
	X    *mil.Value `mil:"x,T"`
	Reps *mil.Value `mil:"reps,int32"`
}

// Tile repeats a tensor along its dimensions.
var Tile = Define(Spec[TileArgs]{
	Name: "tile", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: inferTile,
	Eval: func(a *TileArgs) ([]*tensor.Tensor, error) {
		shape, err := staticShape(inferTile, a)
		if err != nil {
			return nil, err
		}
		reps, _ := knownInts(a.Reps)
		var m move
		for i, s := range strides(a.X.Const.Shape()) {
			m.shape = append(m.shape, reps[i], a.X.Const.Shape()[i])
			m.from = append(m.from, 0, s)
		}
		t, err := rearranged(a.X.Const, shape, m)
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) TileArgs {
		x := sampleFloats(r)
		return TileArgs{x, sampleInts(r, 0, 4, x.Type.Rank())}
	},
})

func inferTile(a *TileArgs) ([]mil.Type, error) {
	shape := slices.Clone(dims(a.X))
	if err := lengthOf("reps", a.Reps, len(shape)); err != nil {
		return nil, err
	}
	reps, known := knownInts(a.Reps)
	for i, n := range shape {
		switch {
		case !known:
			shape[i] = mil.Unknown
		case reps[i] < 0:
			return nil, fmt.Errorf("%d repetitions along axis %d", reps[i], i)
		case reps[i] != 1:
			shape[i] = times(n, reps[i])
		}
	}
	return result(a.X.Type.DType, shape...)
}
