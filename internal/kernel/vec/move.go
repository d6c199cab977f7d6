package vec

import "fmt"

// Transpose writes the rows×cols matrix src as cols×rows.
func Transpose(dst, src []float32, rows, cols int) {
	checkSize("transpose", len(dst), len(src), rows, cols)
	transpose(dst, src, rows, cols, rows, cols)
}

// transpose does blocks, so that the lines of dst and src that one uses stay
// in the cache. Rows of src are srcStep apart, rows of dst dstStep.
func transpose(dst, src []float32, rows, cols, dstStep, srcStep int) {
	const block = 16
	for i := 0; i < rows; i += block {
		iEnd := min(i+block, rows)
		for j := 0; j < cols; j += block {
			for c := j; c < min(j+block, cols); c++ {
				d := dst[c*dstStep+i : c*dstStep+iEnd]
				at := i*srcStep + c
				for r := range d {
					d[r] = src[at]
					at += srcStep
				}
			}
		}
	}
}

// maxRank bounds the dimensions that Permute keeps apart.
const maxRank = 8

// Permute reorders dimensions: dimension d of dst is dimension perm[d] of src,
// which has the given shape. After merging those that stay neighbours there
// may be at most 8.
func Permute(dst, src []float32, shape, perm []int) {
	checkSize("permute", len(dst), len(src), shape...)
	var size, step [maxRank]int // of dst's dimensions: extent, and step in src
	n := plan(&size, &step, shape, perm)
	for _, s := range size[:n] {
		if s == 0 {
			return
		}
	}
	switch {
	case n == 0:
		copy(dst[:1], src)
	case step[n-1] == 1:
		walk(dst, src, size[:n-1], step[:n-1], size[n-1], func(d, s []float32) { copy(d, s) })
	case n >= 2 && step[n-2] == 1:
		rows, cols, by := size[n-1], size[n-2], step[n-1]
		walk(dst, src, size[:n-2], step[:n-2], rows*cols, func(d, s []float32) { transpose(d, s, rows, cols, rows, by) })
	default:
		by := step[n-1]
		walk(dst, src, size[:n-1], step[:n-1], size[n-1], func(d, s []float32) {
			for i := range d {
				d[i] = s[i*by]
			}
		})
	}
}

// plan finds extents and source steps of dst's dimensions, without those of
// extent 1, and with neighbours in both merged.
func plan(size, step *[maxRank]int, shape, perm []int) int {
	if len(perm) != len(shape) {
		panic(fmt.Sprintf("vec: permute: shape %v, order %v", shape, perm))
	}
	n := 0
	for i, p := range perm {
		if p < 0 || p >= len(shape) {
			panic(fmt.Sprintf("vec: permute: shape %v, order %v", shape, perm))
		}
		for _, other := range perm[:i] {
			if other == p {
				panic(fmt.Sprintf("vec: permute: shape %v, order %v", shape, perm))
			}
		}
		if shape[p] == 1 {
			continue
		}
		s := 1
		for _, e := range shape[p+1:] {
			s *= e
		}
		if n > 0 && step[n-1] == s*shape[p] {
			size[n-1] *= shape[p]
			step[n-1] = s
			continue
		}
		if n == maxRank {
			panic(fmt.Sprintf("vec: permute: shape %v, order %v has too many dimensions", shape, perm))
		}
		size[n], step[n] = shape[p], s
		n++
	}
	return n
}

// walk calls f for each index of the outer dimensions, with its run of dst and
// the place in src.
func walk(dst, src []float32, size, step []int, run int, f func(d, s []float32)) {
	var at [maxRank]int
	off := 0
	for {
		f(dst[:run], src[off:])
		dst = dst[run:]
		d := len(size) - 1
		for ; d >= 0; d-- {
			at[d]++
			off += step[d]
			if at[d] < size[d] {
				break
			}
			off -= at[d] * step[d]
			at[d] = 0
		}
		if d < 0 {
			return
		}
	}
}
