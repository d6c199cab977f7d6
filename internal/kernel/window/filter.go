package window

import (
	"unsafe"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

// Filter is the weighted sum over each window of an image, straight from the
// image, whose padding is zeros.
type Filter struct {
	shape Shape
	out   [3]int
	run   func(b *filterBand)
	masks *byte // by block: those of the loads, then of the outputs
	keep  any   // what masks points into
	width int   // blocks of a row
	zeros []float32
}

const (
	filterRows = 4  // of outputs at a time
	filterSees = 11 // rows of the image that they see, at most
)

// filterBand is one call of a kernel. The assembly knows this layout.
type filterBand struct {
	rows         [filterSees]*float32 // of the image
	dst          [filterRows]*float32
	weights      *float32
	masks        *byte
	blocks       int
	start        int // first column that windows see, in bytes
	bias, lo, hi float32
}

// FilterScratch is what one goroutine needs to run filters.
type FilterScratch struct {
	band  filterBand
	spare []float32 // a row of outputs that nobody wants
}

// filterFunc is a kernel for windows of size×size, stride apart.
type filterFunc struct {
	size, stride int
	run          func(b *filterBand)
}

// NewFilter returns the filter of a shape that passes Check, or nil if there is
// no kernel for it.
func NewFilter(l cpu.Level, s Shape) *Filter {
	k := s.Kernel[1]
	if s.In[0] != 1 || s.Kernel != [3]int{1, k, k} || s.Stride[1] != s.Stride[2] || s.Dilation[1] != 1 || s.Dilation[2] != 1 || s.Pad[0] != [2]int{} {
		return nil
	}
	f := &Filter{shape: s, out: s.Windows()}
	for _, by := range filters[l] {
		if by.size == k && by.stride == s.Stride[1] {
			f.run = by.run
		}
	}
	if f.run == nil || f.out[0] != 1 || s.In[2] == 0 {
		return nil
	}
	f.makeMasks(l)
	f.zeros = make([]float32, s.In[2])
	return f
}

// makeMasks makes the table of masks. The loads of a block see neighbouring
// columns, first of the window's first element, then of its next; with a
// stride of 2, two vectors of columns for each second element.
func (f *Filter) makeMasks(l cpu.Level) {
	s := &f.shape
	lanes := 8
	if l == cpu.AVX512 {
		lanes = 16
	}
	f.width = (f.out[2] + lanes - 1) / lanes
	var bits []bool
	for b := range f.width {
		first := b*lanes*s.Stride[2] - s.Pad[2][0]
		for k := 0; k < s.Kernel[2]; k += s.Stride[2] {
			for i := range s.Stride[2] * lanes {
				x := first + k + i
				bits = append(bits, x >= 0 && x < s.In[2])
			}
		}
		for i := range lanes {
			bits = append(bits, b*lanes+i < f.out[2])
		}
	}
	if lanes == 16 {
		m := make([]uint16, len(bits)/16)
		for i, b := range bits {
			if b {
				m[i/16] |= 1 << (i % 16)
			}
		}
		f.keep, f.masks = m, (*byte)(unsafe.Pointer(unsafe.SliceData(m)))
		return
	}
	m := make([]int32, len(bits))
	for i, b := range bits {
		if b {
			m[i] = -1
		}
	}
	f.keep, f.masks = m, (*byte)(unsafe.Pointer(unsafe.SliceData(m)))
}

// Run computes an image: the sums plus bias, clamped to lo..hi; NaN stays NaN.
func (f *Filter) Run(scratch *FilterScratch, dst, src, weights []float32, bias, lo, hi float32) {
	s := &f.shape
	h, w := s.In[1], s.In[2]
	oh, ow := f.out[1], f.out[2]
	dst, src, weights = dst[:oh*ow], src[:h*w], weights[:s.Kernel[1]*s.Kernel[2]]
	if len(dst) == 0 {
		return
	}
	if len(scratch.spare) < ow {
		scratch.spare = make([]float32, ow)
	}
	b := &scratch.band
	b.weights, b.masks, b.bias, b.lo, b.hi = &weights[0], f.masks, bias, lo, hi
	b.blocks, b.start = f.width, -4*s.Pad[2][0]
	sees := (filterRows-1)*s.Stride[1] + s.Kernel[1]
	for y := 0; y < oh; y += filterRows {
		for i := range sees {
			row := f.zeros
			if at := y*s.Stride[1] + i - s.Pad[1][0]; at >= 0 && at < h {
				row = src[at*w:]
			}
			b.rows[i] = &row[0]
		}
		for r := range b.dst {
			if y+r < oh {
				b.dst[r] = &dst[(y+r)*ow]
			} else {
				b.dst[r] = &scratch.spare[0]
			}
		}
		f.run(b)
	}
	*b = filterBand{}
}
