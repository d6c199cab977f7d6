// Package vec is arithmetic on float32 vectors: element-wise functions,
// reductions, softmax, normalization, and the moving of elements.
//
// Functions work on as many elements as dst has (reductions: as x has) and
// panic if an operand has less. dst may be an operand itself, but must not
// overlap one otherwise. None of them uses threads or allocates.
//
// Errors, against the exact result for the float32 argument: Exp, Tanh,
// Sigmoid and Erf at most 4 units in the last place; Silu and GeluTanh at most
// 1e-6 relative plus 4e-7·|x| absolute, and Gelu 4e-7·|x|, since the negative
// side cancels. ±Inf, NaN, denormal numbers and saturation are right.
package vec

import (
	"fmt"
	"math"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

// Funcs are the functions of one CPU level.
type Funcs struct {
	lanes int // floats in a vector

	exp, tanh, sigmoid, erf, sqrt      func(dst, x []float32)
	silu, gelu, geluTanh               func(dst, x []float32)
	add, sub, mul, div, max, min       func(dst, a, b []float32)
	addS, subS, mulS, divS, maxS, minS func(dst, a []float32, s float32)
	subFrom, divInto                   func(dst, a []float32, s float32)
	affine, clamp                      func(dst, x []float32, p, q float32)
	leaky                              func(dst, x []float32, slope float32)
	center                             func(dst, x []float32, mean, scale, shift float32)
	normalize                          func(dst, x, gamma, beta []float32, mean, scale float32)
	sum, maxOf                         func(x []float32) float32
	dot                                func(x, y []float32) float32
	sumSquares                         func(x []float32, mean float32) float32
	expSum                             func(dst, x []float32, shift float32) float32
	lstm                               func(dst, c, sums []float32)

	// Of blocks of 8 or 4 rows and 8 columns; nil for none.
	transpose8, transpose4 func(dst *float32, dstStep int, src *float32, srcStep, blocks int)

	rows sync.Pool // of *[2][chunk]float32, for softmax
}

// For returns the functions of a level.
func For(l cpu.Level) *Funcs { return funcs[l] }

// chunk is how many elements softmax takes at a time: few enough for what it
// needs of them to stay in the first-level cache.
const chunk = 1024

func same(dst, a []float32) []float32 {
	if len(a) < len(dst) {
		panic(fmt.Sprintf("vec: operand of %d for %d results", len(a), len(dst)))
	}
	return a[:len(dst)]
}

// Exp is eˣ.
func (f *Funcs) Exp(dst, x []float32) { f.exp(dst, same(dst, x)) }

// Tanh is the hyperbolic tangent.
func (f *Funcs) Tanh(dst, x []float32) { f.tanh(dst, same(dst, x)) }

// Sigmoid is 1/(1+e⁻ˣ).
func (f *Funcs) Sigmoid(dst, x []float32) { f.sigmoid(dst, same(dst, x)) }

// Erf is the error function.
func (f *Funcs) Erf(dst, x []float32) { f.erf(dst, same(dst, x)) }

// Sqrt is the square root, rounded correctly.
func (f *Funcs) Sqrt(dst, x []float32) { f.sqrt(dst, same(dst, x)) }

// Rsqrt is 1/√x, in two roundings.
func (f *Funcs) Rsqrt(dst, x []float32) {
	f.sqrt(dst, same(dst, x))
	f.divInto(dst, dst, 1)
}

// Add is a+b.
func (f *Funcs) Add(dst, a, b []float32) { f.add(dst, same(dst, a), same(dst, b)) }

// Sub is a-b.
func (f *Funcs) Sub(dst, a, b []float32) { f.sub(dst, same(dst, a), same(dst, b)) }

// Mul is a·b.
func (f *Funcs) Mul(dst, a, b []float32) { f.mul(dst, same(dst, a), same(dst, b)) }

// Div is a/b.
func (f *Funcs) Div(dst, a, b []float32) { f.div(dst, same(dst, a), same(dst, b)) }

// Max is the larger of a and b, NaN if one is.
func (f *Funcs) Max(dst, a, b []float32) { f.max(dst, same(dst, a), same(dst, b)) }

// Min is the smaller of a and b, NaN if one is.
func (f *Funcs) Min(dst, a, b []float32) { f.min(dst, same(dst, a), same(dst, b)) }

// AddScalar is a+s.
func (f *Funcs) AddScalar(dst, a []float32, s float32) { f.addS(dst, same(dst, a), s) }

// SubScalar is a-s.
func (f *Funcs) SubScalar(dst, a []float32, s float32) { f.subS(dst, same(dst, a), s) }

// ScalarSub is s-a.
func (f *Funcs) ScalarSub(dst []float32, s float32, a []float32) { f.subFrom(dst, same(dst, a), s) }

// MulScalar is a·s.
func (f *Funcs) MulScalar(dst, a []float32, s float32) { f.mulS(dst, same(dst, a), s) }

// DivScalar is a/s.
func (f *Funcs) DivScalar(dst, a []float32, s float32) { f.divS(dst, same(dst, a), s) }

// ScalarDiv is s/a.
func (f *Funcs) ScalarDiv(dst []float32, s float32, a []float32) { f.divInto(dst, same(dst, a), s) }

// MaxScalar is the larger of a and s, NaN if one is.
func (f *Funcs) MaxScalar(dst, a []float32, s float32) { f.maxS(dst, same(dst, a), s) }

// MinScalar is the smaller of a and s, NaN if one is.
func (f *Funcs) MinScalar(dst, a []float32, s float32) { f.minS(dst, same(dst, a), s) }

// Affine is x·scale + shift, in one rounding or two.
func (f *Funcs) Affine(dst, x []float32, scale, shift float32) {
	f.affine(dst, same(dst, x), scale, shift)
}

// Clamp is min(max(x, lo), hi); NaN stays NaN.
func (f *Funcs) Clamp(dst, x []float32, lo, hi float32) { f.clamp(dst, same(dst, x), lo, hi) }

// Relu is max(x, 0); NaN stays NaN.
func (f *Funcs) Relu(dst, x []float32) { f.maxS(dst, same(dst, x), 0) }

// Leaky is x for x ≥ 0 and slope·x below.
func (f *Funcs) Leaky(dst, x []float32, slope float32) { f.leaky(dst, same(dst, x), slope) }

// Silu is x·sigmoid(x), also called swish. At -Inf it is 0, as its limit is, and
// it may be 0 below -87, where it is so in all but name.
func (f *Funcs) Silu(dst, x []float32) { f.silu(dst, same(dst, x)) }

// Gelu is x·Φ(x) = x/2·(1+erf(x/√2)), 0 at -Inf.
func (f *Funcs) Gelu(dst, x []float32) { f.gelu(dst, same(dst, x)) }

// GeluTanh is the approximation x/2·(1+tanh(√(2/π)·(x+0.044715x³))), 0 at -Inf.
func (f *Funcs) GeluTanh(dst, x []float32) { f.geluTanh(dst, same(dst, x)) }

// Sum is the sum of x, 0 for none; vector lanes are summed separately.
func (f *Funcs) Sum(x []float32) float32 { return f.sum(x) }

// Dot is the sum of the products.
func (f *Funcs) Dot(x, y []float32) float32 { return f.dot(x, same(x, y)) }

// MaxOf is the largest element, NaN if one is NaN, and -Inf for none.
func (f *Funcs) MaxOf(x []float32) float32 { return f.maxOf(x) }

// MeanVar is the mean and the (population) variance, in two passes. Both are
// NaN for no elements.
func (f *Funcs) MeanVar(x []float32) (mean, variance float32) {
	n := float32(len(x))
	mean = f.sum(x) / n
	return mean, f.sumSquares(x, mean) / n
}

// Normalize is (x-mean)/√(variance+eps), times gamma and plus beta where they
// are not nil, element by element: layer norm of one row.
func (f *Funcs) Normalize(dst, x, gamma, beta []float32, eps float32) {
	x = same(dst, x)
	mean, variance := f.MeanVar(x)
	scale := float32(1 / math.Sqrt(float64(variance)+float64(eps)))
	if gamma != nil && beta != nil {
		f.normalize(dst, x, same(dst, gamma), same(dst, beta), mean, scale)
		return
	}
	f.center(dst, x, mean, scale, 0)
	if gamma != nil {
		f.mul(dst, dst, same(dst, gamma))
	}
	if beta != nil {
		f.add(dst, dst, same(dst, beta))
	}
}

// NormalizeChannel is Normalize with the same gamma and beta for all of x:
// instance norm of one channel.
func (f *Funcs) NormalizeChannel(dst, x []float32, gamma, beta, eps float32) {
	x = same(dst, x)
	mean, variance := f.MeanVar(x)
	f.center(dst, x, mean, float32(float64(gamma)/math.Sqrt(float64(variance)+float64(eps))), beta)
}
