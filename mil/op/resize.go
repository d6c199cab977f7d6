package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ResizeArgs are the arguments of resize. The last elements of Shape, as many
// as ResizedDims, are the sizes of the last dimensions; a 0 keeps one.
type ResizeArgs struct {
	X                 *mil.Value `mil:"x,T"`
	Shape             *mil.Value `mil:"shape,U"`
	ResizedDims       int        `mil:"resized_dims,uint32,const"`
	InterpolationMode string     `mil:"interpolation_mode,string,const,optional" values:"LINEAR|NEAREST_NEIGHBOR"`
	SamplingMode      string     `mil:"sampling_mode,string,const,optional" values:"DEFAULT|STRICT_ALIGN_CORNERS|ALIGN_CORNERS|OFFSET_CORNERS|UNALIGN_CORNERS"`
}

// Resize gives the last dimensions other sizes, linearly or by the nearest
// element; see gridPoints for the modes. For the nearest element DEFAULT
// means UNALIGN_CORNERS, as in ResizeNearestNeighbor.
var Resize = Define(Spec[ResizeArgs]{
	Name: "resize", Since: mil.IOS17,
	Types:   Types{"T": Number, "U": {tensor.Int32, tensor.Int16, tensor.Uint16, tensor.Uint32}},
	Default: ResizeArgs{InterpolationMode: "LINEAR", SamplingMode: "DEFAULT"},
	Infer:   inferResize,
	Eval: func(a *ResizeArgs) ([]*tensor.Tensor, error) {
		shape, err := staticShape(inferResize, a)
		if err != nil {
			return nil, err
		}
		x := a.X.Const
		sizes := shape[len(shape)-a.ResizedDims:]
		var t *tensor.Tensor
		if mode, nearest := a.mode(); nearest {
			t, err = resizeNearest(x, lastAxes(x, mode, sizes...), true)
		} else {
			t, err = resizeLinear(x, lastAxes(x, mode, sizes...))
		}
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) ResizeArgs {
		a := ResizeArgs{X: sampleFloats(r), SamplingMode: samplingModes[r.IntN(len(samplingModes))]}
		a.InterpolationMode = []string{"LINEAR", "NEAREST_NEIGHBOR"}[r.IntN(2)]
		a.ResizedDims = r.IntN(a.X.Type.Rank() + 1)
		a.Shape = sampleInts(r, 0, 8, a.X.Type.Rank())
		return a
	},
})

// mode is what gridPoints calls the choice of points, and whether elements are
// taken as they are.
func (a *ResizeArgs) mode() (mode string, nearest bool) {
	if a.InterpolationMode != "NEAREST_NEIGHBOR" {
		return a.SamplingMode, false
	}
	if a.SamplingMode == "DEFAULT" {
		return "UNALIGN_CORNERS", true
	}
	return a.SamplingMode, true
}

func inferResize(a *ResizeArgs) ([]mil.Type, error) {
	shape := dims(a.X)
	n, err := vector("shape", a.Shape)
	if err != nil {
		return nil, err
	}
	k := a.ResizedDims
	if k < 0 || k > len(shape) || n >= 0 && (k > n || n > len(shape)) {
		return nil, fmt.Errorf("resized_dims %d and %d sizes for %s", k, n, a.X.Type)
	}
	sizes := unknownDims(k)
	if want, known := knownInts(a.Shape); known {
		for i, v := range want[len(want)-k:] {
			switch {
			case v < 0:
				return nil, fmt.Errorf("a size of %d", v)
			case v == 0:
				sizes[i] = shape[len(shape)-k+i]
			default:
				sizes[i] = v
			}
		}
	}
	return resizedShape(a.X, sizes...)
}
