package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// bandVecs is the most vectors in a band, and ahead how many bytes of it are
// asked for before they are needed: the hardware does not look beyond a page.
const (
	bandVecs = 4
	ahead    = 4096
)

const bandSignature = "(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)"

func bandName(l *level, rows, vecs int) string { return fmt.Sprintf("band%dx%d%s", rows, vecs, l.name) }

// band writes the product of a few rows and a band of columns, vecs vectors of
// consecutive floats for each inner index, with all sums in registers.
func band(l *level, rows, vecs int) {
	name := bandName(l, rows, vecs)
	TEXT(name, NOSPLIT, "func"+bandSignature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s multiplies %d rows by %d vectors, and adds.", name, rows, vecs))
	n := rows * vecs
	sets := 1
	for n*sets*2 <= 12 && n*sets < 8 {
		sets *= 2
	}
	unroll := max(2, sets)
	acc := func(set, i, v int) reg.VecPhysical { return l.reg(set*n + i*vecs + v) }
	last := 15
	if l.wide {
		last = 31
	}
	x := func(i int) reg.VecPhysical { return l.reg(last - i) }
	b := l.reg(last - rows)

	k, px, ldx, pb, c, ldc := reg.RCX, reg.RSI, reg.RAX, reg.RDX, reg.RDI, reg.R8
	rowsAt := []reg.GPPhysical{px, reg.R9, reg.R10, reg.R11}[:rows]
	Load(Param("k"), k)
	Load(Param("x"), px)
	Load(Param("ldx"), ldx)
	Load(Param("b"), pb)
	SHLQ(imm(2), ldx)
	for i := 1; i < rows; i++ {
		LEAQ(operand.Mem{Base: rowsAt[i-1], Index: ldx, Scale: 1}, rowsAt[i])
	}
	for i := range n * sets {
		zero(l, l.reg(i))
	}
	step := func(set, u int) {
		for i := range rows {
			VBROADCASTSS(mem(rowsAt[i], 4*u), x(i))
		}
		for v := range vecs {
			at := (u*vecs + v) * l.bytes
			if at%64 == 0 {
				PREFETCHT0(mem(pb, at+ahead))
			}
			if rows == 1 {
				VFMADD231PS(mem(pb, at), x(0), acc(set, 0, v))
				continue
			}
			VMOVUPS(mem(pb, at), b)
			for i := range rows {
				VFMADD231PS(b, x(i), acc(set, i, v))
			}
		}
	}
	advance := func(n int) {
		for _, p := range rowsAt {
			ADDQ(imm(4*n), p)
		}
		ADDQ(imm(n*vecs*l.bytes), pb)
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
		for i := range n * s {
			VADDPS(l.reg(n*s+i), l.reg(i), l.reg(i))
		}
	}
	add, ldadd := reg.RBX, reg.RAX
	Load(Param("c"), c)
	Load(Param("ldc"), ldc)
	SHLQ(imm(2), ldc)
	Load(Param("add"), add)
	Load(Param("ldadd"), ldadd)
	SHLQ(imm(2), ldadd)
	TESTQ(add, add)
	JZ(operand.LabelRef(name + "store"))
	for i := range rows {
		for v := range vecs {
			VADDPS(mem(add, v*l.bytes), acc(0, i, v), acc(0, i, v))
		}
		if i < rows-1 {
			ADDQ(ldadd, add)
		}
	}
	Label(name + "store")
	for i := range rows {
		for v := range vecs {
			VMOVUPS(acc(0, i, v), mem(c, v*l.bytes))
		}
		if i < rows-1 {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}
