package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The expansions of codes work on chunks of 8 numbers, two of them at a time:
// two vectors of AVX2, one of AVX-512.
const (
	shiftSignature = "(dst *float32, codes *byte, chunks int, scale, zero *float32, params int)"
	tableSignature = "(dst *float32, codes *byte, chunks int, table *float32)"
)

// twoChunks loops over pairs of chunks: it calls body with the codes of both.
func twoChunks(bits int, body func(v [2]reg.VecPhysical)) {
	dst, codes, n := reg.RDI, reg.RSI, reg.RCX
	Load(Param("dst"), dst)
	Load(Param("codes"), codes)
	Load(Param("chunks"), n)
	v := [2]reg.VecPhysical{reg.Y0, reg.Y1}
	if bits == 4 {
		VPCMPEQD(reg.Y15, reg.Y15, reg.Y15)
		VPSRLD(imm(28), reg.Y15, reg.Y15)
	}
	TESTQ(n, n)
	JZ(operand.LabelRef("done"))
	Label("pair")
	VPMOVZXBD(mem(codes, 0), v[0])
	if bits == 8 {
		VPMOVZXBD(mem(codes, 8), v[1])
		ADDQ(imm(16), codes)
	} else {
		VPSRLD(imm(4), v[0], v[1])
		VPAND(reg.Y15, v[0], v[0])
		ADDQ(imm(8), codes)
	}
	body(v)
	VMOVUPS(v[0], mem(dst, 0))
	VMOVUPS(v[1], mem(dst, 32))
	ADDQ(imm(64), dst)
	SUBQ(imm(2), n)
	JNZ(operand.LabelRef("pair"))
	Label("done")
	VZEROUPPER()
	RET()
}

// expandShift scales and shifts codes; parameters come again after so many bytes.
func expandShift(bits int) {
	name := map[int]string{4: "shift4AVX2", 8: "shift8AVX2"}[bits]
	TEXT(name, NOSPLIT, "func"+shiftSignature)
	Pragma("noescape")
	Doc(name + " makes numbers of codes by scales and zeros.")
	scale, zero, params, at, none := reg.R8, reg.R9, reg.R10, reg.RAX, reg.RBX
	Load(Param("scale"), scale)
	Load(Param("zero"), zero)
	Load(Param("params"), params)
	XORQ(at, at)
	XORQ(none, none)
	twoChunks(bits, func(v [2]reg.VecPhysical) {
		for _, v := range v {
			VCVTDQ2PS(v, v)
			VSUBPS(operand.Mem{Base: zero, Index: at, Scale: 1}, v, v)
			VMULPS(operand.Mem{Base: scale, Index: at, Scale: 1}, v, v)
			ADDQ(imm(32), at)
			CMPQ(at, params)
			CMOVQEQ(none, at)
		}
	})
}

// expandTable looks codes up.
func expandTable(bits int) {
	name := map[int]string{4: "table4AVX2", 8: "table8AVX2"}[bits]
	TEXT(name, NOSPLIT, "func"+tableSignature)
	Pragma("noescape")
	Doc(name + " looks codes up.")
	table := reg.R8
	Load(Param("table"), table)
	if bits == 4 {
		VMOVUPS(mem(table, 0), reg.Y13)
		VMOVUPS(mem(table, 32), reg.Y14)
	}
	twoChunks(bits, func(v [2]reg.VecPhysical) {
		for i, v := range v {
			x, y := []reg.VecPhysical{reg.Y2, reg.Y3}[i], []reg.VecPhysical{reg.Y4, reg.Y5}[i]
			if bits == 8 {
				VPCMPEQD(y, y, y)
				VGATHERDPS(y, operand.Mem{Base: table, Index: v, Scale: 4}, x)
				VMOVAPS(x, v)
				continue
			}
			VPERMPS(reg.Y13, v, x)
			VPERMPS(reg.Y14, v, y)
			VPSLLD(imm(28), v, v) // bit 3 chooses
			VBLENDVPS(v, y, x, v)
		}
	})
}

// onePair loops over pairs of chunks: it calls body with the codes of both as one
// vector, of which lookups in 16 entries need no mask.
func onePair(bits int, mask bool, body func(v reg.VecPhysical)) {
	dst, codes, n := reg.RDI, reg.RSI, reg.RCX
	Load(Param("dst"), dst)
	Load(Param("codes"), codes)
	Load(Param("chunks"), n)
	v, nibble := reg.Z0, reg.Z15
	if bits == 4 {
		MOVL(operand.U32(0xff00), reg.EDX) // the lanes of the second chunk
		KMOVW(reg.EDX, reg.K1)
		VPTERNLOGD(operand.U8(255), nibble, nibble, nibble)
		VPSRLD(imm(28), nibble, nibble)
	}
	TESTQ(n, n)
	JZ(operand.LabelRef("done"))
	Label("pair")
	if bits == 8 {
		VPMOVZXBD(mem(codes, 0), v)
		ADDQ(imm(16), codes)
	} else {
		VPBROADCASTQ(mem(codes, 0), reg.X0)
		VPMOVZXBD(reg.X0, v)
		VPSRLD(imm(4), v, reg.K1, v)
		if mask {
			VPANDD(nibble, v, v)
		}
		ADDQ(imm(8), codes)
	}
	body(v)
	VMOVUPS(v, mem(dst, 0))
	ADDQ(imm(64), dst)
	SUBQ(imm(2), n)
	JNZ(operand.LabelRef("pair"))
	Label("done")
	VZEROUPPER()
	RET()
}

// expandShift512 is expandShift for parameters that come again with each chunk,
// or after an even number of chunks.
func expandShift512(bits int, each bool) {
	name := map[int]string{4: "shift4AVX512", 8: "shift8AVX512"}[bits]
	if each {
		name = "each" + name
	}
	TEXT(name, NOSPLIT, "func"+shiftSignature)
	Pragma("noescape")
	Doc(name + " makes numbers of codes by scales and zeros.")
	scale, zero, params, at := reg.R8, reg.R9, reg.R10, reg.RAX
	Load(Param("scale"), scale)
	Load(Param("zero"), zero)
	if each {
		VBROADCASTF64X4(mem(scale, 0), reg.Z1)
		VBROADCASTF64X4(mem(zero, 0), reg.Z2)
		onePair(bits, true, func(v reg.VecPhysical) {
			VCVTDQ2PS(v, v)
			VSUBPS(reg.Z2, v, v)
			VMULPS(reg.Z1, v, v)
		})
		return
	}
	Load(Param("params"), params)
	XORQ(at, at)
	onePair(bits, true, func(v reg.VecPhysical) {
		VCVTDQ2PS(v, v)
		VSUBPS(operand.Mem{Base: zero, Index: at, Scale: 1}, v, v)
		VMULPS(operand.Mem{Base: scale, Index: at, Scale: 1}, v, v)
		ADDQ(imm(64), at)
		CMPQ(at, params)
		JNE(operand.LabelRef("inside")) // predicted: no instruction waits for it
		XORQ(at, at)
		Label("inside")
	})
}

// expandTable512 looks codes of 4 bits up. A gather of 16 takes as long as two
// of 8.
func expandTable512() {
	TEXT("table4AVX512", NOSPLIT, "func"+tableSignature)
	Pragma("noescape")
	Doc("table4AVX512 looks codes up.")
	table := reg.R8
	Load(Param("table"), table)
	VMOVUPS(mem(table, 0), reg.Z1)
	onePair(4, false, func(v reg.VecPhysical) { VPERMPS(reg.Z1, v, v) })
}
