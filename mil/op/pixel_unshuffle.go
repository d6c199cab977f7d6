package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// PixelUnshuffleArgs are the arguments of pixel_unshuffle.
type PixelUnshuffleArgs struct {
	X               *mil.Value `mil:"x,T"`
	DownscaleFactor int        `mil:"downscale_factor,uint32,const"`
}

// PixelUnshuffle is the inverse of PixelShuffle.
var PixelUnshuffle = Define(Spec[PixelUnshuffleArgs]{
	Name: "pixel_unshuffle", Since: mil.IOS16, Types: Types{"T": Float},
	Infer: inferPixelUnshuffle,
	Eval: func(a *PixelUnshuffleArgs) ([]*tensor.Tensor, error) {
		out, err := staticShape(inferPixelUnshuffle, a)
		if err != nil {
			return nil, err
		}
		s, b := a.X.Const.Shape(), a.DownscaleFactor
		return regrouped(a.X.Const, []int{s[0], s[1], out[2], b, out[3], b}, []int{0, 1, 3, 5, 2, 4}, out)
	},
	Sample: func(r *rand.Rand) PixelUnshuffleArgs {
		b := 1 + r.IntN(3)
		return PixelUnshuffleArgs{sampleFloats(r, 1+r.IntN(2), 1+r.IntN(3), b*(1+r.IntN(3)), b*(1+r.IntN(3))), b}
	},
})

func inferPixelUnshuffle(a *PixelUnshuffleArgs) ([]mil.Type, error) {
	return blocksToChannels(a.X, a.DownscaleFactor)
}
