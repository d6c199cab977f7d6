package media

import (
	"fmt"
	"image"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/kernel/pixel"
)

// Filter is a resampling filter.
type Filter uint8

// The filters, named as Pillow names them. All but Nearest widen with the
// scale when a picture shrinks, which is what "antialias" means elsewhere.
const (
	Lanczos  Filter = iota // windowed sinc, three lobes
	Bicubic                // Keys' cubic, a = -0.5
	Bilinear               // triangle
	Box                    // equal weights
	Nearest                // one sample
)

var filterNames = [...]string{"lanczos", "bicubic", "bilinear", "box", "nearest"}

// String returns the name in lower case.
func (f Filter) String() string {
	if int(f) < len(filterNames) {
		return filterNames[f]
	}
	return fmt.Sprintf("Filter(%d)", uint8(f))
}

// ParseFilter is the inverse of String.
func ParseFilter(name string) (Filter, error) {
	for i, n := range filterNames {
		if n == name {
			return Filter(i), nil
		}
	}
	return 0, fmt.Errorf("no filter %q, want one of %q", name, filterNames)
}

// Resize returns m at w×h pixels, bit for bit as Pillow's Image.resize does. The
// result shares m's memory if nothing is to be done.
func Resize(m *Image, w, h int, f Filter) (*Image, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	return resize(m, w, h, image.Rect(0, 0, w, h), f)
}

// resize computes the part of the w×h picture that lies in crop.
func resize(m *Image, w, h int, crop image.Rectangle, f Filter) (*Image, error) {
	if f > Nearest {
		return nil, fmt.Errorf("no resampling filter %v", f)
	}
	if w < 1 || h < 1 || w > DefaultMaxPixels || h > DefaultMaxPixels/w {
		return nil, fault.New(fault.Limit, "", "resize to %d×%d pixels: want 1 to %d pixels", w, h, DefaultMaxPixels)
	}
	if f == Nearest {
		return resizeNearest(m, w, h, crop), nil
	}
	// A pass at scale one would change nothing. The other passes need only a
	// part of m.
	ws := borrow()
	defer ws.giveBack()
	part := crop
	var across, down *taps
	if w != m.W {
		across = ws.newTaps(m.W, w, crop.Min.X, crop.Max.X, f)
		part.Min.X, part.Max.X = across.span()
	}
	if h != m.H {
		down = ws.newTaps(m.H, h, crop.Min.Y, crop.Max.Y, f)
		part.Min.Y, part.Max.Y = down.span()
	}
	in := m.part(part)
	if across == nil && down == nil {
		return in, nil
	}
	d := New(crop.Dx(), crop.Dy(), m.Channels)
	switch {
	case down == nil:
		across.horizontal(ws, d, in, part.Min.X)
	case across == nil:
		down.vertical(d, in, part.Min.Y)
	case verticalFirst(m, w, h):
		between := ws.image(in.W, d.H, d.Channels)
		down.vertical(between, in, part.Min.Y)
		across.horizontal(ws, d, between, part.Min.X)
	default:
		between := ws.image(d.W, in.H, d.Channels)
		across.horizontal(ws, between, in, part.Min.X)
		down.vertical(d, between, part.Min.Y)
	}
	return d, nil
}

// verticalFirst tells the order of the passes, which matters because the
// picture between them is rounded to 8 bits. Pillow 13 starts with the rows if
// they are reduced, and by more than twice what columns are; earlier versions
// always start with the columns.
func verticalFirst(m *Image, w, h int) bool {
	return h < m.H && m.H-h > 2*(m.W-w)
}

// part returns the pixels of m within r, which share m's memory if r is as wide
// as m.
func (m *Image) part(r image.Rectangle) *Image {
	c, stride := m.Channels, m.W*m.Channels
	if r.Dx() == m.W {
		return &Image{W: m.W, H: r.Dy(), Channels: c, Pix: m.Pix[r.Min.Y*stride : r.Max.Y*stride]}
	}
	return eachRow(r.Dx(), r.Dy(), c, func(y int, dst []uint8) {
		copy(dst, m.Pix[(r.Min.Y+y)*stride+r.Min.X*c:])
	})
}

// resizeNearest takes the sample under each pixel's centre. Pillow walks by
// adding the scale up, so its sum's rounding is repeated here.
func resizeNearest(m *Image, w, h int, crop image.Rectangle) *Image {
	columns, rows := nearest(m.W, w), nearest(m.H, h)
	c := m.Channels
	return eachRow(crop.Dx(), crop.Dy(), c, func(y int, dst []uint8) {
		src := m.Pix[rows[crop.Min.Y+y]*m.W*c:]
		for _, x := range columns[crop.Min.X:crop.Max.X] {
			copy(dst[:c], src[x*c:x*c+c])
			dst = dst[c:]
		}
	})
}

func nearest(in, out int) []int {
	at := make([]int, out)
	scale := float64(in) / float64(out)
	pos := scale * 0.5
	for i := range at {
		at[i] = min(int(pos), in-1)
		pos += scale
	}
	return at
}

// taps are the weights of one pass: output i is the sum over j of
// weight[i][j] × input first[i]+j. The weights of an output sum to about one.
type taps struct {
	first  []int
	weight []pixel.Weights
}

func newTaps(in, out, from, to int, f Filter) *taps {
	kernel, support := f.kernel()
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	support *= wide
	inv := 1 / wide
	t := &taps{first: make([]int, to-from), weight: make([]pixel.Weights, to-from)}
	var real []float64
	for i := range t.first {
		// The conversions keep a product from being fused with a sum, so that
		// every machine rounds alike.
		center := float64((float64(from+i) + 0.5) * scale)
		first := max(int(center-support+0.5), 0)
		end := min(int(center+support+0.5), in)
		real = real[:0]
		sum := 0.0
		for x := first; x < end; x++ {
			v := kernel((float64(x) - center + 0.5) * inv)
			real = append(real, v)
			sum += v
		}
		weight := make([]int32, len(real))
		for j, v := range real {
			if sum != 0 {
				v /= sum
			}
			weight[j] = int32(math.Copysign(0.5, v) + float64(v*(1<<pixel.WeightBits)))
		}
		t.first[i], t.weight[i] = first, pixel.NewWeights(weight)
	}
	return t
}

// span returns the range of inputs that any output needs.
func (t *taps) span() (from, to int) {
	last := len(t.first) - 1
	return t.first[0], t.first[last] + len(t.weight[last].Taps())
}

// kernel returns the filter function and the distance where it becomes zero.
func (f Filter) kernel() (func(float64) float64, float64) {
	switch f {
	case Bilinear:
		return func(x float64) float64 { return max(0, 1-math.Abs(x)) }, 1
	case Bicubic:
		return bicubic, 2
	case Box:
		return func(x float64) float64 {
			if x > -0.5 && x <= 0.5 {
				return 1
			}
			return 0
		}, 0.5
	}
	return lanczos, 3
}

// bicubic is R. Keys, "Cubic convolution interpolation for digital image
// processing" (1981), with a = -0.5.
func bicubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64(float64((a+2)*x)-(a+3))*x)*x + 1
	case x < 2:
		return float64(float64(float64(float64(x-5)*x)+8)*x-4) * a
	}
	return 0
}

func lanczos(x float64) float64 {
	if x < -3 || x >= 3 {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// horizontal weighs the columns of m, of which the first is column origin of
// the picture, into d. Some rows at a time are turned into columns, so that the
// arithmetic is that of vertical.
func (t *taps) horizontal(ws *workspace, d, m *Image, origin int) {
	const strip, vector = 256, 64
	c := m.Channels
	in, out := m.W*c, d.W*c
	step := (min(m.H, strip) + vector - 1) / vector * vector
	turned := sized(&ws.turned, (in+out)*step)
	sums := turned[in*step:]
	for y := 0; y < m.H; y += strip {
		n := min(strip, m.H-y)
		kernels.Transpose(turned, step, m.Pix[y*in:], in, n, in)
		for i, w := range t.weight {
			src := turned[(t.first[i]-origin)*c*step:]
			for channel := range c {
				kernels.Weigh(sums[(i*c+channel)*step:][:step], src[channel*step:], c*step, w)
			}
		}
		kernels.Transpose(d.Pix[y*out:], out, sums, step, out, n)
	}
}

// vertical weighs the rows of m, of which the first is row origin of the
// picture, into d.
func (t *taps) vertical(d, m *Image, origin int) {
	stride := m.W * m.Channels
	for y, w := range t.weight {
		kernels.Weigh(d.Pix[y*stride:][:stride], m.Pix[(t.first[y]-origin)*stride:], stride, w)
	}
}
