package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// UpsampleBilinearArgs are the arguments of upsample_bilinear in iOS15.
type UpsampleBilinearArgs struct {
	X                 *mil.Value `mil:"x,T"`
	ScaleFactorHeight float32    `mil:"scale_factor_height,U,const,optional"`
	ScaleFactorWidth  float32    `mil:"scale_factor_width,U,const,optional"`
	AlignCorners      bool       `mil:"align_corners,bool,const,optional"`
}

// UpsampleBilinearIOS16Args add whether elements lie in the middle of their
// pixels. Where it is not given, they do unless the corners are aligned.
type UpsampleBilinearIOS16Args struct {
	X                 *mil.Value     `mil:"x,T"`
	ScaleFactorHeight float32        `mil:"scale_factor_height,U,const,optional"`
	ScaleFactorWidth  float32        `mil:"scale_factor_width,U,const,optional"`
	AlignCorners      bool           `mil:"align_corners,bool,const,optional"`
	HalfPixelCenters  *tensor.Tensor `mil:"half_pixel_centers,bool,const,optional"`
}

// UpsampleBilinear scales the last two dimensions, rounding the new sizes
// down, by linear interpolation; see gridPoints for the points.
var UpsampleBilinear = Define(Spec[UpsampleBilinearArgs]{
	Name: "upsample_bilinear", Since: mil.IOS15, Types: Types{"T": Float, "U": {tensor.Int32, tensor.Float32}},
	Default: UpsampleBilinearArgs{ScaleFactorHeight: 1, ScaleFactorWidth: 1, AlignCorners: true},
	Infer:   func(a *UpsampleBilinearArgs) ([]mil.Type, error) { return inferUpsampleBilinear(a.newest()) },
	Eval:    func(a *UpsampleBilinearArgs) ([]*tensor.Tensor, error) { return evalUpsampleBilinear(a.newest()) },
	Sample: func(r *rand.Rand) UpsampleBilinearArgs {
		return UpsampleBilinearArgs{samplePictures(r), sampleScale(r), sampleScale(r), r.IntN(2) == 0}
	},
})

// UpsampleBilinearIOS16 is UpsampleBilinear with a third choice of points.
var UpsampleBilinearIOS16 = Define(Spec[UpsampleBilinearIOS16Args]{
	Name: "upsample_bilinear", Since: mil.IOS16, Types: Types{"T": Float, "U": {tensor.Int32, tensor.Float32}},
	Default: UpsampleBilinearIOS16Args{ScaleFactorHeight: 1, ScaleFactorWidth: 1, AlignCorners: true},
	Infer:   inferUpsampleBilinear, Eval: evalUpsampleBilinear,
	Sample: func(r *rand.Rand) UpsampleBilinearIOS16Args {
		a := UpsampleBilinearIOS16Args{samplePictures(r), sampleScale(r), sampleScale(r), r.IntN(2) == 0, nil}
		if r.IntN(2) == 0 {
			a.HalfPixelCenters = tensor.Scalar(tensor.Bool, !a.AlignCorners && r.IntN(2) == 0)
		}
		return a
	},
})

func (a *UpsampleBilinearArgs) newest() *UpsampleBilinearIOS16Args {
	return &UpsampleBilinearIOS16Args{a.X, a.ScaleFactorHeight, a.ScaleFactorWidth, a.AlignCorners, nil}
}

func inferUpsampleBilinear(a *UpsampleBilinearIOS16Args) ([]mil.Type, error) {
	if a.HalfPixelCenters != nil {
		if _, err := oneBool("half_pixel_centers", a.HalfPixelCenters); err != nil {
			return nil, err
		}
	}
	return upsampled(a.X, a.ScaleFactorHeight, a.ScaleFactorWidth)
}

func evalUpsampleBilinear(a *UpsampleBilinearIOS16Args) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferUpsampleBilinear, a)
	if err != nil {
		return nil, err
	}
	x := a.X.Const
	t, err := resizeLinear(x, lastAxes(x, a.mode(), shape[len(shape)-2:]...))
	return []*tensor.Tensor{t}, err
}

// mode is what gridPoints calls the choice of points.
func (a *UpsampleBilinearIOS16Args) mode() string {
	switch {
	case a.AlignCorners:
		return "STRICT_ALIGN_CORNERS"
	case a.HalfPixelCenters != nil && !a.HalfPixelCenters.Bools()[0]:
		return "DEFAULT"
	}
	return "UNALIGN_CORNERS"
}
