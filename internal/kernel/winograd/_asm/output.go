package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// outputs is the transform of points to tiles of 4×4 outputs: vectors of tiles,
// whose points lie as a product writes them: in rows of a panel's width. The
// results are four rows of outputs of neighbouring tiles. AVX2, which has too
// few registers, keeps the first half's results where the points were.
func outputs(l level) {
	TEXT("outputs"+l.name, NOSPLIT, "func"+outputsSignature)
	Pragma("noescape")
	Doc("outputs" + l.name + " transforms points to outputs.")
	dst, step, src, vecs, o := reg.RDI, reg.R8, reg.RSI, reg.RCX, reg.RAX
	Load(Param("dst"), dst)
	Load(Param("dstStep"), step)
	Load(Param("src"), src)
	Load(Param("vecs"), vecs)
	SHLQ(imm(2), step)
	point := func(i, j int) operand.Mem {
		return operand.Mem{Base: src, Disp: (6*i + j) * panel * l.bytes}
	}
	Label("vector")
	if l.wide {
		VBROADCASTSS(operand.NewParamAddr("bias", 32), l.reg(28))
	}
	var t [4][6]vreg
	for j := range 6 {
		var to [4]vreg
		for r := range to {
			if l.wide {
				t[r][j] = l.reg(6*r + j)
			} else {
				t[r][j] = l.reg(r)
			}
			to[r] = t[r][j]
		}
		tmp := [4]vreg{l.reg(24), l.reg(25), l.reg(26), l.reg(27)}
		if !l.wide {
			tmp = [4]vreg{l.reg(4), l.reg(5), l.reg(6), l.reg(7)}
		}
		s1, d1, s2, d2 := tmp[0], tmp[1], tmp[2], tmp[3]
		VMOVUPS(point(1, j), s1)
		VSUBPS(point(2, j), s1, d1)
		VADDPS(point(2, j), s1, s1)
		VMOVUPS(point(3, j), s2)
		VSUBPS(point(4, j), s2, d2)
		VADDPS(point(4, j), s2, s2)
		VADDPS(point(0, j), s1, to[0])
		VMULPS(constant(cA), d1, to[1])
		VMULPS(constant(cA2), s1, to[2])
		VMOVUPS(point(5, j), to[3])
		VFMADD231PS(constant(cA3), d1, to[3])
		VADDPS(s2, to[0], to[0])
		VFMADD231PS(constant(cB), d2, to[1])
		VFMADD231PS(constant(cB2), s2, to[2])
		VFMADD231PS(constant(cB3), d2, to[3])
		if !l.wide {
			for r := range to {
				VMOVUPS(to[r], point(r, j))
			}
		}
	}
	MOVQ(dst, o)
	for r := range 4 {
		if l.wide {
			m := t[r]
			tmp := [4]vreg{l.reg(24), l.reg(25), l.reg(26), l.reg(27)}
			y := backward(m, tmp, l.reg(28))
			lo, hi, lo2, hi2 := tmp[0], tmp[1], tmp[2], tmp[3]
			VMOVDQU32(weave, lo)
			VMOVDQU32(weave.Offset(64), hi)
			VMOVDQU32(weave2, lo2)
			VMOVDQU32(weave2.Offset(64), hi2)
			e, f := m[3], m[4]
			VMOVAPS(y[0], e)
			VMOVAPS(y[2], f)
			VPERMT2PS(y[1], lo, e)
			VPERMT2PS(y[3], lo, f)
			VPERMT2PS(y[1], hi, y[0])
			VPERMT2PS(y[3], hi, y[2])
			VMOVAPS(e, y[1])
			VMOVAPS(y[0], y[3])
			VPERMT2PD(f, lo2, y[1])
			VPERMT2PD(f, hi2, e)
			VPERMT2PD(y[2], lo2, y[3])
			VPERMT2PD(y[2], hi2, y[0])
			for i, v := range []vreg{y[1], e, y[3], y[0]} {
				VMOVUPS(v, operand.Mem{Base: o, Disp: 64 * i})
			}
		} else {
			var m [6]vreg
			for j := range m {
				m[j] = l.reg(j)
				VMOVUPS(point(r, j), m[j])
			}
			VBROADCASTSS(operand.NewParamAddr("bias", 32), l.reg(10))
			y := backward(m, [4]vreg{l.reg(6), l.reg(7), l.reg(8), l.reg(9)}, l.reg(10))
			var w, x [4]vreg
			for i := range w {
				w[i], x[i] = l.reg(6+i), l.reg(11+i)
			}
			VUNPCKLPS(y[1], y[0], x[0])
			VUNPCKHPS(y[1], y[0], x[1])
			VUNPCKLPS(y[3], y[2], x[2])
			VUNPCKHPS(y[3], y[2], x[3])
			VSHUFPS(imm(0x44), x[2], x[0], w[0]) // tiles 0 and 4
			VSHUFPS(operand.U8(0xee), x[2], x[0], w[1])
			VSHUFPS(imm(0x44), x[3], x[1], w[2])
			VSHUFPS(operand.U8(0xee), x[3], x[1], w[3])
			VPERM2F128(imm(0x20), w[1], w[0], x[0])
			VPERM2F128(imm(0x20), w[3], w[2], x[1])
			VPERM2F128(imm(0x31), w[1], w[0], x[2])
			VPERM2F128(imm(0x31), w[3], w[2], x[3])
			for i, v := range x {
				VMOVUPS(v, operand.Mem{Base: o, Disp: 32 * i})
			}
		}
		if r < 3 {
			ADDQ(step, o)
		}
	}
	ADDQ(imm(4*l.bytes), dst)
	ADDQ(imm(l.bytes), src)
	DECQ(vecs)
	JNZ(operand.LabelRef("vector"))
	end()
}

// backward is the transform of six points to four values plus bias, which
// replaces m; m[3] and m[4] are free then.
func backward(m [6]vreg, tmp [4]vreg, bias vreg) [4]vreg {
	s1, d1, s2, d2 := tmp[0], tmp[1], tmp[2], tmp[3]
	VADDPS(m[2], m[1], s1)
	VSUBPS(m[2], m[1], d1)
	VADDPS(m[4], m[3], s2)
	VSUBPS(m[4], m[3], d2)
	VADDPS(bias, m[0], m[0])
	VADDPS(bias, m[5], m[5])
	VMOVAPS(bias, m[1])
	VMOVAPS(bias, m[2])
	VADDPS(s1, m[0], m[0])
	VFMADD231PS(constant(cA), d1, m[1])
	VFMADD231PS(constant(cA2), s1, m[2])
	VFMADD231PS(constant(cA3), d1, m[5])
	VADDPS(s2, m[0], m[0])
	VFMADD231PS(constant(cB), d2, m[1])
	VFMADD231PS(constant(cB2), s2, m[2])
	VFMADD231PS(constant(cB3), d2, m[5])
	return [4]vreg{m[0], m[1], m[2], m[5]}
}

// finish copies rows of outputs, adds what is to be added, and clamps.
func finish(l level) {
	TEXT("finish"+l.name, NOSPLIT, "func"+finishSignature)
	Pragma("noescape")
	Doc("finish" + l.name + " adds and clamps rows.")
	dst, ds, src, ss, add, rows, n := reg.RDI, reg.R8, reg.RSI, reg.R9, reg.RDX, reg.R10, reg.R11
	x, left := reg.RAX, reg.RBX
	Load(Param("n"), n)
	lanes := l.bytes / 4
	v, lo, hi, mask := l.reg(0), l.reg(1), l.reg(2), l.reg(3)
	// The mask of the last, partial vector.
	MOVQ(n, reg.RCX)
	ANDQ(imm(lanes-1), reg.RCX)
	if l.wide {
		MOVL(operand.I32(1), reg.EAX)
		SHLL(reg.CL, reg.EAX)
		DECL(reg.EAX)
		KMOVW(reg.EAX, reg.K1)
	} else {
		LEAQ(masks.Offset(32), reg.RAX)
		SHLQ(imm(2), reg.RCX)
		SUBQ(reg.RCX, reg.RAX)
		VMOVUPS(operand.Mem{Base: reg.RAX}, mask)
	}
	Load(Param("dst"), dst)
	Load(Param("dstStep"), ds)
	Load(Param("src"), src)
	Load(Param("srcStep"), ss)
	Load(Param("add"), add)
	Load(Param("rows"), rows)
	VBROADCASTSS(operand.NewParamAddr("lo", 56), lo)
	VBROADCASTSS(operand.NewParamAddr("hi", 60), hi)
	SHLQ(imm(2), ds)
	SHLQ(imm(2), ss)
	TESTQ(add, add)
	JNZ(operand.LabelRef("row1"))
	for _, added := range []int{0, 1} {
		label := func(s string) string { return fmt.Sprintf("%s%d", s, added) }
		at := func(base reg.Register) operand.Mem { return operand.Mem{Base: base, Index: x, Scale: 1} }
		clamp := func() {
			// Operands are such that NaN stays NaN.
			VMAXPS(v, lo, v)
			VMINPS(v, hi, v)
		}
		Label(label("row"))
		XORQ(x, x)
		MOVQ(n, left)
		SUBQ(imm(lanes), left)
		JL(operand.LabelRef(label("tail")))
		Label(label("whole"))
		VMOVUPS(at(src), v)
		if added == 1 {
			VADDPS(at(add), v, v)
		}
		clamp()
		VMOVUPS(v, at(dst))
		ADDQ(imm(l.bytes), x)
		SUBQ(imm(lanes), left)
		JGE(operand.LabelRef(label("whole")))
		Label(label("tail"))
		ADDQ(imm(lanes), left)
		JZ(operand.LabelRef(label("next")))
		VMOVUPS(at(src), v) // whole vectors of tiles are there
		if l.wide {
			if added == 1 {
				VADDPS_Z(at(add), v, reg.K1, v)
			}
			clamp()
			VMOVUPS(v, reg.K1, at(dst))
		} else {
			if added == 1 {
				VMASKMOVPS(at(add), mask, l.reg(4))
				VADDPS(l.reg(4), v, v)
			}
			clamp()
			VMASKMOVPS(v, mask, at(dst))
		}
		Label(label("next"))
		ADDQ(ds, dst)
		ADDQ(ss, src)
		if added == 1 {
			ADDQ(ds, add)
		}
		DECQ(rows)
		JNZ(operand.LabelRef(label("row")))
		end()
	}
}
