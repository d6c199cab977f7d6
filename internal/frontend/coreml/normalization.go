package coreml

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var normalizationKinds = map[string]layerFunc{
	"batchnorm":          batchnorm,
	"l2normalize":        l2normalize,
	"layerNormalization": layerNormalization,
	"lrn":                lrn,
	"mvn":                mvn,
}

// numbers returns weights that are one vector, decoded.
func (l *lowering) numbers(what string, p *spec.WeightParams, n int) []float32 {
	data, err := l.decode(p, []int{n}, n, -1)
	if err != nil {
		l.Fail(fmt.Errorf("%s: %w", what, err))
	}
	return data
}

// batchnorm lowers gamma·(x - mean)/sqrt(variance + epsilon) + beta, where the
// mean and the variance are given, or those of the picture itself, or of all
// pictures.
func batchnorm(l *lowering, in []*mil.Value) []*mil.Value {
	x, p := l.one(in), l.layer.GetBatchnorm()
	c, epsilon := integer(p.GetChannels()), orDefault(p.GetEpsilon(), 1e-5)
	gamma, beta := l.numbers("gamma", p.GetGamma(), c), l.numbers("beta", p.GetBeta(), c)
	if !l.atLeast(x, 3) {
		return nil
	}
	if d := x.Type.Shape[x.Type.Rank()-3]; d >= 0 && d != c {
		return l.fail("the input has %d channels, want %d", d, c)
	}
	if p.GetComputeMeanVar() && !p.GetInstanceNormalization() {
		axes := []int{-2, -1}
		for i := range x.Type.Rank() - 3 {
			axes = append(axes, i)
		}
		y := op.LayerNormIOS17.Add(l.Builder, op.LayerNormIOS17Args{X: x, Axes: axes, Epsilon: epsilon})
		y = l.mul(y, l.constant(gamma, c, 1, 1))
		return []*mil.Value{op.Add.Add(l.Builder, op.Binary{X: y, Y: l.constant(beta, c, 1, 1)})}
	}
	return l.onImages(in, func(x *mil.Value) *mil.Value {
		if p.GetComputeMeanVar() {
			return op.InstanceNormIOS17.Add(l.Builder, op.InstanceNormIOS17Args{X: x, Gamma: gamma, Beta: beta, Epsilon: epsilon})
		}
		mean, variance := l.numbers("mean", p.GetMean(), c), l.numbers("variance", p.GetVariance(), c)
		return op.BatchNormIOS17.Add(l.Builder, op.BatchNormIOS17Args{
			X: x, Mean: mean, Variance: variance, Gamma: gamma, Beta: beta, Epsilon: epsilon,
		})
	})
}

// l2normalize divides each picture by its length.
func l2normalize(l *lowering, in []*mil.Value) []*mil.Value {
	epsilon := orDefault(l.layer.GetL2Normalize().GetEpsilon(), 1e-6)
	return []*mil.Value{op.L2NormIOS17.Add(l.Builder, op.L2NormIOS17Args{X: l.one(in), Epsilon: epsilon})}
}

// lrn divides by a power of the squares' mean over neighbouring channels.
func lrn(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetLrn()
	return []*mil.Value{op.LocalResponseNormIOS17.Add(l.Builder, op.LocalResponseNormIOS17Args{
		X: l.one(in), Size: integer(p.GetLocalSize()), Alpha: p.GetAlpha(), Beta: p.GetBeta(), K: orDefault(p.GetK(), 1),
	})}
}

// mvn subtracts the mean of each picture, or of each channel, and divides by
// the standard deviation if that is asked for.
func mvn(l *lowering, in []*mil.Value) []*mil.Value {
	x, p := l.one(in), l.layer.GetMvn()
	if !l.atLeast(x, 3) {
		return nil
	}
	axes := []int{-2, -1}
	if p.GetAcrossChannels() {
		axes = []int{-3, -2, -1}
	}
	if p.GetNormalizeVariance() {
		epsilon := orDefault(p.GetEpsilon(), 1e-6)
		return []*mil.Value{op.LayerNormIOS17.Add(l.Builder, op.LayerNormIOS17Args{X: x, Axes: axes, Epsilon: epsilon})}
	}
	mean := op.ReduceMean.Add(l.Builder, op.Reduction{X: x, Axes: axes, KeepDims: true})
	return []*mil.Value{op.Sub.Add(l.Builder, op.Binary{X: x, Y: mean})}
}

// layerNormalization normalizes over the last dimensions, whose sizes the layer
// has.
func layerNormalization(l *lowering, in []*mil.Value) []*mil.Value {
	x, p := l.one(in), l.layer.GetLayerNormalization()
	shape := integers(p.GetNormalizedShape())
	if len(shape) == 0 {
		return l.fail("the normalized shape is missing")
	}
	if !l.atLeast(x, len(shape)) {
		return nil
	}
	for i, d := range x.Type.Shape[x.Type.Rank()-len(shape):] {
		if d >= 0 && d != shape[i] {
			return l.fail("the normalized shape %s of an input %s", tensor.FormatShape(shape), x.Type)
		}
	}
	var axes []int
	for i := range shape {
		axes = append(axes, i-len(shape))
	}
	a := op.LayerNormIOS17Args{X: x, Axes: slices.Clone(axes), Epsilon: p.GetEps()}
	a.Gamma = l.weights("gamma", p.GetGamma(), 0, shape...).Const
	a.Beta = l.weights("beta", p.GetBeta(), 0, shape...).Const
	return []*mil.Value{op.LayerNormIOS17.Add(l.Builder, a)}
}
