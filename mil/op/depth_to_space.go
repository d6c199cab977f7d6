package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// BlockArgs are the arguments of depth_to_space and space_to_depth.
type BlockArgs struct {
	X         *mil.Value `mil:"x,T"`
	BlockSize int        `mil:"block_size,int32,const"`
}

// DepthToSpace spreads channels over blocks of pixels: channel
// (i·block + j)·C + c goes to row i and column j of the block of channel c, as
// in TensorFlow.
var DepthToSpace = Define(Spec[BlockArgs]{
	Name: "depth_to_space", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: inferDepthToSpace,
	Eval: func(a *BlockArgs) ([]*tensor.Tensor, error) {
		out, err := staticShape(inferDepthToSpace, a)
		if err != nil {
			return nil, err
		}
		s, b := a.X.Const.Shape(), a.BlockSize
		return regrouped(a.X.Const, []int{s[0], b, b, out[1], s[2], s[3]}, []int{0, 3, 4, 1, 5, 2}, out)
	},
	Sample: func(r *rand.Rand) BlockArgs {
		b := 1 + r.IntN(3)
		return BlockArgs{sampleFloats(r, 1+r.IntN(2), b*b*(1+r.IntN(3)), 1+r.IntN(4), 1+r.IntN(4)), b}
	},
})

func inferDepthToSpace(a *BlockArgs) ([]mil.Type, error) { return channelsToBlocks(a.X, a.BlockSize) }
