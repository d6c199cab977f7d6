package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var activationKinds = map[string]layerFunc{
	"activation": func(l *lowering, in []*mil.Value) []*mil.Value {
		return []*mil.Value{l.activate(l.layer.GetActivation(), l.one(in))}
	},
	"clampedReLU": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetClampedReLU()
		return []*mil.Value{op.ClampedReluIOS17.Add(l.Builder, op.AlphaBetaIOS17{X: l.one(in), Alpha: p.GetAlpha(), Beta: p.GetBeta()})}
	},
	"gelu":      gelu,
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
	case spec.ActivationParams_LeakyReLU_case:
		return op.LeakyReluIOS17.Add(b, op.AlphaIOS17{X: x, Alpha: p.GetLeakyReLU().GetAlpha()})
	case spec.ActivationParams_ThresholdedReLU_case:
		return op.ThresholdedReluIOS17.Add(b, op.AlphaIOS17{X: x, Alpha: p.GetThresholdedReLU().GetAlpha()})
	case spec.ActivationParams_PReLU_case:
		return l.prelu(x, l.perChannel("alpha", p.GetPReLU().GetAlpha(), x))
	case spec.ActivationParams_Tanh_case:
		return op.Tanh.Add(b, op.Unary{X: x})
	case spec.ActivationParams_ScaledTanh_case:
		t := p.GetScaledTanh()
		return op.ScaledTanhIOS17.Add(b, op.AlphaBetaIOS17{X: x, Alpha: t.GetAlpha(), Beta: t.GetBeta()})
	case spec.ActivationParams_Sigmoid_case:
		return op.Sigmoid.Add(b, op.Unary{X: x})
	case spec.ActivationParams_SigmoidHard_case:
		s := p.GetSigmoidHard()
		return op.SigmoidHardIOS17.Add(b, op.AlphaBetaIOS17{X: x, Alpha: s.GetAlpha(), Beta: s.GetBeta()})
	case spec.ActivationParams_ELU_case:
		return op.EluIOS17.Add(b, op.AlphaIOS17{X: x, Alpha: p.GetELU().GetAlpha()})
	case spec.ActivationParams_Softsign_case:
		return op.Softsign.Add(b, op.Unary{X: x})
	case spec.ActivationParams_Softplus_case:
		return op.Softplus.Add(b, op.Unary{X: x})
	case spec.ActivationParams_ParametricSoftplus_case:
		s := p.GetParametricSoftplus()
		alpha, beta := l.perChannel("alpha", s.GetAlpha(), x), l.perChannel("beta", s.GetBeta(), x)
		x = op.Softplus.Add(b, op.Unary{X: l.mul(x, beta)})
		return l.mul(x, alpha)
	default:
		l.fail("unknown activation %s", p.WhichNonlinearityType())
		return x
	}
}

// perChannel returns weights that are one number, or one for each channel of
// x, as [C, 1, 1].
func (l *lowering) perChannel(what string, p *spec.WeightParams, x *mil.Value) *mil.Value {
	if !l.atLeast(x, 3) {
		return x
	}
	c := x.Type.Shape[x.Type.Rank()-3]
	if n := l.count(p); n == 1 || c < 0 {
		c = n
	}
	return l.weights(what, p, -1, c, 1, 1)
}

// count returns the number of values that a weight message has; where that is
// not exact for its codes, it is the most that they can be.
func (l *lowering) count(p *spec.WeightParams) int {
	if p == nil {
		return 0
	}
	w, err := l.read(p)
	if err != nil {
		l.Fail(err)
		return 0
	}
	bits := integer(p.GetQuantization().GetNumberOfBits())
	if bits < 1 || bits > 8 {
		bits = 8
	}
	return int(min(w.Len(bits), tensor.MaxElements))
}

// prelu computes x, below 0 alpha·x.
func (l *lowering) prelu(x, alpha *mil.Value) *mil.Value {
	if l.Err() != nil {
		return x
	}
	if a := alpha.Const.F32(); len(a) == 1 {
		return op.LeakyReluIOS17.Add(l.Builder, op.AlphaIOS17{X: x, Alpha: a[0]})
	}
	x, back := l.images(x)
	return back(op.PreluIOS17.Add(l.Builder, op.PreluIOS17Args{X: x, Alpha: alpha.Const.F32()}))
}

// affine computes alpha·x + beta without the parts that do nothing.
func (l *lowering) affine(x *mil.Value, alpha, beta float32) *mil.Value {
	if alpha != 1 {
		x = l.mul(x, l.scalar(alpha))
	}
	if beta != 0 {
		x = op.Add.Add(l.Builder, op.Binary{X: x, Y: l.scalar(beta)})
	}
	return x
}

func (l *lowering) mul(x, y *mil.Value) *mil.Value {
	return op.Mul.Add(l.Builder, op.Binary{X: x, Y: y})
}

func gelu(l *lowering, in []*mil.Value) []*mil.Value {
	mode := l.layer.GetGelu().GetMode()
	return []*mil.Value{op.Gelu.Add(l.Builder, op.GeluArgs{X: l.one(in), Mode: mode.String()})}
}

// softmax normalizes over the channels. A vector has nothing else: the format
// wants three dimensions, but classifiers that end in a vector are in use.
func softmax(l *lowering, in []*mil.Value) []*mil.Value {
	x := l.one(in)
	if x.Type.Rank() == 1 {
		return []*mil.Value{op.Softmax.Add(l.Builder, op.SoftmaxArgs{X: x, Axis: 0})}
	}
	if !l.atLeast(x, 3) {
		return nil
	}
	return []*mil.Value{op.Softmax.Add(l.Builder, op.SoftmaxArgs{X: x, Axis: -3})}
}

func softmaxND(l *lowering, in []*mil.Value) []*mil.Value {
	return []*mil.Value{op.Softmax.Add(l.Builder, op.SoftmaxArgs{X: l.axial(l.one(in)), Axis: integer(l.layer.GetSoftmaxND().GetAxis())})}
}
