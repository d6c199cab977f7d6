package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ResizeBilinearArgs are the arguments of resize_bilinear.
type ResizeBilinearArgs struct {
	X                *mil.Value `mil:"x,T"`
	TargetSizeHeight int        `mil:"target_size_height,int32,const,optional"`
	TargetSizeWidth  int        `mil:"target_size_width,int32,const,optional"`
	SamplingMode     string     `mil:"sampling_mode,string,const,optional" values:"DEFAULT|STRICT_ALIGN_CORNERS|ALIGN_CORNERS|OFFSET_CORNERS|UNALIGN_CORNERS"`
}

// ResizeBilinear gives the last two dimensions other sizes by linear
// interpolation; see gridPoints for the modes.
var ResizeBilinear = Define(Spec[ResizeBilinearArgs]{
	Name: "resize_bilinear", Since: mil.IOS15, Types: Types{"T": Float},
	Default: ResizeBilinearArgs{TargetSizeHeight: 1, TargetSizeWidth: 1, SamplingMode: "DEFAULT"},
	Infer: func(a *ResizeBilinearArgs) ([]mil.Type, error) {
		return resizedTo(a.X, a.TargetSizeHeight, a.TargetSizeWidth)
	},
	Eval: func(a *ResizeBilinearArgs) ([]*tensor.Tensor, error) {
		x := a.X.Const
		t, err := resizeLinear(x, lastAxes(x, a.SamplingMode, a.TargetSizeHeight, a.TargetSizeWidth))
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) ResizeBilinearArgs {
		return ResizeBilinearArgs{samplePictures(r), 1 + r.IntN(9), 1 + r.IntN(9), samplingModes[r.IntN(len(samplingModes))]}
	},
})

var samplingModes = []string{"DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS"}

// resizedTo is the type rule of giving the last two dimensions fixed sizes.
func resizedTo(x *mil.Value, height, width int) ([]mil.Type, error) {
	if len(dims(x)) < 3 {
		return nil, fmt.Errorf("want at least rank 3, have %s", x.Type)
	}
	if height < 1 || width < 1 {
		return nil, fmt.Errorf("a size of %d×%d", height, width)
	}
	return resizedShape(x, height, width)
}
