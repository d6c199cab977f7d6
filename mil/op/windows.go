package op

import (
	"errors"
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Window tells where the windows of a convolution or a pooling lie. Its arrays
// hold depth, height and width, counted from the end: a picture has a depth of
// 1, a sequence also a height of 1. Kernels take it as it stands.
//
// Element k of window o lies at o·Stride + k·Dilation - Pad[0] along each of
// the dimensions. Windows may reach beyond the padding after the tensor where
// their number was rounded up.
//
// For a transposed convolution, In are the sizes of its input and Out those of
// its output, and the relation is the other way round: input i adds to output
// i·Stride + k·Dilation - Pad[0]; Pad[1] says nothing.
type Window struct {
	In       [3]int
	Kernel   [3]int
	Stride   [3]int
	Dilation [3]int
	Pad      [3][2]int // before and after
	Out      [3]int
}

// sliding is what the arguments of an operator say of its windows. Empty
// slices mean ones, or zeros for pad.
type sliding struct {
	strides, dilations []int
	padType            string
	pad                []int // before and after, dimension by dimension
	ceil               bool  // the number of windows is rounded up
}

// maxExtent bounds a size, stride, dilation or padding, so that the product
// of two does not overflow.
const maxExtent = math.MaxInt32

// check holds the arguments against the spatial sizes of the tensor and the
// window, of which the negative ones are unknown.
func (s *sliding) check(in, kernel []int) error {
	n := len(in)
	if n < 1 || n > 3 {
		return fmt.Errorf("%d spatial dimensions, want 1 to 3", n)
	}
	if len(kernel) != n {
		return fmt.Errorf("a window of %d dimensions on a tensor with %d spatial ones", len(kernel), n)
	}
	for _, k := range kernel {
		if k == 0 || k > maxExtent {
			return fmt.Errorf("a window of %s", mil.FormatDims(kernel))
		}
	}
	for _, list := range []struct {
		name  string
		v     []int
		n, lo int
	}{{"strides", s.strides, n, 1}, {"dilations", s.dilations, n, 1}, {"pad", s.pad, 2 * n, 0}} {
		if len(list.v) != 0 && len(list.v) != list.n {
			return fmt.Errorf("%s: want %d numbers, have %v", list.name, list.n, list.v)
		}
		for _, x := range list.v {
			if x < list.lo || x > maxExtent {
				return fmt.Errorf("%s: %d is out of range", list.name, x)
			}
		}
	}
	return nil
}

// at returns the stride, the dilation and the custom padding of a dimension.
func (s *sliding) at(i int) (stride, dilation int, pad [2]int) {
	stride, dilation = 1, 1
	if len(s.strides) > 0 {
		stride = s.strides[i]
	}
	if len(s.dilations) > 0 {
		dilation = s.dilations[i]
	}
	if s.padType == "custom" && len(s.pad) > 0 {
		pad = [2]int{s.pad[2*i], s.pad[2*i+1]}
	}
	return stride, dilation, pad
}

// split divides a total padding: the odd element goes after the tensor, or
// before it for same_lower.
func (s *sliding) split(total int) [2]int {
	less := total / 2
	if s.padType == "same_lower" {
		return [2]int{total - less, less}
	}
	return [2]int{less, total - less}
}

// windows returns the geometry of windows over a tensor and their number along
// each dimension, negative where it is unknown. Where there are unknown
// numbers, the Window does not hold.
//
// With padding same there are ⌈in/stride⌉ windows, and the padding is what
// they need; else there are ⌊(in + pad - extent)/stride⌋ + 1, where extent =
// (kernel-1)·dilation + 1. Rounded up, there is one less if the last one would
// otherwise begin in the padding after the tensor.
func (s *sliding) windows(in, kernel []int) (w Window, out []int, err error) {
	if err := s.check(in, kernel); err != nil {
		return w, nil, err
	}
	if s.ceil {
		if len(in) == 3 {
			return w, nil, errors.New("numbers of windows are rounded up in at most 2 dimensions")
		}
		if s.padType == "same" {
			return w, nil, errors.New("ceil_mode with padding same")
		}
	}
	w = flat()
	out = make([]int, len(in))
	for i := range in {
		stride, dilation, pad := s.at(i)
		if s.ceil && pad[0] != pad[1] {
			return w, nil, fmt.Errorf("ceil_mode with unequal padding %v", s.pad)
		}
		extent := (kernel[i]-1)*dilation + 1
		same := s.padType == "same" || s.padType == "same_lower"
		switch {
		case stride == 1 && (same || kernel[i] > 0 && pad[0]+pad[1] == extent-1):
			out[i] = in[i]
			if same {
				pad = s.split(extent - 1)
			}
		case in[i] < 0 || kernel[i] < 0:
			out[i] = mil.Unknown
		case same:
			out[i] = (in[i] + stride - 1) / stride
			pad = s.split(max(0, (out[i]-1)*stride+extent-in[i]))
		default:
			span := in[i] + pad[0] + pad[1] - extent
			if span >= 0 {
				out[i] = span/stride + 1
			}
			if s.ceil && span >= 0 && span%stride != 0 {
				if out[i]++; pad[0] > 0 && (out[i]-1)*stride >= in[i]+pad[0] {
					out[i]--
				}
			}
		}
		if out[i] == 0 {
			return w, nil, fmt.Errorf("spatial dimension %d: no window of %d elements fits into %d, padded with %d and %d", i, extent, in[i], pad[0], pad[1])
		}
		w.set(i+3-len(in), in[i], kernel[i], stride, dilation, pad, out[i])
	}
	return w, out, nil
}

// spread is windows for a transposed convolution: in are the sizes of its
// input, want those of its output where they are given. By default the output
// has (in-1)·stride + extent - pad elements; in·stride with padding same, of
// which the windows that gave them as a convolution tell what is cropped.
func (s *sliding) spread(in, kernel, want []int) (w Window, out []int, err error) {
	if err := s.check(in, kernel); err != nil {
		return w, nil, err
	}
	w = flat()
	out = make([]int, len(in))
	for i := range in {
		stride, dilation, pad := s.at(i)
		extent := (kernel[i]-1)*dilation + 1
		known := in[i] >= 0 && kernel[i] > 0
		full := max(0, (in[i]-1)*stride+extent) // without any input, no output
		if in[i] == 0 {
			full = 0
		}
		switch {
		case want != nil:
			out[i] = want[i]
		case s.padType == "same" && stride == 1:
			out[i] = in[i]
		case s.padType == "same" && in[i] >= 0:
			out[i] = in[i] * stride
		case known:
			out[i] = full - pad[0] - pad[1]
		default:
			out[i] = mil.Unknown
		}
		if known && out[i] < 1 {
			return w, nil, fmt.Errorf("spatial dimension %d: %d elements remain of %d, cropped by %d and %d", i, out[i], full, pad[0], pad[1])
		}
		if s.padType == "same" {
			pad = s.split(max(0, full-out[i]))
		}
		w.set(i+3-len(in), in[i], kernel[i], stride, dilation, pad, out[i])
	}
	return w, out, nil
}

// flat is a single window of one element.
func flat() Window {
	ones := [3]int{1, 1, 1}
	return Window{In: ones, Kernel: ones, Stride: ones, Dilation: ones, Out: ones}
}

func (w *Window) set(d, in, kernel, stride, dilation int, pad [2]int, out int) {
	w.In[d], w.Kernel[d], w.Stride[d], w.Dilation[d], w.Pad[d], w.Out[d] = in, kernel, stride, dilation, pad, out
}

// static returns the geometry where all of it is known.
func (w Window) static(err error) (Window, error) {
	if err != nil {
		return w, err
	}
	for d := range w.In {
		if w.In[d] < 0 || w.Kernel[d] < 0 || w.Out[d] < 0 {
			return w, errors.New("sizes are not known")
		}
	}
	return w, nil
}

// run says that element k of the windows o with lo ≤ o < hi lies in the tensor,
// along one dimension.
type run struct{ k, lo, hi int }

// runs returns those of dimension d, in ascending order. Elements that lie
// outside for every window are passed over without being looked at: a window
// may be absurdly larger than the tensor.
func (w *Window) runs(d int) []run {
	var out []run
	stride, dilation, pad := w.Stride[d], w.Dilation[d], w.Pad[d][0]
	k := 0
	for o := w.Out[d] - 1; o >= 0; o-- { // windows further back begin with earlier elements
		k = max(k, ceilDiv(pad-o*stride, dilation))
		for ; k < w.Kernel[d] && o*stride+k*dilation-pad < w.In[d]; k++ {
			at := k*dilation - pad // of window 0
			out = append(out, run{k, max(0, ceilDiv(-at, stride)), min(w.Out[d], ceilDiv(w.In[d]-at, stride))})
		}
	}
	return out
}

// ceilDiv is ⌈a/b⌉ for a positive b.
func ceilDiv(a, b int) int {
	if a > 0 {
		return (a + b - 1) / b
	}
	return -(-a / b)
}

// taps calls f for each element of the window, t in row-major order, and each
// row of windows of which that element lies in the tensor: n windows from out
// on, whose elements are those from in on, step apart.
func (w *Window) taps(f func(t, out, in, n, step int)) {
	zs, ys, xs := w.runs(0), w.runs(1), w.runs(2)
	for _, z := range zs {
		for _, y := range ys {
			for _, x := range xs {
				t := (z.k*w.Kernel[1]+y.k)*w.Kernel[2] + x.k
				in := w.element(2, x.lo, x.k)
				for oz := z.lo; oz < z.hi; oz++ {
					for oy := y.lo; oy < y.hi; oy++ {
						row := w.element(0, oz, z.k)*w.In[1] + w.element(1, oy, y.k)
						f(t, (oz*w.Out[1]+oy)*w.Out[2]+x.lo, row*w.In[2]+in, x.hi-x.lo, w.Stride[2])
					}
				}
			}
		}
	}
}

// element is where element k of window o lies along dimension d.
func (w *Window) element(d, o, k int) int { return o*w.Stride[d] + k*w.Dilation[d] - w.Pad[d][0] }

// volume is the product of three sizes.
func volume(x [3]int) int { return x[0] * x[1] * x[2] }
