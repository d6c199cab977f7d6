// Package window knows where sliding windows lie: the geometry that
// convolution and pooling share, in up to three dimensions. A plane is
// one channel of one image, [depth][height][width]; a 2-D image has depth 1, a
// sequence also height 1.
package window

import (
	"fmt"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

// Shape is the geometry of windows over a plane. Each array holds depth,
// height and width.
type Shape struct {
	In       [3]int    // the plane
	Kernel   [3]int    // the window
	Stride   [3]int    // from one window to the next
	Dilation [3]int    // from one element of the window to the next
	Pad      [3][2]int // elements added before and after; negative ones crop
	Out      [3]int    // number of windows; zero for as many as fit
}

// Flat is the geometry of windows over one image of height h and width w, with
// strides and dilations of 1 and no padding.
func Flat(h, w, kh, kw int) Shape {
	return Shape{
		In: [3]int{1, h, w}, Kernel: [3]int{1, kh, kw},
		Stride: [3]int{1, 1, 1}, Dilation: [3]int{1, 1, 1},
	}
}

// Size is the product of the three extents.
func Size(x [3]int) int { return x[0] * x[1] * x[2] }

// Windows is the number of windows in each dimension: Out where it is set, else
// as many as fit.
func (s *Shape) Windows() [3]int {
	out := s.Out
	for d := range out {
		if out[d] == 0 {
			span := s.In[d] + s.Pad[d][0] + s.Pad[d][1] - (s.Kernel[d]-1)*s.Dilation[d] - 1
			if span >= 0 {
				out[d] = span/s.Stride[d] + 1
			}
		}
	}
	return out
}

// Check reports extents that make no sense.
func (s *Shape) Check() error {
	for d, name := range [3]string{"depth", "height", "width"} {
		switch {
		case s.In[d] < 0 || s.Out[d] < 0:
			return fmt.Errorf("%s of %d to %d", name, s.In[d], s.Out[d])
		case s.Kernel[d] < 1 || s.Stride[d] < 1 || s.Dilation[d] < 1:
			return fmt.Errorf("%s: kernel %d, stride %d, dilation %d: want at least 1", name, s.Kernel[d], s.Stride[d], s.Dilation[d])
		}
	}
	return nil
}

// Layout is how a plane is copied so that all windows become equal sums of
// shifted rows: with its padding, and with its columns sorted by their
// remainder modulo the stride. Then element t of the window of output column n
// lies at Taps[t]+Cols[n] of the copy, and neighbouring columns are neighbours.
// What no window reads is left out where that is easy: rows and columns between
// windows of a single one, so that such rows of windows follow each other.
type Layout struct {
	Shape
	Out    [3]int // number of windows; of a band, in it
	Plane  int    // floats of a copy
	Direct bool   // the plane itself is such a copy
	Taps   []int  // by element of the window
	Slice  int    // from one output slice to the next
	Row    int    // from one output row to the next; neighbours in a row are 1 apart

	funcs   *Funcs
	extent  [3]int // of the copy, before its columns are sorted
	phase   int    // columns of one remainder
	skip    int    // rows of the plane from one of the copy to the next
	used    []bool // by row of the copy, whether any window reads it
	phases  []bool // by remainder
	rowStep int
}

// NewLayout plans the copies for a shape that passes Check.
func NewLayout(level cpu.Level, s Shape) *Layout {
	return newLayout(level, s.fixed(), s.Stride[2] == 1)
}

// NewBand is NewLayout for copies of only that many rows of windows, and the
// elements they need.
func NewBand(level cpu.Level, s Shape, rows int) *Layout {
	s = s.fixed()
	s.Out[1] = rows
	return newLayout(level, s, false)
}

// fixed sets Out, for a shape that passes Check.
func (s Shape) fixed() Shape {
	if err := s.Check(); err != nil {
		panic("window: " + err.Error())
	}
	s.Out = s.Windows()
	return s
}

func newLayout(level cpu.Level, s Shape, direct bool) *Layout {
	l := &Layout{Shape: s, Out: s.Out, Direct: direct, funcs: For(level)}
	for d := range l.extent {
		l.extent[d] = max(0, (l.Out[d]-1)*s.Stride[d]+(s.Kernel[d]-1)*s.Dilation[d]+1)
		if s.Pad[d][0] != 0 || l.extent[d] > s.In[d] {
			l.Direct = false
		}
	}
	if l.Direct {
		l.extent = s.In
	}
	l.phase = (l.extent[2] + s.Stride[2] - 1) / s.Stride[2]
	if l.rowStep = l.phase * s.Stride[2]; s.Kernel[2] == 1 {
		l.rowStep = l.phase
	}
	step := s.Stride[1]
	if l.skip = 1; s.Kernel[1] == 1 && !l.Direct && s.Pad[1][0] == 0 && l.extent[1] <= s.In[1] {
		l.extent[1], l.skip, step = l.Out[1], step, 1
	}
	sliceStep := l.rowStep * l.extent[1]
	l.Plane = sliceStep * l.extent[0]
	l.Row, l.Slice = l.rowStep*step, sliceStep*s.Stride[0]
	l.phases = make([]bool, s.Stride[2])
	for z := range s.Kernel[0] {
		for y := range s.Kernel[1] {
			for x := range s.Kernel[2] {
				at := x * s.Dilation[2]
				l.phases[at%s.Stride[2]] = true
				l.Taps = append(l.Taps, z*s.Dilation[0]*sliceStep+y*s.Dilation[1]*l.rowStep+at%s.Stride[2]*l.phase+at/s.Stride[2])
			}
		}
	}
	l.used = make([]bool, l.extent[1])
	for y := range l.Out[1] {
		for t := range s.Kernel[1] {
			l.used[y*step+t*s.Dilation[1]] = true
		}
	}
	return l
}

// Cols is the offset of each window in the copy.
func (l *Layout) Cols() []int32 {
	cols := make([]int32, 0, Size(l.Out))
	for z := range l.Out[0] {
		for y := range l.Out[1] {
			for x := range l.Out[2] {
				cols = append(cols, int32(z*l.Slice+y*l.Row+x))
			}
		}
	}
	return cols
}

// Copy fills dst, of Plane floats, from a plane; padding becomes fill.
func (l *Layout) Copy(dst, src []float32, fill float32) { l.CopyBand(dst, src, fill, 0, l.Out[1]) }

// CopyBand is Copy for a band of that many rows of windows from row first on,
// at most as many as the layout has. Below, dst is left as it is.
func (l *Layout) CopyBand(dst, src []float32, fill float32, first, rows int) {
	dst, src = dst[:l.Plane], src[:Size(l.In)]
	if rows == 0 {
		return
	}
	h, slice := l.In[1], l.rowStep*l.extent[1]
	step := l.Stride[1] / l.skip
	pad := l.Pad[1][0] - first*step
	end := (rows-1)*step + (l.Kernel[1]-1)*l.Dilation[1] + 1
	if l.skip > 1 {
		h = (h + l.skip - 1) / l.skip
	}
	top := min(max(0, pad), end)
	bottom := min(max(top, h+pad), end)
	for z := range l.extent[0] {
		to := dst[z*slice:][:end*l.rowStep]
		sz := z - l.Pad[0][0]
		if sz < 0 || sz >= l.In[0] {
			set(to, fill)
			continue
		}
		from := src[sz*l.In[1]*l.In[2]:][:l.In[1]*l.In[2]]
		set(to[:top*l.rowStep], fill)
		for y := top; y < bottom; {
			n := 0 // rows that are used
			for y+n < bottom && l.used[y+n] {
				n++
			}
			if n > 0 {
				l.copyRows(to[y*l.rowStep:], from[(y-pad)*l.skip*l.In[2]:], n, fill)
			}
			y += n + 1
		}
		set(to[bottom*l.rowStep:], fill)
	}
}

// copyRows copies that many rows.
func (l *Layout) copyRows(dst, src []float32, rows int, fill float32) {
	step, pad, width, down := l.Stride[2], l.Pad[2][0], l.In[2], l.In[2]*l.skip
	for r := range step {
		if !l.phases[r] {
			continue
		}
		// Column i of this phase is source column i*step + r - pad.
		to := dst[r*l.phase:]
		lo := min(max(0, (pad-r+step-1)/step), l.phase)
		hi := max(lo, min(l.phase, (width+pad-r+step-1)/step))
		if lo > 0 || hi < l.phase {
			for y := range rows {
				row := to[y*l.rowStep:][:l.phase]
				set(row[:lo], fill)
				set(row[hi:], fill)
			}
		}
		if lo == hi {
			continue
		}
		from := src[lo*step+r-pad:]
		switch step {
		case 1:
			l.funcs.all(to[lo:], l.rowStep, from, down, rows, hi-lo)
		case 2:
			l.funcs.evens(to[lo:], l.rowStep, from, down, rows, hi-lo)
		default:
			for y := range rows {
				everyNth(to[y*l.rowStep+lo:][:hi-lo], from[y*down:], step)
			}
		}
	}
}

func set(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}
