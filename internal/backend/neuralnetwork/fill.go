package neuralnetwork

import (
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var fillRules = map[string]rule{
	"fill": func(w *writer, a args) {
		value, shape := a.number("value", 0), w.shape(a.Outputs[0])
		if a.out().IsStatic() {
			w.give(a, w.emit(layer{FillStatic: spec.FillStaticLayerParams_builder{Value: value, TargetShape: counts(shape...)}.Build()}, shape))
			return
		}
		w.give(a, w.emit(layer{FillDynamic: spec.FillDynamicLayerParams_builder{Value: value}.Build()}, shape, w.blob(a.Input("shape"))))
	},
	"fill_like": func(w *writer, a args) {
		x := w.blob(a.Input("ref_tensor"))
		w.give(a, w.emit(layer{FillLike: spec.FillLikeLayerParams_builder{Value: a.number("value", 0)}.Build()}, x.shape, x))
	},
	"range_1d": func(w *writer, a args) {
		in := []*blob{w.blob(a.Input("end")), w.blob(a.Input("start")), w.blob(a.Input("step"))}
		w.give(a, w.emit(layer{RangeDynamic: new(spec.RangeDynamicLayerParams)}, w.shape(a.Outputs[0]), in...))
	},
	"random_normal": func(w *writer, a args) {
		mean, dev, seed := a.number("mean", 0), a.number("stddev", 1), int64(a.int("seed"))
		w.random(a,
			func(s []uint64) layer {
				return layer{RandomNormalStatic: spec.RandomNormalStaticLayerParams_builder{Seed: seed, Mean: mean, StdDev: dev, OutputShape: s}.Build()}
			},
			layer{RandomNormalDynamic: spec.RandomNormalDynamicLayerParams_builder{Seed: seed, Mean: mean, StdDev: dev}.Build()})
	},
	"random_uniform": func(w *writer, a args) {
		low, high, seed := a.number("low", 0), a.number("high", 1), int64(a.int("seed"))
		w.random(a,
			func(s []uint64) layer {
				return layer{RandomUniformStatic: spec.RandomUniformStaticLayerParams_builder{Seed: seed, MinVal: low, MaxVal: high, OutputShape: s}.Build()}
			},
			layer{RandomUniformDynamic: spec.RandomUniformDynamicLayerParams_builder{Seed: seed, MinVal: low, MaxVal: high}.Build()})
	},
	"random_bernoulli": func(w *writer, a args) {
		prob, seed := a.number("prob", 0.5), int64(a.int("seed"))
		w.random(a,
			func(s []uint64) layer {
				return layer{RandomBernoulliStatic: spec.RandomBernoulliStaticLayerParams_builder{Seed: seed, Prob: prob, OutputShape: s}.Build()}
			},
			layer{RandomBernoulliDynamic: spec.RandomBernoulliDynamicLayerParams_builder{Seed: seed, Prob: prob}.Build()})
	},
	"random_categorical": func(w *writer, a args) {
		w.give(a, w.emit(layer{CategoricalDistribution: spec.CategoricalDistributionLayerParams_builder{
			Seed: int64(a.int("seed")), NumSamples: int64(a.int("size")), IsLogits: a.string("mode") == "logits", Temperature: 1, Eps: 1e-10,
		}.Build()}, w.shape(a.Outputs[0]), w.blob(a.Input("x"))))
	},
}

// number returns an argument that is one number, def where it is absent.
func (a args) number(name string, def float32) float32 {
	if t := a.tensor(name); t != nil && t.Len() > 0 {
		return single(t)[0]
	}
	return def
}

// random adds a layer for a shape that is known, or one for a shape that is
// data.
func (w *writer) random(a args, static func([]uint64) layer, dynamic layer) {
	shape := w.shape(a.Outputs[0])
	if a.out().IsStatic() {
		w.give(a, w.emit(static(counts(shape...)), shape))
		return
	}
	w.give(a, w.emit(dynamic, shape, w.blob(a.Input("shape"))))
}
