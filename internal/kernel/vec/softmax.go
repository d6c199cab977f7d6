package vec

import (
	"fmt"
	"math"
	"slices"
)

// Softmax is eˣ over the sum of eˣ, for each of rows of n elements.
func (f *Funcs) Softmax(dst, x []float32, rows, n int) {
	checkSize("softmax", len(dst), len(x), rows, n)
	for r := range rows {
		f.softmax(dst[r*n:(r+1)*n], x[r*n:(r+1)*n])
	}
}

func (f *Funcs) softmax(dst, x []float32) {
	sum := f.expSum(dst, x, f.maxOf(x))
	f.mulS(dst, dst, 1/sum)
}

// LogSoftmax is the logarithm of Softmax.
func (f *Funcs) LogSoftmax(dst, x []float32, rows, n int) {
	checkSize("softmax", len(dst), len(x), rows, n)
	work := f.work()
	defer f.rows.Put(work)
	buf := &work[0]
	for r := range rows {
		dst, x := dst[r*n:(r+1)*n], x[r*n:(r+1)*n]
		f.subS(dst, x, f.maxOf(x))
		var sum float64
		for rest := dst; len(rest) > 0; {
			part := buf[:min(chunk, len(rest))]
			sum += float64(f.expSum(part, rest[:len(part)], 0))
			rest = rest[len(part):]
		}
		f.subS(dst, dst, float32(math.Log(sum)))
	}
}

func (f *Funcs) work() *[2][chunk]float32 {
	if w, ok := f.rows.Get().(*[2][chunk]float32); ok {
		return w
	}
	return new([2][chunk]float32)
}

// SoftmaxStrided is Softmax over the middle one of three dimensions.
func (f *Funcs) SoftmaxStrided(dst, x []float32, outer, n, inner int) {
	if inner == 1 {
		f.Softmax(dst, x, outer, n)
		return
	}
	checkSize("softmax", len(dst), len(x), outer, n, inner)
	work := f.work()
	defer f.rows.Put(work)
	for o := range outer {
		for i := 0; i < inner; i += chunk {
			w := min(chunk, inner-i)
			row := func(s []float32, k int) []float32 { return s[(o*n+k)*inner+i:][:w] }
			top, sum := work[0][:w], work[1][:w]
			for k := range n {
				if k == 0 {
					copy(top, row(x, 0))
				} else {
					f.max(top, top, row(x, k))
				}
			}
			clear(sum)
			for k := range n {
				d := row(dst, k)
				f.sub(d, row(x, k), top)
				f.exp(d, d)
				f.add(sum, sum, d)
			}
			for k := range n {
				f.div(row(dst, k), row(dst, k), sum)
			}
		}
	}
}

// checkSize panics unless both slices hold the product of the dimensions.
// The message copies the dimensions, so that they may live on the stack.
func checkSize(what string, dst, x int, dims ...int) {
	n := 1
	for _, d := range dims {
		if d < 0 {
			panic(fmt.Sprintf("vec: %s of %v", what, slices.Clone(dims)))
		}
		n *= d
	}
	if dst < n || x < n {
		panic(fmt.Sprintf("vec: %s of %v: %d inputs, %d results", what, slices.Clone(dims), x, dst))
	}
}
