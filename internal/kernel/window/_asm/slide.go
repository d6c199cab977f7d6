package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// slide writes the kernel that computes tiles of rows×vecs vectors: groups of
// rows, and in each of them blocks of vectors. Only single vectors may be
// partial, with cols columns.
func slide(l level, op string, rows, vecs int) {
	name := slideName(l, op, rows, vecs)
	TEXT(name, NOSPLIT, "func(q *int8, dst, src *float32, groups, blocks, cols int)") // avo does not know Rows
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes %d×%d vectors at a time.", name, rows, vecs))
	q, dst, src := reg.RBX, reg.RDI, reg.RSI
	d, s := reg.R8, reg.R9 // of a block
	groups, blocks, taps, weights, n := reg.R10, reg.RDX, reg.R11, reg.R12, reg.RCX
	step, step3, at := reg.R13, reg.R15, reg.RAX

	acc := func(r, v int) reg.VecPhysical { return l.reg(r*vecs + v) }
	w, x, nan, mask := l.reg(8), l.reg(9), l.reg(10), l.reg(11)
	lo, hi, bias := l.reg(12), l.reg(13), l.reg(14)
	masked := vecs == 1

	Load(Param("q"), q)
	if masked {
		Load(Param("cols"), reg.RCX)
		l.mask(reg.RCX, reg.K1, mask)
	}
	Load(Param("dst"), dst)
	Load(Param("src"), src)
	Load(Param("groups"), groups)
	MOVQ(field(q, "SrcStep"), step)
	SHLQ(imm(2), step)
	LEAQ(operand.Mem{Base: step, Index: step, Scale: 2}, step3)
	if op == "sum" {
		VBROADCASTSS(field(q, "Bias"), bias)
		VBROADCASTSS(field(q, "Lo"), lo)
		VBROADCASTSS(field(q, "Hi"), hi)
	} else {
		VBROADCASTSS(negInf, bias)
	}

	Label("group")
	Load(Param("blocks"), blocks)
	MOVQ(dst, d)
	MOVQ(src, s)
	Label("block")
	MOVQ(field(q, "Taps"), taps)
	MOVQ(field(q, "Taps").Offset(8), n)
	if op == "sum" {
		MOVQ(field(q, "Weights"), weights)
	}
	for r := range rows {
		for v := range vecs {
			VMOVAPS(bias, acc(r, v))
		}
	}
	TESTQ(n, n)
	JZ(operand.LabelRef("store"))
	Label("tap")
	MOVQ(operand.Mem{Base: taps}, at)
	LEAQ(operand.Mem{Base: s, Index: at, Scale: 4}, at)
	if op == "sum" {
		VBROADCASTSS(operand.Mem{Base: weights}, w)
		ADDQ(imm(4), weights)
	}
	for r := range rows {
		for v := range vecs {
			m := operand.Mem{Base: at, Disp: v * l.bytes}
			switch r {
			case 1, 2:
				m.Index, m.Scale = step, uint8(r)
			case 3:
				m.Index, m.Scale = step3, 1
			}
			a := acc(r, v)
			if op == "sum" && !masked {
				VFMADD231PS(m, w, a)
				continue
			}
			switch {
			case !masked:
				VMOVUPS(m, x)
			case l.wide:
				VMOVUPS_Z(m, reg.K1, x)
			default:
				VMASKMOVPS(m, mask, x)
			}
			if op == "sum" {
				VFMADD231PS(x, w, a)
				continue
			}
			// The maximum of two is the second source if either is NaN: one in a
			// stays, and one in x is put into a.
			VMAXPS(a, x, a)
			const unordered = 3
			if l.wide {
				VCMPPS(imm(unordered), x, x, reg.K2)
				VMOVAPS(x, reg.K2, a)
			} else {
				VCMPPS(imm(unordered), x, x, nan)
				VORPS(nan, a, a)
			}
		}
	}
	ADDQ(imm(8), taps)
	DECQ(n)
	JNZ(operand.LabelRef("tap"))

	Label("store")
	MOVQ(field(q, "DstStep"), n)
	MOVQ(d, at)
	for r := range rows {
		for v := range vecs {
			a := acc(r, v)
			if op == "sum" {
				VMAXPS(a, lo, a)
				VMINPS(a, hi, a)
			}
			m := operand.Mem{Base: at, Disp: v * l.bytes}
			switch {
			case !masked:
				VMOVUPS(a, m)
			case l.wide:
				VMOVUPS(a, reg.K1, m)
			default:
				VMASKMOVPS(a, mask, m)
			}
		}
		if r < rows-1 {
			LEAQ(operand.Mem{Base: at, Index: n, Scale: 4}, at)
		}
	}
	ADDQ(imm(vecs*l.bytes), d)
	ADDQ(imm(vecs*l.bytes), s)
	DECQ(blocks)
	JNZ(operand.LabelRef("block"))

	MOVQ(field(q, "DstStep"), n)
	if rows == 4 {
		SHLQ(imm(4), n)
		LEAQ(operand.Mem{Base: src, Index: step, Scale: 4}, src)
	} else {
		SHLQ(imm(2), n)
		ADDQ(step, src)
	}
	ADDQ(n, dst)
	DECQ(groups)
	JNZ(operand.LabelRef("group"))
	VZEROUPPER()
	RET()
}
