package conv

import (
	"math"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	win "github.com/smelt-ml/smelt/internal/kernel/winograd"
)

// winograd is a convolution of 3×3 windows by tiles of 4×4 outputs (package
// winograd): the inputs of some tiles are transformed to 36 points for each
// channel, right into the panels of 36 matrix products, whose results are
// transformed to outputs. Weights are transformed once.
type winograd struct {
	Shape
	out     [3]int
	tiles   *win.Plan
	funcs   *win.Funcs
	vec     *vec.Funcs
	kernel  *gemm.Kernel
	weights []*gemm.PackedA // by block of filters; of each point
	bias    []float32
	act     gemm.Act
	block   int // filters of each
	most    int // vectors of tiles at a time, of one panel

	// Larger inputs, by the bits of their magnitude, might overflow where sums
	// over windows do not, or are not finite. Images that have such take the
	// direct way.
	limit  uint32
	direct func() *plan

	jobs sync.Pool // of *winogradJob
}

const (
	// filterBlock is how many filters' points are products at a time: so few
	// that they stay in the second-level cache, beside those of the inputs.
	filterBlock = 32
	// pointFloats is how many floats the points of inputs may take there.
	pointFloats = 3 << 17
	// gain is more than the product of what the three transforms can enlarge
	// values by.
	gain = 4000
)

// newWinograd prepares a shape that is one for it.
func newWinograd(l cpu.Level, s Shape, weights, bias []float32, act gemm.Act, direct func() *plan) *winograd {
	w := &winograd{
		Shape: s, out: s.Windows(), funcs: win.For(l), vec: vec.For(l), kernel: gemm.For(l),
		bias: bias, act: act, direct: sync.OnceValue(direct), block: min(filterBlock, s.Filters),
	}
	w.tiles = win.NewPlan(l, s.In[1], s.In[2], [2]int{s.Pad[1][0], s.Pad[2][0]}, w.out[1], w.out[2])
	w.most = blockVectors(w.funcs, s.Channels)
	points := make([]float32, win.Points*w.block*s.Channels)
	for f := 0; f < s.Filters; f += w.block {
		m := min(w.block, s.Filters-f)
		size := m * s.Channels
		for i := range size {
			win.Weights(points[i:], size, weights[(f*s.Channels+i)*9:][:9])
		}
		w.weights = append(w.weights, w.kernel.PackBatch(win.Points, size, m, s.Channels, gemm.RowMajor(points, s.Channels)))
	}
	peak := float64(math.Float32frombits(w.funcs.Peak(weights[:s.Filters*s.Channels*9])))
	w.limit = math.Float32bits(float32(min(math.MaxFloat32, math.MaxFloat32/(gain*float64(s.Channels)*peak))))
	return w
}

// blockVectors is how many vectors of tiles are computed at a time: those of a
// panel, or less if they have many channels.
func blockVectors(f *win.Funcs, channels int) int {
	return max(1, min(pointFloats/(win.Points*channels*f.Lanes()), f.Width()/f.Lanes()))
}

// winogradJob is a run under way.
type winogradJob struct {
	*winograd
	pool          *par.Pool
	dst, src, add []float32
	work          []winogradWork // by worker
	step          winogradStep
	tile          winogradBlock // that all workers share
}

// winogradStep is what a loop does.
type winogradStep uint8

const (
	lookAtInputs winogradStep = iota
	transformTiles
	transformChannels
	multiplyFilters
)

type winogradWork struct {
	channel win.Channel
	panel   gemm.Panel
	peak    uint32
	_       [64]byte // apart from the next worker's
}

// winogradBlock is some neighbouring tiles of an image.
type winogradBlock struct {
	image    int
	from, to int       // tiles
	points   []float32 // [point][channel][tile], with a gap after each point
}

// run computes a batch of images.
func (w *winograd) run(pool *par.Pool, batch int, dst, src, add []float32) {
	j, _ := w.jobs.Get().(*winogradJob)
	if j == nil {
		j = &winogradJob{winograd: w}
	}
	threads := pool.Threads()
	if len(j.work) < threads {
		j.work = make([]winogradWork, threads)
	}
	j.pool, j.dst, j.src, j.add = pool, dst, src, add
	if j.peak(batch) > w.limit {
		w.direct().run(pool, batch, dst, src, add)
	} else {
		j.compute(batch)
	}
	j.pool, j.dst, j.src, j.add, j.tile = nil, nil, nil, nil, winogradBlock{}
	for i := range j.work {
		j.work[i].channel = win.Channel{}
	}
	w.jobs.Put(j)
}

// peak is the largest magnitude of all inputs, by its bits.
func (j *winogradJob) peak(batch int) uint32 {
	for i := range j.work {
		j.work[i].peak = 0
	}
	j.step = lookAtInputs
	j.pool.Run(batch*j.Channels, j)
	var p uint32
	for i := range j.work {
		p = max(p, j.work[i].peak)
	}
	return p
}

// vectors is how many vectors of tiles an image has.
func (w *winograd) vectors() int { return ceilDiv(w.tiles.Across*w.tiles.Down, w.funcs.Lanes()) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func (j *winogradJob) compute(batch int) {
	threads, vecs := j.pool.Threads(), j.vectors()
	if !j.together(batch, threads) {
		j.step = transformTiles
		j.pool.Run(batch*vecs, j)
		return
	}
	for image := range batch {
		j.eachBlock(image, 0, vecs, func(b winogradBlock) {
			b.points = j.pool.Shared(win.Points * j.pointStep())
			j.tile = b
			j.step = transformChannels
			j.pool.Run(j.Channels, j)
			j.step = multiplyFilters
			j.pool.Run(len(j.weights), j)
		})
	}
}

// together says whether all workers compute each block, rather than each of
// them its own: where there are too few vectors of tiles to share out, or less
// of them than weights, which each worker would read.
func (j *winogradJob) together(batch, threads int) bool {
	vecs := j.vectors()
	n := batch * vecs
	if threads == 1 || len(j.weights) < threads {
		return false
	}
	return n < threads || vecs <= j.most && vecs*j.funcs.Lanes() < j.Filters
}

// eachBlock cuts vectors from..to-1 of an image into blocks of about the same size.
func (w *winograd) eachBlock(image, from, to int, f func(b winogradBlock)) {
	lanes := w.funcs.Lanes()
	n := ceilDiv(to-from, w.most)
	for i := range n {
		f(winogradBlock{
			image: image,
			from:  (from + (to-from)*i/n) * lanes,
			to:    min((from+(to-from)*(i+1)/n)*lanes, w.tiles.Across*w.tiles.Down),
		})
	}
}

// pointStep is the distance of the points of a block. Multiples of large powers
// of two are bad for caches.
func (w *winograd) pointStep() int { return w.Channels*w.funcs.Width() + 16 }

// Run does some of a step's items.
func (j *winogradJob) Run(worker, lo, hi int) {
	w := &j.work[worker]
	switch j.step {
	case lookAtInputs:
		size := j.In[1] * j.In[2]
		w.peak = j.funcs.Peak(j.src[lo*size : hi*size])
	case transformTiles:
		vecs := j.vectors()
		for at := lo; at < hi; {
			image := at / vecs
			end := min(hi, (image+1)*vecs)
			j.eachBlock(image, at-image*vecs, end-image*vecs, func(b winogradBlock) {
				size := win.Points * j.pointStep()
				scratch := j.pool.Scratch(worker, size+j.scratchSize())
				b.points = scratch[:size]
				j.transform(w, &b, scratch[size:], 0, j.Channels)
				j.multiply(w, &b, scratch[size:], 0, len(j.weights))
			})
			at = end
		}
	case transformChannels:
		j.transform(w, &j.tile, j.pool.Scratch(worker, j.scratchSize()), lo, hi)
	case multiplyFilters:
		j.multiply(w, &j.tile, j.pool.Scratch(worker, j.scratchSize()), lo, hi)
	}
}

// scratchSize is what transform and multiply need.
func (w *winograd) scratchSize() int {
	return max(w.tiles.HalfSize(w.most*w.funcs.Lanes()), w.productSize()+win.Tile*w.rowSize())
}

// productSize is the floats of the points of a block of filters, and rowSize
// those of a row of outputs.
func (w *winograd) productSize() int { return w.block * win.Points * w.funcs.Width() }

func (w *winograd) rowSize() int { return win.Tile*w.funcs.Width() + w.funcs.Lanes() }

// transform makes the points of some channels of a block.
func (j *winogradJob) transform(w *winogradWork, b *winogradBlock, scratch []float32, lo, hi int) {
	in, width := j.In[1]*j.In[2], j.funcs.Width()
	src := j.src[b.image*j.Channels*in:]
	w.channel.Half = scratch
	j.tiles.Begin(&w.channel, b.from, b.to)
	for c := lo; c < hi; c++ {
		w.channel.Transform(b.points[c*width:], j.pointStep(), src[c*in:])
	}
}

// multiply makes the outputs of some blocks of filters, of a block of tiles.
func (j *winogradJob) multiply(w *winogradWork, b *winogradBlock, scratch []float32, lo, hi int) {
	width, step, n := j.funcs.Width(), j.pointStep(), b.to-b.from
	vecs := ceilDiv(n, j.funcs.Lanes())
	product, rows := scratch[:j.productSize()], scratch[j.productSize():]
	for i := lo; i < hi; i++ {
		for p := range win.Points {
			j.kernel.MulPanel(&w.panel, j.weights[i], p, b.points[p*step:], n, product[p*width:], win.Points*width)
		}
		first := i * j.block
		for f := first; f < min(first+j.block, j.Filters); f++ {
			var bias float32
			if j.bias != nil {
				bias = j.bias[f]
			}
			j.funcs.Outputs(rows, j.rowSize(), product[(f-first)*win.Points*width:], vecs, bias)
			j.finish(b.image, f, b.from, b.to, rows)
		}
	}
}

// finish writes the outputs of tiles from..to-1 of a filter where they belong.
func (j *winogradJob) finish(image, f, from, to int, rows []float32) {
	height, width, across := j.out[1], j.out[2], j.tiles.Across
	at := (image*j.Filters + f) * height * width
	dst := j.dst[at : at+height*width]
	low, high, clamps := j.act.Bounds()
	if !clamps {
		low, high = float32(math.Inf(-1)), float32(math.Inf(1))
	}
	for t := from; t < to; {
		y, x := t/across, t%across
		end := min(to, (y+1)*across) // of this row of tiles
		n := min((x+end-t)*win.Tile, width) - x*win.Tile
		r := min(win.Tile, height-y*win.Tile)
		place := y*win.Tile*width + x*win.Tile
		var add []float32
		if j.add != nil {
			add = j.add[at+place:]
		}
		j.funcs.Finish(dst[place:], width, rows[(t-from)*win.Tile:], j.rowSize(), add, r, n, low, high)
		switch {
		case clamps:
		case n == width:
			j.act.Apply(j.vec, dst[place:place+r*width], f)
		default:
			for i := range r {
				j.act.Apply(j.vec, dst[place+i*width:][:n], f)
			}
		}
		t = end
	}
}
