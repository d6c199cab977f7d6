package op

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// LayerNormArgs are the arguments of LayerNorm. No axes means all; Gamma and
// Beta have the sizes of the axes, in the order of x's dimensions; nil means
// ones and zeros.
type LayerNormArgs struct {
	X       *mil.Value     `mil:"x,T"`
	Axes    []int          `mil:"axes,int32,const,optional"`
	Gamma   *tensor.Tensor `mil:"gamma,T,const,optional"`
	Beta    *tensor.Tensor `mil:"beta,T,const,optional"`
	Epsilon float32        `mil:"epsilon,T,const,optional"`
}

// LayerNormIOS17Args are LayerNormArgs with parameters of their own float type.
type LayerNormIOS17Args struct {
	X       *mil.Value     `mil:"x,T"`
	Axes    []int          `mil:"axes,int32,const,optional"`
	Gamma   *tensor.Tensor `mil:"gamma,U,const,optional"`
	Beta    *tensor.Tensor `mil:"beta,U,const,optional"`
	Epsilon float32        `mil:"epsilon,U,const,optional"`
}

// LayerNorm is gamma · (x - mean) / sqrt(variance + epsilon) + beta, with mean
// and variance taken along the axes.
var LayerNorm = Define(Spec[LayerNormArgs]{
	Name: "layer_norm", Since: mil.IOS15, Types: Types{"T": Float},
	Default: LayerNormArgs{Epsilon: 1e-5},
	Infer:   inferLayerNorm,
	Eval:    evalLayerNorm,
	Sample:  sampleLayerNorm,
})

// LayerNormIOS17 is LayerNorm with parameters of their own float type.
var LayerNormIOS17 = Define(Spec[LayerNormIOS17Args]{
	Name: "layer_norm", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Default: LayerNormIOS17Args{Epsilon: 1e-5},
	Infer:   func(a *LayerNormIOS17Args) ([]mil.Type, error) { return inferLayerNorm((*LayerNormArgs)(a)) },
	Eval:    func(a *LayerNormIOS17Args) ([]*tensor.Tensor, error) { return evalLayerNorm((*LayerNormArgs)(a)) },
	Sample:  func(r *rand.Rand) LayerNormIOS17Args { return LayerNormIOS17Args(sampleLayerNorm(r)) },
})

func inferLayerNorm(a *LayerNormArgs) ([]mil.Type, error) {
	t := a.X.Type
	axes, err := axesOf(a.Axes, t.Rank())
	if err != nil {
		return nil, err
	}
	inner := make([]int, len(axes))
	for i, d := range axes {
		inner[i] = t.Shape[d]
	}
	for _, p := range []struct {
		name string
		t    *tensor.Tensor
	}{{"gamma", a.Gamma}, {"beta", a.Beta}} {
		if p.t != nil && !compatible(p.t.Shape(), inner) {
			return nil, fmt.Errorf("%s has shape %s, the normalized dimensions are %s", p.name, mil.FormatDims(p.t.Shape()), mil.FormatDims(inner))
		}
	}
	return []mil.Type{t}, nil
}

func evalLayerNorm(a *LayerNormArgs) ([]*tensor.Tensor, error) {
	x := a.X.Const
	axes, err := axesOf(a.Axes, x.Rank())
	if err != nil {
		return nil, err
	}
	var gamma, beta []float32
	if a.Gamma != nil {
		gamma = a.Gamma.F32()
	}
	if a.Beta != nil {
		beta = a.Beta.F32()
	}
	in, out := x.F32(), make([]float32, x.Len())
	groups(x.Shape(), axes, func(_ int, at []int) {
		var sum, squares float64
		for _, i := range at {
			sum += float64(in[i])
		}
		mean := sum / float64(len(at))
		for _, i := range at {
			d := float64(in[i]) - mean
			squares += d * d
		}
		scale := 1 / math.Sqrt(squares/float64(len(at))+float64(a.Epsilon))
		for j, i := range at {
			v := (float64(in[i]) - mean) * scale
			if gamma != nil {
				v *= float64(gamma[j])
			}
			if beta != nil {
				v += float64(beta[j])
			}
			out[i] = float32(v)
		}
	})
	return one(tensor.New(x.DType(), x.Shape(), out))
}

func sampleLayerNorm(r *rand.Rand) LayerNormArgs {
	x := sampleFloats(r)
	a := LayerNormArgs{X: x, Epsilon: 1e-5 + r.Float32()/10}
	var inner []int
	for i, d := range x.Type.Shape {
		if r.IntN(2) == 0 {
			a.Axes = append(a.Axes, i-x.Type.Rank()*r.IntN(2))
			inner = append(inner, d)
		}
	}
	if a.Axes == nil {
		inner = x.Type.Shape
	}
	if r.IntN(3) > 0 {
		a.Gamma = tensor.Floats(inner, sampleVector(r, tensor.Size(inner), 0.5))
	}
	if r.IntN(3) > 0 {
		a.Beta = tensor.Floats(inner, sampleVector(r, tensor.Size(inner), -0.5))
	}
	return a
}
