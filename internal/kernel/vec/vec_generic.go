package vec

import "math"

var generic = Funcs{
	lanes: genericLanes, lstm: lstmGeneric,
	exp: each(exp), tanh: each(tanh), sigmoid: each(sigmoid), erf: each(erf), sqrt: sqrtGeneric,
	silu: each(silu), gelu: each(gelu), geluTanh: each(geluTanh), clamp: clampGeneric, leaky: leakyGeneric,
	add: addGeneric, sub: subGeneric, mul: mulGeneric, div: divGeneric, max: maxGeneric, min: minGeneric,
	addS: addSGeneric, subS: subSGeneric, mulS: mulSGeneric, divS: divSGeneric, maxS: maxSGeneric, minS: minSGeneric,
	subFrom: subFromGeneric, divInto: divIntoGeneric,
	center: centerGeneric, normalize: normalizeGeneric, expSum: expSumGeneric,
	affine: affineGeneric, sum: sumGeneric, maxOf: maxOfGeneric, dot: dotGeneric, sumSquares: sumSquaresGeneric,
}

func each(f func(x float32) float32) func(dst, x []float32) {
	return func(dst, x []float32) {
		for i, v := range x[:len(dst)] {
			dst[i] = f(v)
		}
	}
}

// poly is the polynomial of coefficients at..at+n-1.
func poly(x float32, at, n int) float32 {
	y := coef[at+n-1]
	for i := at + n - 2; i >= at; i-- {
		y = y*x + coef[i]
	}
	return y
}

// pow2 is 2^n for -126 ≤ n ≤ 127.
func pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

func exp(x float32) float32 {
	if x != x {
		return x
	}
	x = min(max(x, coef[expMin]), coef[expMax])
	n := int32(math.RoundToEven(float64(x * coef[log2e])))
	m := float32(n)
	r := x - m*coef[ln2Hi]
	r -= m * coef[ln2Lo]
	y := 1 + (r + r*r*poly(r, expPoly, 5))
	// In two steps, since 2^n may be too small or too large for a float32.
	half := n >> 1
	return y * pow2(half) * pow2(n-half)
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func copySign(x, sign float32) float32 {
	const s = 1 << 31
	return math.Float32frombits(math.Float32bits(x)&^s | math.Float32bits(sign)&s)
}

func tanh(x float32) float32 {
	a := abs(x)
	if a < coef[tanhBound] {
		z := x * x
		return x + x*(z*poly(z, tanhPoly, 5))
	}
	return copySign(1-2/(exp(a+a)+1), x)
}

func sigmoid(x float32) float32 {
	e := exp(-abs(x))
	if x < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}

func erf(x float32) float32 {
	a := abs(x)
	if a < coef[erfBound] {
		return x * poly(x*x, erfPoly, 7)
	}
	if a > coef[erfMax] {
		a = coef[erfMax]
	}
	return copySign(1-exp(-poly(a, erfcPoly, 8)), x)
}

// finite is x, but the least finite number for -Inf, so that 0 times it is 0.
func finite(x float32) float32 { return max(x, -math.MaxFloat32) }

func silu(x float32) float32 { return finite(x) * sigmoid(x) }

func gelu(x float32) float32 { return finite(x) * (0.5*erf(x*coef[halfRoot]) + 0.5) }

// geluTanh uses that (1+tanh u)/2 = sigmoid(2u), which does not cancel.
func geluTanh(x float32) float32 {
	return finite(x) * sigmoid(x*(x*x*coef[tanhCubic]+coef[tanhLinear]))
}

func sqrtGeneric(dst, x []float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = float32(math.Sqrt(float64(v)))
	}
}

func addGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func subGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func mulGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func divGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] / b[i]
	}
}

func maxGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = max(a[i], b[i])
	}
}

func minGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = min(a[i], b[i])
	}
}

func addSGeneric(dst, a []float32, s float32) {
	for i, v := range a[:len(dst)] {
		dst[i] = v + s
	}
}

func subSGeneric(dst, a []float32, s float32) {
	for i, v := range a[:len(dst)] {
		dst[i] = v - s
	}
}

func mulSGeneric(dst, a []float32, s float32) {
	for i, v := range a[:len(dst)] {
		dst[i] = v * s
	}
}

func divSGeneric(dst, a []float32, s float32) {
	for i, v := range a[:len(dst)] {
		dst[i] = v / s
	}
}

func maxSGeneric(dst, a []float32, s float32) {
	for i, v := range a[:len(dst)] {
		dst[i] = max(v, s)
	}
}

func minSGeneric(dst, a []float32, s float32) {
	for i, v := range a[:len(dst)] {
		dst[i] = min(v, s)
	}
}

func subFromGeneric(dst, a []float32, s float32) {
	for i, v := range a[:len(dst)] {
		dst[i] = s - v
	}
}

func divIntoGeneric(dst, a []float32, s float32) {
	for i, v := range a[:len(dst)] {
		dst[i] = s / v
	}
}

func affineGeneric(dst, x []float32, scale, shift float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = v*scale + shift
	}
}

func clampGeneric(dst, x []float32, lo, hi float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = min(max(v, lo), hi)
	}
}

func leakyGeneric(dst, x []float32, slope float32) {
	for i, v := range x[:len(dst)] {
		if v < 0 {
			v *= slope
		}
		dst[i] = v
	}
}

func centerGeneric(dst, x []float32, mean, scale, shift float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = (v-mean)*scale + shift
	}
}

func normalizeGeneric(dst, x, gamma, beta []float32, mean, scale float32) {
	gamma, beta = gamma[:len(dst)], beta[:len(dst)]
	for i, v := range x[:len(dst)] {
		dst[i] = (v-mean)*scale*gamma[i] + beta[i]
	}
}

// expSumGeneric computes e^(x-shift) and returns the sum.
func expSumGeneric(dst, x []float32, shift float32) float32 {
	var sum float32
	for i, v := range x[:len(dst)] {
		e := exp(v - shift)
		dst[i] = e
		sum += e
	}
	return sum
}

func sumGeneric(x []float32) float32 {
	var a, b, c, d float32
	for len(x) >= 4 {
		a += x[0]
		b += x[1]
		c += x[2]
		d += x[3]
		x = x[4:]
	}
	for _, v := range x {
		a += v
	}
	return a + b + (c + d)
}

func dotGeneric(x, y []float32) float32 {
	y = y[:len(x)]
	var a, b, c, d float32
	for len(x) >= 4 && len(y) >= 4 {
		a += x[0] * y[0]
		b += x[1] * y[1]
		c += x[2] * y[2]
		d += x[3] * y[3]
		x, y = x[4:], y[4:]
	}
	for i, v := range x {
		a += v * y[i]
	}
	return a + b + (c + d)
}

func sumSquaresGeneric(x []float32, mean float32) float32 {
	var a, b float32
	for len(x) >= 2 {
		u, v := x[0]-mean, x[1]-mean
		a += u * u
		b += v * v
		x = x[2:]
	}
	for _, v := range x {
		v -= mean
		a += v * v
	}
	return a + b
}

func maxOfGeneric(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		m = max(m, v)
	}
	return m
}
