package op

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ResampleArgs are the arguments of resample. Coordinates is B×H×W×2: for
// every element of the result the column and the row to read. Normalized
// coordinates have the first element at the lower end and the last one at the
// upper end; where corners are not aligned, the outer edges of these elements.
type ResampleArgs struct {
	X               *mil.Value `mil:"x,T"`
	Coordinates     *mil.Value `mil:"coordinates,U"`
	SamplingMode    string     `mil:"sampling_mode,string,const" values:"nearest|bilinear"`
	PaddingMode     string     `mil:"padding_mode,string,const" values:"constant|border|reflection|symmetric"`
	PaddingValue    float32    `mil:"padding_value,T,const"`
	CoordinatesMode string     `mil:"coordinates_mode,string,const" values:"unnormalized|normalized_minus_one_to_one|normalized_zero_to_one"`
	AlignCorners    bool       `mil:"align_corners,bool,const"`
}

// Resample reads images at given points. What lies outside is a constant, the
// nearest element, or the image mirrored in the middle of its outer elements
// (reflection) or at their edges (symmetric).
var Resample = Define(Spec[ResampleArgs]{
	Name: "resample", Since: mil.IOS15, Types: Types{"T": Float, "U": {tensor.Int32, tensor.Float32}},
	Infer: inferResample, Eval: evalResample, Sample: sampleResample,
})

// ResampleIOS16 is Resample for more types of coordinates.
var ResampleIOS16 = Define(Spec[ResampleArgs]{
	Name: "resample", Since: mil.IOS16, Types: Types{"T": Float, "U": {tensor.Int32, tensor.Float16, tensor.Float32}},
	Infer: inferResample, Eval: evalResample, Sample: sampleResample,
})

// ResampleIOS17 is Resample for yet more types of coordinates.
var ResampleIOS17 = Define(Spec[ResampleArgs]{
	Name: "resample", Since: mil.IOS17, Types: Types{"T": Float, "U": numberIOS17},
	Infer: inferResample, Eval: evalResample, Sample: sampleResample,
})

func inferResample(a *ResampleArgs) ([]mil.Type, error) {
	n, c, h, w, err := pictures(a.X)
	if err != nil {
		return nil, err
	}
	at := dims(a.Coordinates)
	if !compatible(at, []int{n, mil.Unknown, mil.Unknown, 2}) {
		return nil, fmt.Errorf("coordinates: %s do not go with %s", a.Coordinates.Type, a.X.Type)
	}
	if (h == 0 || w == 0) && a.PaddingMode != "constant" {
		return nil, fmt.Errorf("an empty image: %s", a.X.Type)
	}
	if n < 0 {
		n = at[0]
	}
	return result(a.X.Type.DType, n, c, at[1], at[2])
}

func evalResample(a *ResampleArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferResample, a)
	if err != nil {
		return nil, err
	}
	s := a.X.Const.Shape()
	points := a.Coordinates.Const.Float64s()
	for i := range points {
		points[i] = pixel(points[i], s[3-i%2], a.CoordinatesMode, a.AlignCorners)
	}
	return resampled(a.X.Const, shape, points, a.SamplingMode == "nearest", a.PaddingMode, a.PaddingValue)
}

// pixel turns a coordinate along an axis of n elements into a point.
func pixel(p float64, n int, mode string, align bool) float64 {
	switch mode {
	case "normalized_minus_one_to_one":
		p = (p + 1) / 2
	case "normalized_zero_to_one":
	default:
		return p
	}
	if align {
		return p * float64(n-1)
	}
	return p*float64(n) - 0.5
}

// resampled reads images at points, pairs of column and row, one pair for
// every element of a plane of the result.
func resampled(x *tensor.Tensor, shape []int, points []float64, nearest bool, padding string, pad float32) ([]*tensor.Tensor, error) {
	size, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, err
	}
	s := x.Shape()
	channels, h, w := s[1], s[2], s[3]
	data, out := x.F32(), make([]float32, size)
	for i := range points {
		points[i] = bringInside(points[i], s[3-i%2], padding)
	}
	area := shape[2] * shape[3]
	for n := range shape[0] {
		for k := range channels {
			plane := data[(n*channels+k)*h*w : (n*channels+k+1)*h*w]
			to := out[(n*channels+k)*area : (n*channels+k+1)*area]
			for i := range to {
				p := points[2*(n*area+i):]
				if nearest {
					to[i] = elementAt(plane, h, w, math.RoundToEven(p[1]), math.RoundToEven(p[0]), pad)
				} else {
					to[i] = float32(padded(plane, h, w, p[1], p[0], pad))
				}
			}
		}
	}
	return []*tensor.Tensor{tensor.New(x.DType(), shape, out)}, nil
}

// bringInside moves a point onto an axis of n elements, unless what is outside
// is a constant. A point that is no number stays one.
func bringInside(p float64, n int, padding string) float64 {
	last := float64(n - 1)
	switch padding {
	case "constant":
		return p
	case "reflection":
		p = mirror(p, 0, last)
	case "symmetric":
		p = mirror(p, -0.5, last+0.5)
	}
	if p != p || math.IsInf(p, 0) && padding != "border" {
		return 0
	}
	return min(max(p, 0), last)
}

// mirror reflects a point at two mirrors until it is between them.
func mirror(p, lo, hi float64) float64 {
	if hi == lo {
		return lo
	}
	span := hi - lo
	p = math.Mod(math.Abs(p-lo), 2*span)
	if p > span {
		p = 2*span - p
	}
	return p + lo
}

// elementAt returns an element of an image, pad outside of it.
func elementAt(plane []float32, h, w int, y, x float64, pad float32) float32 {
	if !(y >= 0 && y < float64(h) && x >= 0 && x < float64(w)) { // NaN too
		return pad
	}
	return plane[int(y)*w+int(x)]
}

// padded interpolates in an image that is surrounded by elements of value pad.
func padded(plane []float32, h, w int, y, x float64, pad float32) float64 {
	if !(y > -1 && y < float64(h) && x > -1 && x < float64(w)) { // NaN too
		return float64(pad)
	}
	y0, x0 := math.Floor(y), math.Floor(x)
	at := func(y, x float64) float64 { return float64(elementAt(plane, h, w, y, x, pad)) }
	return mix(mix(at(y0, x0), at(y0, x0+1), x-x0), mix(at(y0+1, x0), at(y0+1, x0+1), x-x0), y-y0)
}

func sampleResample(r *rand.Rand) ResampleArgs {
	x := samplePictures(r)
	a := ResampleArgs{
		X: x, Coordinates: sampleFloats(r, x.Type.Shape[0], 1+r.IntN(3), 1+r.IntN(3), 2),
		SamplingMode: []string{"nearest", "bilinear"}[r.IntN(2)], PaddingMode: []string{"constant", "border", "reflection", "symmetric"}[r.IntN(4)],
		PaddingValue: float32(r.IntN(3)), AlignCorners: r.IntN(2) == 0,
		CoordinatesMode: []string{"unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one"}[r.IntN(3)],
	}
	return a
}
