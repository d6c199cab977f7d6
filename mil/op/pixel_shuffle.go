package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// PixelShuffleArgs are the arguments of pixel_shuffle.
type PixelShuffleArgs struct {
	X             *mil.Value `mil:"x,T"`
	UpscaleFactor int        `mil:"upscale_factor,int32,const"`
}

// PixelShuffle spreads channels over blocks of pixels: channel
// c·factor² + i·factor + j goes to row i and column j of the block of channel
// c, as in PyTorch.
var PixelShuffle = Define(Spec[PixelShuffleArgs]{
	Name: "pixel_shuffle", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: inferPixelShuffle,
	Eval: func(a *PixelShuffleArgs) ([]*tensor.Tensor, error) {
		out, err := staticShape(inferPixelShuffle, a)
		if err != nil {
			return nil, err
		}
		s, b := a.X.Const.Shape(), a.UpscaleFactor
		return regrouped(a.X.Const, []int{s[0], out[1], b, b, s[2], s[3]}, []int{0, 1, 4, 2, 5, 3}, out)
	},
	Sample: func(r *rand.Rand) PixelShuffleArgs {
		b := 1 + r.IntN(3)
		return PixelShuffleArgs{sampleFloats(r, 1+r.IntN(2), b*b*(1+r.IntN(3)), 1+r.IntN(4), 1+r.IntN(4)), b}
	},
})

func inferPixelShuffle(a *PixelShuffleArgs) ([]mil.Type, error) {
	return channelsToBlocks(a.X, a.UpscaleFactor)
}
