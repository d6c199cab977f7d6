// Package resample makes images of other sizes on slices: resized ones, whose
// elements are mixed of two neighbours along each axis or taken from one, and
// ones with a border. It knows planes of rows, not channels or layouts.
package resample

// Axis says where the elements of a resized axis come from.
type Axis struct {
	lo, hi []int
	w      []float32 // nil where elements are taken as they are
	double bool      // each element of the source twice
}

// NewAxis returns the axis whose element i is (1-w[i])·x[lo[i]] + w[i]·x[hi[i]],
// or x[lo[i]] where w is nil. The slices lo and hi are kept.
func NewAxis(lo, hi []int, w []float64) Axis {
	a := Axis{lo: lo, hi: hi, double: w == nil}
	for i, at := range lo {
		a.double = a.double && at == i/2
	}
	a.double = a.double && len(lo)%2 == 0
	for _, v := range w {
		a.w = append(a.w, float32(v))
	}
	return a
}

// Plan resizes planes of one size. It serves many goroutines.
type Plan struct{ rows, cols Axis }

// New returns the plan for these axes.
func New(rows, cols Axis) *Plan { return &Plan{rows, cols} }

// Plane resizes src, rows of the given width, into dst.
func (p *Plan) Plane(dst, src []float32, width int) {
	n := len(p.cols.lo)
	for i, lo := range p.rows.lo {
		row := dst[i*n : (i+1)*n]
		upper := src[lo*width : (lo+1)*width]
		w := float32(0)
		if p.rows.w != nil {
			w = p.rows.w[i]
		}
		switch {
		case w != 0: // elements without weight do not count, not even infinite ones
			hi := p.rows.hi[i]
			p.cols.mixed(row, upper, src[hi*width:(hi+1)*width], w)
		case i > 0 && p.rows.lo[i-1] == lo && (p.rows.w == nil || p.rows.w[i-1] == 0):
			copy(row, dst[(i-1)*n:i*n])
		default:
			p.cols.row(row, upper)
		}
	}
}

// row makes a row of one of the source.
func (a *Axis) row(dst, src []float32) {
	switch {
	case a.w != nil:
		for i := range dst {
			dst[i] = mix(src[a.lo[i]], src[a.hi[i]], a.w[i])
		}
	case a.double:
		for i, v := range src[:len(dst)/2] {
			pair := dst[2*i : 2*i+2]
			pair[0], pair[1] = v, v
		}
	case len(dst) == len(src):
		copy(dst, src)
	default:
		lo := a.lo[:len(dst)]
		for i, at := range lo {
			dst[i] = src[at]
		}
	}
}

// mixed makes a row of two of the source, of which the second counts w.
func (a *Axis) mixed(dst, upper, lower []float32, w float32) {
	lo := a.lo[:len(dst)]
	if a.w == nil {
		for i, at := range lo {
			dst[i] = mix(upper[at], lower[at], w)
		}
		return
	}
	hi, across := a.hi[:len(dst)], a.w[:len(dst)]
	for i, at := range lo {
		first := mix(upper[at], lower[at], w)
		if across[i] != 0 {
			first = mix(first, mix(upper[hi[i]], lower[hi[i]], w), across[i])
		}
		dst[i] = first
	}
}

// mix weighs two elements. One without weight does not count.
func mix(lo, hi, w float32) float32 {
	if w == 0 {
		return lo
	}
	return lo*(1-w) + hi*w
}
