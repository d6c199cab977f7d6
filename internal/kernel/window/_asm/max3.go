package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const max3Signature = "(dst *float32, dstStep int, a, b, c *float32, step, rows, n, cols, lead int)"

// max3 writes max pooling of windows 3×3 and strides 2×2. The three rows of a
// window are joined by their maxima; of two vectors of these, the even and the
// odd lanes are the second and the third columns of windows. The third one is the
// first of the next window, so that the first ones are these, shifted by one.
func max3(l level) {
	name := "max3" + l.name
	TEXT(name, NOSPLIT, "func"+max3Signature)
	Pragma("noescape")
	Doc(name + " takes the maxima of windows 3×3, two apart.")
	dst, a, b, c, d, at := reg.RDI, reg.RSI, reg.RDX, reg.RBX, reg.R8, reg.R9
	n, last, rows, cols, step := reg.R10, reg.R11, reg.R12, reg.R13, reg.R15
	lanes := l.bytes / 4
	low, high, second, x, t, odds, carry := l.reg(0), l.reg(1), l.reg(2), l.reg(3), l.reg(4), l.reg(5), l.reg(6)
	load, store := [2]reg.VecPhysical{l.reg(7), l.reg(8)}, l.reg(9)
	least, indexEven, indexOdd := l.reg(10), l.reg(11), l.reg(12)

	// The last block has 1 to lanes outputs, and the columns that are left for it.
	Load(Param("n"), last)
	DECQ(last)
	MOVQ(last, n)
	ANDQ(imm(lanes-1), last)
	SUBQ(last, n)
	INCQ(last)
	Load(Param("cols"), cols)
	ADDQ(n, n)
	SUBQ(n, cols)
	MOVQ(last, reg.RCX)
	l.mask(reg.RCX, reg.K3, store)
	MOVQ(cols, reg.RCX)
	l.mask(reg.RCX, reg.K1, load[0])
	LEAQ(operand.Mem{Base: cols, Disp: -lanes}, reg.RCX)
	l.mask(reg.RCX, reg.K2, load[1])
	VBROADCASTSS(negInf, least)
	if l.wide {
		VMOVDQU32(halves, indexEven)
		VMOVDQU32(halves.Offset(64), indexOdd)
	}
	Load(Param("dst"), dst)
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("c"), c)
	Load(Param("step"), step)
	SHLQ(imm(2), step)
	Load(Param("rows"), rows)

	// join sets m to the larger of m and x, NaN if one is: the maximum of two is
	// the second source if either is NaN, so that both orders give the same but
	// then, and the bits of a NaN with others are one.
	join := func(m, x reg.VecPhysical) {
		VMAXPS(x, m, t)
		VMAXPS(m, x, m)
		if l.wide {
			VORPD(t, m, m)
		} else {
			VORPS(t, m, m)
		}
	}
	Label("row")
	MOVQ(dst, d)
	XORQ(at, at)
	Load(Param("n"), n)
	VMOVAPS(least, carry)
	Load(Param("lead"), reg.RAX)
	TESTQ(reg.RAX, reg.RAX)
	JZ(operand.LabelRef("start"))
	for _, row := range []reg.GPPhysical{a, b, c} { // the column before
		VBROADCASTSS(operand.Mem{Base: row, Disp: -4}, x)
		join(carry, x)
	}
	Label("start")
	SUBQ(last, n)
	JZ(operand.LabelRef("last"))
	// block makes a vector of outputs.
	block := func(partial bool) {
		for v, m := range []reg.VecPhysical{low, high} {
			for i, row := range []reg.GPPhysical{a, b, c} {
				to := x
				if i == 0 {
					to = m
				}
				from := operand.Mem{Base: row, Index: at, Scale: 1, Disp: v * l.bytes}
				switch {
				case !partial:
					VMOVUPS(from, to)
				case l.wide:
					VMOVAPS(least, to)
					VMOVUPS(from, []reg.OpmaskPhysical{reg.K1, reg.K2}[v], to)
				default:
					VMASKMOVPS(from, load[v], to)
					VBLENDVPS(load[v], to, least, to)
				}
				if i > 0 {
					join(m, x)
				}
			}
		}
		if l.wide {
			VMOVAPS(low, second)
			VPERMT2PS(high, indexEven, second)
			VMOVAPS(low, odds)
			VPERMT2PS(high, indexOdd, odds)
			VALIGND(imm(15), carry, odds, low) // the first columns
		} else {
			VSHUFPS(operand.U8(0x88), high, low, second)
			VPERMPD(operand.U8(0xd8), second, second)
			VSHUFPS(operand.U8(0xdd), high, low, odds)
			VPERMPD(operand.U8(0xd8), odds, odds)
			VPERM2F128(imm(0x21), odds, carry, x)
			VPALIGNR(imm(12), x, odds, low)
		}
		VMOVAPS(odds, carry)
		join(second, odds)
		join(second, low)
	}
	Label("block")
	block(false)
	VMOVUPS(second, operand.Mem{Base: d})
	ADDQ(imm(l.bytes), d)
	ADDQ(imm(2*l.bytes), at)
	SUBQ(imm(lanes), n)
	JNZ(operand.LabelRef("block"))
	Label("last")
	block(true)
	if l.wide {
		VMOVUPS(second, reg.K3, operand.Mem{Base: d})
	} else {
		VMASKMOVPS(second, store, operand.Mem{Base: d})
	}
	Load(Param("dstStep"), n)
	LEAQ(operand.Mem{Base: dst, Index: n, Scale: 4}, dst)
	for _, row := range []reg.GPPhysical{a, b, c} {
		ADDQ(step, row)
	}
	DECQ(rows)
	JNZ(operand.LabelRef("row"))
	VZEROUPPER()
	RET()
}
