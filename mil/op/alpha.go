package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Alpha is the argument struct of an element-wise operator with one parameter.
type Alpha struct {
	X     *mil.Value `mil:"x,T"`
	Alpha float32    `mil:"alpha,T,const"`
}

// AlphaIOS17 is Alpha with a parameter of its own float type.
type AlphaIOS17 struct {
	X     *mil.Value `mil:"x,T"`
	Alpha float32    `mil:"alpha,U,const"`
}

// AlphaBeta is the argument struct of an element-wise operator with two
// parameters.
type AlphaBeta struct {
	X     *mil.Value `mil:"x,T"`
	Alpha float32    `mil:"alpha,T,const"`
	Beta  float32    `mil:"beta,T,const"`
}

// AlphaBetaIOS17 is AlphaBeta with parameters of their own float type.
type AlphaBetaIOS17 struct {
	X     *mil.Value `mil:"x,T"`
	Alpha float32    `mil:"alpha,U,const"`
	Beta  float32    `mil:"beta,U,const"`
}

// defineAlpha defines both versions of the activation f(x, alpha).
func defineAlpha(name string, f func(x, alpha float64) float64) (*Def[Alpha], *Def[AlphaIOS17]) {
	eval := func(a *Alpha) ([]*tensor.Tensor, error) {
		alpha := float64(a.Alpha)
		return one(mapFloats(a.X.Const, func(x float64) float64 { return f(x, alpha) }))
	}
	sample := func(r *rand.Rand) Alpha { return Alpha{sampleFloats(r), r.Float32()} }
	return Define(Spec[Alpha]{
			Name: name, Since: mil.IOS15, Types: Types{"T": Float},
			Infer:  func(a *Alpha) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
			Eval:   eval,
			Sample: sample,
		}), Define(Spec[AlphaIOS17]{
			Name: name, Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
			Infer:  func(a *AlphaIOS17) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
			Eval:   func(a *AlphaIOS17) ([]*tensor.Tensor, error) { return eval((*Alpha)(a)) },
			Sample: func(r *rand.Rand) AlphaIOS17 { return AlphaIOS17(sample(r)) },
		})
}

// defineAlphaBeta defines both versions of the activation f(x, alpha, beta).
func defineAlphaBeta(name string, f func(x, alpha, beta float64) float64) (*Def[AlphaBeta], *Def[AlphaBetaIOS17]) {
	eval := func(a *AlphaBeta) ([]*tensor.Tensor, error) {
		alpha, beta := float64(a.Alpha), float64(a.Beta)
		return one(mapFloats(a.X.Const, func(x float64) float64 { return f(x, alpha, beta) }))
	}
	sample := func(r *rand.Rand) AlphaBeta { return AlphaBeta{sampleFloats(r), r.Float32(), r.Float32()} }
	return Define(Spec[AlphaBeta]{
			Name: name, Since: mil.IOS15, Types: Types{"T": Float},
			Infer:  func(a *AlphaBeta) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
			Eval:   eval,
			Sample: sample,
		}), Define(Spec[AlphaBetaIOS17]{
			Name: name, Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
			Infer:  func(a *AlphaBetaIOS17) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
			Eval:   func(a *AlphaBetaIOS17) ([]*tensor.Tensor, error) { return eval((*AlphaBeta)(a)) },
			Sample: func(r *rand.Rand) AlphaBetaIOS17 { return AlphaBetaIOS17(sample(r)) },
		})
}
