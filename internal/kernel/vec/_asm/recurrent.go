package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lstm writes the update of a cell's memory c and state dst from the sums of
// its gates: input, forget, output and cell, a vector each, and so on.
func (l *level) lstm() {
	l.text("lstm", "(dst, c, sums []float32)", "computes the memory and the state of LSTM units.")
	n, p := slices("c")
	sums := reg.RDX
	Load(Param("sums").Base(), sums)
	bytes := 4 * l.lanes
	l.loop(n, p, 1, func(_ int, masked bool, mask vreg) {
		sum := func(i int) vreg {
			r := l.v()
			VMOVUPS(operand.Mem{Base: sums, Disp: i * bytes}, r)
			return r
		}
		h, c := operand.Mem{Base: p[0]}, operand.Mem{Base: p[1]}
		in := l.sigmoid(sum(0))
		z := l.tanh(sum(3))
		VMULPS(z, in, in)
		l.put(z)
		forget := l.sigmoid(sum(1))
		memory := l.v()
		l.load(c, memory, masked, mask)
		VFMADD213PS(in, forget, memory)
		l.put(in, forget)
		l.store(memory, c, masked, mask)
		memory = l.tanh(memory)
		out := l.sigmoid(sum(2))
		VMULPS(memory, out, out)
		l.store(out, h, masked, mask)
		l.put(memory, out)
		ADDQ(imm(4*bytes), sums)
	})
	end()
}
