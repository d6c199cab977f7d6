//go:build !noasm

package vec

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var funcs = [cpu.Levels]*Funcs{cpu.Generic: &generic, cpu.NEON: &vecNEON}

// The assembly loads the coefficients up to this one; less do not compile.
const _ = uint(len(coef) - 1 - negInf)

var vecNEON = Funcs{
	lanes: 4, lstm: lstmNEON,
	exp: expNEON, tanh: tanhNEON, sigmoid: sigmoidNEON, erf: erfNEON, sqrt: sqrtNEON,
	silu: siluNEON, gelu: geluNEON, geluTanh: geluTanhNEON, clamp: clampNEON, leaky: leakyNEON,
	add: addNEON, sub: subNEON, mul: mulNEON, div: divNEON, max: maxNEON, min: minNEON,
	addS: addSNEON, subS: subSNEON, mulS: mulSNEON, divS: divSNEON, maxS: maxSNEON, minS: minSNEON,
	subFrom: subFromNEON, divInto: divIntoNEON,
	center: centerNEON, normalize: normalizeNEON, expSum: expSumNEON,
	affine: affineNEON, sum: sumNEON, maxOf: maxOfNEON, dot: dotNEON, sumSquares: sumSquaresNEON,
	transpose8: transpose8NEON, transpose4: transpose4NEON,
}

//go:noescape
func expNEON(dst, x []float32)

//go:noescape
func tanhNEON(dst, x []float32)

//go:noescape
func sigmoidNEON(dst, x []float32)

//go:noescape
func erfNEON(dst, x []float32)

//go:noescape
func siluNEON(dst, x []float32)

//go:noescape
func geluNEON(dst, x []float32)

//go:noescape
func geluTanhNEON(dst, x []float32)

//go:noescape
func sqrtNEON(dst, x []float32)

//go:noescape
func addNEON(dst, x, y []float32)

//go:noescape
func subNEON(dst, x, y []float32)

//go:noescape
func mulNEON(dst, x, y []float32)

//go:noescape
func divNEON(dst, x, y []float32)

//go:noescape
func maxNEON(dst, x, y []float32)

//go:noescape
func minNEON(dst, x, y []float32)

//go:noescape
func lstmNEON(dst, x, y []float32)

//go:noescape
func addSNEON(dst, x []float32, p float32)

//go:noescape
func subSNEON(dst, x []float32, p float32)

//go:noescape
func subFromNEON(dst, x []float32, p float32)

//go:noescape
func mulSNEON(dst, x []float32, p float32)

//go:noescape
func divSNEON(dst, x []float32, p float32)

//go:noescape
func divIntoNEON(dst, x []float32, p float32)

//go:noescape
func maxSNEON(dst, x []float32, p float32)

//go:noescape
func minSNEON(dst, x []float32, p float32)

//go:noescape
func leakyNEON(dst, x []float32, p float32)

//go:noescape
func affineNEON(dst, x []float32, p, q float32)

//go:noescape
func clampNEON(dst, x []float32, p, q float32)

//go:noescape
func centerNEON(dst, x []float32, p, q, r float32)

//go:noescape
func normalizeNEON(dst, x, y, z []float32, p, q float32)

//go:noescape
func sumNEON(x []float32) float32

//go:noescape
func maxOfNEON(x []float32) float32

//go:noescape
func dotNEON(x, y []float32) float32

//go:noescape
func sumSquaresNEON(x []float32, p float32) float32

//go:noescape
func expSumNEON(dst, x []float32, p float32) float32

//go:noescape
func transpose4NEON(dst *float32, dstStep int, src *float32, srcStep, blocks int)

//go:noescape
func transpose8NEON(dst *float32, dstStep int, src *float32, srcStep, blocks int)
