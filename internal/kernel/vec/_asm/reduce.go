package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// accumulators is how many vectors a reduction sums into.
const accumulators = 4

// reductions writes all functions that return a number.
func (l *level) reductions() {
	l.reduced("sum", "(x []float32) float32", "sums.", []string{"x"}, nil, func(acc vreg, at []operand.Mem, _ []vreg, masked bool, mask vreg) {
		x := l.v()
		l.load(at[0], x, masked, mask)
		VADDPS(x, acc, acc)
		l.put(x)
	})
	l.reduced("dot", "(x, y []float32) float32", "sums products.", []string{"x", "y"}, nil, func(acc vreg, at []operand.Mem, _ []vreg, masked bool, mask vreg) {
		x, y := l.v(), l.v()
		l.load(at[0], x, masked, mask)
		l.load(at[1], y, masked, mask)
		VFMADD231PS(x, y, acc)
		l.put(x, y)
	})
	l.reduced("sumSquares", "(x []float32, mean float32) float32", "sums squares of differences from the mean.", []string{"x"}, []string{"mean"}, func(acc vreg, at []operand.Mem, s []vreg, masked bool, mask vreg) {
		x := l.v()
		l.load(at[0], x, masked, mask)
		if !masked {
			VSUBPS(s[0], x, x)
		} else if l.wide {
			VSUBPS_Z(s[0], x, reg.K1, x)
		} else {
			VSUBPS(s[0], x, x)
			VANDPS(mask, x, x)
		}
		VFMADD231PS(x, x, acc)
		l.put(x)
	})
	l.expSum()
	l.maxOf()
}

// reduced writes a reduction by a sum.
func (l *level) reduced(name, signature, doc string, vectors, scalars []string, body func(acc vreg, at []operand.Mem, scalars []vreg, masked bool, mask vreg)) {
	l.text(name, signature, doc)
	pointers := []reg.GPPhysical{reg.RDI, reg.RSI}[:len(vectors)]
	Load(Param("x").Len(), reg.R8)
	for i, v := range vectors {
		Load(Param(v).Base(), pointers[i])
	}
	var s []vreg
	for _, name := range scalars {
		s = append(s, l.broadcast(name))
	}
	var acc []vreg
	for range accumulators {
		r := l.v()
		l.zero(r)
		acc = append(acc, r)
	}
	l.loop(reg.R8, pointers, accumulators, func(vecs int, masked bool, mask vreg) {
		for v := range vecs {
			var at []operand.Mem
			for _, p := range pointers {
				at = append(at, operand.Mem{Base: p, Disp: 4 * l.lanes * v})
			}
			body(acc[v], at, s, masked, mask)
		}
	})
	l.put(s...)
	l.result(l.fold(acc, VADDPS))
}

// fold reduces vectors to the lowest lane of the first, and puts back the others.
func (l *level) fold(acc []vreg, op func(...operand.Op)) reg.VecPhysical {
	for len(acc) > 1 {
		half := len(acc) / 2
		for i, a := range acc[half:] {
			op(a, acc[i], acc[i])
		}
		l.put(acc[half:]...)
		acc = acc[:half]
	}
	other := l.v()
	y, t := sized(acc[0], reg.S256), sized(other, reg.S256)
	if l.wide {
		VEXTRACTF64X4(imm(1), acc[0], t)
		op(t, y, y)
	}
	x, u := sized(acc[0], reg.S128), sized(other, reg.S128)
	VEXTRACTF128(imm(1), y, u)
	op(u, x, x)
	VMOVHLPS(x, x, u)
	op(u, x, x)
	VMOVSHDUP(x, u)
	op(u, x, x)
	l.put(other)
	return x
}

func sized(r vreg, s reg.Spec) vreg {
	return reg.LookupPhysical(reg.KindVector, r.PhysicalIndex(), s).(vreg)
}

// result returns the lowest lane and puts the register back.
func (l *level) result(x vreg) {
	Store(x, ReturnIndex(0))
	l.put(x)
	end()
}

// expSum writes the sum of e^(x-shift), which it stores too.
func (l *level) expSum() {
	l.text("expSum", "(dst, x []float32, shift float32) float32", "computes e^(x-shift) and returns the sum.")
	n, p := slices("x")
	shift := l.broadcast("shift")
	var acc []vreg
	for range accumulators {
		r := l.v()
		l.zero(r)
		acc = append(acc, r)
	}
	l.loop(n, p, accumulators, func(vecs int, masked bool, mask vreg) {
		for v := range vecs {
			x := l.v()
			l.load(operand.Mem{Base: p[1], Disp: 4 * l.lanes * v}, x, masked, mask)
			VSUBPS(shift, x, x)
			y := l.exp(x)
			l.store(y, operand.Mem{Base: p[0], Disp: 4 * l.lanes * v}, masked, mask)
			switch {
			case !masked:
				VADDPS(y, acc[v], acc[v])
			case l.wide:
				VADDPS(y, acc[v], reg.K1, acc[v])
			default:
				VANDPS(mask, y, y)
				VADDPS(y, acc[v], acc[v])
			}
			l.put(y)
		}
	})
	l.put(shift)
	l.result(l.fold(acc, VADDPS))
}

// maxOf writes the largest element. The maximum of two forgets a NaN in the
// first; what is unordered with itself is collected beside.
func (l *level) maxOf() {
	l.text("maxOf", "(x []float32) float32", "returns the largest element, or NaN.")
	Load(Param("x").Len(), reg.R8)
	Load(Param("x").Base(), reg.RDI)
	var acc []vreg
	for range accumulators {
		acc = append(acc, l.constant("negInf", 0))
	}
	nan := l.v()
	l.zero(nan)
	l.loop(reg.R8, []reg.GPPhysical{reg.RDI}, accumulators, func(vecs int, masked bool, mask vreg) {
		for v := range vecs {
			at := operand.Mem{Base: reg.RDI, Disp: 4 * l.lanes * v}
			x, m := l.v(), l.v()
			switch {
			case !masked:
				VMOVUPS(at, x)
			case l.wide:
				VBROADCASTSS(coef("negInf", 0), x)
				VMOVUPS(at, reg.K1, x)
			default:
				VMASKMOVPS(at, mask, m)
				VBROADCASTSS(coef("negInf", 0), x)
				VBLENDVPS(mask, m, x, x)
			}
			VMAXPS(x, acc[v], acc[v])
			if l.wide { // NaN for NaN
				VCMPPS(imm(unordered), x, x, reg.K7)
				VMOVAPS(x, reg.K7, nan)
			} else {
				VCMPPS(imm(unordered), x, x, m)
				VORPS(m, nan, nan)
			}
			l.put(x, m)
		}
	})
	isNaN := l.fold([]vreg{nan}, VADDPS) // NaN or 0
	largest := l.fold(acc, VMAXPS)
	VADDSS(isNaN, largest, largest)
	l.put(isNaN)
	l.result(largest)
}
