package op

import (
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// GeluArgs are the arguments of Gelu.
type GeluArgs struct {
	X    *mil.Value `mil:"x,T"`
	Mode string     `mil:"mode,string,const,optional" values:"EXACT|TANH_APPROXIMATION|SIGMOID_APPROXIMATION"`
}

// Gelu is the Gaussian error linear unit x·Φ(x), exact or approximated.
var Gelu = Define(Spec[GeluArgs]{
	Name: "gelu", Since: mil.IOS15, Types: Types{"T": Float},
	Default: GeluArgs{Mode: "EXACT"},
	Infer:   func(a *GeluArgs) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
	Eval:    func(a *GeluArgs) ([]*tensor.Tensor, error) { return one(mapFloats(a.X.Const, geluModes[a.Mode])) },
	Sample: func(r *rand.Rand) GeluArgs {
		return GeluArgs{sampleFloats(r), []string{"EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"}[r.IntN(3)]}
	},
})

var geluModes = map[string]func(float64) float64{
	"EXACT": func(x float64) float64 { return 0.5 * finite(x) * (1 + math.Erf(x/math.Sqrt2)) },
	"TANH_APPROXIMATION": func(x float64) float64 {
		return 0.5 * finite(x) * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	},
	"SIGMOID_APPROXIMATION": func(x float64) float64 { return finite(x) * sigmoid(1.702*x) },
}

// finite is x, but the least finite number for -Inf: 0 times it is 0, the limit
// of functions like x · sigmoid(x).
func finite(x float64) float64 { return math.Max(x, -math.MaxFloat64) }
