package quant

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// maxValues bounds what a dequantizer allocates.
const maxValues = tensor.MaxElements

// Grid divides a row-major array into equal blocks, each with a scale, an
// offset or a table of its own. Per tensor, per channel and per block are all
// grids.
type Grid struct {
	shape, counts []int
	axes          []gridAxis // neighbours merged where their blocks allow it
}

type gridAxis struct{ dim, size int }

// NewGrid returns the grid with that block size on each axis; 0 stands for the
// whole axis. A convolution weight [O, I, H, W] per output channel has sizes
// [1, 0, 0, 0], per tensor [0, 0, 0, 0].
func NewGrid(shape, sizes []int) (Grid, error) {
	if len(sizes) != len(shape) {
		return Grid{}, fmt.Errorf("want a block size for each axis of %s, have %v", tensor.FormatShape(shape), sizes)
	}
	counts := make([]int, len(shape))
	for i, size := range sizes {
		switch {
		case size == 0:
			counts[i] = 1
		case size < 0 || shape[i]%size != 0:
			return Grid{}, fmt.Errorf("axis %d of %s does not divide into blocks of %d", i, tensor.FormatShape(shape), size)
		default:
			counts[i] = shape[i] / size
		}
	}
	return GridOf(shape, counts)
}

// GridOf returns the grid with that number of blocks on each axis: the shape
// of a scale, of an offset, or of a table without its last two axes.
func GridOf(shape, counts []int) (Grid, error) {
	n, err := tensor.CheckShape(shape)
	switch {
	case err != nil:
		return Grid{}, err
	case len(counts) != len(shape):
		return Grid{}, fmt.Errorf("want a number of blocks for each axis of %s, have %v", tensor.FormatShape(shape), counts)
	case n == 0:
		return Grid{}, errEmpty
	}
	g := Grid{shape: slices.Clone(shape), counts: slices.Clone(counts)}
	axes := []gridAxis{{1, 1}}
	for i, dim := range shape {
		if counts[i] < 1 || dim%counts[i] != 0 {
			return Grid{}, fmt.Errorf("axis %d of %s does not divide into %d blocks", i, tensor.FormatShape(shape), counts[i])
		}
		a := gridAxis{dim, dim / counts[i]}
		last := &axes[len(axes)-1]
		switch {
		case a.size == a.dim: // blocks of rows are longer blocks
			last.dim, last.size = last.dim*dim, last.size*dim
		case last.size == 1: // the blocks of single rows lie one after the other
			last.dim, last.size = last.dim*dim, a.size
		default:
			axes = append(axes, a)
		}
	}
	g.axes = axes
	return g, nil
}

// OneBlock is the grid of n values that share everything.
func OneBlock(n int) (Grid, error) { return GridOf([]int{n}, []int{1}) }

// PerChannel is the grid with one block for each index of an axis.
func PerChannel(shape []int, axis int) (Grid, error) {
	if axis < 0 || axis >= len(shape) {
		return Grid{}, fmt.Errorf("shape %s has no axis %d", tensor.FormatShape(shape), axis)
	}
	sizes := make([]int, len(shape))
	sizes[axis] = 1
	return NewGrid(shape, sizes)
}

// Counts returns the number of blocks on each axis.
func (g Grid) Counts() []int { return slices.Clone(g.counts) }

// Blocks returns the number of blocks.
func (g Grid) Blocks() int { return tensor.Size(g.counts) }

func (g Grid) check(n int) error {
	if len(g.axes) == 0 {
		return errEmpty // the zero Grid
	}
	if want := tensor.Size(g.shape); n != want {
		return fmt.Errorf("want %s = %d values, have %d", tensor.FormatShape(g.shape), want, n)
	}
	return nil
}

// runs calls f for stretches [start, end) that lie in one block, in row-major
// order; blocks are numbered in row-major order too.
func (g Grid) runs(f func(start, end, block int)) {
	var walk func(axes []gridAxis, start, block int)
	walk = func(axes []gridAxis, start, block int) {
		a := axes[0]
		start, block = start*a.dim, block*(a.dim/a.size)
		if len(axes) == 1 {
			for i := 0; i < a.dim; i += a.size {
				f(start+i, start+i+a.size, block)
				block++
			}
			return
		}
		for i := range a.dim {
			walk(axes[1:], start+i, block+i/a.size)
		}
	}
	walk(g.axes, 0, 0)
}
