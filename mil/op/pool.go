package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Pooling is the argument struct of MaxPool and L2Pool: x is [N, C, *D]. Pad
// counts only for padding custom. CeilMode rounds the number of windows up, as
// Caffe does.
type Pooling struct {
	X           *mil.Value `mil:"x,T"`
	KernelSizes []int      `mil:"kernel_sizes,int32,const"`
	Strides     []int      `mil:"strides,int32,const,optional"`
	PadType     string     `mil:"pad_type,string,const" values:"valid|same|same_lower|custom"`
	Pad         []int      `mil:"pad,int32,const,optional"`
	CeilMode    bool       `mil:"ceil_mode,bool,const,optional"`
}

// Window returns where the windows lie. It fails where sizes are unknown.
func (a *Pooling) Window() (Window, error) {
	w, _, err := a.windows()
	return w.static(err)
}

func (a *Pooling) windows() (Window, []int, error) {
	shape := dims(a.X)
	if len(shape) < 3 || len(shape) > 5 {
		return Window{}, nil, fmt.Errorf("x: want rank 3 to 5, have %s", a.X.Type)
	}
	if len(a.KernelSizes) > 0 && slices.Min(a.KernelSizes) < 1 {
		return Window{}, nil, fmt.Errorf("kernel_sizes %v", a.KernelSizes)
	}
	s := sliding{strides: a.Strides, padType: a.PadType, pad: a.Pad, ceil: a.CeilMode}
	return s.windows(shape[2:], a.KernelSizes)
}

func inferPooling(a *Pooling) ([]mil.Type, error) {
	_, out, err := a.windows()
	if err != nil {
		return nil, err
	}
	return result(a.X.Type.DType, append(slices.Clone(dims(a.X)[:2]), out...)...)
}

// pooling returns the Eval of a pooling: sums start from first, take in each
// element of their window that lies in the tensor, and finish as a result.
func pooling(first float64, take func(sum, v float64) float64, finish func(sum float64) float64) func(*Pooling) ([]*tensor.Tensor, error) {
	return func(a *Pooling) ([]*tensor.Tensor, error) {
		shape, err := staticShape(inferPooling, a)
		if err != nil {
			return nil, err
		}
		w, err := a.Window()
		if err != nil {
			return nil, err
		}
		x, in, size := a.X.Const.F32(), volume(w.In), volume(w.Out)
		out := make([]float32, tensor.Size(shape))
		sums := make(accumulator, size)
		for c := range shape[0] * shape[1] {
			for i := range sums {
				sums[i] = first
			}
			plane := x[c*in:][:in]
			w.taps(func(_, o, at, count, step int) {
				for j := range sums[o:][:count] {
					sums[o+j] = take(sums[o+j], float64(plane[at+j*step]))
				}
			})
			for i, s := range sums {
				sums[i] = finish(s)
			}
			sums.round(out[c*size:])
		}
		return one(tensor.New(a.X.Type.DType, shape, out))
	}
}

// samplePooling makes arguments with at most that many spatial dimensions.
func samplePooling(most int) func(r *rand.Rand) Pooling {
	return func(r *rand.Rand) Pooling {
		in, kernel := sampleSpatial(r)
		in, kernel = in[:min(most, len(in))], kernel[:min(most, len(kernel))]
		s := sampleSliding(r, in, kernel, "valid", "same", "same_lower", "custom")
		a := Pooling{
			X:           sampleFloats(r, append([]int{1 + r.IntN(2), 1 + r.IntN(3)}, in...)...),
			KernelSizes: kernel, Strides: s.strides, PadType: s.padType, Pad: s.pad,
		}
		if len(in) < 3 && a.PadType != "same" && r.IntN(2) == 0 {
			a.CeilMode = true
		}
		for i := range a.Pad { // a padding of a whole window could hold one
			a.Pad[i] = r.IntN(kernel[i/2])
			if a.CeilMode {
				a.Pad[i] = a.Pad[i/2*2]
			}
		}
		return a
	}
}
