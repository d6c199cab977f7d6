package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// copies writes the copying of rows of n values each, at least one: of all
// values, or of every second one.
func copies(l level, evens bool) {
	name, doc := "all"+l.name, "copies rows."
	if evens {
		name, doc = "evens"+l.name, "copies every second value of rows."
	}
	TEXT(name, NOSPLIT, "func"+copySignature)
	Pragma("noescape")
	Doc(name + " " + doc)
	dst, dstStep, src, srcStep, rows := reg.RDI, reg.R8, reg.RSI, reg.R9, reg.R10
	d, s, n, last, lanes := reg.R11, reg.R12, reg.RDX, reg.RBX, l.bytes/4
	a, b, index := l.reg(0), l.reg(1), l.reg(2)
	load, store := [2]reg.VecPhysical{l.reg(3), l.reg(4)}, l.reg(5)

	// The last block has 1 to lanes values: only the blocks before it may read
	// the values between theirs to the end.
	Load(Param("n"), last)
	DECQ(last)
	ANDQ(imm(lanes-1), last)
	INCQ(last)
	count := reg.RCX
	MOVQ(last, count)
	l.mask(count, reg.K3, store)
	MOVQ(last, count)
	if evens {
		LEAQ(operand.Mem{Base: last, Index: last, Scale: 1, Disp: -1}, count)
		MOVQ(count, d)
	}
	l.mask(count, reg.K1, load[0])
	if evens {
		SUBQ(imm(lanes), d)
		MOVQ(d, count)
		l.mask(count, reg.K2, load[1])
		if l.wide {
			VMOVDQU32(halves, index)
		}
	}
	pick := func() { // the even lanes of a and b
		switch {
		case !evens:
		case l.wide:
			VPERMT2PS(b, index, a)
		default:
			VSHUFPS(operand.U8(0x88), b, a, a)
			VPERMPD(operand.U8(0xd8), a, a)
		}
	}
	Load(Param("dst"), dst)
	Load(Param("dstStep"), dstStep)
	Load(Param("src"), src)
	Load(Param("srcStep"), srcStep)
	Load(Param("rows"), rows)
	SHLQ(imm(2), dstStep)
	SHLQ(imm(2), srcStep)

	Label("row")
	MOVQ(dst, d)
	MOVQ(src, s)
	Load(Param("n"), n)
	SUBQ(last, n)
	JZ(operand.LabelRef("last"))
	Label("block")
	VMOVUPS(operand.Mem{Base: s}, a)
	if evens {
		VMOVUPS(operand.Mem{Base: s, Disp: l.bytes}, b)
		ADDQ(imm(l.bytes), s)
	}
	ADDQ(imm(l.bytes), s)
	pick()
	VMOVUPS(a, operand.Mem{Base: d})
	ADDQ(imm(l.bytes), d)
	SUBQ(imm(lanes), n)
	JNZ(operand.LabelRef("block"))
	Label("last")
	if l.wide {
		VMOVUPS_Z(operand.Mem{Base: s}, reg.K1, a)
		if evens {
			VMOVUPS_Z(operand.Mem{Base: s, Disp: l.bytes}, reg.K2, b)
		}
		pick()
		VMOVUPS(a, reg.K3, operand.Mem{Base: d})
	} else {
		VMASKMOVPS(operand.Mem{Base: s}, load[0], a)
		if evens {
			VMASKMOVPS(operand.Mem{Base: s, Disp: l.bytes}, load[1], b)
		}
		pick()
		VMASKMOVPS(a, store, operand.Mem{Base: d})
	}
	ADDQ(dstStep, dst)
	ADDQ(srcStep, src)
	DECQ(rows)
	JNZ(operand.LabelRef("row"))
	VZEROUPPER()
	RET()
}

// zip writes the mixing of blocks of a vector each.
func zip(l level) {
	TEXT("zip"+l.name, NOSPLIT, "func"+zipSignature)
	Pragma("noescape")
	Doc("zip" + l.name + " takes values of a and b by turns.")
	dst, a, b, n := reg.RDI, reg.RSI, reg.RDX, reg.RCX
	x, y, low, high := l.reg(0), l.reg(1), l.reg(2), l.reg(3)
	lowLanes, highLanes := l.reg(4), l.reg(5)
	Load(Param("dst"), dst)
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("blocks"), n)
	if l.wide { // lanes 16 and up are of b
		VMOVDQU32(turns, lowLanes)
		VMOVDQU32(turns.Offset(64), highLanes)
	}
	Label("block")
	VMOVUPS(operand.Mem{Base: a}, x)
	VMOVUPS(operand.Mem{Base: b}, y)
	if l.wide {
		VMOVAPS(x, low)
		VPERMT2PS(y, lowLanes, low)
		VPERMT2PS(y, highLanes, x)
		VMOVUPS(low, operand.Mem{Base: dst})
		VMOVUPS(x, operand.Mem{Base: dst, Disp: l.bytes})
	} else {
		VUNPCKLPS(y, x, low)
		VUNPCKHPS(y, x, high)
		VPERM2F128(imm(0x20), high, low, x)
		VPERM2F128(imm(0x31), high, low, y)
		VMOVUPS(x, operand.Mem{Base: dst})
		VMOVUPS(y, operand.Mem{Base: dst, Disp: l.bytes})
	}
	ADDQ(imm(l.bytes), a)
	ADDQ(imm(l.bytes), b)
	ADDQ(imm(2*l.bytes), dst)
	DECQ(n)
	JNZ(operand.LabelRef("block"))
	VZEROUPPER()
	RET()
}

// mask makes the mask of count lanes, of none if it is negative and of all if
// it is larger. It uses RAX and RCX, which count is.
func (l level) mask(count reg.GPPhysical, k reg.OpmaskPhysical, m reg.VecPhysical) {
	XORL(reg.EAX, reg.EAX)
	CMPQ(count, imm(0))
	CMOVQLT(reg.RAX, count)
	MOVQ(operand.I32(int32(l.bytes/4)), reg.RAX)
	CMPQ(count, reg.RAX)
	CMOVQGT(reg.RAX, count)
	if l.wide {
		MOVL(operand.I32(1), reg.EAX)
		SHLL(reg.CL, reg.EAX)
		DECL(reg.EAX)
		KMOVW(reg.EAX, k)
		return
	}
	LEAQ(masks.Offset(32), reg.RAX)
	SHLQ(imm(2), count)
	SUBQ(count, reg.RAX)
	VMOVUPS(operand.Mem{Base: reg.RAX}, m)
}
