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
// four rows of outputs. Each row of the image is loaded once for all outputs
// that see it. Loads are masked, so that they see zeros beside the image.
//
// For each block of a vector the table of masks has those of the loads and then
// that of the outputs.
func filter(l level, size, stride int) {
	name := filterName(l, size, stride)
	TEXT(name, NOSPLIT, "func(q *int8)") // avo does not know filterBand
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes four rows of outputs.", name))
	q, masksAt, weights, blocks, row, x0, d0 := reg.RBX, reg.RSI, reg.RDX, reg.RCX, reg.RAX, reg.RDI, reg.R8
	next := 0
	take := func() reg.VecPhysical { next++; return l.reg(next - 1) }
	var acc [filterRows]reg.VecPhysical
	for r := range acc {
		acc[r] = take()
	}
	a, b, e, t := take(), take(), take(), take()
	var even, odd reg.VecPhysical
	if stride == 2 && l.wide {
		even, odd = take(), take()
	}
	inRegisters := size*size <= map[bool]int{false: 16, true: 32}[l.wide]-next
	var w []reg.VecPhysical
	if inRegisters {
		for range size * size {
			w = append(w, take())
		}
	}

	Load(Param("q"), q)
	field := func(name string) operand.Mem { return bandField(q, name) }
	MOVQ(field("masks"), masksAt)
	MOVQ(field("weights"), weights)
	MOVQ(field("blocks"), blocks)
	MOVQ(field("start"), x0) // of the block's first column, in bytes
	XORQ(d0, d0)
	for i, r := range w {
		VBROADCASTSS(operand.Mem{Base: weights, Disp: 4 * i}, r)
	}
	if even != nil {
		VMOVDQU32(halves, even)
		VMOVDQU32(halves.Offset(64), odd)
	}
	loads := size
	if stride == 2 {
		loads = (size + 1) / 2 * 2
	}
	kmasks := []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6, reg.K7}

	Label("block")
	if l.wide {
		for i := range loads + 1 {
			KMOVW(operand.Mem{Base: masksAt, Disp: 2 * i}, kmasks[i])
		}
	}
	for _, r := range acc {
		VBROADCASTSS(field("bias"), r)
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
			switch {
			case ky < 0 || ky >= size:
			case inRegisters:
				VFMADD231PS(v, w[ky*size+kx], acc[r])
			case l.wide:
				VFMADD231PS_BCST(operand.Mem{Base: weights, Disp: 4 * (ky*size + kx)}, v, acc[r])
			default:
				VBROADCASTSS(operand.Mem{Base: weights, Disp: 4 * (ky*size + kx)}, t)
				VFMADD231PS(v, t, acc[r])
			}
		}
	}
	for i := range (filterRows-1)*stride + size {
		MOVQ(field("rows").Offset(8*i), row)
		if stride == 1 {
			for kx := range size {
				v := []reg.VecPhysical{a, b, e}[kx%3]
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
		MOVQ(field("dst").Offset(8*r), row)
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
	VZEROUPPER()
	RET()
}

// Fields of filterBand. The table file asserts them.
var bandOffsets = []struct {
	field string
	at    int
}{
	{"rows", 0}, {"dst", 88}, {"weights", 120}, {"masks", 128}, {"blocks", 136}, {"start", 144}, {"bias", 152}, {"lo", 156}, {"hi", 160},
}

func bandField(q reg.Register, name string) operand.Mem {
	for _, o := range bandOffsets {
		if o.field == name {
			return operand.Mem{Base: q, Disp: o.at}
		}
	}
	panic(name)
}
