package resample

// BorderMode says what a border is made of.
type BorderMode uint8

// The kinds of borders: a number, the image mirrored at its edges (which are
// not repeated), and its edges.
const (
	Constant BorderMode = iota
	Reflect
	Replicate
)

// Border puts planes of Height×Width into Rows×Cols with a border around.
// Height and Width are not zero.
type Border struct {
	Top, Left, Height, Width, Rows, Cols int
	Mode                                 BorderMode
	Fill                                 float32 // of Constant
}

// Plane makes dst of src.
func (b *Border) Plane(dst, src []float32) {
	for i := range b.Rows {
		row := dst[i*b.Cols : (i+1)*b.Cols]
		if at := b.source(i-b.Top, b.Height); at >= 0 {
			b.row(row, src[at*b.Width:(at+1)*b.Width])
			continue
		}
		fill(row, b.Fill)
	}
}

func (b *Border) row(dst, src []float32) {
	right := b.Left + b.Width
	copy(dst[b.Left:right], src)
	if b.Mode == Constant {
		fill(dst[:b.Left], b.Fill)
		fill(dst[right:], b.Fill)
		return
	}
	for i := range b.Left {
		dst[i] = src[b.source(i-b.Left, b.Width)]
	}
	for i := right; i < b.Cols; i++ {
		dst[i] = src[b.source(i-b.Left, b.Width)]
	}
}

// source is the element, of n, that stands at place i; -1 for none.
func (b *Border) source(i, n int) int {
	switch {
	case i >= 0 && i < n:
		return i
	case b.Mode == Constant:
		return -1
	case b.Mode == Replicate:
		return min(max(i, 0), n-1)
	case i < 0:
		return -i
	}
	return 2*(n-1) - i
}

func fill(dst []float32, v float32) {
	for i := range dst {
		dst[i] = v
	}
}
