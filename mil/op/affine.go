package op

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// AffineArgs are the arguments of affine. The matrix is B×6 or, for all images
// alike, 1×6: a0 a1 a2 b0 b1 b2.
type AffineArgs struct {
	X               *mil.Value `mil:"x,T"`
	TransformMatrix *mil.Value `mil:"transform_matrix,T"`
	OutputHeight    int        `mil:"output_height,int32,const"`
	OutputWidth     int        `mil:"output_width,int32,const"`
	SamplingMode    string     `mil:"sampling_mode,string,const" values:"bilinear"`
	PaddingMode     string     `mil:"padding_mode,string,const" values:"constant"`
	PaddingValue    float32    `mil:"padding_value,T,const"`
	CoordinatesMode string     `mil:"coordinates_mode,string,const" values:"normalized_minus_one_to_one"`
	AlignCorners    bool       `mil:"align_corners,bool,const"`
}

// Affine reads images at transformed points: the element at column x and row y
// of the result comes from column a0·x + a1·y + a2 and row b0·x + b1·y + b2,
// all from -1 for the first to 1 for the last.
var Affine = Define(Spec[AffineArgs]{
	Name: "affine", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: inferAffine,
	Eval: func(a *AffineArgs) ([]*tensor.Tensor, error) {
		shape, err := staticShape(inferAffine, a)
		if err != nil {
			return nil, err
		}
		if _, err := tensor.CheckShape([]int{shape[0], shape[2], shape[3], 2}); err != nil {
			return nil, err
		}
		s := a.X.Const.Shape()
		m := a.TransformMatrix.Const.Float64s()
		ys, xs := fromMinusOne(shape[2]), fromMinusOne(shape[3])
		points := make([]float64, 0, 2*shape[0]*shape[2]*shape[3])
		for n := range shape[0] {
			k := m[6*n%len(m):]
			for _, y := range ys {
				for _, x := range xs {
					points = append(points,
						pixel(k[0]*x+k[1]*y+k[2], s[3], a.CoordinatesMode, true),
						pixel(k[3]*x+k[4]*y+k[5], s[2], a.CoordinatesMode, true))
				}
			}
		}
		return resampled(a.X.Const, shape, points, false, a.PaddingMode, a.PaddingValue)
	},
	Sample: func(r *rand.Rand) AffineArgs {
		x := samplePictures(r)
		rows := 1
		if r.IntN(2) == 0 {
			rows = x.Type.Shape[0]
		}
		return AffineArgs{x, sampleFloats(r, rows, 6), 1 + r.IntN(4), 1 + r.IntN(4), "bilinear", "constant", 0, "normalized_minus_one_to_one", true}
	},
})

func inferAffine(a *AffineArgs) ([]mil.Type, error) {
	n, c, _, _, err := pictures(a.X)
	if err != nil {
		return nil, err
	}
	m := dims(a.TransformMatrix)
	if !compatible(m, []int{n, 6}) && !compatible(m, []int{1, 6}) {
		return nil, fmt.Errorf("transform_matrix: %s does not go with %s", a.TransformMatrix.Type, a.X.Type)
	}
	if a.OutputHeight < 1 || a.OutputWidth < 1 {
		return nil, fmt.Errorf("a size of %d×%d", a.OutputHeight, a.OutputWidth)
	}
	if !a.AlignCorners {
		return nil, errors.New("align_corners must be true")
	}
	return result(a.X.Type.DType, n, c, a.OutputHeight, a.OutputWidth)
}

// fromMinusOne spreads n points evenly from -1 to 1; a single one is in the
// middle.
func fromMinusOne(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		if n > 1 {
			out[i] = float64(2*i)/float64(n-1) - 1
		}
	}
	return out
}
