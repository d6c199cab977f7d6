package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var poolingKinds = map[string]layerFunc{"pooling": pooling}

// pooling lowers a two-dimensional pooling.
func pooling(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetPooling()
	if len(in) != 1 {
		return l.fail("want one input, have %d", len(in))
	}
	x, back := l.images(in[0])
	if l.Err() != nil {
		return nil
	}
	a := op.AvgPoolArgs{
		X: x, KernelSizes: sizes(p.GetKernelSize(), 3), Strides: sizes(p.GetStride(), 1), ExcludePadding: p.GetAvgPoolExcludePadding(),
	}
	a.PadType, a.Pad = padding(p.GetValid(), p.GetSame())
	if p.WhichPoolingPaddingType() == spec.PoolingLayerParams_IncludeLastPixel_case {
		a.PadType, a.CeilMode = "custom", true
		for _, n := range integers(p.GetIncludeLastPixel().GetPaddingAmounts()) {
			a.Pad = append(a.Pad, n, n)
		}
		if a.Pad == nil {
			a.Pad = []int{0, 0, 0, 0}
		}
	}
	if p.GetGlobalPooling() {
		a.KernelSizes, a.Strides, a.PadType, a.Pad, a.CeilMode = x.Type.Shape[2:], []int{1, 1}, "valid", nil, false
	}
	var y *mil.Value
	switch p.GetType() {
	case spec.PoolingLayerParams_MAX:
		y = op.MaxPool.Add(l.Builder, *a.Pooling())
	case spec.PoolingLayerParams_AVERAGE:
		y = op.AvgPool.Add(l.Builder, a)
	case spec.PoolingLayerParams_L2:
		y = op.L2Pool.Add(l.Builder, *a.Pooling())
	default:
		return l.fail("unknown pooling %s", p.GetType())
	}
	return []*mil.Value{back(y)}
}
