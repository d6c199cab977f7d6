// Command _asm writes the assembly of package pixel: go generate in the
// package's folder, or here
//
//	go run . -out ../pixel_amd64.s -stubs ../stubs_amd64.go -pkg pixel
//
// It is a module of its own so that nobody who uses the kernels needs avo.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("!noasm")
	weigh("weighAVX2", reg.S256)
	weigh("weighAVX512", reg.S512)
	transpose()
	ycc()
	double()
	planes()
	Generate()
}

// text starts a function.
func text(name, signature, doc string) {
	TEXT(name, NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(name + " " + doc)
}

func end() {
	VZEROUPPER()
	RET()
}

func vector(i int, size reg.Spec) reg.VecPhysical {
	return reg.LookupPhysical(reg.KindVector, reg.Index(i), size).(reg.VecPhysical)
}

func y(i int) reg.VecPhysical { return vector(i, reg.S256) }
func x(i int) reg.VecPhysical { return vector(i, reg.S128) }

// at is an address: base + offset, or base + index.
func at(base reg.GPPhysical, offset int) operand.Mem { return operand.Mem{Base: base, Disp: offset} }

func indexed(base, index reg.GPPhysical) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: 1}
}

// weigh: a sum has its products with the upper and with the lower halves of the
// weights apart. Two rows are interleaved, so that one multiplication of words
// serves two taps; the unpacking orders samples as the packing wants them.
func weigh(name string, size reg.Spec) {
	text(name, "(dst, src *uint8, step int, pairs *int32, taps, vectors int)",
		"weighs taps rows, step bytes apart, of so many vectors.")
	dst, src, step, pairs, vectors := reg.RDI, reg.RSI, reg.RBX, reg.RDX, reg.R8
	row, pair, left := reg.R10, reg.R11, reg.R12
	Load(Param("dst"), dst)
	Load(Param("src"), src)
	Load(Param("step"), step)
	Load(Param("pairs"), pairs)
	Load(Param("vectors"), vectors)
	v := func(i int) reg.VecPhysical { return vector(i, size) }
	bytes := 32
	clear := func(r reg.VecPhysical) { VPXOR(r, r, r) }
	move := func(from, to operand.Op) { VMOVDQU(from, to) }
	if size == reg.S512 {
		bytes = 64
		clear = func(r reg.VecPhysical) { VPXORD(r, r, r) }
		move = func(from, to operand.Op) { VMOVDQU8(from, to) }
	}
	zero, a, b, lower, upper, low, high, t := v(8), v(9), v(10), v(11), v(12), v(13), v(14), v(15)
	clear(zero)
	// tap adds a row, and with two the row below it.
	tap := func(two bool) {
		move(at(row, 0), a)
		second := zero
		if two {
			second = b
			move(indexed(row, step), b)
		}
		VPBROADCASTD(at(pair, 0), low)
		VPBROADCASTD(at(pair, 4), high)
		VPUNPCKLBW(second, a, lower)
		VPUNPCKHBW(second, a, upper)
		for i := range 4 {
			words := []reg.VecPhysical{lower, upper}[i/2]
			if i%2 == 0 {
				VPUNPCKLBW(zero, words, a)
			} else {
				VPUNPCKHBW(zero, words, a)
			}
			VPMADDWD(low, a, t)
			VPADDD(t, v(i), v(i))
			VPMADDWD(high, a, t)
			VPADDD(t, v(4+i), v(4+i))
		}
	}
	Label("vector")
	for i := range 8 {
		clear(v(i))
	}
	MOVQ(src, row)
	MOVQ(pairs, pair)
	Load(Param("taps"), left)
	SUBQ(operand.U8(2), left)
	JL(operand.LabelRef("last"))
	Label("two")
	tap(true)
	LEAQ(operand.Mem{Base: row, Index: step, Scale: 2}, row)
	ADDQ(operand.U8(8), pair)
	SUBQ(operand.U8(2), left)
	JGE(operand.LabelRef("two"))
	Label("last")
	CMPQ(left, operand.I8(-1))
	JNE(operand.LabelRef("round"))
	tap(false)
	Label("round")
	half := operand.Mem{Base: reg.RAX}
	LEAQ(words("half", 1<<21), reg.RAX)
	VPBROADCASTD(half, t)
	for i := range 4 {
		VPSLLD(operand.U8(15), v(4+i), v(4+i))
		VPADDD(v(4+i), v(i), v(i))
		VPADDD(t, v(i), v(i))
		VPSRAD(operand.U8(22), v(i), v(i))
	}
	VPACKSSDW(v(1), v(0), v(0))
	VPACKSSDW(v(3), v(2), v(2))
	VPACKUSWB(v(2), v(0), v(0))
	move(v(0), at(dst, 0))
	ADDQ(operand.U8(bytes), dst)
	ADDQ(operand.U8(bytes), src)
	DECQ(vectors)
	JNZ(operand.LabelRef("vector"))
	end()
}

var data = map[string]operand.Mem{}

// words is data of words of 32 bits.
func words(name string, values ...uint32) operand.Mem {
	m, ok := data[name]
	if !ok {
		m = GLOBL(name, 8|16) // RODATA, NOPTR
		for i, v := range values {
			DATA(4*i, operand.U32(v))
		}
		data[name] = m
	}
	return m
}

// shuffle is the data of a shuffle of bytes: places in each half, -1 for zero.
func shuffle(name string, places ...int) operand.Mem {
	var w []uint32
	for i := 0; i < len(places); i += 4 {
		v := uint32(0)
		for j, p := range places[i : i+4] {
			v |= uint32(uint8(p)) << (8 * j)
		}
		w = append(w, v)
	}
	return words(name, w...)
}

// transpose: rows i and i+16 lie in the halves of a register. Four times
// interleaving what is half of the rows apart brings them in order.
func transpose() {
	text("transposeAVX2", "(dst *uint8, dstStep int, src *uint8, srcStep, blocks int)",
		"transposes blocks of 32 rows and 8 columns. It reads 16 columns of each.")
	dst, dstStep, src, step, blocks := reg.RDI, reg.R8, reg.RSI, reg.RBX, reg.R9
	step8, upper, lower := reg.R10, reg.R11, reg.R12
	Load(Param("dst"), dst)
	Load(Param("dstStep"), dstStep)
	Load(Param("src"), src)
	Load(Param("srcStep"), step)
	Load(Param("blocks"), blocks)
	MOVQ(step, step8)
	SHLQ(operand.U8(3), step8)
	Label("block")
	MOVQ(src, upper)
	LEAQ(operand.Mem{Base: src, Index: step8, Scale: 2}, lower)
	var r [8]int
	for i := range r {
		a, b := i, 8
		VMOVDQU(at(upper, 0), x(a))
		VINSERTI128(operand.U8(1), at(lower, 0), y(a), y(a))
		VMOVDQU(indexed(upper, step8), x(b))
		VINSERTI128(operand.U8(1), indexed(lower, step8), y(b), y(b))
		VPUNPCKLBW(y(b), y(a), y(a))
		r[i] = a
		if i < 7 {
			ADDQ(step, upper)
			ADDQ(step, lower)
		}
	}
	// mix interleaves registers p and q; the result's upper part goes to a free
	// register.
	free := 8
	mix := func(p, q int) (low, high int) {
		VPUNPCKHBW(y(q), y(p), y(free))
		VPUNPCKLBW(y(q), y(p), y(p))
		low, high = p, free
		free = q
		return low, high
	}
	var u [2][4]int // of columns 0 to 3 and 4 to 7
	for i := range 4 {
		u[0][i], u[1][i] = mix(r[i], r[i+4])
	}
	var t [4][2]int // of two columns each
	for h := range 2 {
		for i := range 2 {
			t[2*h][i], t[2*h+1][i] = mix(u[h][i], u[h][i+2])
		}
	}
	for c := range t {
		low, high := mix(t[c][0], t[c][1])
		VMOVDQU(y(low), at(dst, 0))
		VMOVDQU(y(high), indexed(dst, dstStep))
		LEAQ(operand.Mem{Base: dst, Index: dstStep, Scale: 2}, dst)
	}
	ADDQ(operand.U8(8), src)
	DECQ(blocks)
	JNZ(operand.LabelRef("block"))
	end()
}

// ycc: 65536·(x·k rounded / 65536) is the upper half of a product of words and
// the carry of its lower one; what the factors of the conversion have above 16 bits
// is added apart. Green's two products are summed before they are rounded.
func ycc() {
	text("yccAVX2", "(dst, luma, cb, cr *uint8, blocks int)", "converts blocks of 16 pixels to red, green, blue.")
	dst, luma, cb, cr, blocks := reg.RDI, reg.RSI, reg.RBX, reg.RDX, reg.R8
	Load(Param("dst"), dst)
	Load(Param("luma"), luma)
	Load(Param("cb"), cb)
	Load(Param("cr"), cr)
	Load(Param("blocks"), blocks)
	constant := func(name string, value uint32, r reg.VecPhysical) {
		LEAQ(words(name, value), reg.RAX)
		VPBROADCASTD(at(reg.RAX, 0), r)
	}
	pair := func(a, b int16) uint32 { return uint32(uint16(a)) | uint32(uint16(b))<<16 }
	const toRed, toBlue = 91881 - 1<<16, 116130 - 2<<16
	middle, red, blue, green, round, zero := y(10), y(11), y(12), y(13), y(14), y(15)
	constant("middle", pair(128, 128), middle)
	constant("red", pair(toRed, toRed), red)
	constant("blue", pair(toBlue, toBlue), blue)
	constant("green", pair(-22554, 1<<16-46802), green)
	constant("round", 1<<15, round)
	VPXOR(zero, zero, zero)
	Label("pixels")
	l, b, r := y(0), y(1), y(2)
	VPMOVZXBW(at(luma, 0), l)
	VPMOVZXBW(at(cb, 0), b)
	VPMOVZXBW(at(cr, 0), r)
	VPSUBW(middle, b, b)
	VPSUBW(middle, r, r)
	g, t, u := y(3), y(4), y(5)
	VPUNPCKLWD(r, b, t)
	VPUNPCKHWD(r, b, u)
	for _, v := range []reg.VecPhysical{t, u} {
		VPMADDWD(green, v, v)
		VPADDD(round, v, v)
		VPSRAD(operand.U8(16), v, v)
	}
	VPACKSSDW(u, t, g)
	VPADDW(l, g, g)
	VPSUBW(r, g, g)
	scaled := func(v, k reg.VecPhysical) { // t = v·k rounded
		VPMULLW(k, v, u)
		VPMULHW(k, v, t)
		VPSRLW(operand.U8(15), u, u)
		VPADDW(u, t, t)
	}
	scaled(r, red)
	VPADDW(t, r, r)
	VPADDW(l, r, r)
	scaled(b, blue)
	VPADDW(b, b, b)
	VPADDW(t, b, b)
	VPADDW(l, b, b)
	// Each half has 8 pixels: red and green in one register, blue in another.
	VPACKUSWB(g, r, r)
	VPACKUSWB(zero, b, b)
	const none = -1
	first := [2][]int{
		{0, 8, none, 1, 9, none, 2, 10, none, 3, 11, none, 4, 12, none, 5},
		{none, none, 0, none, none, 1, none, none, 2, none, none, 3, none, none, 4, none},
	}
	rest := [2][]int{
		{13, none, 6, 14, none, 7, 15, none, none, none, none, none, none, none, none, none},
		{none, 5, none, none, 6, none, none, 7, none, none, none, none, none, none, none, none},
	}
	twice := func(p []int) []int { return append(append([]int{}, p...), p...) }
	for i, s := range [][2][]int{first, rest} {
		name := []string{"first", "rest"}[i]
		VPSHUFB(shuffle(name+"RG", twice(s[0])...), r, t)
		VPSHUFB(shuffle(name+"B", twice(s[1])...), b, u)
		VPOR(u, t, t)
		VEXTRACTI128(operand.U8(1), t, u.AsX())
		if i == 0 {
			VMOVDQU(t.AsX(), at(dst, 0))
			VMOVDQU(u.AsX(), at(dst, 24))
		} else {
			VMOVQ(t.AsX(), at(dst, 16))
			VMOVQ(u.AsX(), at(dst, 40))
		}
	}
	ADDQ(operand.U8(16), luma)
	ADDQ(operand.U8(16), cb)
	ADDQ(operand.U8(16), cr)
	ADDQ(operand.U8(48), dst)
	DECQ(blocks)
	JNZ(operand.LabelRef("pixels"))
	end()
}

// double: the first of two results is the lower byte of a word.
func double() {
	text("doubleAVX2", "(dst, near, far *uint8, even, odd uint32, blocks int)",
		"doubles blocks of 16 samples, each of which has a neighbour on either side.")
	dst, near, far, blocks := reg.RDI, reg.RSI, reg.RBX, reg.R8
	Load(Param("dst"), dst)
	Load(Param("near"), near)
	Load(Param("far"), far)
	Load(Param("blocks"), blocks)
	even, odd := y(8), y(9)
	Load(Param("even"), reg.EAX)
	VMOVD(reg.EAX, even.AsX())
	VPBROADCASTW(even.AsX(), even)
	Load(Param("odd"), reg.EAX)
	VMOVD(reg.EAX, odd.AsX())
	VPBROADCASTW(odd.AsX(), odd)
	Label("samples")
	sum := func(offset int, s, t reg.VecPhysical) {
		VPMOVZXBW(at(near, offset), s)
		VPADDW(s, s, t)
		VPADDW(t, s, s)
		VPMOVZXBW(at(far, offset), t)
		VPADDW(t, s, s)
	}
	left, here, right, t := y(0), y(1), y(2), y(3)
	sum(-1, left, t)
	sum(0, here, t)
	sum(1, right, t)
	VPADDW(here, here, t)
	VPADDW(t, here, here)
	for _, v := range []struct{ side, bias reg.VecPhysical }{{left, even}, {right, odd}} {
		VPADDW(here, v.side, v.side)
		VPADDW(v.bias, v.side, v.side)
		VPSRLW(operand.U8(4), v.side, v.side)
	}
	VPSLLW(operand.U8(8), right, right)
	VPOR(right, left, left)
	VMOVDQU(left, at(dst, 0))
	ADDQ(operand.U8(16), near)
	ADDQ(operand.U8(16), far)
	ADDQ(operand.U8(32), dst)
	DECQ(blocks)
	JNZ(operand.LabelRef("samples"))
	end()
}

// planes: four pixels lie in each half of a register.
func planes() {
	text("planesAVX2", "(first, second, third *float32, src *uint8, blocks int)", "takes blocks of 8 pixels apart.")
	src, blocks := reg.RSI, reg.R8
	dst := []reg.GPPhysical{reg.RDI, reg.RBX, reg.RDX}
	for i, name := range []string{"first", "second", "third"} {
		Load(Param(name), dst[i])
	}
	Load(Param("src"), src)
	Load(Param("blocks"), blocks)
	for c := range 3 {
		var places []int
		for lane := range 2 { // the second one starts 4 bytes before its pixels
			for p := range 4 {
				places = append(places, 3*p+c+4*lane, -1, -1, -1)
			}
		}
		VMOVDQU(shuffle([]string{"plane0", "plane1", "plane2"}[c], places...), y(1+c))
	}
	Label("eight")
	VMOVDQU(at(src, 0), x(0))
	VINSERTI128(operand.U8(1), at(src, 8), y(0), y(0))
	for c := range 3 {
		VPSHUFB(y(1+c), y(0), y(4+c))
		VCVTDQ2PS(y(4+c), y(4+c))
		VMOVUPS(y(4+c), at(dst[c], 0))
		ADDQ(operand.U8(32), dst[c])
	}
	ADDQ(operand.U8(24), src)
	DECQ(blocks)
	JNZ(operand.LabelRef("eight"))
	end()
}
