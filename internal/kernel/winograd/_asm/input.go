package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

type vreg = reg.VecPhysical

// forward is the transform of six values d to six points, with four registers
// to spare, and returns where the results are. by gives the constants.
func forward(d [6]vreg, spare [4]vreg, by func(i int) operand.Op) [6]vreg {
	e1, t1, e2, t2 := spare[0], spare[1], spare[2], spare[3]
	VMOVAPS(d[4], e1)
	VMOVAPS(d[3], t1)
	VMOVAPS(d[4], e2)
	VMOVAPS(d[3], t2)
	VFNMADD231PS(by(cB2), d[2], e1)
	VFNMADD231PS(by(cB2), d[1], t1)
	VFNMADD231PS(by(cA2), d[2], e2)
	VFNMADD231PS(by(cA2), d[1], t2)
	VFNMADD231PS(by(cSum), d[2], d[4])
	VFNMADD231PS(by(cSum), d[3], d[5])
	VFMADD231PS(by(cProduct), d[0], d[4])
	VFMADD231PS(by(cProduct), d[1], d[5])
	VMOVAPS(e1, d[0])
	VMOVAPS(e2, d[1])
	VFMADD231PS(by(cA), t1, e1)
	VFNMADD231PS(by(cA), t1, d[0])
	VFMADD231PS(by(cB), t2, e2)
	VFNMADD231PS(by(cB), t2, d[1])
	return [6]vreg{d[4], e1, d[0], e2, d[1], d[5]}
}

// inRegisters loads the constants of forward into registers, or leaves them in
// memory if there are too few.
func inRegisters(l level) func(i int) operand.Op {
	if !l.wide {
		return func(i int) operand.Op { return constant(i) }
	}
	at := map[int]vreg{}
	for i, c := range []int{cA, cB, cA2, cB2, cSum, cProduct} {
		at[c] = l.reg(26 + i)
		VMOVUPS(constant(c), at[c])
	}
	return func(i int) operand.Op { return at[i] }
}

// rows is the transform along the rows of an image: groups of a vector of
// tiles, and in each of them all rows.
func rows(l level) {
	TEXT("rows"+l.name, NOSPLIT, "func(q *int8)") // avo does not know Channel
	Pragma("noescape")
	Doc("rows" + l.name + " transforms along the rows.")
	q, src, dst, step, masksAt, groups := reg.RBX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10
	y, n, x0, at, zeros, width, d, phase := reg.R11, reg.RCX, reg.R12, reg.RAX, reg.R13, reg.R14, reg.RDX, reg.R15
	tmp := at
	Load(Param("q"), q)
	MOVQ(field(q, "Src"), src)
	MOVQ(field(q, "Half"), dst)
	MOVQ(field(q, "Step"), step)
	SHLQ(imm(2), step)
	MOVQ(field(q, "masks"), masksAt)
	MOVQ(field(q, "groups"), groups)
	MOVQ(field(q, "start"), x0)
	MOVQ(field(q, "zeros"), zeros)
	MOVQ(field(q, "Width"), width)
	SHLQ(imm(2), width)
	by := inRegisters(l)
	r := func(i int) vreg { return l.reg(i) }
	if l.wide {
		VMOVDQU32(split, r(24))
		VMOVDQU32(split.Offset(64), r(25))
	}
	ks := []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6, reg.K7}

	Label("group")
	if l.wide {
		for i, k := range ks {
			KMOVW(operand.Mem{Base: masksAt, Disp: 2 * i}, k)
		}
	}
	MOVQ(field(q, "Top"), y)
	MOVQ(field(q, "Rows"), n)
	MOVQ(dst, d)
	XORQ(phase, phase)

	Label("row")
	MOVQ(width, at)
	IMULQ(y, at)
	ADDQ(src, at)
	CMPQ(y, field(q, "Height"))
	CMOVQCC(zeros, at) // above or below the image
	var x [6]vreg
	var spare [4]vreg
	if l.wide {
		load := func(i, disp int, to vreg) {
			VMOVUPS_Z(operand.Mem{Base: at, Index: x0, Scale: 1, Disp: disp}, ks[i], to)
		}
		for i := range 4 {
			load(i, 64*i, r(i))
		}
		load(4, 256, r(8))
		load(5, 260, r(9))
		VMOVAPS(r(0), r(4))
		VMOVAPS(r(2), r(5))
		VPERMT2PS(r(1), r(24), r(4)) // remainders 0 and 1 of the first half
		VPERMT2PS(r(3), r(24), r(5))
		VPERMT2PS(r(1), r(25), r(0)) // 2 and 3
		VPERMT2PS(r(3), r(25), r(2))
		x = [6]vreg{r(10), r(11), r(12), r(13), r(14), r(15)}
		VSHUFF64X2(imm(0x44), r(5), r(4), x[0])
		VSHUFF64X2(operand.U8(0xee), r(5), r(4), x[1])
		VSHUFF64X2(imm(0x44), r(2), r(0), x[2])
		VSHUFF64X2(operand.U8(0xee), r(2), r(0), x[3])
		VALIGND(imm(1), x[0], r(8), x[4])
		VALIGND(imm(1), x[1], r(9), x[5])
		spare = [4]vreg{r(16), r(17), r(18), r(19)}
	} else {
		// Registers 0 to 4 hold tiles 0 1, 2 3, 4 5, 6 7 and 8.
		for i := range 5 {
			VMOVUPS(operand.Mem{Base: masksAt, Disp: 32 * i}, r(15))
			VMASKMOVPS(operand.Mem{Base: at, Index: x0, Scale: 1, Disp: 32 * i}, r(15), r(i))
		}
		VPERM2F128(imm(0x20), r(2), r(0), r(5)) // 0 4
		VPERM2F128(imm(0x31), r(2), r(0), r(6)) // 1 5
		VPERM2F128(imm(0x20), r(3), r(1), r(7)) // 2 6
		VPERM2F128(imm(0x31), r(3), r(1), r(8)) // 3 7
		VPERM2F128(imm(0x20), r(4), r(2), r(9)) // 4 8
		VUNPCKLPS(r(6), r(5), r(0))             // columns 0 and 1 of tiles 0 1
		VUNPCKLPS(r(8), r(7), r(1))             // 2 3
		VUNPCKHPS(r(6), r(5), r(2))             // columns 2 and 3
		VUNPCKHPS(r(8), r(7), r(3))
		VUNPCKLPS(r(7), r(6), r(4)) // columns 4 and 5
		VUNPCKLPS(r(9), r(8), r(5))
		x = [6]vreg{r(6), r(7), r(8), r(9), r(10), r(11)}
		for i := range 3 {
			VSHUFPS(imm(0x44), r([]int{1, 3, 5}[i]), r([]int{0, 2, 4}[i]), x[2*i])
			VSHUFPS(operand.U8(0xee), r([]int{1, 3, 5}[i]), r([]int{0, 2, 4}[i]), x[2*i+1])
		}
		spare = [4]vreg{r(0), r(1), r(2), r(3)}
	}
	points := forward(x, spare, by)
	if !l.wide {
		VMOVUPS(operand.Mem{Base: masksAt, Disp: 32 * 5}, r(15))
	}
	MOVQ(d, tmp)
	for i, p := range points {
		if l.wide {
			VMOVUPS(p, ks[6], operand.Mem{Base: tmp})
		} else {
			VMASKMOVPS(p, r(15), operand.Mem{Base: tmp})
		}
		if i < 5 {
			ADDQ(step, tmp)
		}
	}
	LEAQ(operand.Mem{Base: tmp, Index: step, Scale: 1}, d) // of the next remainder
	INCQ(y)
	INCQ(phase)
	TESTQ(operand.I32(3), phase)
	JNZ(operand.LabelRef("same"))
	LEAQ(operand.Mem{Base: step, Index: step, Scale: 2}, tmp)
	SHLQ(imm(3), tmp)
	SUBQ(tmp, d)
	MOVQ(field(q, "across"), tmp)
	LEAQ(operand.Mem{Base: d, Index: tmp, Scale: 4}, d)
	Label("same")
	DECQ(n)
	JNZ(operand.LabelRef("row"))

	ADDQ(imm(l.bytes), dst)
	ADDQ(imm(4*l.bytes), x0)
	if l.wide {
		ADDQ(imm(16), masksAt)
	} else {
		ADDQ(imm(32*6), masksAt)
	}
	DECQ(groups)
	JNZ(operand.LabelRef("group"))
	end()
}

// cols is the transform along the columns: vectors of tiles, and in each of
// them the six points of the rows.
func cols(l level) {
	TEXT("cols"+l.name, NOSPLIT, "func"+colsSignature)
	Pragma("noescape")
	Doc("cols" + l.name + " transforms along the columns.")
	dst, half, ds, hs := reg.RDI, reg.RSI, reg.R8, reg.R9
	d6, d18, d30, h6, tmp, across := reg.R10, reg.R11, reg.R12, reg.R13, reg.R14, reg.R15
	vecs, j, o, p := reg.RCX, reg.RBX, reg.RAX, reg.RDX
	Load(Param("dst"), dst)
	Load(Param("dstStep"), ds)
	Load(Param("half"), half)
	Load(Param("halfStep"), hs)
	Load(Param("across"), across)
	Load(Param("vecs"), vecs)
	SHLQ(imm(2), ds)
	SHLQ(imm(2), hs)
	SHLQ(imm(2), across)
	LEAQ(operand.Mem{Base: ds, Index: ds, Scale: 2}, d6)
	ADDQ(d6, d6)
	LEAQ(operand.Mem{Base: d6, Index: d6, Scale: 2}, d18)
	LEAQ(operand.Mem{Base: d6, Index: d6, Scale: 4}, d30)
	LEAQ(operand.Mem{Base: hs, Index: hs, Scale: 2}, h6)
	ADDQ(h6, h6)
	by := inRegisters(l)
	Label("vector")
	MOVQ(dst, o)
	MOVQ(half, p)
	MOVQ(operand.I32(6), j)
	Label("point")
	var d [6]vreg
	load := func(i int, base, index reg.Register, scale uint8) {
		d[i] = l.reg(i)
		VMOVUPS(operand.Mem{Base: base, Index: index, Scale: scale}, d[i])
	}
	VMOVUPS(operand.Mem{Base: p}, l.reg(0))
	d[0] = l.reg(0)
	load(1, p, h6, 1)
	load(2, p, h6, 2)
	LEAQ(operand.Mem{Base: p, Index: h6, Scale: 1}, tmp)
	load(3, tmp, h6, 2)
	load(4, p, across, 1)
	load(5, tmp, across, 1)
	points := forward(d, [4]vreg{l.reg(6), l.reg(7), l.reg(8), l.reg(9)}, by)
	for i, at := range []operand.Mem{
		{Base: o},
		{Base: o, Index: d6, Scale: 1},
		{Base: o, Index: d6, Scale: 2},
		{Base: o, Index: d18, Scale: 1},
		{Base: o, Index: d6, Scale: 4},
		{Base: o, Index: d30, Scale: 1},
	} {
		VMOVUPS(points[i], at)
	}
	ADDQ(hs, p)
	ADDQ(ds, o)
	DECQ(j)
	JNZ(operand.LabelRef("point"))
	ADDQ(imm(l.bytes), dst)
	ADDQ(imm(l.bytes), half)
	DECQ(vecs)
	JNZ(operand.LabelRef("vector"))
	end()
}

// peak is the largest magnitude, as the bits of a float.
func peak(l level) {
	TEXT("peak"+l.name, NOSPLIT, "func"+peakSignature)
	Pragma("noescape")
	Doc("peak" + l.name + " is the largest magnitude, by its bits.")
	x, n := reg.RSI, reg.RCX
	Load(Param("x"), x)
	Load(Param("n"), n)
	r := l.reg
	const count = 4
	sign := r(8)
	if l.wide {
		VPTERNLOGD(operand.U8(0xff), sign, sign, sign)
		VPSRLD(imm(1), sign, sign)
	} else {
		VPCMPEQD(sign, sign, sign)
		VPSRLD(imm(1), sign, sign)
	}
	and := func(m operand.Op, to vreg) {
		if l.wide {
			VPANDD(m, sign, to)
		} else {
			VPAND(m, sign, to)
		}
	}
	for i := range count {
		if l.wide {
			VPXORD(r(i), r(i), r(i))
		} else {
			VPXOR(r(i), r(i), r(i))
		}
	}
	lanes := l.bytes / 4
	SUBQ(imm(count*lanes), n)
	JL(operand.LabelRef("few"))
	Label("many")
	for i := range count {
		and(operand.Mem{Base: x, Disp: i * l.bytes}, r(4+i))
		VPMAXUD(r(4+i), r(i), r(i))
	}
	ADDQ(imm(count*l.bytes), x)
	SUBQ(imm(count*lanes), n)
	JGE(operand.LabelRef("many"))
	Label("few")
	ADDQ(imm(count*lanes), n)
	Label("rest")
	CMPQ(n, imm(0))
	JLE(operand.LabelRef("done"))
	MOVL(operand.Mem{Base: x}, reg.EAX)
	ANDL(operand.I32(0x7fffffff), reg.EAX)
	VMOVD(reg.EAX, sized(r(4), reg.S128))
	VPMAXUD(r(4), r(0), r(0))
	ADDQ(imm(4), x)
	DECQ(n)
	JMP(operand.LabelRef("rest"))
	Label("done")
	VPMAXUD(r(1), r(0), r(0))
	VPMAXUD(r(3), r(2), r(2))
	VPMAXUD(r(2), r(0), r(0))
	if l.wide {
		VEXTRACTI64X4(imm(1), r(0), sized(r(1), reg.S256))
		VPMAXUD(sized(r(1), reg.S256), sized(r(0), reg.S256), sized(r(0), reg.S256))
	}
	low, high := sized(r(0), reg.S128), sized(r(1), reg.S128)
	VEXTRACTI128(imm(1), sized(r(0), reg.S256), high)
	VPMAXUD(high, low, low)
	VPSHUFD(imm(0x4e), low, high)
	VPMAXUD(high, low, low)
	VPSHUFD(operand.U8(0xb1), low, high)
	VPMAXUD(high, low, low)
	VMOVD(low, reg.EAX)
	Store(reg.EAX, ReturnIndex(0))
	end()
}

func sized(r vreg, s reg.Spec) vreg {
	return reg.LookupPhysical(reg.KindVector, r.PhysicalIndex(), s).(vreg)
}
