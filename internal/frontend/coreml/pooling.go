package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var poolingKinds = map[string]layerFunc{
	"globalPooling3d": globalPooling3D,
	"pooling":         pooling,
	"pooling3d":       pooling3D,
}

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
		return []*mil.Value{back(l.poolAll(x, p.GetType()))}
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

// poolAll is a pooling of whole pictures, whatever their size.
func (l *lowering) poolAll(x *mil.Value, t spec.PoolingLayerParams_PoolingType) *mil.Value {
	all := op.Reduction{X: x, Axes: []int{2, 3}, KeepDims: true}
	switch t {
	case spec.PoolingLayerParams_MAX:
		return op.ReduceMax.Add(l.Builder, all)
	case spec.PoolingLayerParams_AVERAGE:
		return op.ReduceMean.Add(l.Builder, all)
	case spec.PoolingLayerParams_L2:
		return op.ReduceL2Norm.Add(l.Builder, all)
	}
	l.fail("unknown pooling %s", t)
	return x
}

// pooling3D lowers a pooling in space.
func pooling3D(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetPooling3D()
	if len(in) != 1 {
		return l.fail("want one input, have %d", len(in))
	}
	if in[0].Type.Rank() != 5 {
		return l.fail("an input of rank %d, want 5", in[0].Type.Rank())
	}
	a := op.AvgPoolArgs{
		X: in[0], ExcludePadding: p.GetCountExcludePadding(),
		KernelSizes: integers([]int32{p.GetKernelDepth(), p.GetKernelHeight(), p.GetKernelWidth()}),
		Strides:     integers([]int32{p.GetStrideDepth(), p.GetStrideHeight(), p.GetStrideWidth()}),
	}
	switch p.GetPaddingType() {
	case spec.Pooling3DLayerParams_VALID:
		a.PadType = "valid"
	case spec.Pooling3DLayerParams_SAME:
		a.PadType = "same"
	default:
		a.PadType = "custom"
		a.Pad = integers([]int32{
			p.GetCustomPaddingFront(), p.GetCustomPaddingBack(), p.GetCustomPaddingTop(), p.GetCustomPaddingBottom(),
			p.GetCustomPaddingLeft(), p.GetCustomPaddingRight(),
		})
	}
	switch p.GetType() {
	case spec.Pooling3DLayerParams_MAX:
		return []*mil.Value{op.MaxPool.Add(l.Builder, *a.Pooling())}
	case spec.Pooling3DLayerParams_AVERAGE:
		return []*mil.Value{op.AvgPool.Add(l.Builder, a)}
	}
	return l.fail("unknown pooling %s", p.GetType())
}

// globalPooling3D lowers a pooling of all of space.
func globalPooling3D(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 1 {
		return l.fail("want one input, have %d", len(in))
	}
	if in[0].Type.Rank() != 5 {
		return l.fail("an input of rank %d, want 5", in[0].Type.Rank())
	}
	a := op.Reduction{X: in[0], Axes: []int{2, 3, 4}, KeepDims: true}
	switch t := l.layer.GetGlobalPooling3D().GetType(); t {
	case spec.GlobalPooling3DLayerParams_MAX:
		return []*mil.Value{op.ReduceMax.Add(l.Builder, a)}
	case spec.GlobalPooling3DLayerParams_AVERAGE:
		return []*mil.Value{op.ReduceMean.Add(l.Builder, a)}
	default:
		return l.fail("unknown pooling %s", t)
	}
}
