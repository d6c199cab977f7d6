package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const transposeSignature = "(dst *float32, dstStep int, src *float32, srcStep, blocks int)"

// transposes writes transpose8 and transpose4: they turn blocks of 8 or 4 rows
// and 8 columns, which follow each other along the rows of src.
func transposes() {
	transpose8()
	transpose4()
}

func y(i int) vreg { return reg.LookupPhysical(reg.KindVector, reg.Index(i), reg.S256).(vreg) }

// addresses loads the arguments and returns the rows 0 to 7 of src; all but
// its base are offsets from the step.
func addresses() (dst, dstStep, dst3, blocks reg.GPPhysical, row func(i int) operand.Mem, next func()) {
	src, step, step3, half := reg.RSI, reg.RAX, reg.RBX, reg.RCX
	Load(Param("dst"), reg.RDI)
	Load(Param("dstStep"), reg.R8)
	Load(Param("src"), src)
	Load(Param("srcStep"), step)
	Load(Param("blocks"), reg.R10)
	SHLQ(imm(2), reg.R8)
	SHLQ(imm(2), step)
	LEAQ(operand.Mem{Base: reg.R8, Index: reg.R8, Scale: 2}, reg.R9)
	LEAQ(operand.Mem{Base: step, Index: step, Scale: 2}, step3)
	LEAQ(operand.Mem{Base: src, Index: step, Scale: 4}, half)
	row = func(i int) operand.Mem {
		base := src
		if i >= 4 {
			base = half
		}
		switch i % 4 {
		case 0:
			return operand.Mem{Base: base}
		case 3:
			return operand.Mem{Base: base, Index: step3, Scale: 1}
		default:
			return operand.Mem{Base: base, Index: step, Scale: uint8(i % 4)}
		}
	}
	next = func() {
		ADDQ(imm(32), src)
		ADDQ(imm(32), half)
	}
	return reg.RDI, reg.R8, reg.R9, reg.R10, row, next
}

// put4 stores four registers at dst and the following rows, and moves dst on.
func put4(dst, step, step3 reg.GPPhysical, rs ...vreg) {
	for i, r := range rs {
		at := operand.Mem{Base: dst}
		switch i {
		case 1, 2:
			at.Index, at.Scale = step, uint8(i)
		case 3:
			at.Index, at.Scale = step3, 1
		}
		VMOVUPS(r, at)
	}
	LEAQ(operand.Mem{Base: dst, Index: step, Scale: 4}, dst)
}

// quads turns four registers in each half: lane j of the results is lane 0, 1,
// 2 and 3 of operand j, with the four temporary ones.
func quads(a, t [4]vreg) {
	VUNPCKLPS(a[1], a[0], t[0]) // a0 b0 a1 b1
	VUNPCKHPS(a[1], a[0], t[1]) // a2 b2 a3 b3
	VUNPCKLPS(a[3], a[2], t[2])
	VUNPCKHPS(a[3], a[2], t[3])
	VSHUFPS(imm(0x44), t[2], t[0], a[0])
	VSHUFPS(operand.U8(0xee), t[2], t[0], a[1])
	VSHUFPS(imm(0x44), t[3], t[1], a[2])
	VSHUFPS(operand.U8(0xee), t[3], t[1], a[3])
}

func transpose8() {
	TEXT("transpose8AVX2", NOSPLIT, "func"+transposeSignature)
	Pragma("noescape")
	Doc("transpose8AVX2 transposes blocks of 8×8.")
	dst, step, step3, blocks, row, next := addresses()
	Label("block8")
	// Row i and the half of columns 4h: registers hold rows i and i+4 side by side.
	for h := range 2 {
		var a, t [4]vreg
		for i := range 4 {
			a[i], t[i] = y(4*h+i), y(8+4*h+i)
			VMOVUPS(row(i).Offset(16*h), sized(a[i], reg.S128))
			VINSERTF128(imm(1), row(i+4).Offset(16*h), a[i], a[i])
		}
		quads(a, t)
	}
	put4(dst, step, step3, y(0), y(1), y(2), y(3))
	put4(dst, step, step3, y(4), y(5), y(6), y(7))
	next()
	DECQ(blocks)
	JNZ(operand.LabelRef("block8"))
	end()
}

func transpose4() {
	TEXT("transpose4AVX2", NOSPLIT, "func"+transposeSignature)
	Pragma("noescape")
	Doc("transpose4AVX2 transposes blocks of 4×8.")
	dst, step, step3, blocks, row, next := addresses()
	Label("block4")
	var a, t [4]vreg
	for i := range 4 {
		a[i], t[i] = y(i), y(4+i)
		VMOVUPS(row(i), a[i])
	}
	quads(a, t)
	var low []vreg
	for _, r := range a {
		low = append(low, sized(r, reg.S128))
	}
	put4(dst, step, step3, low...)
	for _, r := range a {
		VEXTRACTF128(imm(1), r, sized(r, reg.S128))
	}
	put4(dst, step, step3, low...)
	next()
	DECQ(blocks)
	JNZ(operand.LabelRef("block4"))
	end()
}
