package neuralnetwork

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var poolingRules = map[string]rule{
	"max_pool": pooling(spec.PoolingLayerParams_MAX),
	"avg_pool": pooling(spec.PoolingLayerParams_AVERAGE),
	"l2_pool":  pooling(spec.PoolingLayerParams_L2),
}

// poolingIn makes a pooling over two dimensions of one over one, and of an l2
// pooling over three, which no layer is, the root of a sum of squares.
func poolingIn(w *writer, b *mil.Builder, a args, x *mil.Value) *mil.Value {
	if x != a.Input("x") {
		t := a.out()
		t.Shape = inserted(t.Shape, 2)
		return again(b, a, map[string]*mil.Value{
			"x": x, "kernel_sizes": a.before("kernel_sizes", 1), "strides": a.before("strides", 1), "pad": a.before("pad", 0, 0),
		}, t)
	}
	if a.Op != "l2_pool" || x.Type.Rank() != 5 {
		return nil
	}
	kernel := a.ints("kernel_sizes")
	mean := op.AvgPool.Add(b, op.AvgPoolArgs{
		X: op.Square.Add(b, op.Unary{X: x}), KernelSizes: kernel, Strides: a.ints("strides"), PadType: a.string("pad_type"), Pad: a.ints("pad"),
		CeilMode: a.bool("ceil_mode"),
	})
	sum := op.Mul.Add(b, op.Binary{X: mean, Y: number(x, float32(tensor.Size(kernel)))})
	return op.Sqrt.Add(b, op.Unary{X: sum})
}

func pooling(t spec.PoolingLayerParams_PoolingType) rule {
	return func(w *writer, a args) {
		x := a.Input("x")
		n := x.Type.Rank() - 2
		if n != 2 && n != 3 {
			w.fail("windows over %d dimensions", n)
			return
		}
		p := op.Pooling{
			X: x, KernelSizes: a.ints("kernel_sizes"), Strides: orOnes(a.ints("strides"), n), PadType: a.string("pad_type"), Pad: a.ints("pad"),
			CeilMode: a.bool("ceil_mode"),
		}
		p.CeilMode = p.CeilMode && p.PadType != "same" && p.PadType != "same_lower" // which leave nothing over
		exclude := a.bool("exclude_padding_from_average")
		if p.CeilMode && n == 3 || n == 3 && p.PadType == "same_lower" {
			explicit(w, &p, t == spec.PoolingLayerParams_AVERAGE && !exclude)
		}
		in := w.read(x)
		shape := w.shape(a.Outputs[0])
		if n == 3 {
			w.give(a, w.emit(layer{Pooling3D: inSpace(p, t, exclude)}, shape, in))
			return
		}
		l := spec.PoolingLayerParams_builder{Type: t, KernelSize: counts(p.KernelSizes...), Stride: counts(p.Strides...), AvgPoolExcludePadding: exclude}
		switch {
		case p.CeilMode && (p.Pad == nil || p.PadType == "valid"):
			l.IncludeLastPixel = new(spec.PoolingLayerParams_ValidCompletePadding)
		case p.CeilMode: // equal before and after
			l.IncludeLastPixel = spec.PoolingLayerParams_ValidCompletePadding_builder{PaddingAmounts: counts(p.Pad[0], p.Pad[2])}.Build()
		case p.PadType == "valid" && slices.Equal(p.KernelSizes, x.Type.Shape[2:]):
			l.GlobalPooling = true
			fallthrough
		default:
			l.Valid, l.Same = padding(p.PadType, p.Pad)
		}
		w.give(a, w.emit(layer{Pooling: l.Build()}, shape, in))
	}
}

// explicit says a padding and a rounding by the sizes of the padding.
func explicit(w *writer, p *op.Pooling, counted bool) {
	if p.CeilMode && counted {
		w.fail("no layer averages over what it adds for ceil_mode")
		return
	}
	window, err := p.Window()
	if err != nil {
		w.fail("the size of its output: %w", err)
		return
	}
	n := len(p.KernelSizes)
	p.PadType, p.Pad, p.CeilMode = "custom", padsOf(window, n), false
	for i := range n {
		d := i + 3 - n
		need := (window.Out[d]-1)*window.Stride[d] + window.Kernel[d] - window.In[d] - window.Pad[d][0]
		p.Pad[2*i+1] = max(p.Pad[2*i+1], need)
	}
}

// inSpace is the layer over three dimensions.
func inSpace(p op.Pooling, t spec.PoolingLayerParams_PoolingType, exclude bool) *spec.Pooling3DLayerParams {
	k, s := p.KernelSizes, p.Strides
	l := spec.Pooling3DLayerParams_builder{
		Type:        spec.Pooling3DLayerParams_MAX,
		KernelDepth: int32(k[0]), KernelHeight: int32(k[1]), KernelWidth: int32(k[2]),
		StrideDepth: int32(s[0]), StrideHeight: int32(s[1]), StrideWidth: int32(s[2]),
		CountExcludePadding: exclude,
	}
	if t == spec.PoolingLayerParams_AVERAGE {
		l.Type = spec.Pooling3DLayerParams_AVERAGE
	}
	switch p.PadType {
	case "same":
		l.PaddingType = spec.Pooling3DLayerParams_SAME
	case "custom":
		l.PaddingType = spec.Pooling3DLayerParams_CUSTOM
		l.CustomPaddingFront, l.CustomPaddingBack = int32(p.Pad[0]), int32(p.Pad[1])
		l.CustomPaddingTop, l.CustomPaddingBottom = int32(p.Pad[2]), int32(p.Pad[3])
		l.CustomPaddingLeft, l.CustomPaddingRight = int32(p.Pad[4]), int32(p.Pad[5])
	default:
		l.PaddingType = spec.Pooling3DLayerParams_VALID
	}
	return l.Build()
}
