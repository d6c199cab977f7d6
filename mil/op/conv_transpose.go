package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConvTransposeArgs are the arguments of ConvTranspose: x is [N, C, *D],
// weight [C, filters/groups, *K], bias [filters]. OutputShape, if given, is
// that of the whole result.
type ConvTransposeArgs struct {
	X           *mil.Value     `mil:"x,T"`
	Weight      *tensor.Tensor `mil:"weight,T,const"`
	Bias        *tensor.Tensor `mil:"bias,T,const,optional"`
	Pad         []int          `mil:"pad,int32,const,optional"`
	OutputShape []int          `mil:"output_shape,int32,const,optional"`
	PadType     string         `mil:"pad_type,string,const,optional" values:"valid|same|custom"`
	Strides     []int          `mil:"strides,int32,const,optional"`
	Dilations   []int          `mil:"dilations,int32,const,optional"`
	Groups      int            `mil:"groups,int32,const,optional"`
}

// ConvTransposeIOS17Args are ConvTransposeArgs with weights of their own float
// type that need not be known before the program runs.
type ConvTransposeIOS17Args struct {
	X           *mil.Value `mil:"x,T"`
	Weight      *mil.Value `mil:"weight,U"`
	Bias        *mil.Value `mil:"bias,U,optional"`
	Pad         []int      `mil:"pad,int32,const,optional"`
	OutputShape []int      `mil:"output_shape,int32,const,optional"`
	PadType     string     `mil:"pad_type,string,const,optional" values:"valid|same|custom"`
	Strides     []int      `mil:"strides,int32,const,optional"`
	Dilations   []int      `mil:"dilations,int32,const,optional"`
	Groups      int        `mil:"groups,int32,const,optional"`
}

// ConvTranspose is the transposed convolution: each input adds its window of
// weights to the output, stride apart, of which padding crops the borders. The
// elements that no window reaches are the bias.
var ConvTranspose = Define(Spec[ConvTransposeArgs]{
	Name: "conv_transpose", Since: mil.IOS15, Types: Types{"T": Float},
	Default: ConvTransposeArgs{PadType: "valid", Groups: 1},
	Infer:   func(a *ConvTransposeArgs) ([]mil.Type, error) { return inferConvTranspose(a.IOS17()) },
	Eval:    func(a *ConvTransposeArgs) ([]*tensor.Tensor, error) { return evalConvTranspose(a.IOS17()) },
	Sample: func(r *rand.Rand) ConvTransposeArgs {
		a := sampleConvTranspose(r)
		b := ConvTransposeArgs{
			X: a.X, Weight: a.Weight.Const, Pad: a.Pad, OutputShape: a.OutputShape, PadType: a.PadType,
			Strides: a.Strides, Dilations: a.Dilations, Groups: a.Groups,
		}
		if a.Bias != nil {
			b.Bias = a.Bias.Const
		}
		return b
	},
})

// ConvTransposeIOS17 is ConvTranspose with weights of their own float type.
var ConvTransposeIOS17 = Define(Spec[ConvTransposeIOS17Args]{
	Name: "conv_transpose", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Default: ConvTransposeIOS17Args{PadType: "valid", Groups: 1},
	Infer:   inferConvTranspose, Eval: evalConvTranspose, Sample: sampleConvTranspose,
})

// IOS17 returns the same arguments for the later version of the operator.
func (a *ConvTransposeArgs) IOS17() *ConvTransposeIOS17Args {
	return &ConvTransposeIOS17Args{
		X: a.X, Weight: mil.NewConst("weight", a.Weight), Bias: knownVector("bias", a.Bias), Pad: a.Pad,
		OutputShape: a.OutputShape, PadType: a.PadType, Strides: a.Strides, Dilations: a.Dilations, Groups: a.Groups,
	}
}

// Window returns where the windows lie. It fails where sizes are unknown.
func (a *ConvTransposeIOS17Args) Window() (Window, error) {
	w, _, err := a.windows()
	return w.static(err)
}

// filters returns the number of output channels.
func (a *ConvTransposeIOS17Args) filters() int { return product([]int{dims(a.Weight)[1], a.Groups}) }

func (a *ConvTransposeIOS17Args) windows() (Window, []int, error) {
	filters := -1
	if len(dims(a.Weight)) > 1 {
		filters = a.filters()
	}
	in, kernel, err := channelled(a.X, a.Weight, a.Bias, a.Groups, filters)
	if err != nil {
		return Window{}, nil, err
	}
	channels, have := dims(a.X)[1], dims(a.Weight)[0]
	c, ok := merge(channels, have)
	if !ok || c >= 0 && c%a.Groups != 0 {
		return Window{}, nil, fmt.Errorf("weight: want %d channels in %d groups, have %d", channels, a.Groups, have)
	}
	want := a.OutputShape
	if want != nil {
		whole := append([]int{dims(a.X)[0], filters}, want[min(2, len(want)):]...)
		if len(want) != len(in)+2 || !compatible(want, whole) || slices.Min(want) < 0 {
			return Window{}, nil, fmt.Errorf("output_shape: want %s, have %v", mil.FormatDims(whole), want)
		}
		want = want[2:]
	}
	s := sliding{strides: a.Strides, dilations: a.Dilations, padType: a.PadType, pad: a.Pad}
	return s.spread(in, kernel, want)
}

func inferConvTranspose(a *ConvTransposeIOS17Args) ([]mil.Type, error) {
	_, out, err := a.windows()
	if err != nil {
		return nil, err
	}
	return result(a.X.Type.DType, append([]int{dims(a.X)[0], a.filters()}, out...)...)
}

func evalConvTranspose(a *ConvTransposeIOS17Args) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferConvTranspose, a)
	if err != nil {
		return nil, err
	}
	w, err := a.Window()
	if err != nil {
		return nil, err
	}
	w.In, w.Out = w.Out, w.In // the windows lie over the output
	batch, channels, filters := shape[0], dims(a.X)[1], shape[1]
	x, weight, bias := a.X.Const.F32(), a.Weight.Const.F32(), biases(a.Bias, filters)
	in, size, taps := volume(w.Out), volume(w.In), volume(w.Kernel)
	per, m := channels/a.Groups, filters/a.Groups
	out := make([]float32, tensor.Size(shape))
	sum := make(accumulator, size)
	for i := range batch * filters {
		n, f := i/filters, i%filters
		sum.fill(bias[f])
		for c := f / m * per; c < (f/m+1)*per; c++ {
			image := x[(n*channels+c)*in:][:in]
			kernel := weight[(c*m+f%m)*taps:][:taps]
			w.taps(func(t, o, at, count, step int) {
				v := float64(kernel[t])
				for j, y := range image[o:][:count] {
					sum[at+j*step] += v * float64(y)
				}
			})
		}
		sum.round(out[i*size:])
	}
	return one(tensor.New(a.X.Type.DType, shape, out))
}

func sampleConvTranspose(r *rand.Rand) ConvTransposeIOS17Args {
	in, kernel := sampleSpatial(r)
	groups := 1 + r.IntN(3)
	channels, m := groups*(1+r.IntN(3)), 1+r.IntN(3)
	s := sampleSliding(r, in, kernel, "valid", "same", "custom")
	for i := range s.pad { // cropping must leave something
		s.pad[i] = r.IntN(kernel[i/2]+1) / 2
	}
	a := ConvTransposeIOS17Args{
		X:       sampleFloats(r, append([]int{1 + r.IntN(2), channels}, in...)...),
		Weight:  sampleFloats(r, append([]int{channels, m}, kernel...)...),
		Strides: s.strides, PadType: s.padType, Pad: s.pad, Dilations: s.dilations, Groups: groups,
	}
	if r.IntN(2) == 0 {
		a.Bias = sampleFloats(r, groups*m)
	}
	if r.IntN(3) == 0 {
		if _, out, err := a.windows(); err == nil {
			a.OutputShape = append([]int{a.X.Type.Shape[0], groups * m}, out...)
			for i := 2; i < len(a.OutputShape); i++ {
				a.OutputShape[i] += r.IntN(2)
			}
		}
	}
	return a
}
