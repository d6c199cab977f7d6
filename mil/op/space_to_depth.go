package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SpaceToDepth is the inverse of DepthToSpace.
var SpaceToDepth = Define(Spec[BlockArgs]{
	Name: "space_to_depth", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: inferSpaceToDepth,
	Eval: func(a *BlockArgs) ([]*tensor.Tensor, error) {
		out, err := staticShape(inferSpaceToDepth, a)
		if err != nil {
			return nil, err
		}
		s, b := a.X.Const.Shape(), a.BlockSize
		return regrouped(a.X.Const, []int{s[0], s[1], out[2], b, out[3], b}, []int{0, 3, 5, 1, 2, 4}, out)
	},
	Sample: func(r *rand.Rand) BlockArgs {
		b := 1 + r.IntN(3)
		return BlockArgs{sampleFloats(r, 1+r.IntN(2), 1+r.IntN(3), b*(1+r.IntN(3)), b*(1+r.IntN(3))), b}
	},
})

func inferSpaceToDepth(a *BlockArgs) ([]mil.Type, error) { return blocksToChannels(a.X, a.BlockSize) }
