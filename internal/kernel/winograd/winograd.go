// Package winograd has the transforms of the convolution F(4×4, 3×3) of
// Winograd, as Lavin and Gray use it ("Fast algorithms for convolutional neural
// networks", 2016): tiles of 6×6 inputs and the 3×3 weights become 36 points
// each, whose products, summed over channels, become tiles of 4×4 outputs. That
// takes 36 multiplications where the windows take 144.
//
// The points of the interpolation are 0, ±5/8, ±3/2 and infinity. Their powers
// are exact in float32, and they lose fewer bits than the usual 0, ±1, ±2.
//
// All of a tile's outputs come from all of its inputs. Where one of these is
// not finite, no output is, unlike those of windows. Peak finds such inputs.
package winograd

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

const (
	// Tile is the height and width of a tile's outputs, and the step from one
	// tile to the next.
	Tile = 4
	// Size is the height and width of the inputs a tile sees, and of its points.
	Size = Tile + 2
	// Points is how many points a tile has.
	Points = Size * Size
)

// The points ±a and ±b of the interpolation.
const a, b = 0.625, 1.5

// Funcs are the transforms of one CPU level.
type Funcs struct {
	lanes   int
	panel   int // vectors of tiles in a row of a product's panel
	rows    func(q *Channel)
	cols    func(dst []float32, dstStep int, half []float32, halfStep, across, vecs int)
	outputs func(dst []float32, dstStep int, src []float32, vecs int, bias float32)
	finish  func(dst []float32, dstStep int, src []float32, srcStep int, add []float32, rows, n int, lo, hi float32)
	peak    func(x []float32) uint32
}

// For returns the transforms of a level.
func For(l cpu.Level) *Funcs { return funcs[l] }

// Lanes is how many tiles are transformed at once, in a vector.
func (f *Funcs) Lanes() int { return f.lanes }

// Width is how many tiles a product's panel has.
func (f *Funcs) Width() int { return f.panel * f.lanes }

// Plan is where the tiles of an image lie.
type Plan struct {
	Height, Width int    // of the image
	Pad           [2]int // zeros above it and to its left
	Across, Down  int    // tiles

	funcs  *Funcs
	groups int // vectors of a row of tiles
	zeros  []float32
	masks  []byte
}

// NewPlan plans the tiles that make outputs of the given height and width, at
// least 1, from an image that is not empty.
func NewPlan(l cpu.Level, height, width int, pad [2]int, outHeight, outWidth int) *Plan {
	f := For(l)
	p := &Plan{
		Height: height, Width: width, Pad: pad,
		Across: (outWidth + Tile - 1) / Tile, Down: (outHeight + Tile - 1) / Tile,
		funcs: f, zeros: make([]float32, width),
	}
	p.groups = (p.Across + f.lanes - 1) / f.lanes
	p.masks = p.newMasks(l == cpu.AVX512)
	return p
}

// newMasks makes the masks of each group: those of the loads, of four vectors
// of columns and what comes next, and that of the tiles. They are bits, with the
// next columns twice, a column apart; or words, where only two of the next
// columns matter.
func (p *Plan) newMasks(bits bool) []byte {
	lanes := p.funcs.lanes
	var m []byte
	put := func(first, end int) { // of lanes from first on, those that are in 0..end-1
		var set uint16
		for i := range lanes {
			word := uint32(0)
			if x := first + i; x >= 0 && x < end {
				word = math.MaxUint32
				set |= 1 << i
			}
			if !bits {
				m = binary.LittleEndian.AppendUint32(m, word)
			}
		}
		if bits {
			m = binary.LittleEndian.AppendUint16(m, set)
		}
	}
	for g := range p.groups {
		at := g*lanes*Tile - p.Pad[1]
		for i := range Tile + 1 {
			put(at+i*lanes, p.Width)
		}
		if bits {
			put(at+Tile*lanes+1, p.Width)
		}
		put(g*lanes, p.Across)
		if bits {
			put(0, 0) // to a power of two
		}
	}
	return m
}

// Channel is the transform of some tiles of one channel of an image, in two
// steps: along the rows, to Half, and from there along the columns.
type Channel struct {
	Src           []float32 // the channel
	Height, Width int       // set by Begin, like all that follows but Half
	Top           int       // the first row; may be above the image
	Rows          int
	Half          []float32 // HalfSize floats
	Step          int       // between its parts

	zeros  *float32
	masks  *byte
	start  int // first column, in bytes
	groups int
	across int // tiles in a row
	first  int // tile, in Half
	vecs   int
	funcs  *Funcs
}

// step is the distance of Half's parts for that many rows of tiles: one more,
// as the last tiles see, and what vectors read beyond.
func (p *Plan) step(rows int) int { return (rows+1)*p.Across + p.funcs.lanes }

// HalfSize is how many floats Half takes for any n neighbouring tiles.
func (p *Plan) HalfSize(n int) int {
	return Tile * Size * p.step(min(p.Down, (n+p.Across-2)/p.Across+1))
}

// Begin prepares q to transform tiles from..to-1, counted row by row and at most
// as many as a panel has, of one channel after the other.
func (p *Plan) Begin(q *Channel, from, to int) {
	if from < 0 || to <= from || to > p.Across*p.Down || to-from > p.funcs.Width() {
		panic(fmt.Sprintf("winograd: tiles %d to %d of %d", from, to, p.Across*p.Down))
	}
	first, last := from/p.Across, (to-1)/p.Across
	rows := last - first + 1
	half := q.Half
	*q = Channel{
		Height: p.Height, Width: p.Width, Top: first*Tile - p.Pad[0], Rows: rows*Tile + Size - Tile,
		Half: half, Step: p.step(rows),
		zeros: &p.zeros[0], masks: &p.masks[0], start: -4 * p.Pad[1], groups: p.groups, across: p.Across,
		first: from - first*p.Across, vecs: (to - from + p.funcs.lanes - 1) / p.funcs.lanes, funcs: p.funcs,
	}
	if len(half) < Tile*Size*q.Step {
		panic(fmt.Sprintf("winograd: %d floats between the steps, want %d", len(half), Tile*Size*q.Step))
	}
}

// Transform writes the points of the channel src: point i of the tile t, counted
// from the first, is dst[i*step+t]. Tiles are made in whole vectors. There may
// be no more than a panel has.
func (q *Channel) Transform(dst []float32, step int, src []float32) {
	q.Src = src[:q.Height*q.Width]
	q.funcs.rows(q)
	lanes, vecs := q.funcs.lanes, q.vecs
	h := q.Half[q.first:]
	_ = dst[(Points-1)*step+vecs*lanes-1]
	_ = h[(2*Size-1)*q.Step+q.across+vecs*lanes-1]
	_ = h[(Tile*Size-1)*q.Step+vecs*lanes-1]
	q.funcs.cols(dst, step, h, q.Step, q.across, vecs)
}

// Outputs transforms the points of some vectors of tiles of a filter: point i
// of tile t is src[i*w+t], with w the width of a panel. Row r of the outputs is
// dst[r*dstStep:], with four for each tile. src is destroyed.
func (f *Funcs) Outputs(dst []float32, dstStep int, src []float32, vecs int, bias float32) {
	n := vecs * f.lanes
	if n <= 0 {
		return
	}
	_, _ = dst[(Tile-1)*dstStep+Tile*n-1], src[(Points-1)*f.Width()+n-1]
	f.outputs(dst, dstStep, src, vecs, bias)
}

// Finish writes rows of n outputs, plus what add has at their places, unless
// it is nil, clamped; NaN stays NaN. Rows of src go on to the next whole vector.
func (f *Funcs) Finish(dst []float32, dstStep int, src []float32, srcStep int, add []float32, rows, n int, lo, hi float32) {
	if rows <= 0 || n <= 0 {
		return
	}
	last := (rows-1)*dstStep + n - 1
	_, _ = dst[last], src[(rows-1)*srcStep+(n+f.lanes-1)/f.lanes*f.lanes-1]
	if add != nil {
		_ = add[last]
	}
	f.finish(dst, dstStep, src, srcStep, add, rows, n, lo, hi)
}

// Peak is the largest magnitude, as math.Float32bits has it, where infinity
// and then NaNs are above all others.
func (f *Funcs) Peak(x []float32) uint32 { return f.peak(x) }

// Weights transforms a filter's 3×3 weights of one channel: point i is
// dst[i*step]. It computes in float64 and rounds once.
func Weights(dst []float32, step int, w []float32) {
	var half [Size][3]float64
	for x := range 3 {
		for i, v := range filterPoints(float64(w[x]), float64(w[3+x]), float64(w[6+x])) {
			half[i][x] = v
		}
	}
	for i, h := range half {
		for j, v := range filterPoints(h[0], h[1], h[2]) {
			dst[(i*Size+j)*step] = float32(v)
		}
	}
}

// filterPoints is the values of w0 + w1·x + w2·x² at the points, over the
// product of the differences from the other points.
func filterPoints(w0, w1, w2 float64) [Size]float64 {
	const (
		n0 = 1 / (a * a * b * b)
		na = 1 / (2 * a * a * (a*a - b*b))
		nb = 1 / (2 * b * b * (b*b - a*a))
	)
	evenA, oddA := (w0+a*a*w2)*na, a*w1*na
	evenB, oddB := (w0+b*b*w2)*nb, b*w1*nb
	return [Size]float64{w0 * n0, evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, w2}
}
