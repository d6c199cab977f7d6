package window

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

// Filter is the weighted sum over each window of images, straight from the
// image, whose padding is zeros.
type Filter struct {
	shape  Shape
	out    [3]int
	run    func(q *filterCall)
	masks  *byte // by block: those of the loads, then of the outputs
	keep   any   // what masks points into
	width  int   // blocks of a row
	rows   []int // by group of rows of outputs: where they are, see makeRows
	groups int
	zeros  []float32
}

const filterRows = 4 // of outputs at a time

// filterCall is one call of a kernel. The assembly knows this layout.
type filterCall struct {
	src     *float32
	srcStep int // bytes from a plane to the next
	dst     *float32
	dstStep int
	planes  int
	weights *float32 // of the planes, one after the other
	bias    *float32 // of each plane
	rows    *int
	groups  int
	masks   *byte
	blocks  int
	start   int      // first column that windows see, in bytes
	zeros   *float32 // a row of the image
	spare   *float32 // a row of outputs that nobody wants
	done    int      // bytes of bias; 0 at first
	lo, hi  float32
}

// FilterScratch is what one goroutine needs to run filters.
type FilterScratch struct {
	call  filterCall
	spare []float32
}

// filterFunc is a kernel for windows of size×size, stride apart.
type filterFunc struct {
	size, stride int
	run          func(q *filterCall)
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
	if l != cpu.NEON {
		f.makeMasks(l)
	} else if f.hasPlaces() {
		f.makePlaces()
	} else {
		return nil
	}
	f.makeRows()
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

// makeRows makes the table of rows: for each group of rows of outputs where in
// a plane the rows start that they see, and then where they start themselves,
// in bytes. There is no row where that is nowhere.
func (f *Filter) makeRows() {
	const nowhere = math.MinInt / 2 // a negative address, whatever it is added to
	s := &f.shape
	for y := 0; y < f.out[1]; y += filterRows {
		for i := range (filterRows-1)*s.Stride[1] + s.Kernel[1] {
			at := y*s.Stride[1] + i - s.Pad[1][0]
			if at < 0 || at >= s.In[1] {
				at = nowhere
			} else {
				at *= 4 * s.In[2]
			}
			f.rows = append(f.rows, at)
		}
		for r := range filterRows {
			at := nowhere
			if y+r < f.out[1] {
				at = (y + r) * 4 * f.out[2]
			}
			f.rows = append(f.rows, at)
		}
		f.groups++
	}
}

// Groups is how many groups of rows a result has, the unit that work is shared
// out in.
func (f *Filter) Groups() int { return f.groups }

// Rows is where groups from first to last begin and end among the rows.
func (f *Filter) Rows(first, last int) (from, to int) {
	return min(first*filterRows, f.out[1]), min(last*filterRows, f.out[1])
}

// Run computes some groups of rows, from first up to but without last, of that
// many images, each with weights and a bias of its own: the sums plus bias,
// clamped to lo..hi; NaN stays NaN. Images of src are step elements apart,
// results follow each other.
func (f *Filter) Run(scratch *FilterScratch, first, last, images int, dst, src []float32, step int, weights, bias []float32, lo, hi float32) {
	s := &f.shape
	in, out, taps := s.In[1]*s.In[2], f.out[1]*f.out[2], s.Kernel[1]*s.Kernel[2]
	if images <= 0 || out == 0 || first >= last {
		return
	}
	if first < 0 || last > f.groups {
		panic(fmt.Sprintf("window: groups %d to %d of %d", first, last, f.groups))
	}
	if len(dst) < images*out || step < 0 || len(src) < (images-1)*step+in || len(weights) < images*taps || len(bias) < images {
		panic(fmt.Sprintf("window: %d images, %d apart: %d outputs, %d inputs, %d weights and %d biases; want %d, %d, %d of each",
			images, step, len(dst), len(src), len(weights), len(bias), out, in, taps))
	}
	if len(scratch.spare) < f.out[2] {
		scratch.spare = make([]float32, f.out[2])
	}
	from := &f.zeros[0] // an image without rows has padding only
	if len(src) > 0 {
		from = &src[0]
	}
	scratch.call = filterCall{
		src: from, srcStep: 4 * step, dst: &dst[0], dstStep: 4 * out, planes: images, weights: &weights[0], bias: &bias[0],
		rows: &f.rows[first*(len(f.rows)/f.groups)], groups: last - first, masks: f.masks, blocks: f.width, start: -4 * s.Pad[2][0],
		zeros: &f.zeros[0], spare: &scratch.spare[0], lo: lo, hi: hi,
	}
	f.run(&scratch.call)
	scratch.call = filterCall{}
}
