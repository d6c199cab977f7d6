package vec

import "math"

// The numbers of the approximations, in the order that the assembly knows too.
// testdata/make_coefficients.py prints the polynomials, lowest power first.
var coef = [...]float32{
	// e^x = 2^n·e^r, n = round(x·log₂e), r = x - n·ln 2 with ln 2 in two parts,
	// the first so short that n times it is exact.
	log2e:  1.44269504,
	ln2Hi:  0.693359375,
	ln2Lo:  -2.12194440e-4,
	expMin: -104, // e^x rounds to 0
	expMax: 89,   // e^x overflows
	// e^r = 1 + r + r²·poly(r)
	expPoly: 0.5, 0.166665182, 0.041666206, 0.0083689047, 0.00139505148,
	// tanh x = x + x³·poly(x²) below the bound, 1 - 2/(e^2x+1) above.
	tanhBound: 0.625,
	tanhPoly:  -0.333332837, 0.133314908, -0.0537434965, 0.0206505787, -0.00571703678,
	// erf x = x·poly(x²) below the bound, 1 - e^-poly(x) above, 1 beyond erfMax.
	erfBound: 0.9375,
	erfMax:   4,
	erfPoly:  1.12837923, -0.376126319, 0.112836726, -0.0268581044, 0.00519779697, -0.00081059651, 8.21542344e-05,
	erfcPoly: -0.000175874564, 1.12952077, 0.633334637, 0.108293943, -0.0251286253, 0.0041746432, -0.000435218884, 2.11619063e-05,
	// Gelu: 1/√2; and 2·√(2/π) with its 0.044715-fold, for the sigmoid form.
	halfRoot:   0.707106781,
	tanhLinear: 1.59576912,
	tanhCubic:  0.0713548163,
	// For the assembly.
	one: 1, 2, 0.5,
	least:  -math.MaxFloat32,
	sign:   math.Float32frombits(1 << 31),
	negInf: float32(math.Inf(-1)),
	// x·sigmoid(x): below, it is 0 but for 2e-36; above, x.
	siluMin: -87,
	siluMax: 87,
	magic:   3 << 22, // which, added and subtracted again, rounds
}

const (
	log2e      = 0
	ln2Hi      = 1
	ln2Lo      = 2
	expMin     = 3
	expMax     = 4
	expPoly    = 5 // 5 coefficients
	tanhBound  = 10
	tanhPoly   = 11 // 5
	erfBound   = 16
	erfMax     = 17
	erfPoly    = 18 // 7
	erfcPoly   = 25 // 8
	halfRoot   = 33
	tanhLinear = 34
	tanhCubic  = 35
	one        = 36
	two        = 37
	half       = 38
	least      = 39
	sign       = 40
	negInf     = 41
	siluMin    = 42
	siluMax    = 43
	magic      = 44
)
