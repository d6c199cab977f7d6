package op

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
)

// Taps says where the elements of one resized axis come from: element i is
// (1-W[i])·x[Lo[i]] + W[i]·x[Hi[i]]. Hi and W are nil where elements are taken
// as they are.
type Taps struct {
	Lo, Hi []int
	W      []float64
}

// Resizer is what the arguments of the operators that resize images have in
// common. Taps returns what makes the last two axes of a result of the given
// shape, and false if other axes are resized, too.
type Resizer interface {
	Image() *mil.Value
	Taps(out []int) (rows, cols Taps, ok bool)
}

// Image is the image to be resized.
func (a *UpsampleNearestNeighborArgs) Image() *mil.Value { return a.X }

// Taps implements Resizer.
func (a *UpsampleNearestNeighborArgs) Taps(out []int) (rows, cols Taps, ok bool) {
	return tapsOf(a.X, out, "DEFAULT", 0)
}

// Image is the image to be resized.
func (a *ResizeNearestNeighborArgs) Image() *mil.Value { return a.X }

// Taps implements Resizer.
func (a *ResizeNearestNeighborArgs) Taps(out []int) (rows, cols Taps, ok bool) {
	return tapsOf(a.X, out, "UNALIGN_CORNERS", 0.5)
}

// Image is the image to be resized.
func (a *UpsampleBilinearArgs) Image() *mil.Value { return a.X }

// Taps implements Resizer.
func (a *UpsampleBilinearArgs) Taps(out []int) (rows, cols Taps, ok bool) {
	return a.newest().Taps(out)
}

// Image is the image to be resized.
func (a *UpsampleBilinearIOS16Args) Image() *mil.Value { return a.X }

// Taps implements Resizer.
func (a *UpsampleBilinearIOS16Args) Taps(out []int) (rows, cols Taps, ok bool) {
	return tapsOf(a.X, out, a.mode(), -1)
}

// Image is the image to be resized.
func (a *ResizeBilinearArgs) Image() *mil.Value { return a.X }

// Taps implements Resizer.
func (a *ResizeBilinearArgs) Taps(out []int) (rows, cols Taps, ok bool) {
	return tapsOf(a.X, out, a.SamplingMode, -1)
}

// Image is the image to be resized.
func (a *ResizeArgs) Image() *mil.Value { return a.X }

// Taps implements Resizer.
func (a *ResizeArgs) Taps(out []int) (rows, cols Taps, ok bool) {
	mode, nearest := a.mode()
	if nearest {
		return tapsOf(a.X, out, mode, 0.5)
	}
	return tapsOf(a.X, out, mode, -1)
}

// tapsOf returns the taps of the last two axes, by a mode of gridPoints: linear
// ones if round is negative, else the element at or before a point plus round.
func tapsOf(x *mil.Value, out []int, mode string, round float64) (rows, cols Taps, ok bool) {
	in := dims(x)
	at := len(in) - 2
	if at < 0 || len(out) != len(in) || !slices.Equal(in[:at], out[:at]) {
		return rows, cols, false
	}
	return axisTaps(in[at], out[at], mode, round), axisTaps(in[at+1], out[at+1], mode, round), true
}

func axisTaps(n, size int, mode string, round float64) Taps {
	var t Taps
	if n == size {
		for i := range n {
			t.Lo = append(t.Lo, i)
		}
		return t
	}
	points := gridPoints(0, float32(n-1), size, mode)
	if round >= 0 {
		t.Lo = nearestTaps(points, round, n)
		return t
	}
	for _, p := range linearTaps(points, n) {
		t.Lo, t.Hi, t.W = append(t.Lo, p.lo), append(t.Hi, p.hi), append(t.W, p.w)
	}
	return t
}

// nearestTaps returns the elements, of n, at or before points plus round.
func nearestTaps(points []float64, round float64, n int) []int {
	index := make([]int, len(points))
	for i, p := range points {
		index[i] = int(min(max(math.Floor(p+round), 0), float64(n-1)))
	}
	return index
}
