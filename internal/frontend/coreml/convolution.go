package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var convolutionKinds = map[string]layerFunc{
	"convolution":   convolution,
	"convolution3d": convolution3D,
}

// padding reads the padding of a two-dimensional window as MIL says it.
func padding(valid *spec.ValidPadding, same *spec.SamePadding) (padType string, pad []int) {
	if same != nil {
		if same.GetAsymmetryMode() == spec.SamePadding_TOP_LEFT_HEAVY {
			return "same_lower", nil
		}
		return "same", nil
	}
	for _, edge := range valid.GetPaddingAmounts().GetBorderAmounts() {
		pad = append(pad, integers([]uint64{edge.GetStartEdgeSize(), edge.GetEndEdgeSize()})...)
	}
	if len(pad) == 0 {
		return "valid", nil
	}
	return "custom", pad
}

// sizes reads a list of two sizes, by default def each.
func sizes(in []uint64, def int) []int {
	if len(in) == 0 {
		return []int{def, def}
	}
	return integers(in)
}

// filter is what the layers of convolutions say.
type filter struct {
	filters, channels, groups  int // channels of the input
	kernel, strides, dilations []int
	padType                    string
	pad                        []int
	transposed                 bool
	output                     []int // of a transposed one, where it is given
}

// convolve lowers a convolution or its transpose of x, [N, C, *D].
func (l *lowering) convolve(x, weight, bias *mil.Value, f filter) *mil.Value {
	if !f.transposed {
		return op.ConvIOS17.Add(l.Builder, op.ConvIOS17Args{
			X: x, Weight: weight, Bias: bias, Strides: f.strides, PadType: f.padType, Pad: f.pad, Dilations: f.dilations, Groups: f.groups,
		})
	}
	shape := x.Type.Shape
	var output []int
	if f.output != nil {
		if len(f.output) != len(f.kernel) {
			l.fail("an output of %d sizes, want %d", len(f.output), len(f.kernel))
			return x
		}
		output = append([]int{shape[0], f.filters}, f.output...)
		f.crop(shape[2:])
	} else if f.padType == "same_lower" {
		for i, d := range shape[2:] {
			f.output = append(f.output, d*f.strides[i])
		}
		f.crop(shape[2:])
	}
	return op.ConvTransposeIOS17.Add(l.Builder, op.ConvTransposeIOS17Args{
		X: x, Weight: weight, Bias: bias, Strides: f.strides, PadType: f.padType, Pad: f.pad, OutputShape: output,
		Dilations: f.dilations, Groups: f.groups,
	})
}

// crop sets the padding of a transposed convolution to what its output's size
// asks for: the given one where that fits, and else the same amount on both
// sides, with an odd element at the end.
func (f *filter) crop(in []int) {
	given := f.pad
	lower := f.padType == "same_lower"
	f.padType, f.pad = "custom", nil
	for i, d := range in {
		full := (d-1)*f.strides[i] + (f.kernel[i]-1)*f.dilations[i] + 1
		total := max(0, full-f.output[i])
		switch {
		case len(given) == 2*len(in) && given[2*i]+given[2*i+1] == total:
			f.pad = append(f.pad, given[2*i], given[2*i+1])
		case lower:
			f.pad = append(f.pad, total-total/2, total/2)
		default:
			f.pad = append(f.pad, total/2, total-total/2)
		}
	}
}

// weightShape returns the shape of the weights, and the axis of the output
// channels.
func (f *filter) weightShape() (shape []int, axis int) {
	if f.transposed {
		return append([]int{f.channels, f.filters / f.groups}, f.kernel...), 1
	}
	return append([]int{f.filters, f.channels / f.groups}, f.kernel...), 0
}

// convolution lowers a convolution or a deconvolution. With a second input,
// that is the weights.
func convolution(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetConvolution()
	if len(in) != 1 && len(in) != 2 {
		return l.fail("want one or two inputs, have %d", len(in))
	}
	size := integers([]uint64{p.GetOutputChannels(), p.GetKernelChannels(), max(p.GetNGroups(), 1)})
	f := filter{
		filters: size[0], channels: size[1], groups: size[2],
		kernel: sizes(p.GetKernelSize(), 3), strides: sizes(p.GetStride(), 1), dilations: sizes(p.GetDilationFactor(), 1),
		transposed: p.GetIsDeconvolution(),
	}
	if len(f.kernel) != 2 || len(f.strides) != 2 || len(f.dilations) != 2 {
		return l.fail("a kernel %v with strides %v and dilations %v, want two of each", f.kernel, f.strides, f.dilations)
	}
	if len(p.GetOutputShape()) > 0 {
		f.output = integers(p.GetOutputShape())
	}
	f.padType, f.pad = padding(p.GetValid(), p.GetSame())
	if !f.transposed {
		f.channels *= f.groups // the message has those of one kernel
	}
	return l.convolution(in, f, p.GetWeights(), p.GetHasBias(), p.GetBias())
}

// convolution lowers a layer with its weights, which a second input may give.
func (l *lowering) convolution(in []*mil.Value, f filter, weights *spec.WeightParams, hasBias bool, biases *spec.WeightParams) []*mil.Value {
	if f.filters%f.groups != 0 || f.channels%f.groups != 0 {
		return l.fail("%d channels and %d output channels in %d groups", f.channels, f.filters, f.groups)
	}
	var weight, bias *mil.Value
	if len(in) > 1 {
		weight = in[1]
	} else {
		shape, axis := f.weightShape()
		weight = l.weights("weights", weights, axis, shape...)
	}
	if hasBias {
		bias = l.vector("bias", biases, f.filters)
	}
	x, back := in[0], func(v *mil.Value) *mil.Value { return v }
	if len(f.kernel) == 2 {
		x, back = l.images(x)
	} else if x.Type.Rank() != 5 {
		return l.fail("an input of rank %d, want 5", x.Type.Rank())
	}
	if l.Err() != nil {
		return nil
	}
	return []*mil.Value{back(l.convolve(x, weight, bias, f))}
}

// convolution3D lowers a convolution or a deconvolution in space.
func convolution3D(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetConvolution3D()
	if len(in) != 1 {
		return l.fail("want one input, have %d", len(in))
	}
	size := integers([]int32{p.GetOutputChannels(), p.GetInputChannels(), max(p.GetNGroups(), 1)})
	f := filter{
		filters: size[0], channels: size[1], groups: size[2],
		kernel:     integers([]int32{p.GetKernelDepth(), p.GetKernelHeight(), p.GetKernelWidth()}),
		strides:    integers([]int32{p.GetStrideDepth(), p.GetStrideHeight(), p.GetStrideWidth()}),
		dilations:  integers([]int32{p.GetDilationDepth(), p.GetDilationHeight(), p.GetDilationWidth()}),
		transposed: p.GetIsDeconvolution(),
	}
	switch p.GetPaddingType() {
	case spec.Convolution3DLayerParams_VALID:
		f.padType = "valid"
	case spec.Convolution3DLayerParams_SAME:
		f.padType = "same"
	default:
		f.padType = "custom"
		f.pad = integers([]int32{
			p.GetCustomPaddingFront(), p.GetCustomPaddingBack(), p.GetCustomPaddingTop(), p.GetCustomPaddingBottom(),
			p.GetCustomPaddingLeft(), p.GetCustomPaddingRight(),
		})
	}
	if len(p.GetOutputShape()) > 0 {
		f.output = integers(p.GetOutputShape())
	}
	return l.convolution(in, f, p.GetWeights(), p.GetHasBias(), p.GetBias())
}
