package engine

import (
	"github.com/smelt-ml/smelt/internal/kernel/conv"
	"github.com/smelt-ml/smelt/internal/kernel/window"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var convKernels = map[string]kernel{"conv": convolution, "conv_transpose": transposedConvolution}

// floats returns the elements of a constant, nil for none.
func floats(t *tensor.Tensor) []float32 {
	if t == nil {
		return nil
	}
	return t.F32()
}

// constant returns what a value holds, nil for an absent one.
func constant(v *mil.Value) *tensor.Tensor {
	if v == nil {
		return nil
	}
	return v.Const
}

// convolution makes a convolution with constant weights, merged with the
// addition of a residual and the activation that follow it.
func convolution(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a, ok := args.(*op.ConvIOS17Args)
	if !ok {
		a = args.(*op.ConvArgs).IOS17()
	}
	bias := constant(a.Bias)
	if a.Bias != nil && bias == nil {
		return nil, false
	}
	w, err := a.Window()
	if err != nil || a.Weight.Const == nil {
		return nil, false
	}
	shape := conv.Shape{
		Channels: a.X.Type.Shape[1], Filters: a.Weight.Type.Shape[0], Groups: a.Groups, Shape: window.Shape(w),
	}
	if shape.Check() != nil || !compact(shape.Shape, shape.Channels, shape.Filters) || tensor.Size(n.Outputs[0].Type.Shape) == 0 {
		return nil, false
	}
	batch, out := a.X.Type.Shape[0], n.Outputs[0]
	residual, out := c.residual(out)
	act, out := c.activation(out)
	weight := a.Weight.Const
	x := c.in(a.X)
	var add operand
	if residual != nil {
		add = c.in(residual)
	}
	y := c.out(out)
	return c.packing(func() stepFunc {
		var k *conv.Conv
		if q := coded(weight, tensor.Size(weight.Shape()[1:])); q != nil {
			k = conv.NewCoded(c.opts.Level, shape, q, weight.F32, floats(bias), act)
		} else {
			k = conv.New(c.opts.Level, shape, weight.F32(), floats(bias), act)
		}
		return func(r *Run) error {
			if residual == nil {
				k.Run(r.pool, batch, r.at(y), r.at(x), nil)
			} else {
				k.Run(r.pool, batch, r.at(y), r.at(x), r.at(add))
			}
			return nil
		}
	}), true
}

// residual looks for an addition that alone reads v, of a value that is there
// already, and returns that value and the sum, which the merged step makes.
func (c *compiler) residual(v *mil.Value) (add, sum *mil.Value) {
	n := c.next(v, "add")
	if n == nil {
		return nil, v
	}
	x, y := n.Input("x"), n.Input("y")
	if y == v {
		x, y = y, x
	}
	if x != v || y == v || y.Const != nil || !mil.TensorType(y.Type.DType, y.Type.Shape...).Equal(v.Type) {
		return nil, v
	}
	if at, there := c.places[y]; !there || at.buffer < 0 {
		return nil, v
	}
	c.merge(n)
	return y, n.Outputs[0]
}

// transposedConvolution makes a transposed convolution with constant weights.
func transposedConvolution(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a, ok := args.(*op.ConvTransposeIOS17Args)
	if !ok {
		a = args.(*op.ConvTransposeArgs).IOS17()
	}
	weight, bias := a.Weight.Const, constant(a.Bias)
	if weight == nil || (a.Bias != nil && bias == nil) {
		return nil, false
	}
	w, err := a.Window()
	if err != nil {
		return nil, false
	}
	shape := conv.Shape{
		Channels: a.X.Type.Shape[1], Filters: weight.Shape()[1] * a.Groups, Groups: a.Groups, Shape: window.Shape(w),
	}
	if tensor.Size(n.Outputs[0].Type.Shape) == 0 {
		return nil, false
	}
	act, out := c.activation(n.Outputs[0])
	batch := a.X.Type.Shape[0]
	x := c.in(a.X)
	y := c.out(out)
	return c.packing(func() stepFunc {
		k := conv.NewTransposed(c.opts.Level, shape, weight.F32(), floats(bias), act)
		return func(r *Run) error {
			k.Run(r.pool, batch, r.at(y), r.at(x))
			return nil
		}
	}), true
}
