package neuralnetwork

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var convolutionRules = map[string]rule{"conv": convolution, "conv_transpose": convolution}

// spatialCompositions bring windows over one dimension to windows over two,
// and split off what layers do not take.
var spatialCompositions = map[string]composition{
	"conv":           flattened(convolutionIn),
	"conv_transpose": flattened(convolutionIn),
	"max_pool":       flattened(poolingIn),
	"avg_pool":       flattened(poolingIn),
	"l2_pool":        flattened(poolingIn),
}

// flattened lets f compute on x, [N, C, L], as on [N, C, 1, L].
func flattened(f func(w *writer, b *mil.Builder, a args, x *mil.Value) *mil.Value) composition {
	return func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x := a.Input("x")
		if x.Type.Rank() != 3 {
			y := f(w, b, a, x)
			if y == nil {
				return nil
			}
			return one(y)
		}
		y := f(w, b, a, op.ExpandDimsIOS17.Add(b, op.ExpandDimsArgs{X: x, Axes: []int{2}}))
		return one(op.SqueezeIOS17.Add(b, op.SqueezeArgs{X: y, Axes: []int{2}}))
	}
}

// again makes an operation of the same name with some arguments replaced; nil
// leaves one out.
func again(b *mil.Builder, a args, replace map[string]*mil.Value, t mil.Type) *mil.Value {
	n := &mil.Node{Op: a.Op, Name: b.Unique(a.Name)}
	for _, in := range a.Inputs {
		if v, ok := replace[in.Name]; ok {
			if v != nil {
				n.Inputs = append(n.Inputs, mil.Input{Name: in.Name, Values: one(v)})
			}
			continue
		}
		n.Inputs = append(n.Inputs, in)
	}
	v := &mil.Value{Name: n.Name, Type: t}
	n.Outputs = one(v)
	b.Append(n)
	return v
}

func ints(ns ...int) *mil.Value {
	data := make([]int32, len(ns))
	for i, n := range ns {
		data[i] = int32(n)
	}
	return mil.NewConst("", tensor.Ints([]int{len(ns)}, data))
}

// before puts two zeros, or a 1, in front of what an argument says for one
// dimension: the pad or the step of another.
func (a args) before(name string, first ...int) *mil.Value {
	if a.Input(name) == nil {
		return nil
	}
	return ints(append(first, a.ints(name)...)...)
}

// reshaped gives a constant another shape. Codes stay codes.
func (w *writer) reshaped(b *mil.Builder, v *mil.Value, shape ...int) *mil.Value {
	if v.Const == nil {
		return op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: v, Shape: ints(shape...)})
	}
	out := mil.NewConst(v.Name, v.Const.Reshape(shape))
	if n := w.expanded[v]; n != nil {
		w.expanded[out] = n
	}
	return out
}

// inserted is a shape with a 1 put in.
func inserted(shape []int, at int) []int { return slices.Insert(slices.Clone(shape), at, 1) }

// convolutionIn makes a convolution over two dimensions of one over one, and
// adds a bias that is only known when it is run.
func convolutionIn(w *writer, b *mil.Builder, a args, x *mil.Value) *mil.Value {
	weight, bias := a.Input("weight"), a.Input("bias")
	if bias != nil && bias.Const != nil {
		bias = nil
	}
	flat := x != a.Input("x")
	if !flat && bias == nil {
		return nil
	}
	replace := map[string]*mil.Value{"x": x}
	t := a.out()
	if flat {
		t.Shape = inserted(t.Shape, 2)
		if !weight.Type.IsStatic() {
			b.Fail(fmt.Errorf("the size of its weights is only known when it is run"))
			return nil
		}
		replace["weight"] = w.reshaped(b, weight, inserted(weight.Type.Shape, 2)...)
		replace["strides"], replace["dilations"], replace["pad"] = a.before("strides", 1), a.before("dilations", 1), a.before("pad", 0, 0)
		if shape := a.ints("output_shape"); shape != nil {
			replace["output_shape"] = ints(inserted(shape, 2)...)
		}
	}
	if bias != nil {
		replace["bias"] = nil
	}
	y := again(b, a, replace, t)
	if bias != nil {
		ones := slices.Repeat([]int{1}, x.Type.Rank()-2)
		y = op.Add.Add(b, op.Binary{X: y, Y: op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: bias, Shape: ints(append([]int{-1}, ones...)...)})})
	}
	return y
}

// edges is a padding for each dimension, before and after.
func edges(pad []int) *spec.BorderAmounts {
	out := new(spec.BorderAmounts)
	for i := 0; i+1 < len(pad); i += 2 {
		out.SetBorderAmounts(append(out.GetBorderAmounts(), spec.BorderAmounts_EdgeSizes_builder{
			StartEdgeSize: uint64(pad[i]), EndEdgeSize: uint64(pad[i+1]),
		}.Build()))
	}
	return out
}

// padding says a padding of windows over two dimensions.
func padding(padType string, pad []int) (*spec.ValidPadding, *spec.SamePadding) {
	switch padType {
	case "same":
		return nil, new(spec.SamePadding)
	case "same_lower":
		return nil, spec.SamePadding_builder{AsymmetryMode: spec.SamePadding_TOP_LEFT_HEAVY}.Build()
	case "custom":
		return spec.ValidPadding_builder{PaddingAmounts: edges(pad)}.Build(), nil
	}
	return spec.ValidPadding_builder{PaddingAmounts: edges([]int{0, 0, 0, 0})}.Build(), nil
}

// orOnes returns a list that is n ones where it is absent.
func orOnes(ns []int, n int) []int {
	if ns == nil {
		return slices.Repeat([]int{1}, n)
	}
	return ns
}

// convolution writes a convolution, or its transpose, over two or three
// dimensions.
func convolution(w *writer, a args) {
	x, weight := a.Input("x"), a.Input("weight")
	rank := x.Type.Rank()
	n := rank - 2
	if n != 2 && n != 3 {
		w.fail("windows over %d dimensions", n)
		return
	}
	if !weight.Type.IsStatic() {
		w.fail("the size of its weights is only known when it is run")
		return
	}
	f := filter{
		weight: weight, groups: a.int("groups"), padType: a.string("pad_type"), pad: a.ints("pad"), transposed: a.Op == "conv_transpose",
		strides: orOnes(a.ints("strides"), n), dilations: orOnes(a.ints("dilations"), n),
	}
	f.kernel = weight.Type.Shape[2:]
	f.filters, f.channels = weight.Type.Shape[0], weight.Type.Shape[1]
	if f.transposed {
		f.filters, f.channels = weight.Type.Shape[1]*f.groups, weight.Type.Shape[0]
		f.spread(w, a)
	} else if n == 3 && f.padType == "same_lower" {
		f.lower(w, a)
	}
	if v := a.Input("bias"); v != nil {
		f.bias = w.vector(single(v.Const))
	}
	if w.failure != nil {
		return
	}
	in := []*blob{w.read(x)}
	var weights *spec.WeightParams
	if f.weight.Const == nil {
		in = append(in, w.blob(f.weight))
		if f.transposed || n == 3 || w.rank5 {
			w.fail("its weights are only known when it is run")
			return
		}
	} else if f.transposed {
		weights = w.weights(f.weight, 1)
	} else {
		weights = w.weights(f.weight, 0)
	}
	bias := a.floats("bias")
	if f.after != nil {
		f.bias = nil // it is there behind the output, too
	}
	out := w.shape(a.Outputs[0])
	shape := slices.Clone(out)
	for i := range f.after {
		shape[len(shape)-n+i/2] -= f.after[i]
	}
	finish := func(b *blob) {
		if f.after == nil {
			w.give(a, b)
			return
		}
		full := append(make([]int, 2*(len(out)-n)), f.after...)
		b = w.emit(layer{ConstantPad: spec.ConstantPaddingLayerParams_builder{PadAmounts: counts(full...)}.Build()}, out, b)
		if bias != nil {
			b = w.weighted("add", b, bias, slices.Insert(slices.Repeat([]int{1}, n), 0, len(bias))...)
		}
		w.give(a, b)
	}
	if n == 3 {
		if f.after != nil && bias != nil {
			w.fail("its output goes on after its end")
			return
		}
		finish(w.emit(layer{Convolution3D: f.inSpace(weights)}, shape, in...))
		return
	}
	l := spec.ConvolutionLayerParams_builder{
		OutputChannels: uint64(f.filters), KernelChannels: uint64(f.channels), NGroups: uint64(f.groups),
		KernelSize: counts(f.kernel...), Stride: counts(f.strides...), DilationFactor: counts(f.dilations...),
		IsDeconvolution: f.transposed, Weights: weights, HasBias: f.bias != nil, Bias: f.bias,
	}
	l.Valid, l.Same = padding(f.padType, f.pad)
	finish(w.emit(layer{Convolution: l.Build()}, shape, in...))
}

// filter is a convolution as layers have it.
type filter struct {
	weight                     *mil.Value
	bias                       *spec.WeightParams
	filters, channels, groups  int
	kernel, strides, dilations []int
	padType                    string
	pad                        []int
	after                      []int // zeros to add behind the output
	transposed                 bool
}

// lower replaces a padding that is heavier before the tensor by its sizes.
func (f *filter) lower(w *writer, a args) {
	c := op.ConvIOS17Args{X: a.Input("x"), Weight: f.weight, Strides: f.strides, PadType: f.padType, Dilations: f.dilations, Groups: f.groups}
	window, err := c.Window()
	if err != nil {
		w.fail("padding same_lower: %w", err)
		return
	}
	f.padType, f.pad = "custom", padsOf(window, len(f.kernel))
}

func padsOf(window op.Window, n int) []int {
	var pad []int
	for _, p := range window.Pad[3-n:] {
		pad = append(pad, p[0], p[1])
	}
	return pad
}

// spread says the size of a transposed convolution's output by what is cropped,
// and lays dilated kernels out with their zeros: layers ignore dilations here.
func (f *filter) spread(w *writer, a args) {
	n := len(f.kernel)
	shape := a.ints("output_shape")
	if shape != nil || f.padType == "same" || f.padType == "same_lower" {
		c := op.ConvTransposeIOS17Args{
			X: a.Input("x"), Weight: f.weight, Pad: f.pad, OutputShape: shape, PadType: f.padType, Strides: f.strides, Dilations: f.dilations, Groups: f.groups,
		}
		window, err := c.Window()
		if err != nil {
			w.fail("the size of its output: %w", err)
			return
		}
		f.padType, f.pad = "custom", nil
		cropped := true
		for d := 3 - n; d < 3; d++ {
			full := (window.In[d]-1)*window.Stride[d] + (window.Kernel[d]-1)*window.Dilation[d] + 1
			size := window.Out[d]
			first := window.Pad[d][0]
			f.pad = append(f.pad, first, full-size-first)
			cropped = cropped && full-size-first >= 0
		}
		if !cropped {
			for i := range n {
				missing := max(-f.pad[2*i+1], 0)
				f.after = append(f.after, 0, missing)
				f.pad[2*i+1] += missing
			}
		}
	}
	if slices.Max(f.dilations) == 1 {
		return
	}
	if f.weight.Const == nil {
		w.fail("its weights are only known when it is run")
		return
	}
	from := f.weight.Type.Shape
	to := slices.Clone(from)
	for i := range f.kernel {
		to[i+2] = (f.kernel[i]-1)*f.dilations[i] + 1
	}
	size, err := tensor.CheckShape(to)
	if err != nil || size > maxFold {
		w.fail("a kernel of %s with its zeros is too large", mil.FormatDims(to))
		return
	}
	data := make([]float32, size)
	at := make([]int, len(to))
	for _, x := range single(f.weight.Const) {
		place := 0
		for i, k := range at {
			if i >= 2 {
				k *= f.dilations[i-2]
			}
			place = place*to[i] + k
		}
		data[place] = x
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < from[i] {
				break
			}
			at[i] = 0
		}
	}
	f.weight = mil.NewConst(f.weight.Name, tensor.Floats(to, data))
	f.kernel, f.dilations = to[2:], slices.Repeat([]int{1}, n)
}

// inSpace is the layer over three dimensions.
func (f *filter) inSpace(weights *spec.WeightParams) *spec.Convolution3DLayerParams {
	k, s, d := f.kernel, f.strides, f.dilations
	l := spec.Convolution3DLayerParams_builder{
		OutputChannels: int32(f.filters), InputChannels: int32(f.channels), NGroups: int32(f.groups),
		KernelDepth: int32(k[0]), KernelHeight: int32(k[1]), KernelWidth: int32(k[2]),
		StrideDepth: int32(s[0]), StrideHeight: int32(s[1]), StrideWidth: int32(s[2]),
		DilationDepth: int32(d[0]), DilationHeight: int32(d[1]), DilationWidth: int32(d[2]),
		IsDeconvolution: f.transposed, Weights: weights, HasBias: f.bias != nil, Bias: f.bias,
	}
	if !f.transposed {
		l.InputChannels *= int32(f.groups)
	}
	switch f.padType {
	case "same":
		l.PaddingType = spec.Convolution3DLayerParams_SAME
	case "custom":
		l.PaddingType = spec.Convolution3DLayerParams_CUSTOM
		p := f.pad
		l.CustomPaddingFront, l.CustomPaddingBack = int32(p[0]), int32(p[1])
		l.CustomPaddingTop, l.CustomPaddingBottom = int32(p[2]), int32(p[3])
		l.CustomPaddingLeft, l.CustomPaddingRight = int32(p[4]), int32(p[5])
	default:
		l.PaddingType = spec.Convolution3DLayerParams_VALID
	}
	return l.Build()
}
