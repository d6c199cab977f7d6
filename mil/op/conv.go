package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConvArgs are the arguments of Conv: x is [N, C, *D], weight [filters,
// C/groups, *K], bias [filters]. Pad counts only for padding custom.
type ConvArgs struct {
	X         *mil.Value     `mil:"x,T"`
	Weight    *mil.Value     `mil:"weight,T"`
	Bias      *tensor.Tensor `mil:"bias,T,const,optional"`
	Strides   []int          `mil:"strides,int32,const,optional"`
	PadType   string         `mil:"pad_type,string,const,optional" values:"valid|same|same_lower|custom"`
	Pad       []int          `mil:"pad,int32,const,optional"`
	Dilations []int          `mil:"dilations,int32,const,optional"`
	Groups    int            `mil:"groups,int32,const,optional"`
}

// ConvIOS17Args are ConvArgs with weights of their own float type and a bias
// that need not be known before the program runs.
type ConvIOS17Args struct {
	X         *mil.Value `mil:"x,T"`
	Weight    *mil.Value `mil:"weight,U"`
	Bias      *mil.Value `mil:"bias,U,optional"`
	Strides   []int      `mil:"strides,int32,const,optional"`
	PadType   string     `mil:"pad_type,string,const,optional" values:"valid|same|same_lower|custom"`
	Pad       []int      `mil:"pad,int32,const,optional"`
	Dilations []int      `mil:"dilations,int32,const,optional"`
	Groups    int        `mil:"groups,int32,const,optional"`
}

// Conv is a convolution in 1 to 3 dimensions: filter f of group g at window o
// is bias[f] + Σ weight[f, c, k]·x[g·C/groups + c, o·stride + k·dilation - pad],
// over the elements that lie in x.
var Conv = Define(Spec[ConvArgs]{
	Name: "conv", Since: mil.IOS15, Types: Types{"T": Float},
	Default: ConvArgs{PadType: "valid", Groups: 1},
	Infer:   func(a *ConvArgs) ([]mil.Type, error) { return inferConv(a.IOS17()) },
	Eval:    func(a *ConvArgs) ([]*tensor.Tensor, error) { return evalConv(a.IOS17()) },
	Sample: func(r *rand.Rand) ConvArgs {
		a := sampleConv(r)
		b := ConvArgs{X: a.X, Weight: a.Weight, Strides: a.Strides, PadType: a.PadType, Pad: a.Pad, Dilations: a.Dilations, Groups: a.Groups}
		if a.Bias != nil {
			b.Bias = a.Bias.Const
		}
		return b
	},
})

// ConvIOS17 is Conv with weights of their own float type.
var ConvIOS17 = Define(Spec[ConvIOS17Args]{
	Name: "conv", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Default: ConvIOS17Args{PadType: "valid", Groups: 1},
	Infer:   inferConv, Eval: evalConv, Sample: sampleConv,
})

// IOS17 returns the same arguments for the later version of the operator.
func (a *ConvArgs) IOS17() *ConvIOS17Args {
	return &ConvIOS17Args{
		X: a.X, Weight: a.Weight, Bias: knownVector("bias", a.Bias), Strides: a.Strides, PadType: a.PadType, Pad: a.Pad,
		Dilations: a.Dilations, Groups: a.Groups,
	}
}

// Window returns where the windows lie. It fails where sizes are unknown.
func (a *ConvIOS17Args) Window() (Window, error) {
	w, _, err := a.windows()
	return w.static(err)
}

func (a *ConvIOS17Args) windows() (Window, []int, error) {
	filters := -1
	if ws := dims(a.Weight); len(ws) > 0 {
		filters = ws[0]
	}
	in, kernel, err := channelled(a.X, a.Weight, a.Bias, a.Groups, filters)
	if err != nil {
		return Window{}, nil, err
	}
	channels, per := dims(a.X)[1], dims(a.Weight)[1]
	if channels >= 0 && per >= 0 && (channels%a.Groups != 0 || channels/a.Groups != per) {
		return Window{}, nil, fmt.Errorf("weight: want %d channels in %d groups, have %d a group", channels, a.Groups, per)
	}
	if filters >= 0 && filters%a.Groups != 0 {
		return Window{}, nil, fmt.Errorf("weight: %d filters in %d groups", filters, a.Groups)
	}
	s := sliding{strides: a.Strides, dilations: a.Dilations, padType: a.PadType, pad: a.Pad}
	return s.windows(in, kernel)
}

func inferConv(a *ConvIOS17Args) ([]mil.Type, error) {
	_, out, err := a.windows()
	if err != nil {
		return nil, err
	}
	return result(a.X.Type.DType, append([]int{dims(a.X)[0], dims(a.Weight)[0]}, out...)...)
}

func evalConv(a *ConvIOS17Args) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferConv, a)
	if err != nil {
		return nil, err
	}
	w, err := a.Window()
	if err != nil {
		return nil, err
	}
	batch, channels, filters := shape[0], dims(a.X)[1], shape[1]
	x, weight, bias := a.X.Const.F32(), a.Weight.Const.F32(), biases(a.Bias, filters)
	in, size, taps := volume(w.In), volume(w.Out), volume(w.Kernel)
	per, m := channels/a.Groups, filters/a.Groups
	out := make([]float32, tensor.Size(shape))
	sum := make(accumulator, size)
	for i := range batch * filters {
		n, f := i/filters, i%filters
		sum.fill(bias[f])
		for c := range per {
			image := x[(n*channels+f/m*per+c)*in:][:in]
			kernel := weight[(f*per+c)*taps:][:taps]
			w.taps(func(t, o, at, count, step int) {
				v := float64(kernel[t])
				for j := range sum[o:][:count] {
					sum[o+j] += v * float64(image[at+j*step])
				}
			})
		}
		sum.round(out[i*size:])
	}
	return one(tensor.New(a.X.Type.DType, shape, out))
}

func sampleConv(r *rand.Rand) ConvIOS17Args {
	in, kernel := sampleSpatial(r)
	groups := 1 + r.IntN(3)
	channels, filters := groups*(1+r.IntN(3)), groups*(1+r.IntN(3))
	s := sampleSliding(r, in, kernel, "valid", "same", "same_lower", "custom")
	a := ConvIOS17Args{
		X:       sampleFloats(r, append([]int{1 + r.IntN(2), channels}, in...)...),
		Weight:  sampleFloats(r, append([]int{filters, channels / groups}, kernel...)...),
		Strides: s.strides, PadType: s.padType, Pad: s.pad, Dilations: s.dilations, Groups: groups,
	}
	if r.IntN(2) == 0 {
		a.Bias = sampleFloats(r, filters)
	}
	return a
}
