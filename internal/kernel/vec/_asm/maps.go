package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// slices loads the pointers of dst and of operands, and dst's length.
func slices(operands ...string) (n reg.GPPhysical, pointers []reg.GPPhysical) {
	all := []reg.GPPhysical{reg.RDI, reg.RSI, reg.RDX, reg.R9}
	Load(Param("dst").Len(), reg.R8)
	Load(Param("dst").Base(), all[0])
	for i, name := range operands {
		Load(Param(name).Base(), all[i+1])
	}
	return reg.R8, all[:len(operands)+1]
}

// broadcast loads a scalar argument into all lanes of a new register.
func (l *level) broadcast(name string) vreg {
	r := l.v()
	a, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(a.Addr, r)
	return r
}

func end() {
	VZEROUPPER()
	RET()
}

// maps writes all functions that compute an element from one place.
func (l *level) maps() {
	const unary = "(dst, x []float32)"
	for _, f := range []struct {
		name, doc string
		body      func(x vreg) vreg
	}{
		{"exp", "computes the exponential function.", l.exp},
		{"tanh", "computes the hyperbolic tangent.", l.tanh},
		{"sigmoid", "computes the logistic function.", l.sigmoid},
		{"erf", "computes the error function.", l.erf},
		{"silu", "computes x·sigmoid(x).", l.silu},
		{"gelu", "computes x·Φ(x).", l.gelu},
		{"geluTanh", "computes the approximation of gelu by tanh.", l.geluTanh},
		{"sqrt", "computes square roots.", func(x vreg) vreg { VSQRTPS(x, x); return x }},
	} {
		l.mapped(f.name, unary, f.doc, []string{"x"}, nil, 1, func(in []vreg, _ []vreg) vreg { return f.body(in[0]) })
	}

	for _, f := range []struct {
		name string
		op   func(a, b, r vreg)
	}{
		{"add", func(a, b, r vreg) { VADDPS(b, a, r) }},
		{"sub", func(a, b, r vreg) { VSUBPS(b, a, r) }},
		{"mul", func(a, b, r vreg) { VMULPS(b, a, r) }},
		{"div", func(a, b, r vreg) { VDIVPS(b, a, r) }},
		{"max", func(a, b, r vreg) { VMAXPS(b, a, r); l.keepNaN(a, r) }},
		{"min", func(a, b, r vreg) { VMINPS(b, a, r); l.keepNaN(a, r) }},
	} {
		l.mapped(f.name, "(dst, a, b []float32)", "computes "+f.name+" of two vectors.", []string{"a", "b"}, nil, 4,
			func(in, _ []vreg) vreg { r := l.v(); f.op(in[0], in[1], r); l.put(in...); return r })
		l.mapped(f.name+"S", "(dst, a []float32, s float32)", "computes "+f.name+" of a vector and a scalar.", []string{"a"}, []string{"s"}, 4,
			func(in, s []vreg) vreg { r := l.v(); f.op(in[0], s[0], r); l.put(in[0]); return r })
		name := map[string]string{"sub": "subFrom", "div": "divInto"}[f.name]
		if name == "" {
			continue
		}
		l.mapped(name, "(dst, a []float32, s float32)", "computes "+f.name+" of a scalar and a vector.", []string{"a"}, []string{"s"}, 4,
			func(in, s []vreg) vreg { r := l.v(); f.op(s[0], in[0], r); l.put(in[0]); return r })
	}

	l.mapped("affine", "(dst, x []float32, p, q float32)", "computes x·p + q.", []string{"x"}, []string{"p", "q"}, 4,
		func(in, s []vreg) vreg { VFMADD213PS(s[1], s[0], in[0]); return in[0] })
	l.mapped("clamp", "(dst, x []float32, p, q float32)", "computes min(max(x, p), q).", []string{"x"}, []string{"p", "q"}, 4,
		func(in, s []vreg) vreg { VMAXPS(in[0], s[0], in[0]); VMINPS(in[0], s[1], in[0]); return in[0] })
	l.mapped("leaky", "(dst, x []float32, slope float32)", "computes x, times slope below 0.", []string{"x"}, []string{"slope"}, 4,
		func(in, s []vreg) vreg {
			z, y := l.v(), l.v()
			l.zero(z)
			VMULPS(s[0], in[0], y)
			l.choose(in[0], z, y, in[0])
			l.put(z, y)
			return in[0]
		})
	l.mapped("center", "(dst, x []float32, mean, scale, shift float32)", "computes (x-mean)·scale + shift.", []string{"x"}, []string{"mean", "scale", "shift"}, 4,
		func(in, s []vreg) vreg {
			VSUBPS(s[0], in[0], in[0])
			VFMADD213PS(s[2], s[1], in[0])
			return in[0]
		})
	l.mapped("normalize", "(dst, x, gamma, beta []float32, mean, scale float32)", "computes (x-mean)·scale·gamma + beta.", []string{"x", "gamma", "beta"}, []string{"mean", "scale"}, 2,
		func(in, s []vreg) vreg {
			VSUBPS(s[0], in[0], in[0])
			VMULPS(s[1], in[0], in[0])
			VFMADD213PS(in[2], in[1], in[0])
			l.put(in[1], in[2])
			return in[0]
		})
}

// mapped writes a function on vectors and scalars. The body gets a register
// each and returns that of the result; all others of the operands it puts back.
func (l *level) mapped(name, signature, doc string, vectors, scalars []string, unroll int, body func(in, scalars []vreg) vreg) {
	l.text(name, signature, doc)
	n, p := slices(vectors...)
	var s []vreg
	for _, name := range scalars {
		s = append(s, l.broadcast(name))
	}
	l.loop(n, p, unroll, func(vecs int, masked bool, mask vreg) {
		for v := range vecs {
			at := func(i int) operand.Mem { return operand.Mem{Base: p[i], Disp: 4 * l.lanes * v} }
			var in []vreg
			for i := range vectors {
				in = append(in, l.v())
				l.load(at(i+1), in[i], masked, mask)
			}
			r := body(in, s)
			l.store(r, at(0), masked, mask)
			l.put(r)
		}
	})
	l.put(s...)
	end()
}

// exp returns e^x, in x. Where the result is 0 it computes that of 0 and clears
// it: an underflow takes some hundred times as long.
func (l *level) exp(x vreg) vreg {
	m, r2 := l.v(), l.v()
	var keep vreg
	if l.wide {
		l.with("expMin", 0, func(c operand.Op) { VCMPPS(imm(notLess), c, x, reg.K6) })
		VMOVAPS_Z(x, reg.K6, x)
	} else {
		keep = l.v()
		l.with("expMin", 0, func(c operand.Op) { VCMPPS(imm(notLess), c, x, keep) })
		VANDPS(keep, x, x)
	}
	l.atMost(x, "expMax", x)
	l.arith(VMULPS, VMULPS_BCST, x, "log2e", m)
	const nearest = 8
	if l.wide {
		VRNDSCALEPS(imm(nearest), m, m)
		VFNMADD231PS_BCST(coef("ln2Hi", 0), m, x)
		VFNMADD231PS_BCST(coef("ln2Lo", 0), m, x)
	} else {
		VROUNDPS(imm(nearest), m, m)
		l.with("ln2Hi", 0, func(c operand.Op) { VFNMADD231PS(c, m, x) })
		l.with("ln2Lo", 0, func(c operand.Op) { VFNMADD231PS(c, m, x) })
	}
	VMULPS(x, x, r2)
	p := l.poly(x, "expPoly", 5)
	VFMADD213PS(x, r2, p)
	l.arith(VADDPS, VADDPS_BCST, p, "one", x)
	l.put(p, r2)
	if l.wide {
		VSCALEFPS_Z(m, x, reg.K6, x)
		l.put(m)
		return x
	}
	// In two steps, since 2^n may be too small or too large for a float32.
	half := l.v()
	VCVTPS2DQ(m, m)
	VPSRAD(imm(1), m, half)
	VPSUBD(half, m, m)
	l.with("one", 0, func(one operand.Op) {
		for _, n := range []vreg{half, m} {
			VPSLLD(imm(23), n, n)
			VPADDD(one, n, n)
			VMULPS(n, x, x)
		}
	})
	VANDPS(keep, x, x)
	l.put(m, half, keep)
	return x
}

func (l *level) tanh(x vreg) vreg {
	a, z := l.abs(x), l.v()
	VMULPS(x, x, z)
	small := l.poly(z, "tanhPoly", 5)
	VMULPS(z, small, small)
	VFMADD213PS(x, x, small)
	VADDPS(a, a, z)
	e := l.exp(z)
	l.arith(VADDPS, VADDPS_BCST, e, "one", e)
	l.with("two", 0, func(c operand.Op) { VDIVPS(e, c, e) })
	l.with("one", 0, func(c operand.Op) { VSUBPS(e, c, e) })
	l.copySign(e, x)
	l.with("tanhBound", 0, func(c operand.Op) { l.choose(a, c, small, e) })
	l.put(a, small, x)
	return e
}

func (l *level) sigmoid(x vreg) vreg {
	e, n := l.v(), l.v()
	l.with("sign", 0, func(c operand.Op) { VORPS(c, x, e) })
	e = l.exp(e)
	l.with("one", 0, func(one operand.Op) {
		VMOVAPS(one, n)
		l.withZero(func(zero vreg) { l.choose(x, zero, e, n) })
		VADDPS(one, e, e)
	})
	VDIVPS(e, n, n)
	l.put(e, x)
	return n
}

// withZero calls f with a register of zeros.
func (l *level) withZero(f func(zero vreg)) {
	z := l.v()
	l.zero(z)
	f(z)
	l.put(z)
}

func (l *level) erf(x vreg) vreg {
	a, z := l.abs(x), l.v()
	VMULPS(x, x, z)
	small := l.poly(z, "erfPoly", 7)
	VMULPS(x, small, small)
	l.atMost(a, "erfMax", z)
	p := l.poly(z, "erfcPoly", 8)
	l.put(z)
	l.with("sign", 0, func(c operand.Op) { VXORPS(c, p, p) })
	e := l.exp(p)
	l.with("one", 0, func(c operand.Op) { VSUBPS(e, c, e) })
	l.copySign(e, x)
	l.with("erfBound", 0, func(c operand.Op) { l.choose(a, c, small, e) })
	l.put(a, small, x)
	return e
}

// gate returns x·g(x), where x is finite instead of -Inf, whose g is 0.
func (l *level) gate(x vreg, g func(x vreg) vreg) vreg {
	f := l.v()
	l.atLeast(x, "least", f)
	y := g(x)
	VMULPS(f, y, y)
	l.put(f)
	return y
}

func (l *level) silu(x vreg) vreg {
	if !l.wide {
		return l.gate(x, l.sigmoid)
	}
	// x/(1 + e^-x), with e^-x as in exp. A division would take as long as all the
	// rest; the reciprocal is one of 14 bits and a step of Newton's.
	n, r, p := l.v(), l.v(), l.v()
	l.with("siluMin", 0, func(c operand.Op) { VCMPPS(imm(notLess), c, x, reg.K6) })
	l.atMost(x, "siluMax", r)
	VBROADCASTSS(coef("magic", 0), n)
	VFNMADD231PS_BCST(coef("log2e", 0), r, n)
	VSUBPS_BCST(coef("magic", 0), n, n)
	VFNMSUB231PS_BCST(coef("ln2Hi", 0), n, r)
	VFNMADD231PS_BCST(coef("ln2Lo", 0), n, r)
	VBROADCASTSS(coef("expPoly", 4), p)
	for i := 3; i >= 0; i-- {
		VFMADD213PS_BCST(coef("expPoly", i), r, p)
	}
	one := l.constant("one", 0)
	VFMADD213PS(one, r, p)
	VFMADD213PS(one, r, p)
	VSCALEFPS(n, p, p)
	VADDPS(one, p, p)
	VRCP14PS(p, r)
	VFNMADD213PS(one, r, p)
	VFMADD213PS(r, r, p)
	VMULPS_Z(p, x, reg.K6, x)
	l.put(n, r, p, one)
	return x
}

func (l *level) gelu(x vreg) vreg {
	return l.gate(x, func(x vreg) vreg {
		l.arith(VMULPS, VMULPS_BCST, x, "halfRoot", x)
		y := l.erf(x)
		l.with("half", 0, func(c operand.Op) { VFMADD213PS(c, c, y) })
		return y
	})
}

func (l *level) geluTanh(x vreg) vreg {
	return l.gate(x, func(x vreg) vreg {
		y := l.v()
		VMULPS(x, x, y)
		l.with("tanhCubic", 0, func(c operand.Op) { l.mulAddConst(y, c.(vreg), "tanhLinear", 0) })
		VMULPS(y, x, x)
		l.put(y)
		return l.sigmoid(x)
	})
}
