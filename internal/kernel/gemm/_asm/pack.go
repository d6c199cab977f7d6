package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// packRuns writes the packing of a strip of the given number of runs: for each
// row, one load a run, masked to its lanes, and one store.
func packRuns(l *level, runs int) {
	TEXT(fmt.Sprintf("pack%d%s", runs, l.name), NOSPLIT, "func(dst *float32, step int, s *int8)")
	Pragma("noescape")
	Doc(fmt.Sprintf("pack%d%s packs a strip of %d runs.", runs, l.name, runs))
	dst, step, s, rows, n, row := reg.RDI, reg.RDX, reg.RBX, reg.RSI, reg.RCX, reg.RAX
	bases := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11}
	kmasks := []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3, reg.K4}
	Load(Param("s"), s)
	strip := func(name string) operand.Mem { return mem(s, field("strip", name)) }
	for r := range runs {
		// Lanes from..to of the mask; the base is such that lane 0 would be there.
		MOVQ(strip("off").Offset(8*r), bases[r])
		MOVQ(strip("from").Offset(8*r), reg.RCX)
		SUBQ(reg.RCX, bases[r])
		MOVQ(strip("src"), reg.RAX)
		LEAQ(operand.Mem{Base: reg.RAX, Index: bases[r], Scale: 4}, bases[r])
		if l.wide {
			MOVL(operand.I32(-1), reg.EAX)
			SHLL(reg.CL, reg.EAX)
			MOVQ(strip("from").Offset(8*(r+1)), reg.RCX)
			MOVL(operand.I32(-1), reg.EDI)
			SHLL(reg.CL, reg.EDI)
			XORL(reg.EDI, reg.EAX)
			KMOVW(reg.EAX, kmasks[r])
			continue
		}
		// Ones below to, without those below from.
		LEAQ(masks.Offset(32), reg.RAX)
		SHLQ(imm(2), reg.RCX)
		SUBQ(reg.RCX, reg.RAX)
		VMOVUPS(mem(reg.RAX, 0), reg.Y15)
		MOVQ(strip("from").Offset(8*(r+1)), reg.RCX)
		LEAQ(masks.Offset(32), reg.RAX)
		SHLQ(imm(2), reg.RCX)
		SUBQ(reg.RCX, reg.RAX)
		VANDNPS(mem(reg.RAX, 0), reg.Y15, l.reg(8+r))
	}
	Load(Param("dst"), dst)
	Load(Param("step"), step)
	SHLQ(imm(2), step)
	MOVQ(strip("rows"), rows)
	MOVQ(strip("rows").Offset(8), n)
	x := func(u int) reg.VecPhysical { return l.reg(2 * u) }
	one := func(u int) {
		MOVQ(mem(rows, 8*u), row)
		for r := range runs {
			at := operand.Mem{Base: bases[r], Index: row, Scale: 4}
			switch {
			case l.wide && r == 0:
				VMOVUPS_Z(at, kmasks[r], x(u))
			case l.wide:
				VMOVUPS(at, kmasks[r], x(u))
			case r == 0:
				VMASKMOVPS(at, l.reg(8), x(u))
			default:
				VMASKMOVPS(at, l.reg(8+r), l.reg(2*u+1))
				VORPS(l.reg(2*u+1), x(u), x(u))
			}
		}
		if u == 0 {
			VMOVUPS(x(u), mem(dst, 0))
		} else {
			VMOVUPS(x(u), operand.Mem{Base: dst, Index: step, Scale: 1})
		}
	}
	loop(n, 2, func() {
		one(0)
		one(1)
		ADDQ(imm(16), rows)
		LEAQ(operand.Mem{Base: dst, Index: step, Scale: 2}, dst)
	}, func() {
		one(0)
		ADDQ(imm(8), rows)
		ADDQ(step, dst)
	})
	VZEROUPPER()
	RET()
}

// packGather writes the packing of a strip whose every lane has its own offset.
func packGather(l *level) {
	TEXT("packGather"+l.name, NOSPLIT, "func(dst *float32, step int, s *int8)")
	Pragma("noescape")
	Doc("packGather" + l.name + " packs a strip whose lanes come from anywhere.")
	dst, step, s, rows, n, row, src := reg.RDI, reg.RDX, reg.RBX, reg.RSI, reg.RCX, reg.RAX, reg.R8
	index, all, mask, x := l.reg(0), l.reg(1), l.reg(2), l.reg(3)
	Load(Param("s"), s)
	strip := func(name string) operand.Mem { return mem(s, field("strip", name)) }
	MOVQ(strip("count"), reg.RCX)
	if l.wide {
		MOVL(operand.I32(1), reg.EAX)
		SHLL(reg.CL, reg.EAX)
		DECL(reg.EAX)
		KMOVW(reg.EAX, reg.K1)
	} else {
		LEAQ(masks.Offset(32), reg.RAX)
		SHLQ(imm(2), reg.RCX)
		SUBQ(reg.RCX, reg.RAX)
		VMOVUPS(mem(reg.RAX, 0), all)
	}
	VMOVUPS(strip("idx"), index)
	Load(Param("dst"), dst)
	Load(Param("step"), step)
	SHLQ(imm(2), step)
	MOVQ(strip("src"), src)
	MOVQ(strip("rows"), rows)
	MOVQ(strip("rows").Offset(8), n)
	one := func() {
		MOVQ(mem(rows, 0), row)
		LEAQ(operand.Mem{Base: src, Index: row, Scale: 4}, row)
		at := operand.Mem{Base: row, Index: index, Scale: 4}
		zero(l, x)
		if l.wide {
			KMOVW(reg.K1, reg.K2)
			VGATHERDPS(at, reg.K2, x)
		} else {
			VMOVAPS(all, mask)
			VGATHERDPS(mask, at, x)
		}
		VMOVUPS(x, mem(dst, 0))
		ADDQ(imm(8), rows)
		ADDQ(step, dst)
	}
	loop(n, 1, one, one)
	VZEROUPPER()
	RET()
}
