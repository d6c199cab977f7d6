package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

type vreg = reg.VecPhysical

// imm is an immediate operand of 8 or 32 bits, which is what instructions take.
func imm(n int) operand.Constant {
	if n >= 0 && n < 128 {
		return operand.U8(n)
	}
	return operand.I32(n)
}

// Below, a result comes last, as in the assembly; sources are in the order of
// the formula.

// constant loads a constant into a new register.
func (l *level) constant(name string, i int) vreg {
	r := l.v()
	VBROADCASTSS(coef(name, i), r)
	return r
}

// with calls f with the constant as an operand: a register.
func (l *level) with(name string, i int, f func(c operand.Op)) {
	r := l.constant(name, i)
	f(r)
	l.put(r)
}

// mulAddConst sets r to r·x + constant.
func (l *level) mulAddConst(r, x vreg, name string, i int) {
	if l.wide {
		VFMADD213PS_BCST(coef(name, i), x, r)
		return
	}
	l.with(name, i, func(c operand.Op) { VFMADD213PS(c, x, r) })
}

// poly returns the polynomial of x with n coefficients.
func (l *level) poly(x vreg, name string, n int) vreg {
	p := l.constant(name, n-1)
	for i := n - 2; i >= 0; i-- {
		l.mulAddConst(p, x, name, i)
	}
	return p
}

// arith emits r = x op constant.
func (l *level) arith(op, wideOp func(...operand.Op), x vreg, name string, r vreg) {
	if l.wide {
		wideOp(coef(name, 0), x, r)
		return
	}
	l.with(name, 0, func(c operand.Op) { op(c, x, r) })
}

// atLeast sets r to max(x, constant), NaN if x is NaN: the second source is
// the result if there is one.
func (l *level) atLeast(x vreg, name string, r vreg) {
	l.with(name, 0, func(c operand.Op) { VMAXPS(x, c, r) })
}

// atMost sets r to min(x, constant), NaN if x is NaN.
func (l *level) atMost(x vreg, name string, r vreg) {
	l.with(name, 0, func(c operand.Op) { VMINPS(x, c, r) })
}

// abs returns |x|.
func (l *level) abs(x vreg) vreg {
	a := l.v()
	l.with("sign", 0, func(c operand.Op) { VANDNPS(x, c, a) })
	return a
}

// copySign gives r, which is not negative, the sign of x.
func (l *level) copySign(r, x vreg) {
	s := l.v()
	l.with("sign", 0, func(c operand.Op) { VANDPS(c, x, s) })
	VORPS(s, r, r)
	l.put(s)
}

// Comparisons of VCMPPS.
const (
	less      = 1
	unordered = 3
	notLess   = 5 // or unordered
)

// choose sets no to yes where x < c.
func (l *level) choose(x vreg, c operand.Op, yes, no vreg) {
	if l.wide {
		VCMPPS(imm(less), c, x, reg.K7)
		VMOVAPS(yes, reg.K7, no)
		return
	}
	m := l.v()
	VCMPPS(imm(less), c, x, m)
	VBLENDVPS(m, yes, no, no)
	l.put(m)
}

// keepNaN sets r to x where x is NaN.
func (l *level) keepNaN(x, r vreg) {
	if l.wide {
		VCMPPS(imm(unordered), x, x, reg.K7)
		VMOVAPS(x, reg.K7, r)
		return
	}
	m := l.v()
	VCMPPS(imm(unordered), x, x, m)
	VBLENDVPS(m, x, r, r)
	l.put(m)
}

func (l *level) zero(r vreg) {
	if l.wide {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

// mask prepares the mask of the first n lanes, n < lanes: K1, or a register.
func (l *level) mask(n reg.GPPhysical) vreg {
	if l.wide {
		MOVQ(n, reg.RCX)
		MOVL(operand.I32(1), reg.EAX)
		SHLL(reg.CL, reg.EAX)
		DECL(reg.EAX)
		KMOVW(reg.EAX, reg.K1)
		return nil
	}
	m := l.v()
	LEAQ(masks.Offset(32), reg.RAX)
	MOVQ(n, reg.RCX)
	SHLQ(imm(2), reg.RCX)
	SUBQ(reg.RCX, reg.RAX)
	VMOVUPS(operand.Mem{Base: reg.RAX}, m)
	return m
}

// load loads a vector; with a mask, missing lanes are zero.
func (l *level) load(at operand.Mem, r vreg, masked bool, mask vreg) {
	switch {
	case !masked:
		VMOVUPS(at, r)
	case l.wide:
		VMOVUPS_Z(at, reg.K1, r)
	default:
		VMASKMOVPS(at, mask, r)
	}
}

func (l *level) store(r vreg, at operand.Mem, masked bool, mask vreg) {
	switch {
	case !masked:
		VMOVUPS(r, at)
	case l.wide:
		VMOVUPS(r, reg.K1, at)
	default:
		VMASKMOVPS(r, mask, at)
	}
}

var labels int

// loop goes through n floats: body is emitted for unroll vectors at a time,
// for one, and for a last partial one with its mask. Pointers are advanced.
func (l *level) loop(n reg.GPPhysical, pointers []reg.GPPhysical, unroll int, body func(vecs int, masked bool, mask vreg)) {
	name := fmt.Sprintf("l%d", labels)
	labels++
	several := func(label string, vecs int) {
		step := vecs * l.lanes
		SUBQ(imm(step), n)
		JL(operand.LabelRef(name + label + "end"))
		Label(name + label)
		body(vecs, false, nil)
		for _, p := range pointers {
			ADDQ(imm(4*step), p)
		}
		SUBQ(imm(step), n)
		JGE(operand.LabelRef(name + label))
		Label(name + label + "end")
		ADDQ(imm(step), n)
	}
	if unroll > 1 {
		several("many", unroll)
	}
	several("one", 1)
	JZ(operand.LabelRef(name + "done"))
	m := l.mask(n)
	body(1, true, m)
	if m != nil {
		l.put(m)
	}
	Label(name + "done")
}
