package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// kind is what a micro-kernel reads B from.
type kind string

const (
	packed kind = "micro"
	direct kind = "direct" // where B is, by a table of rows
	plus   kind = "plus"   // packed, and one column more
)

// microName names the kernel of a tile.
func microName(l *level, rows, vecs int, from kind) string {
	return fmt.Sprintf("%s%dx%d%s", from, rows, vecs, l.name)
}

func mem(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

// soon is how far before its use a value of A is fetched: weights of large
// layers come from a cache that all cores share.
const soon = 2048

// micro writes the kernel of a tile of rows×vecs vectors, the last of which
// may be partial. The column of plus is one vector, of rows.
//
// Small tiles have too few accumulators to hide the latency of an FMA, so they
// have several sets, for inner indices of different remainders.
func micro(l *level, rows, vecs int, kind kind) {
	name := microName(l, rows, vecs, kind)
	direct, plus := kind == direct, kind == plus
	TEXT(name, NOSPLIT, "func(t *int8)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes a tile of %d rows and at most %d columns.", name, rows, vecs*l.bytes/4))

	n := rows * vecs
	sets := 1
	for sets < 4 && n*sets*2 <= 12 && n*sets < 8 {
		sets *= 2
	}
	unroll := max(2, sets)
	free := n * sets
	column := l.reg(free) // of plus
	if plus {
		free++
	}
	acc := func(set, i, v int) reg.VecPhysical { return l.reg(set*n + i*vecs + v) }
	b := func(v int) reg.VecPhysical { return l.reg(free + v) }
	last := 15
	if l.wide {
		last = 31
	}
	x := l.reg(last) // of A, and for whatever

	t, k, a, astep, pb := reg.RBX, reg.RCX, reg.RSI, reg.RAX, reg.RDX
	c, ldc, table, row, mask := reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11
	tile := func(name string) operand.Mem { return mem(t, field("tile", name)) }
	Load(Param("t"), t)
	MOVQ(tile("c"), c)
	MOVQ(tile("ldc"), ldc)
	SHLQ(imm(2), ldc)
	for range rows {
		for v := range vecs {
			PREFETCHT0(mem(c, v*l.bytes))
		}
		ADDQ(ldc, c)
	}
	// So is what will be added to it: both come from afar, row by row.
	none := fmt.Sprintf("p%d", labels)
	labels++
	MOVQ(tile("add"), c)
	TESTQ(c, c)
	JZ(operand.LabelRef(none))
	MOVQ(tile("ldadd"), ldc)
	SHLQ(imm(2), ldc)
	for range rows {
		for v := range vecs {
			PREFETCHT0(mem(c, v*l.bytes))
		}
		ADDQ(ldc, c)
	}
	Label(none)
	lastMask(l, vecs, tile, mask)
	MOVQ(tile("k"), k)
	MOVQ(tile("a"), a)
	MOVQ(tile("astep"), astep)
	SHLQ(imm(2), astep)
	MOVQ(tile("b"), pb)
	for i := range free {
		zero(l, l.reg(i))
	}
	edge := reg.R10 // free where row is not in use
	if plus {
		MOVQ(tile("edge"), edge)
	}

	if direct {
		MOVQ(tile("brows"), table)
	} else {
		MOVQ(tile("ahead"), table)
	}
	// step multiplies the values of A at at with number u of the next rows of B.
	step := func(set int, at operand.Mem, u int) {
		from := mem(pb, u*l.vecs*l.bytes)
		if direct {
			MOVQ(mem(table, 8*u), row)
			from = operand.Mem{Base: pb, Index: row, Scale: 4}
		}
		for v := range vecs {
			switch at := from.Offset(v * l.bytes); {
			case !direct || v < vecs-1:
				VMOVUPS(at, b(v))
			case l.wide:
				VMOVUPS_Z(at, reg.K1, b(v))
			default: // there is no register left for the mask
				VMOVUPS(mem(mask, 0), x)
				VMASKMOVPS(at, x, b(v))
			}
		}
		if plus {
			a := half(l.reg(free + vecs))
			VMOVUPS(at, a)
			VFMADD231PS_BCST(mem(edge, 4*u), a, half(column))
		}
		if vecs == 1 && l.wide {
			for i := range rows {
				VFMADD231PS_BCST(at.Offset(4*i), b(0), acc(set, i, 0))
			}
			return
		}
		for i := range rows {
			VBROADCASTSS(at.Offset(4*i), x)
			for v := range vecs {
				VFMADD231PS(b(v), x, acc(set, i, v))
			}
		}
	}
	advance := func(n int) {
		if direct {
			ADDQ(imm(8*n), table)
		} else {
			ADDQ(imm(n*l.vecs*l.bytes), pb)
		}
		if plus {
			ADDQ(imm(4*n), edge)
		}
	}
	loop(k, unroll, func() {
		if !direct { // see aheadStep
			PREFETCHT1(mem(table, 0))
			ADDQ(imm(64), table)
		}
		if rows == l.rows {
			PREFETCHT0(mem(a, soon)) // packed rows, two of which are a line
		}
		for u := range unroll {
			at := mem(a, 0)
			switch u % 2 {
			case 1:
				at = operand.Mem{Base: a, Index: astep, Scale: 1}
			}
			if u == 2 {
				LEAQ(operand.Mem{Base: a, Index: astep, Scale: 2}, a)
				at = mem(a, 0)
			}
			step(u%sets, at, u)
		}
		LEAQ(operand.Mem{Base: a, Index: astep, Scale: 2}, a)
		advance(unroll)
	}, func() {
		step(0, mem(a, 0), 0)
		ADDQ(astep, a)
		advance(1)
	})
	for s := sets / 2; s >= 1; s /= 2 {
		for i := range n * s {
			VADDPS(l.reg(n*s+i), l.reg(i), l.reg(i))
		}
	}
	epilogue(l, rows, vecs, t, tile, func(i, v int) reg.VecPhysical { return acc(0, i, v) }, [3]reg.VecPhysical{x, l.reg(last - 1), l.reg(last - 2)})
	if plus {
		edgeEpilogue(half(column), vecs*l.bytes, tile)
	}

	VZEROUPPER()
	RET()
}

// loop runs body for each unroll of k, then rest for each of what remains.
func loop(k reg.GPPhysical, unroll int, body, rest func()) {
	name := fmt.Sprintf("k%d", labels)
	labels++
	SUBQ(imm(unroll), k)
	JL(operand.LabelRef(name + "rest"))
	Label(name + "many")
	body()
	SUBQ(imm(unroll), k)
	JGE(operand.LabelRef(name + "many"))
	Label(name + "rest")
	ADDQ(imm(unroll), k)
	JZ(operand.LabelRef(name + "done"))
	Label(name + "one")
	rest()
	DECQ(k)
	JNZ(operand.LabelRef(name + "one"))
	Label(name + "done")
}

var labels int

func zero(l *level, r reg.VecPhysical) {
	if l.wide {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

// lastMask puts the mask of the last vector into K1, or its address into the
// register.
func lastMask(l *level, vecs int, tile func(string) operand.Mem, mask reg.Register) {
	cols := reg.RCX
	MOVQ(tile("cols"), cols)
	if vecs > 1 {
		SUBQ(imm((vecs-1)*l.bytes/4), cols)
	}
	if l.wide {
		MOVL(operand.I32(1), reg.EAX)
		SHLL(reg.CL, reg.EAX)
		DECL(reg.EAX)
		KMOVW(reg.EAX, reg.K1)
	} else {
		LEAQ(masks.Offset(32), mask)
		SHLQ(imm(2), cols)
		SUBQ(cols, mask)
	}
}

// epilogue adds what is to be added, applies the activation and stores the
// tile. The registers in free are not accumulators.
func epilogue(l *level, rows, vecs int, t reg.Register, tile func(string) operand.Mem, acc func(i, v int) reg.VecPhysical, free [3]reg.VecPhysical) {
	x, y, mask := free[0], free[1], free[2]
	p, ld := reg.RSI, reg.RDX
	name := fmt.Sprintf("e%d", labels)
	labels++
	if !l.wide {
		VMOVUPS(mem(reg.R11, 0), mask) // where lastMask left it
	}
	// add adds vector v of what p points to to each of the accumulators.
	add := func(v int, to ...reg.VecPhysical) {
		at := mem(p, v*l.bytes)
		switch {
		case v < vecs-1 && len(to) == 1:
			VADDPS(at, to[0], to[0])
			return
		case v < vecs-1:
			VMOVUPS(at, x)
		case l.wide:
			VMOVUPS_Z(at, reg.K1, x)
		default:
			VMASKMOVPS(at, mask, x)
		}
		for _, r := range to {
			VADDPS(x, r, r)
		}
	}
	skipIfNil := func(what string) {
		MOVQ(tile(what), p)
		TESTQ(p, p)
		JZ(operand.LabelRef(name + what))
	}
	skipIfNil("add")
	MOVQ(tile("ldadd"), ld)
	SHLQ(imm(2), ld)
	for i := range rows {
		for v := range vecs {
			add(v, acc(i, v))
		}
		if i < rows-1 {
			ADDQ(ld, p)
		}
	}
	Label(name + "add")

	skipIfNil("rowBias")
	for i := range rows {
		VBROADCASTSS(mem(p, 4*i), x)
		for v := range vecs {
			VADDPS(x, acc(i, v), acc(i, v))
		}
	}
	Label(name + "rowBias")

	skipIfNil("colBias")
	for v := range vecs {
		var column []reg.VecPhysical
		for i := range rows {
			column = append(column, acc(i, v))
		}
		add(v, column...)
	}
	Label(name + "colBias")

	// The operands are such that NaN stays NaN: the second source is the result
	// if there is one.
	CMPQ(tile("clamp"), imm(0))
	JE(operand.LabelRef(name + "clamp"))
	VBROADCASTSS(tile("lo"), x)
	VBROADCASTSS(tile("hi"), y)
	for i := range rows {
		for v := range vecs {
			VMAXPS(acc(i, v), x, acc(i, v))
			VMINPS(acc(i, v), y, acc(i, v))
		}
	}
	Label(name + "clamp")

	skipIfNil("slope")
	if l.wide {
		zero(l, y)
	}
	for i := range rows {
		VBROADCASTSS(mem(p, 4*i), x)
		for v := range vecs {
			a := acc(i, v)
			if l.wide {
				const less = 1
				VCMPPS(imm(less), y, a, reg.K2)
				VMULPS(x, a, reg.K2, a)
			} else {
				VMULPS(x, a, y)
				VBLENDVPS(a, y, a, a)
			}
		}
	}
	Label(name + "slope")

	MOVQ(tile("c"), p)
	MOVQ(tile("ldc"), ld)
	SHLQ(imm(2), ld)
	for i := range rows {
		for v := range vecs {
			at := mem(p, v*l.bytes)
			switch {
			case v < vecs-1:
				VMOVUPS(acc(i, v), at)
			case l.wide:
				VMOVUPS(acc(i, v), reg.K1, at)
			default:
				VMASKMOVPS(acc(i, v), mask, at)
			}
		}
		if i < rows-1 {
			ADDQ(ld, p)
		}
	}
}

// half is the lower half of a wide register, which has a lane for each row of a
// tile.
func half(r reg.VecPhysical) reg.VecPhysical { return ymm32[r.PhysicalIndex()] }

// edgeEpilogue is epilogue for the column of plus, at that many bytes from the
// tile's first.
func edgeEpilogue(v reg.VecPhysical, at int, tile func(string) operand.Mem) {
	p, ld := reg.RSI, reg.RDX
	places, x := reg.Y0, reg.Y1
	skipIfNil := func(what string) {
		MOVQ(tile(what), p)
		TESTQ(p, p)
		JZ(operand.LabelRef("edge" + what))
	}
	// rows sets places, and K2 to all of them.
	rows := func(step string) operand.Mem {
		MOVQ(tile(step), ld)
		VPBROADCASTD(reg.EDX, places)
		VPMULLD(counts, places, places)
		KXNORW(reg.K2, reg.K2, reg.K2)
		return operand.Mem{Base: p, Disp: at, Index: places, Scale: 4}
	}
	skipIfNil("add")
	VGATHERDPS(rows("ldadd"), reg.K2, x)
	VADDPS(x, v, v)
	Label("edgeadd")
	skipIfNil("rowBias")
	VADDPS(mem(p, 0), v, v)
	Label("edgerowBias")
	skipIfNil("colBias")
	VADDPS_BCST(mem(p, at), v, v)
	Label("edgecolBias")
	CMPQ(tile("clamp"), imm(0))
	JE(operand.LabelRef("edgeclamp"))
	VBROADCASTSS(tile("lo"), x)
	VMAXPS(v, x, v)
	VBROADCASTSS(tile("hi"), x)
	VMINPS(v, x, v)
	Label("edgeclamp")
	skipIfNil("slope")
	const less = 1
	VXORPS(x, x, x)
	VCMPPS(imm(less), x, v, reg.K2)
	VMULPS(mem(p, 0), v, reg.K2, v)
	Label("edgeslope")
	MOVQ(tile("c"), p)
	VSCATTERDPS(v, reg.K2, rows("ldc"))
}
