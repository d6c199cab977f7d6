package window

// Max3 is max pooling of windows 3×3 with strides 2×2 straight from a plane,
// without the copy of a Layout. The windows' first row and column are at most one
// before the plane, and each window has an element of it.
type Max3 struct {
	funcs       *Funcs
	h, w        int // of the plane
	rows, cols  int // of windows
	top, left   int // 1 if the first windows start before the plane
	first, last int // rows of windows that lie within the plane's rows
}

// NewMax3 prepares max pooling of a shape that passes Check, if it is of that
// kind and the level has a kernel for it; else it returns nil.
func (f *Funcs) NewMax3(s Shape) *Max3 {
	out := s.Windows()
	want := Flat(s.In[1], s.In[2], 3, 3)
	want.Stride = [3]int{s.Stride[0], 2, 2}
	want.Pad[1], want.Pad[2], want.Out = s.Pad[1], s.Pad[2], s.Out
	if f.max3 == nil || s != want || out[0] != 1 || Size(out) == 0 {
		return nil
	}
	m := &Max3{funcs: f, h: s.In[1], w: s.In[2], rows: out[1], cols: out[2], top: s.Pad[1][0], left: s.Pad[2][0]}
	for d, n := range [2]int{m.h, m.w} {
		lead, windows := s.Pad[1+d][0], out[1+d]
		if lead < 0 || lead > 1 || n < 2 || 2*(windows-1)-lead >= n {
			return nil
		}
	}
	m.first = m.top
	m.last = max(m.first, min(m.rows, (m.h-3+m.top)/2+1))
	return m
}

// Plane pools a plane.
func (m *Max3) Plane(dst, src []float32) {
	dst, src = dst[:m.rows*m.cols], src[:m.h*m.w]
	row := func(y int) *float32 { return &src[y*m.w+1-m.left] } // from the second column of windows on
	some := func(from, n int) {
		if n > 0 {
			// Of a row that is not there, its neighbour stands in.
			y := 2*from - m.top
			a, b, c := max(y, 0), min(y+1, m.h-1), min(y+2, m.h-1)
			m.funcs.max3(&dst[from*m.cols], m.cols, row(a), row(b), row(c), 2*m.w, n, m.cols, m.w-1+m.left, 1-m.left)
		}
	}
	for y := range m.first {
		some(y, 1)
	}
	some(m.first, m.last-m.first)
	for y := m.last; y < m.rows; y++ {
		some(y, 1)
	}
}
