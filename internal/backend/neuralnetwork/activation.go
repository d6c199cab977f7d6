package neuralnetwork

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

type activation = spec.ActivationParams_builder

var activationRules = map[string]rule{
	"relu":     activating(func(args) activation { return activation{ReLU: new(spec.ActivationReLU)} }),
	"sigmoid":  activating(func(args) activation { return activation{Sigmoid: new(spec.ActivationSigmoid)} }),
	"tanh":     activating(func(args) activation { return activation{Tanh: new(spec.ActivationTanh)} }),
	"softplus": activating(func(args) activation { return activation{Softplus: new(spec.ActivationSoftplus)} }),
	"softsign": activating(func(args) activation { return activation{Softsign: new(spec.ActivationSoftsign)} }),
	"leaky_relu": activating(func(a args) activation {
		return activation{LeakyReLU: spec.ActivationLeakyReLU_builder{Alpha: a.float("alpha")}.Build()}
	}),
	"elu": activating(func(a args) activation {
		return activation{ELU: spec.ActivationELU_builder{Alpha: a.float("alpha")}.Build()}
	}),
	"thresholded_relu": activating(func(a args) activation {
		return activation{ThresholdedReLU: spec.ActivationThresholdedReLU_builder{Alpha: a.float("alpha")}.Build()}
	}),
	"scaled_tanh": activating(func(a args) activation {
		return activation{ScaledTanh: spec.ActivationScaledTanh_builder{Alpha: a.float("alpha"), Beta: a.float("beta")}.Build()}
	}),
	"sigmoid_hard": activating(func(a args) activation {
		return activation{SigmoidHard: spec.ActivationSigmoidHard_builder{Alpha: a.float("alpha"), Beta: a.float("beta")}.Build()}
	}),
	"linear_activation": activating(func(a args) activation {
		return activation{Linear: spec.ActivationLinear_builder{Alpha: a.float("alpha"), Beta: a.float("beta")}.Build()}
	}),
	"relu6": func(w *writer, a args) { w.give(a, w.clip(w.blob(a.Input("x")), 0, 6)) },
	"silu": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		gate := w.activate(x, activation{Sigmoid: new(spec.ActivationSigmoid)})
		w.give(a, w.emit(layer{Multiply: new(spec.MultiplyLayerParams)}, x.shape, x, gate))
	},
	"gelu": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		mode := spec.GeluLayerParams_GeluMode(spec.GeluLayerParams_GeluMode_value[a.string("mode")])
		w.give(a, w.emit(layer{Gelu: spec.GeluLayerParams_builder{Mode: mode}.Build()}, x.shape, x))
	},
	"prelu": func(w *writer, a args) {
		w.give(a, w.activate(w.images(a.Input("x")), activation{PReLU: spec.ActivationPReLU_builder{Alpha: w.vector(a.floats("alpha"))}.Build()}))
	},
	"softplus_parametric": func(w *writer, a args) {
		w.give(a, w.activate(w.images(a.Input("x")), activation{ParametricSoftplus: spec.ActivationParametricSoftplus_builder{
			Alpha: w.vector(a.floats("alpha")), Beta: w.vector(a.floats("beta")),
		}.Build()}))
	},
	"softmax": softmax,
}

var activationCompositions = map[string]composition{
	// prelu has its layer for pictures, whose channels are the third axis from
	// the end; else it is max(x, 0) + alpha·min(x, 0).
	"prelu": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x := a.Input("x")
		if x.Type.Rank() == 4 {
			return nil
		}
		alpha := channels(x, a.floats("alpha"))
		least := op.Minimum.Add(b, op.Binary{X: x, Y: number(x, 0)})
		return one(op.Add.Add(b, op.Binary{X: op.Relu.Add(b, op.Unary{X: x}), Y: op.Mul.Add(b, op.Binary{X: least, Y: alpha})}))
	},
	"softplus_parametric": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x := a.Input("x")
		if x.Type.Rank() == 4 {
			return nil
		}
		y := op.Softplus.Add(b, op.Unary{X: op.Mul.Add(b, op.Binary{X: x, Y: channels(x, a.floats("beta"))})})
		return one(op.Mul.Add(b, op.Binary{X: y, Y: channels(x, a.floats("alpha"))}))
	},
	// clamped_relu has a layer, but one that came later than these.
	"clamped_relu": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x := a.Input("x")
		y := op.LeakyReluIOS17.Add(b, op.AlphaIOS17{X: x, Alpha: a.float("alpha")})
		return one(op.Minimum.Add(b, op.Binary{X: y, Y: number(x, a.float("beta"))}))
	},
}

func activating(p func(args) activation) rule {
	return func(w *writer, a args) { w.give(a, w.activate(w.blob(a.Input("x")), p(a))) }
}

// images returns the blob of [N, C, H, W].
func (w *writer) images(v *mil.Value) *blob {
	if v.Type.Rank() != 4 {
		return w.fail("an input of %d dimensions, want 4", v.Type.Rank())
	}
	return w.read(v)
}

func one(v *mil.Value) []*mil.Value { return []*mil.Value{v} }

func number(like *mil.Value, x float32) *mil.Value {
	return mil.NewConst("", tensor.Scalar(like.Type.DType, x))
}

// channels returns one number for each channel, the second dimension of x, as
// a constant that broadcasts.
func channels(x *mil.Value, data []float32) *mil.Value {
	shape := slices.Repeat([]int{1}, max(x.Type.Rank()-1, 1))
	shape[0] = len(data)
	return mil.NewConst("", tensor.New(x.Type.DType, shape, slices.Clone(data)))
}

// softmax has a layer for any axis; that of old networks is for channels.
func softmax(w *writer, a args) {
	x := a.Input("x")
	rank := x.Type.Rank()
	at := axis(a.int("axis"), rank)
	if !w.rank5 {
		b := w.blob(x)
		w.give(a, w.emit(layer{SoftmaxND: spec.SoftmaxNDLayerParams_builder{Axis: int64(at)}.Build()}, b.shape, b))
		return
	}
	if first := max(rank-3, 0); rank == 2 && at != 1 || rank != 2 && at != first {
		w.fail("%w", errNone)
		return
	}
	b := w.read(x)
	w.give(a, w.emit(layer{Softmax: new(spec.SoftmaxLayerParams)}, b.shape, b))
}
