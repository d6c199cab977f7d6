package neuralnetwork

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var normalizationRules = map[string]rule{
	"batch_norm":    func(w *writer, a args) { batchNorm(w, a, w.vector(a.floats("mean")), w.vector(a.floats("variance"))) },
	"instance_norm": func(w *writer, a args) { batchNorm(w, a, nil, nil) },
	"l2_norm": func(w *writer, a args) {
		x := w.read(a.Input("x"))
		w.give(a, w.emit(layer{L2Normalize: spec.L2NormalizeLayerParams_builder{Epsilon: positive(a.float("epsilon"))}.Build()}, x.shape, x))
	},
	"local_response_norm": func(w *writer, a args) {
		x := w.read(a.Input("x"))
		w.give(a, w.emit(layer{Lrn: spec.LRNLayerParams_builder{
			Alpha: a.float("alpha"), Beta: a.float("beta"), LocalSize: uint64(a.int("size")), K: positive(a.float("k")),
		}.Build()}, x.shape, x))
	},
	"layer_norm": layerNorm,
}

// positive returns a parameter that would mean its default if it were 0.
func positive(x float32) float32 {
	if x == 0 {
		return tiny
	}
	return x
}

func repeated(x float32, n int) []float32 { return slices.Repeat([]float32{x}, n) }

// or returns a list, or n numbers where it is absent.
func or(data []float32, n int, x float32) []float32 {
	if data == nil {
		return repeated(x, n)
	}
	return data
}

// batchNorm normalizes channels by what is given, or each picture by its own
// mean and variance.
func batchNorm(w *writer, a args, mean, variance *spec.WeightParams) {
	x := w.images(a.Input("x"))
	if w.failure != nil {
		return
	}
	c := a.Input("x").Type.Shape[1]
	if data := a.floats("mean"); data != nil {
		c = len(data)
	} else if data := a.floats("gamma"); data != nil {
		c = len(data)
	}
	if c < 0 {
		w.fail("the number of channels is only known when it is run")
		return
	}
	own := mean == nil
	if own { // not used, but files have them
		mean, variance = w.vector(repeated(0, c)), w.vector(repeated(1, c))
	}
	w.give(a, w.emit(layer{Batchnorm: spec.BatchnormLayerParams_builder{
		Channels: uint64(c), ComputeMeanVar: own, InstanceNormalization: own, Epsilon: positive(a.float("epsilon")),
		Gamma: w.vector(or(a.floats("gamma"), c, 1)), Beta: w.vector(or(a.floats("beta"), c, 0)), Mean: mean, Variance: variance,
	}.Build()}, x.shape, x))
}

var normalizationCompositions = map[string]composition{
	"batch_norm": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x := a.Input("x")
		if x.Type.Rank() == 4 {
			return nil
		}
		mean, variance := a.floats("mean"), a.floats("variance")
		gamma, beta := or(a.floats("gamma"), len(mean), 1), or(a.floats("beta"), len(mean), 0)
		scale, shift := make([]float32, len(mean)), make([]float32, len(mean))
		for i := range mean {
			s := float64(gamma[i]) / math.Sqrt(float64(variance[i])+float64(a.float("epsilon")))
			scale[i], shift[i] = float32(s), float32(float64(beta[i])-s*float64(mean[i]))
		}
		y := op.Mul.Add(b, op.Binary{X: x, Y: channels(x, scale)})
		return one(op.Add.Add(b, op.Binary{X: y, Y: channels(x, shift)}))
	},
	"instance_norm": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x := a.Input("x")
		rank := x.Type.Rank()
		if rank == 4 || rank < 3 {
			return nil
		}
		var axes []int
		for i := 2; i < rank; i++ {
			axes = append(axes, i)
		}
		y := op.LayerNormIOS17.Add(b, op.LayerNormIOS17Args{X: x, Axes: axes, Epsilon: a.float("epsilon")})
		if data := a.floats("gamma"); data != nil {
			y = op.Mul.Add(b, op.Binary{X: y, Y: channels(x, data)})
		}
		if data := a.floats("beta"); data != nil {
			y = op.Add.Add(b, op.Binary{X: y, Y: channels(x, data)})
		}
		return one(y)
	},
	"layer_norm": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		axes, last := normalized(a)
		if w.rank5 || last && slices.IndexFunc(a.Input("x").Type.Shape[axes[0]:], negative) < 0 {
			return nil
		}
		return one(w.standardized(b, a, axes))
	},
}

// normalized returns the axes of a layer_norm, sorted, and whether they are the
// last ones.
func normalized(a args) ([]int, bool) {
	rank := a.Input("x").Type.Rank()
	var axes []int
	for _, n := range a.ints("axes") {
		axes = append(axes, axis(n, rank))
	}
	if axes == nil {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	slices.Sort(axes)
	for i, n := range axes {
		if n != rank-len(axes)+i {
			return axes, false
		}
	}
	return axes, len(axes) > 0
}

// standardized is (x - mean)/√(variance + ε)·γ + β along any axes.
func (w *writer) standardized(b *mil.Builder, a args, axes []int) *mil.Value {
	x := a.Input("x")
	if len(axes) == 0 {
		return x
	}
	mean := func(v *mil.Value) *mil.Value {
		return op.ReduceMean.Add(b, op.Reduction{X: v, Axes: axes, KeepDims: true})
	}
	y := op.Sub.Add(b, op.Binary{X: x, Y: mean(x)})
	variance := mean(op.Square.Add(b, op.Unary{X: y}))
	y = op.Mul.Add(b, op.Binary{X: y, Y: op.RsqrtIOS17.Add(b, op.EpsilonIOS17{X: variance, Epsilon: a.float("epsilon")})})
	// γ and β have the normalized dimensions only.
	param := func(name string) *mil.Value {
		t := a.tensor(name)
		if t == nil {
			return nil
		}
		shape := slices.Repeat([]int{1}, x.Type.Rank())
		for i, n := range axes {
			shape[n] = t.Shape()[i]
		}
		return mil.NewConst("", tensor.New(x.Type.DType, shape, single(t)))
	}
	if v := param("gamma"); v != nil {
		y = op.Mul.Add(b, op.Binary{X: y, Y: v})
	}
	if v := param("beta"); v != nil {
		y = op.Add.Add(b, op.Binary{X: y, Y: v})
	}
	return y
}

// layerNorm normalizes the last dimensions; in old networks those of pictures
// or of their channels.
func layerNorm(w *writer, a args) {
	x := a.Input("x")
	axes, last := normalized(a)
	if !last {
		w.fail("%w", errNone)
		return
	}
	b := w.read(x)
	if w.rank5 {
		if rank := x.Type.Rank(); rank < 3 || len(axes) != 2 && len(axes) != 3 || a.tensor("gamma") != nil || a.tensor("beta") != nil {
			w.fail("%w", errNone)
			return
		}
		w.give(a, w.emit(layer{Mvn: spec.MeanVarianceNormalizeLayerParams_builder{
			AcrossChannels: len(axes) == 3, NormalizeVariance: true, Epsilon: positive(a.float("epsilon")),
		}.Build()}, b.shape, b))
		return
	}
	shape := x.Type.Shape[axes[0]:]
	n := tensor.Size(shape)
	w.give(a, w.emit(layer{LayerNormalization: spec.LayerNormalizationLayerParams_builder{
		NormalizedShape: wide(shape), Eps: a.float("epsilon"),
		Gamma: w.vector(or(a.floats("gamma"), n, 1)), Beta: w.vector(or(a.floats("beta"), n, 0)),
	}.Build()}, b.shape, b))
}
