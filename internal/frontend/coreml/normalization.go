package coreml

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var normalizationKinds = map[string]layerFunc{
	"batchnorm": batchnorm,
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
// mean and the variance are given, or those of the picture itself.
func batchnorm(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetBatchnorm()
	c := int(p.GetChannels())
	if len(in) != 1 || c < 0 || c > math.MaxInt32 {
		return l.fail("want one input and a number of channels")
	}
	gamma, beta := l.numbers("gamma", p.GetGamma(), c), l.numbers("beta", p.GetBeta(), c)
	x, back := l.images(in[0])
	if l.Err() != nil {
		return nil
	}
	if x.Type.Shape[1] != c {
		return l.fail("the input has %d channels, want %d", x.Type.Shape[1], c)
	}
	if p.GetInstanceNormalization() || p.GetComputeMeanVar() {
		if !p.GetInstanceNormalization() && x.Type.Shape[0] != 1 {
			return l.fail("statistics over a batch of %d: cannot be run", x.Type.Shape[0])
		}
		y := op.InstanceNorm.Add(l.Builder, op.InstanceNormArgs{X: x, Gamma: gamma, Beta: beta, Epsilon: p.GetEpsilon()})
		return []*mil.Value{back(y)}
	}
	mean, variance := l.numbers("mean", p.GetMean(), c), l.numbers("variance", p.GetVariance(), c)
	if l.Err() != nil {
		return nil
	}
	y := op.BatchNorm.Add(l.Builder, op.BatchNormArgs{
		X: x, Mean: mean, Variance: variance, Gamma: gamma, Beta: beta, Epsilon: p.GetEpsilon(),
	})
	return []*mil.Value{back(y)}
}
