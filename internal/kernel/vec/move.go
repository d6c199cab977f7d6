package vec

import "fmt"

// Transpose writes the rows×cols matrix src as cols×rows, by portable code.
func Transpose(dst, src []float32, rows, cols int) { generic.Transpose(dst, src, rows, cols) }

// Permute is the method of that name, by portable code.
func Permute(dst, src []float32, shape, perm []int) { generic.Permute(dst, src, shape, perm) }

// Transpose writes the rows×cols matrix src as cols×rows.
func (f *Funcs) Transpose(dst, src []float32, rows, cols int) {
	checkSize("transpose", len(dst), len(src), rows, cols)
	f.TransposeStrided(dst, rows, src, cols, rows, cols)
}

// TransposeStrided is Transpose for matrices whose rows are dstStep and srcStep
// apart.
func (f *Funcs) TransposeStrided(dst []float32, dstStep int, src []float32, srcStep, rows, cols int) {
	if rows < 0 || cols < 0 || dstStep < rows && cols > 1 || srcStep < cols && rows > 1 {
		panic(fmt.Sprintf("vec: transpose of %d×%d with rows %d apart, to rows %d apart", rows, cols, srcStep, dstStep))
	}
	if rows == 0 || cols == 0 {
		return
	}
	_, _ = dst[(cols-1)*dstStep+rows-1], src[(rows-1)*srcStep+cols-1]
	// In blocks, so that the lines of dst and src that one uses stay in the cache.
	const high, wide = 16, 64
	for i := 0; i < rows; i += high {
		for j := 0; j < cols; j += wide {
			f.transposeBlock(dst[j*dstStep+i:], dstStep, src[i*srcStep+j:], srcStep, min(high, rows-i), min(wide, cols-j))
		}
	}
}

func (f *Funcs) transposeBlock(dst []float32, dstStep int, src []float32, srcStep, rows, cols int) {
	i, whole := 0, cols/8*8
	if f.transpose8 != nil && whole > 0 {
		for ; i+8 <= rows; i += 8 {
			f.transpose8(&dst[i], dstStep, &src[i*srcStep], srcStep, whole/8)
		}
		for ; i+4 <= rows; i += 4 {
			f.transpose4(&dst[i], dstStep, &src[i*srcStep], srcStep, whole/8)
		}
	}
	transposePart(dst, dstStep, src, srcStep, i, rows, 0, cols)
	if i > 0 {
		transposePart(dst, dstStep, src, srcStep, 0, i, whole, cols)
	}
}

// transposePart transposes rows i to iEnd of columns j to jEnd.
func transposePart(dst []float32, dstStep int, src []float32, srcStep, i, iEnd, j, jEnd int) {
	for c := j; c < jEnd && i < iEnd; c++ {
		d := dst[c*dstStep+i : c*dstStep+iEnd]
		at := i*srcStep + c
		for r := range d {
			d[r] = src[at]
			at += srcStep
		}
	}
}

// CopyRows copies rows of n elements, which are dstStep and srcStep apart, as
// joining and cutting tensors does.
func CopyRows(dst []float32, dstStep int, src []float32, srcStep, rows, n int) {
	if rows < 0 || n < 0 || rows > 1 && (dstStep < n || srcStep < 0) {
		panic(fmt.Sprintf("vec: copy of %d rows of %d, %d apart, to rows %d apart", rows, n, srcStep, dstStep))
	}
	for r := range rows {
		copy(dst[r*dstStep:][:n], src[r*srcStep:][:n])
	}
}

// GatherRows copies the rows of n elements that index names, in its order, as
// an embedding does.
func GatherRows(dst, src []float32, n int, index []int32) {
	for i, at := range index {
		copy(dst[i*n:][:n], src[int(at)*n:][:n])
	}
}

// maxRank bounds the dimensions that Permute keeps apart.
const maxRank = 8

// Permute reorders dimensions: dimension d of dst is dimension perm[d] of src,
// which has the given shape. After merging those that stay neighbours there
// may be at most 8.
func (f *Funcs) Permute(dst, src []float32, shape, perm []int) {
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
		walk(dst, src, size[:n-2], step[:n-2], rows*cols, func(d, s []float32) { f.TransposeStrided(d, rows, s, by, rows, cols) })
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

// CopyStrided copies the elements of src that lie, along each dimension of
// shape, so many places apart, the first at offset, to dst, where they lie
// together.
func CopyStrided(dst, src []float32, shape, strides []int, offset int) {
	switch len(shape) {
	case 0:
		dst[0] = src[offset]
	case 1:
		if dst = dst[:shape[0]]; strides[0] == 1 {
			copy(dst, src[offset:offset+len(dst)])
			return
		}
		for i := range dst {
			dst[i] = src[offset+i*strides[0]]
		}
	default:
		size := 1
		for _, n := range shape[1:] {
			size *= n
		}
		for i := range shape[0] {
			CopyStrided(dst[i*size:(i+1)*size], src, shape[1:], strides[1:], offset+i*strides[0])
		}
	}
}
