package conv

import (
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	win "github.com/smelt-ml/smelt/internal/kernel/winograd"
)

// winogradCost is what the parts of a Winograd convolution cost, in
// multiplications of vectors in a product with wide tiles. The numbers come
// from BenchmarkWinograd; they need to be right only about where neither way is
// much faster.
type winogradCost struct {
	product   [4]float64 // of a weight and so many vectors of tiles
	transform float64    // of a vector of tiles of one channel, in or out
	call      float64    // of a micro-kernel
	near, far float64    // of reading a byte of weights, from caches or beyond
}

var winogradCosts = [cpu.Levels]winogradCost{
	cpu.Generic: {product: [4]float64{0, 1.1}, transform: 500, call: 20},
	cpu.AVX2:    {product: [4]float64{0, 1.65, 2.45, 3.1}, transform: 550, call: 80, near: 0.05, far: 0.1},
	cpu.AVX512:  {product: [4]float64{0, 1.65, 2.45, 3.1}, transform: 550, call: 80, near: 0.05, far: 0.1},
	// Not measured: by the instructions of the kernels, which are much like AVX2's.
	cpu.NEON: {product: [4]float64{0, 1.3, 2.2, 3.1}, transform: 550, call: 80, near: 0.05, far: 0.1},
}

const (
	// farBytes is how many bytes of weights do not stay in a core's own cache
	// from one prediction to the next, while the other layers pass through.
	farBytes = 2 << 20
	// mostBytes is how many bytes of transformed weights are worth their memory.
	mostBytes = 32 << 20
	// worthGain is how much faster tiles must be than windows, for the four times
	// as many weights that they keep.
	worthGain = 1.1
	// worthCodes is how much faster they must be to make many bytes of numbers of
	// weights that could stay codes.
	worthCodes = 1.5
)

// fitsWinograd says whether the shape is one that tiles can compute.
func fitsWinograd(s *Shape) bool {
	one, out := [3]int{1, 1, 1}, s.Windows()
	return s.Groups == 1 && s.In[0] == 1 && out[0] == 1 && s.Pad[0] == [2]int{} &&
		s.Kernel == [3]int{1, 3, 3} && s.Stride == one && s.Dilation == one && out[1]*out[2]*s.In[1]*s.In[2] > 0
}

// favorsWinograd says whether tiles are enough faster than windows.
func favorsWinograd(l cpu.Level, s *Shape) bool {
	return fitsWinograd(s) && winogradGain(l, s) > worthGain
}

// favorsWinogradOfCodes is favorsWinograd for weights that may stay codes.
func favorsWinogradOfCodes(l cpu.Level, s *Shape) bool {
	many := win.Points*4*s.Channels*s.Filters > 2*farBytes
	return favorsWinograd(l, s) && (!many || winogradGain(l, s) > worthCodes)
}

// winogradGain estimates how much faster tiles are than windows, on one thread.
func winogradGain(l cpu.Level, s *Shape) float64 {
	c, f := &winogradCosts[l], win.For(l)
	lanes, out := f.Lanes(), s.Windows()
	weights := float64(s.Channels) * float64(s.Filters)
	if win.Points*4*weights > mostBytes {
		return 0
	}
	windows := 9 * weights * float64(ceilDiv(out[1]*out[2], lanes))

	vecs := ceilDiv(ceilDiv(out[1], win.Tile)*ceilDiv(out[2], win.Tile), lanes)
	most := blockVectors(f, s.Channels)
	passes := ceilDiv(vecs, most)
	each := vecs / passes
	more := vecs - each*passes // blocks of one vector more
	product := float64(passes-more) * c.product[each]
	if more > 0 {
		product += float64(more) * c.product[each+1]
	}
	read := func(bytes float64) float64 {
		if bytes > farBytes {
			return c.far * bytes
		}
		return c.near * bytes
	}
	windows += read(9 * 4 * weights)
	rows := gemm.For(l).Height()
	tiles := win.Points*weights*product +
		c.transform*float64(vecs)*float64(s.Channels+s.Filters) +
		c.call*win.Points*float64(passes)*float64(ceilDiv(s.Filters, rows)) +
		read(win.Points*4*weights)*float64(passes)
	return windows / tiles
}
