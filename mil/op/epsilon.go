package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Epsilon is the argument struct of an element-wise operator that adds a small
// constant to its input first.
type Epsilon struct {
	X       *mil.Value `mil:"x,T"`
	Epsilon float32    `mil:"epsilon,T,const,optional"`
}

// EpsilonIOS17 is Epsilon with a constant of its own float type.
type EpsilonIOS17 struct {
	X       *mil.Value `mil:"x,T"`
	Epsilon float32    `mil:"epsilon,U,const,optional"`
}

// defineEpsilon defines both versions of the operator f(x + epsilon).
func defineEpsilon(name string, epsilon float32, f func(float64) float64) (*Def[Epsilon], *Def[EpsilonIOS17]) {
	eval := func(x *mil.Value, epsilon float32) ([]*tensor.Tensor, error) {
		return one(mapFloats(x.Const, func(v float64) float64 { return f(v + float64(epsilon)) }))
	}
	sample := func(r *rand.Rand) *mil.Value { return sampleBetween(r, 0, 4) }
	return Define(Spec[Epsilon]{
			Name: name, Since: mil.IOS15, Types: Types{"T": Float},
			Default: Epsilon{Epsilon: epsilon},
			Infer:   func(a *Epsilon) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
			Eval:    func(a *Epsilon) ([]*tensor.Tensor, error) { return eval(a.X, a.Epsilon) },
			Sample:  func(r *rand.Rand) Epsilon { return Epsilon{sample(r), epsilon} },
		}), Define(Spec[EpsilonIOS17]{
			Name: name, Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
			Default: EpsilonIOS17{Epsilon: epsilon},
			Infer:   func(a *EpsilonIOS17) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
			Eval:    func(a *EpsilonIOS17) ([]*tensor.Tensor, error) { return eval(a.X, a.Epsilon) },
			Sample:  func(r *rand.Rand) EpsilonIOS17 { return EpsilonIOS17{sample(r), epsilon} },
		})
}
