package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// maxNarrow is the most columns of a narrow tile, and the most rows of vectors
// that products of vectors share what is streamed with.
const maxNarrow = 4

const narrowSignature = "(k int, a, b, sums *float32)"

func narrowName(l *level, cols int) string { return fmt.Sprintf("narrow%d%s", cols, l.name) }

// narrow writes the product of a panel of A and a few columns: here the rows of
// the panel are the lanes. The sums are those of one column after another.
func narrow(l *level, cols int) {
	TEXT(narrowName(l, cols), NOSPLIT, "func"+narrowSignature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s multiplies a panel of rows by %d columns.", narrowName(l, cols), cols))
	spec, bytes := reg.S128, 16
	if l.wide {
		spec, bytes = reg.S256, 32
	}
	v := func(i int) reg.VecPhysical {
		return reg.LookupPhysical(reg.KindVector, reg.Index(i), spec).(reg.VecPhysical)
	}
	sets := 4
	if cols > 2 {
		sets = 2
	}
	const unroll = 4
	k, a, b, sums := reg.RCX, reg.RSI, reg.RDX, reg.RDI
	Load(Param("k"), k)
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("sums"), sums)
	n := cols * sets
	row, x := v(n), v(n+1)
	for i := range n {
		VXORPS(v(i), v(i), v(i))
	}
	step := func(set, u int) {
		if u*bytes%64 == 0 {
			PREFETCHT0(mem(a, u*bytes+ahead))
		}
		at := func(j int) operand.Mem { return mem(b, u*l.vecs*l.bytes+4*j) }
		if cols == 1 {
			VBROADCASTSS(at(0), x)
			VFMADD231PS(mem(a, u*bytes), x, v(set))
			return
		}
		VMOVUPS(mem(a, u*bytes), row)
		for j := range cols {
			VBROADCASTSS(at(j), x)
			VFMADD231PS(row, x, v(set*cols+j))
		}
	}
	advance := func(n int) {
		ADDQ(imm(n*bytes), a)
		ADDQ(imm(n*l.vecs*l.bytes), b)
	}
	loop(k, unroll, func() {
		for u := range unroll {
			step(u%sets, u)
		}
		advance(unroll)
	}, func() {
		step(0, 0)
		advance(1)
	})
	for s := sets / 2; s >= 1; s /= 2 {
		for i := range cols * s {
			VADDPS(v(cols*s+i), v(i), v(i))
		}
	}
	for j := range cols {
		VMOVUPS(v(j), mem(sums, j*bytes))
	}
	VZEROUPPER()
	RET()
}

const dotsSignature = "(k int, x *float32, ldx int, w *float32, ldw int, sums *float32)"

func dotsName(l *level, vectors int) string { return fmt.Sprintf("dots%d%s", vectors, l.name) }

// dotsRows is how many rows are streamed at once for that many vectors.
func dotsRows(l *level, vectors int) int {
	if !l.wide && vectors > 2 {
		return 2
	}
	return 4
}

// dots writes the products of a few vectors with as many rows as the registers
// have sums for. The sums are those of one vector after another.
func dots(l *level, vectors int) {
	name := dotsName(l, vectors)
	TEXT(name, NOSPLIT, "func"+dotsSignature)
	Pragma("noescape")
	rows := dotsRows(l, vectors)
	Doc(fmt.Sprintf("%s multiplies %d vectors with each of %d rows.", name, vectors, rows))
	k, sums := reg.RCX, reg.RDI
	xs := []reg.GPPhysical{reg.RSI, reg.R8, reg.R9, reg.R10}[:vectors]
	ws := []reg.GPPhysical{reg.RDX, reg.R11, reg.R12, reg.R13}[:rows]
	Load(Param("k"), k)
	for _, p := range []struct {
		of, ld string
		at     []reg.GPPhysical
	}{{"x", "ldx", xs}, {"w", "ldw", ws}} {
		Load(Param(p.of), p.at[0])
		Load(Param(p.ld), reg.RAX)
		SHLQ(imm(2), reg.RAX)
		for i := 1; i < len(p.at); i++ {
			LEAQ(operand.Mem{Base: p.at[i-1], Index: reg.RAX, Scale: 1}, p.at[i])
		}
	}
	acc := func(i, r int) reg.VecPhysical { return l.reg(i*rows + r) }
	n := vectors * rows
	for i := range n {
		zero(l, l.reg(i))
	}
	x := func(i int) reg.VecPhysical { return l.reg(n + i) }
	w := l.reg(n + vectors)
	step := func(load func(at operand.Mem, r reg.VecPhysical), ask bool) {
		for i := range vectors {
			load(mem(xs[i], 0), x(i))
		}
		for r := range rows {
			if ask {
				PREFETCHT0(mem(ws[r], rowAhead))
			}
			load(mem(ws[r], 0), w)
			for i := range vectors {
				VFMADD231PS(x(i), w, acc(i, r))
			}
		}
	}
	lanes := l.bytes / 4
	SUBQ(imm(lanes), k)
	JL(operand.LabelRef(name + "rest"))
	Label(name + "many")
	step(func(at operand.Mem, r reg.VecPhysical) { VMOVUPS(at, r) }, true)
	for _, p := range append(append([]reg.GPPhysical{}, xs...), ws...) {
		ADDQ(imm(l.bytes), p)
	}
	SUBQ(imm(lanes), k)
	JGE(operand.LabelRef(name + "many"))
	Label(name + "rest")
	ADDQ(imm(lanes), k)
	JZ(operand.LabelRef(name + "done"))
	if l.wide {
		MOVL(operand.I32(1), reg.EAX)
		SHLL(reg.CL, reg.EAX)
		DECL(reg.EAX)
		KMOVW(reg.EAX, reg.K1)
		step(func(at operand.Mem, r reg.VecPhysical) { VMOVUPS_Z(at, reg.K1, r) }, false)
	} else {
		mask := l.reg(15)
		LEAQ(masks.Offset(32), reg.RAX)
		SHLQ(imm(2), k)
		SUBQ(k, reg.RAX)
		VMOVUPS(mem(reg.RAX, 0), mask)
		step(func(at operand.Mem, r reg.VecPhysical) { VMASKMOVPS(at, mask, r) }, false)
	}
	Label(name + "done")
	Load(Param("sums"), sums)
	sized := func(r reg.VecPhysical, s reg.Spec) reg.VecPhysical {
		return reg.LookupPhysical(reg.KindVector, r.PhysicalIndex(), s).(reg.VecPhysical)
	}
	for i := range n {
		a, t := l.reg(i), w
		y, u := sized(a, reg.S256), sized(t, reg.S256)
		if l.wide {
			VEXTRACTF64X4(imm(1), a, u)
			VADDPS(u, y, y)
		}
		h, s := sized(a, reg.S128), sized(t, reg.S128)
		if l.wide { // beyond the first 16 registers
			VEXTRACTF32X4(imm(1), y, s)
		} else {
			VEXTRACTF128(imm(1), y, s)
		}
		VADDPS(s, h, h)
		VMOVHLPS(h, h, s)
		VADDPS(s, h, h)
		VMOVSHDUP(h, s)
		VADDSS(s, h, h)
		VMOVSS(h, mem(sums, 4*i))
	}
	VZEROUPPER()
	RET()
}

// rowAhead is how many bytes of each row are asked for before they are needed.
const rowAhead = 1024
