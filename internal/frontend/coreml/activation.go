package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var activationKinds = map[string]layerFunc{
	"activation": func(l *lowering, in []*mil.Value) []*mil.Value {
		if len(in) != 1 {
			return l.fail("want one input, have %d", len(in))
		}
		return []*mil.Value{l.activate(l.layer.GetActivation(), in[0])}
	},
	"softmax":   softmax,
	"softmaxND": softmaxND,
}

// activate lowers an activation; channels lie on the third axis from the end.
func (l *lowering) activate(p *spec.ActivationParams, x *mil.Value) *mil.Value {
	b := l.Builder
	switch p.WhichNonlinearityType() {
	case spec.ActivationParams_Linear_case:
		return l.affine(x, p.GetLinear().GetAlpha(), p.GetLinear().GetBeta())
	case spec.ActivationParams_ReLU_case:
		return op.Relu.Add(b, op.Unary{X: x})
	case spec.ActivationParams_Tanh_case:
		return op.Tanh.Add(b, op.Unary{X: x})
	case spec.ActivationParams_Sigmoid_case:
		return op.Sigmoid.Add(b, op.Unary{X: x})
	default:
		l.fail("cannot be run: activation %s", p.WhichNonlinearityType())
		return x
	}
}

// affine computes alpha·x + beta without the parts that do nothing.
func (l *lowering) affine(x *mil.Value, alpha, beta float32) *mil.Value {
	if alpha != 1 {
		x = op.Mul.Add(l.Builder, op.Binary{X: x, Y: l.scalar(alpha)})
	}
	if beta != 0 {
		x = op.Add.Add(l.Builder, op.Binary{X: x, Y: l.scalar(beta)})
	}
	return x
}

// softmax normalizes over the channels.
func softmax(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 1 || in[0].Type.Rank() < 3 {
		return l.fail("want one input of rank 3 or more")
	}
	return []*mil.Value{op.Softmax.Add(l.Builder, op.SoftmaxArgs{X: in[0], Axis: -3})}
}

func softmaxND(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 1 {
		return l.fail("want one input, have %d", len(in))
	}
	return []*mil.Value{op.Softmax.Add(l.Builder, op.SoftmaxArgs{X: in[0], Axis: int(l.layer.GetSoftmaxND().GetAxis())})}
}
