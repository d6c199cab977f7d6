package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// randomKinds make blobs of random numbers: of a given shape, of another blob's
// shape, or of the shape that their input holds. The numbers are not those that
// another implementation makes of the same seed; a negative seed gives others
// each time.
var randomKinds = map[string]layerFunc{
	"randomNormalLike": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.normal(l.shapeOf(l.sizes(l.one(in))), l.layer.GetRandomNormalLike())
	},
	"randomNormalStatic": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetRandomNormalStatic()
		return l.normal(l.staticShape(in, p.GetOutputShape()), p)
	},
	"randomNormalDynamic": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.normal(l.list(l.one(in)), l.layer.GetRandomNormalDynamic())
	},
	"randomUniformLike": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.uniform(l.shapeOf(l.sizes(l.one(in))), l.layer.GetRandomUniformLike())
	},
	"randomUniformStatic": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetRandomUniformStatic()
		return l.uniform(l.staticShape(in, p.GetOutputShape()), p)
	},
	"randomUniformDynamic": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.uniform(l.list(l.one(in)), l.layer.GetRandomUniformDynamic())
	},
	"randomBernoulliLike": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.bernoulli(l.shapeOf(l.sizes(l.one(in))), l.layer.GetRandomBernoulliLike())
	},
	"randomBernoulliStatic": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetRandomBernoulliStatic()
		return l.bernoulli(l.staticShape(in, p.GetOutputShape()), p)
	},
	"randomBernoulliDynamic": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.bernoulli(l.list(l.one(in)), l.layer.GetRandomBernoulliDynamic())
	},
	"categoricalDistribution": categorical,
}

func (l *lowering) normal(shape *mil.Value, p interface {
	GetSeed() int64
	GetMean() float32
	GetStdDev() float32
},
) []*mil.Value {
	return []*mil.Value{op.RandomNormal.Add(l.Builder, op.RandomNormalArgs{
		Shape: shape, Mean: number(p.GetMean()), StdDev: number(p.GetStdDev()), Seed: integer(p.GetSeed()),
	})}
}

func (l *lowering) uniform(shape *mil.Value, p interface {
	GetSeed() int64
	GetMinVal() float32
	GetMaxVal() float32
},
) []*mil.Value {
	return []*mil.Value{op.RandomUniform.Add(l.Builder, op.RandomUniformArgs{
		Shape: shape, Low: number(p.GetMinVal()), High: number(p.GetMaxVal()), Seed: integer(p.GetSeed()),
	})}
}

func (l *lowering) bernoulli(shape *mil.Value, p interface {
	GetSeed() int64
	GetProb() float32
},
) []*mil.Value {
	return []*mil.Value{op.RandomBernoulli.Add(l.Builder, op.RandomBernoulliArgs{
		Shape: shape, Prob: number(p.GetProb()), Seed: integer(p.GetSeed()),
	})}
}

func number(v float32) *tensor.Tensor { return tensor.Scalar(tensor.Float32, v) }

// categorical draws classes by probabilities or their logarithms, which are
// divided by the temperature.
func categorical(l *lowering, in []*mil.Value) []*mil.Value {
	x, p, b := l.one(in), l.layer.GetCategoricalDistribution(), l.Builder
	a := op.RandomCategoricalArgs{X: x, Mode: "logits", Size: integer(p.GetNumSamples()), Seed: integer(p.GetSeed())}
	temperature := orDefault(p.GetTemperature(), 1)
	if !p.GetIsLogits() {
		if temperature == 1 {
			a.Mode = "probs"
		} else {
			a.X = op.LogIOS17.Add(b, op.EpsilonIOS17{X: x, Epsilon: orDefault(p.GetEps(), 1e-10)})
		}
	}
	if temperature != 1 {
		a.X = op.RealDiv.Add(b, op.Binary{X: a.X, Y: l.scalar(temperature)})
	}
	return []*mil.Value{op.RandomCategorical.Add(b, a)}
}
