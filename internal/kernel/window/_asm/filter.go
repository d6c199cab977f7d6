package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// filterRows is how many rows of outputs a filter computes at a time.
const filterRows = 4

func filterName(l level, size, stride int) string {
	return fmt.Sprintf("filter%dstride%d%s", size, stride, l.name)
}

// filter writes the sum over windows of size×size elements, stride apart, for
// some planes, four rows of outputs at a time. Each row of the image is loaded
// once for all outputs that see it. Loads are masked, so that they see zeros
// beside the image.
//
// For each block of a vector the table of masks has those of the loads and then
// that of the outputs. For each group of rows the table of rows has where those
// of the image start in a plane, in bytes, and then those of the outputs; a
// number so small that the address becomes negative stands for a row of zeros
// or one that nobody wants.
func filter(l level, size, stride int) {
	name := filterName(l, size, stride)
	TEXT(name, NOSPLIT, "func(q *int8)") // avo does not know filterCall
	Pragma("noescape")
	Doc(fmt.Sprintf("%s filters planes.", name))
	q, masksAt, weights, blocks, row, x0, d0 := reg.RBX, reg.RSI, reg.RDX, reg.RCX, reg.RAX, reg.RDI, reg.R8
	table, src, zeros, dst, spare, groups := reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.R15
	next := 0
	take := func() reg.VecPhysical { next++; return l.reg(next - 1) }
	var acc [filterRows]reg.VecPhysical
	for r := range acc {
		acc[r] = take()
	}
	a, b := take(), take()
	var e, t, even, odd reg.VecPhysical
	if stride == 2 || !l.wide {
		e = take()
	}
	if stride == 2 && l.wide {
		even, odd = take(), take()
	}
	registers := map[bool]int{false: 16, true: 32}[l.wide]
	if !l.wide {
		t = take()
	}
	var w []reg.VecPhysical // the first weights: as many as there are registers for
	for next < registers && len(w) < size*size && (l.wide || registers-next >= size*size) {
		w = append(w, take())
	}

	Load(Param("q"), q)
	field := func(name string) operand.Mem { return callField(q, name) }
	MOVQ(field("weights"), weights)
	MOVQ(field("src"), src)
	MOVQ(field("dst"), dst)
	MOVQ(field("zeros"), zeros)
	MOVQ(field("spare"), spare)
	if even != nil {
		VMOVDQU32(halves, even)
		VMOVDQU32(halves.Offset(64), odd)
	}
	loads := size
	if stride == 2 {
		loads = (size + 1) / 2 * 2
	}
	sees := (filterRows-1)*stride + size
	kmasks := []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6, reg.K7}

	Label("plane")
	for i, r := range w {
		VBROADCASTSS(operand.Mem{Base: weights, Disp: 4 * i}, r)
	}
	MOVQ(field("rows"), table)
	MOVQ(field("groups"), groups)
	Label("group")
	MOVQ(field("masks"), masksAt)
	MOVQ(field("blocks"), blocks)
	MOVQ(field("start"), x0) // of the block's first column, in bytes
	XORQ(d0, d0)

	Label("block")
	if l.wide {
		for i := range loads + 1 {
			KMOVW(operand.Mem{Base: masksAt, Disp: 2 * i}, kmasks[i])
		}
	}
	MOVQ(field("bias"), row)
	ADDQ(field("done"), row)
	for _, r := range acc {
		VBROADCASTSS(operand.Mem{Base: row}, r)
	}
	load := func(i int, disp int, to reg.VecPhysical) {
		at := operand.Mem{Base: row, Index: x0, Scale: 1, Disp: disp}
		if l.wide {
			VMOVUPS_Z(at, kmasks[i], to)
			return
		}
		VMOVUPS(operand.Mem{Base: masksAt, Disp: 32 * i}, t)
		VMASKMOVPS(at, t, to)
	}
	// see adds column kx of image row i to the outputs that see it.
	see := func(i, kx int, v reg.VecPhysical) {
		for r := range acc {
			ky := i - r*stride
			at := ky*size + kx
			switch {
			case ky < 0 || ky >= size:
			case at < len(w):
				VFMADD231PS(v, w[at], acc[r])
			case l.wide:
				VFMADD231PS_BCST(operand.Mem{Base: weights, Disp: 4 * at}, v, acc[r])
			default:
				VBROADCASTSS(operand.Mem{Base: weights, Disp: 4 * at}, t)
				VFMADD231PS(v, t, acc[r])
			}
		}
	}
	// rowAt finds a row by its place in the table.
	rowAt := func(i int, base, instead reg.Register) {
		MOVQ(operand.Mem{Base: table, Disp: 8 * i}, row)
		ADDQ(base, row)
		CMOVQMI(instead, row)
	}
	for i := range sees {
		rowAt(i, src, zeros)
		if stride == 1 {
			for kx := range size {
				v := []reg.VecPhysical{a, b}[(i*size+kx)%2]
				load(kx, 4*kx, v)
				see(i, kx, v)
			}
			continue
		}
		for kx := 0; kx < size; kx += 2 {
			load(kx, 4*kx, a)
			load(kx+1, 4*kx+l.bytes, b)
			if l.wide {
				VMOVAPS(a, e)
				VPERMT2PS(b, even, e)
				see(i, kx, e)
				if kx+1 < size {
					VPERMT2PS(b, odd, a)
					see(i, kx+1, a)
				}
				continue
			}
			VSHUFPS(operand.U8(0x88), b, a, e)
			VPERMPD(operand.U8(0xd8), e, e)
			see(i, kx, e)
			if kx+1 < size {
				VSHUFPS(operand.U8(0xdd), b, a, e)
				VPERMPD(operand.U8(0xd8), e, e)
				see(i, kx+1, e)
			}
		}
	}
	VBROADCASTSS(field("lo"), a)
	VBROADCASTSS(field("hi"), b)
	for r := range acc {
		VMAXPS(acc[r], a, acc[r])
		VMINPS(acc[r], b, acc[r])
	}
	if !l.wide {
		VMOVUPS(operand.Mem{Base: masksAt, Disp: 32 * loads}, t)
	}
	for r := range acc {
		rowAt(sees+r, dst, spare)
		if l.wide {
			VMOVUPS(acc[r], kmasks[loads], operand.Mem{Base: row, Index: d0, Scale: 1})
		} else {
			VMASKMOVPS(acc[r], t, operand.Mem{Base: row, Index: d0, Scale: 1})
		}
	}
	ADDQ(imm(l.bytes), d0)
	ADDQ(imm(stride*l.bytes), x0)
	if l.wide {
		ADDQ(imm(2*(loads+1)), masksAt)
	} else {
		ADDQ(imm(32*(loads+1)), masksAt)
	}
	DECQ(blocks)
	JNZ(operand.LabelRef("block"))

	ADDQ(imm(8*(sees+filterRows)), table)
	DECQ(groups)
	JNZ(operand.LabelRef("group"))

	ADDQ(field("srcStep"), src)
	ADDQ(field("dstStep"), dst)
	ADDQ(imm(4*size*size), weights)
	ADDQ(imm(4), field("done"))
	DECQ(field("planes"))
	JNZ(operand.LabelRef("plane"))
	VZEROUPPER()
	RET()
}

// Fields of filterCall. The table file asserts them.
var callOffsets = []struct {
	field string
	at    int
}{
	{"src", 0},
	{"srcStep", 8},
	{"dst", 16},
	{"dstStep", 24},
	{"planes", 32},
	{"weights", 40},
	{"bias", 48},
	{"rows", 56},
	{"groups", 64},
	{"masks", 72},
	{"blocks", 80},
	{"start", 88},
	{"zeros", 96},
	{"spare", 104},
	{"done", 112},
	{"lo", 120},
	{"hi", 124},
}

func callField(q reg.Register, name string) operand.Mem {
	for _, o := range callOffsets {
		if o.field == name {
			return operand.Mem{Base: q, Disp: o.at}
		}
	}
	panic(name)
}
