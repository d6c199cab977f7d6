package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// AvgPoolArgs are those of Pooling, and whether an average is taken over the
// elements of a window that lie in x only, or also over padding.
type AvgPoolArgs struct {
	ExcludePadding bool       `mil:"exclude_padding_from_average,bool,const,optional"`
	X              *mil.Value `mil:"x,T"`
	KernelSizes    []int      `mil:"kernel_sizes,int32,const"`
	Strides        []int      `mil:"strides,int32,const,optional"`
	PadType        string     `mil:"pad_type,string,const" values:"valid|same|same_lower|custom"`
	Pad            []int      `mil:"pad,int32,const,optional"`
	CeilMode       bool       `mil:"ceil_mode,bool,const,optional"`
}

// AvgPool is the average of each window. Padding counts as zeros, or not at
// all; what a window holds beyond the padding, because their number was
// rounded up, never counts.
var AvgPool = Define(Spec[AvgPoolArgs]{
	Name: "avg_pool", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: func(a *AvgPoolArgs) ([]mil.Type, error) { return inferPooling(a.Pooling()) },
	Eval:  evalAvgPool,
	Sample: func(r *rand.Rand) AvgPoolArgs {
		p := samplePooling(3)(r)
		return AvgPoolArgs{
			ExcludePadding: r.IntN(2) == 0, X: p.X, KernelSizes: p.KernelSizes, Strides: p.Strides,
			PadType: p.PadType, Pad: p.Pad, CeilMode: p.CeilMode,
		}
	},
})

// Pooling returns the arguments that all poolings have.
func (a *AvgPoolArgs) Pooling() *Pooling {
	return &Pooling{X: a.X, KernelSizes: a.KernelSizes, Strides: a.Strides, PadType: a.PadType, Pad: a.Pad, CeilMode: a.CeilMode}
}

// Window returns where the windows lie. It fails where sizes are unknown.
func (a *AvgPoolArgs) Window() (Window, error) { return a.Pooling().Window() }

// Counts returns by how much the sum of each window is divided: the product of
// one number for each dimension of its place.
func (a *AvgPoolArgs) Counts() ([3][]int, error) {
	var counts [3][]int
	w, err := a.Window()
	if err != nil {
		return counts, err
	}
	for d := range counts {
		lo, hi := 0, w.In[d]
		if !a.ExcludePadding {
			lo, hi = -w.Pad[d][0], w.In[d]+w.Pad[d][1]
		}
		counts[d] = make([]int, w.Out[d])
		for o := range counts[d] {
			first := w.element(d, o, 0)
			counts[d][o] = max(0, min(first+w.Kernel[d], hi)-max(first, lo))
		}
	}
	return counts, nil
}

// evalAvgPool divides the sums; a window of nothing but padding that does not
// count is zero.
func evalAvgPool(a *AvgPoolArgs) ([]*tensor.Tensor, error) {
	counts, err := a.Counts()
	if err != nil {
		return nil, err
	}
	w, err := a.Window()
	if err != nil {
		return nil, err
	}
	shape, err := staticShape(inferPooling, a.Pooling())
	if err != nil {
		return nil, err
	}
	x, in, size := a.X.Const.F32(), volume(w.In), volume(w.Out)
	out := make([]float32, tensor.Size(shape))
	sums := make(accumulator, size)
	for c := range shape[0] * shape[1] {
		sums.fill(0)
		plane := x[c*in:][:in]
		w.taps(func(_, o, at, count, step int) {
			for j := range sums[o:][:count] {
				sums[o+j] += float64(plane[at+j*step])
			}
		})
		i := 0
		for _, z := range counts[0] {
			for _, y := range counts[1] {
				for _, x := range counts[2] {
					sums[i] /= float64(max(1, z*y*x))
					i++
				}
			}
		}
		sums.round(out[c*size:])
	}
	return one(tensor.New(a.X.Type.DType, shape, out))
}
