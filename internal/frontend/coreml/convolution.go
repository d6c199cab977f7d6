package coreml

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var convolutionKinds = map[string]layerFunc{"convolution": convolution}

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

// convolution lowers a convolution or a deconvolution. With a second input,
// that is the weights.
func convolution(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetConvolution()
	if len(in) == 0 {
		return l.fail("has no input")
	}
	for _, n := range []uint64{p.GetOutputChannels(), p.GetKernelChannels(), p.GetNGroups()} {
		if n > math.MaxInt32 {
			return l.fail("a size of %d", n)
		}
	}
	groups := max(int(p.GetNGroups()), 1)
	filters, channels := int(p.GetOutputChannels()), int(p.GetKernelChannels())
	kernel := sizes(p.GetKernelSize(), 3)
	if len(kernel) != 2 {
		return l.fail("want a kernel of 2 sizes, have %d", len(kernel))
	}
	strides, dilations := sizes(p.GetStride(), 1), sizes(p.GetDilationFactor(), 1)
	padType, pad := padding(p.GetValid(), p.GetSame())
	if p.GetIsDeconvolution() && filters%groups != 0 {
		return l.fail("%d output channels in %d groups", filters, groups)
	}
	shape, axis := []int{filters, channels, kernel[0], kernel[1]}, 0
	if p.GetIsDeconvolution() {
		shape, axis = []int{channels, filters / groups, kernel[0], kernel[1]}, 1
	}
	var weight *mil.Value
	if len(in) > 1 {
		weight = in[1]
	} else {
		weight = l.weights("weights", p.GetWeights(), axis, shape...)
	}
	var bias *mil.Value
	if p.GetHasBias() {
		bias = l.vector("bias", p.GetBias(), filters)
	}
	x, back := l.images(in[0])
	if l.Err() != nil {
		return nil
	}
	if !p.GetIsDeconvolution() {
		y := op.ConvIOS17.Add(l.Builder, op.ConvIOS17Args{
			X: x, Weight: weight, Bias: bias, Strides: strides, PadType: padType, Pad: pad, Dilations: dilations, Groups: groups,
		})
		return []*mil.Value{back(y)}
	}
	var output []int
	if len(p.GetOutputShape()) == 2 {
		output = append([]int{x.Type.Shape[0], filters}, integers(p.GetOutputShape())...)
	}
	if padType == "same_lower" {
		return l.fail("cannot be run: a deconvolution padded on the top and the left")
	}
	y := op.ConvTransposeIOS17.Add(l.Builder, op.ConvTransposeIOS17Args{
		X: x, Weight: weight, Bias: bias, Strides: strides, PadType: padType, Pad: pad, OutputShape: output,
		Dilations: dilations, Groups: groups,
	})
	return []*mil.Value{back(y)}
}
