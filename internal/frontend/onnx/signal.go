package onnx

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// Complex numbers are pairs along a last axis. Transforms are products with
// the matrices of their cosines and sines.
var signalRules = table{
	"DFT":  always(dft),
	"STFT": always(stft),
}

// waves returns cos and sin of 2πij/n for i < rows, j < cols.
func (b *Builder) waves(rows, cols, n int, like *mil.Value) (cos, sin *mil.Value) {
	c, s := make([]float32, rows*cols), make([]float32, rows*cols)
	for i := range rows {
		for j := range cols {
			x := 2 * math.Pi * float64(i*j%n) / float64(n)
			c[i*cols+j], s[i*cols+j] = float32(math.Cos(x)), float32(math.Sin(x))
		}
	}
	return b.cast(b.floats(c, rows, cols), like.Type.DType), b.cast(b.floats(s, rows, cols), like.Type.DType)
}

// transform transforms [..., n, 1 or 2] along its last axis but one.
func (b *Builder) transform(x *mil.Value, n int, onesided, inverse bool) *mil.Value {
	r := b.rank(x)
	if b.Err() != nil {
		return x
	}
	size, parts := x.Type.Shape[r-2], x.Type.Shape[r-1]
	if size < 0 || n < 1 || n > 1<<20 || parts != 1 && parts != 2 {
		b.refuse("a transform of %s", x.Type)
		return x
	}
	if size > n {
		x, size = b.slice(x, r-2, 0, n), n // what is missing are zeros
	}
	if onesided && inverse { // the other half are the conjugates
		if size != n/2+1 || parts != 2 {
			b.refuse("an inverse transform of half of it, %s", x.Type)
			return x
		}
		rest := make([]int, 0, n)
		for i := size; i < n; i++ {
			rest = append(rest, n-i)
		}
		if len(rest) > 0 {
			g := op.GatherIOS17.Defaults()
			g.X, g.Indices, g.Axis = x, b.ints(rest...), r-2
			x = b.concat(r-2, x, b.mul(b.gather(g), b.cast(b.floats([]float32{1, -1}, 2), x.Type.DType)))
		}
		size = n
	}
	out := n
	if onesided && !inverse {
		out = n/2 + 1
	}
	if !b.room(2 * size * out) {
		return x
	}
	cos, sin := b.waves(out, size, n, x)
	re := b.slice(x, r-1, 0, 1) // [..., n, 1]
	cr, sr := b.matmul(cos, re), b.matmul(sin, re)
	sign := -1.
	if inverse {
		sign = 1
	}
	var real, imag *mil.Value
	if parts == 1 {
		real, imag = cr, b.mul(sr, b.number(sign, sr))
	} else {
		im := b.slice(x, r-1, 1, 2)
		ci, si := b.matmul(cos, im), b.matmul(sin, im)
		real = b.sub(cr, b.mul(si, b.number(sign, si)))
		imag = b.add(ci, b.mul(sr, b.number(sign, sr)))
	}
	y := b.concat(r-1, real, imag)
	if onesided && inverse {
		y = real
	}
	if inverse {
		y = b.mul(y, b.number(1/float64(n), y))
	}
	return y
}

func dft(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	axis := n.Int("axis", 1)
	if n.Version >= 20 {
		axis = -2
		if v := n.input(2); v != nil {
			axis = append(b.knownInts("the axis", v), 0)[0]
		}
	}
	axis = b.axis(axis, r)
	if b.Err() != nil || axis == r-1 {
		return b.fail("axis %d of %s", axis, x.Type)
	}
	inverse, onesided := n.Bool("inverse"), n.Bool("onesided")
	size := x.Type.Shape[axis]
	if inverse && onesided {
		size = 2 * (size - 1)
	}
	if v := n.input(1); v != nil {
		size = append(b.knownInts("the length", v), 0)[0]
	}
	perm := append(slices.Delete(iota(r-1), axis, axis+1), axis, r-1)
	back := make([]int, r)
	for i, p := range perm {
		back[p] = i
	}
	y := b.transform(b.transpose(x, perm...), size, onesided, inverse)
	return one(b.as(b.transpose(y, back...), x))
}

func stft(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	if b.rank(x) == 2 {
		x = b.expandDims(x, 2)
	}
	shape := b.static(x)
	step := append(b.knownInts("the step", n.input(1)), 0)[0]
	window := n.input(2)
	size := 0
	if v := n.input(3); v != nil {
		size = append(b.knownInts("the length of a frame", v), 0)[0]
	} else if b.rank(window) == 1 {
		size = window.Type.Shape[0]
	}
	if b.Err() != nil || len(shape) != 3 || step < 1 || size < 1 || size > shape[1] {
		return b.fail("frames of %d, %d apart, of %s", size, step, x.Type)
	}
	frames := (shape[1]-size)/step + 1
	if !b.room(frames * size) {
		return nil
	}
	at := make([]int, frames*size)
	for i := range at {
		at[i] = i/size*step + i%size
	}
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices, g.Axis = x, b.reshape(b.ints(at...), frames, size), 1
	v := b.gather(g) // [B, frames, size, 1 or 2]
	if window != nil {
		v = b.mul(v, b.reshape(window, -1, 1))
	}
	return one(b.as(b.transform(v, size, n.Int("onesided", 1) != 0 && shape[2] == 1, false), n.In[0]))
}
