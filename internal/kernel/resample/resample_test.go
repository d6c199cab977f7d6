package resample

import (
	"slices"
	"testing"
)

func TestPlane(t *testing.T) {
	same := NewAxis([]int{0, 1}, nil, nil)
	twice := NewAxis([]int{0, 0, 1, 1}, nil, nil)
	thirds := NewAxis([]int{0, 0, 1, 1}, []int{1, 1, 1, 1}, []float64{0, 0.5, 0, 0})
	odd := NewAxis([]int{1, 0, 1}, nil, nil)
	for _, c := range []struct {
		rows, cols Axis
		want       []float32
	}{
		{same, same, []float32{1, 2, 3, 4}},
		{twice, twice, []float32{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}},
		{same, odd, []float32{2, 1, 2, 4, 3, 4}},
		{same, thirds, []float32{1, 1.5, 2, 2, 3, 3.5, 4, 4}},
		{thirds, same, []float32{1, 2, 2, 3, 3, 4, 3, 4}},
		{thirds, thirds, []float32{1, 1.5, 2, 2, 2, 2.5, 3, 3, 3, 3.5, 4, 4, 3, 3.5, 4, 4}},
	} {
		dst := make([]float32, len(c.want))
		New(c.rows, c.cols).Plane(dst, []float32{1, 2, 3, 4}, 2)
		if !slices.Equal(dst, c.want) {
			t.Errorf("have %v, want %v", dst, c.want)
		}
	}
}

func TestBorder(t *testing.T) {
	for _, c := range []struct {
		mode BorderMode
		want []float32
	}{
		{Constant, []float32{9, 9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 4, 5, 6, 9}},
		{Reflect, []float32{5, 4, 5, 6, 5, 2, 1, 2, 3, 2, 5, 4, 5, 6, 5}},
		{Replicate, []float32{1, 1, 2, 3, 3, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6}},
	} {
		dst := make([]float32, len(c.want))
		b := Border{Top: 1, Left: 1, Height: 2, Width: 3, Rows: 3, Cols: 5, Mode: c.mode, Fill: 9}
		b.Plane(dst, []float32{1, 2, 3, 4, 5, 6})
		if !slices.Equal(dst, c.want) {
			t.Errorf("mode %d: have %v, want %v", c.mode, dst, c.want)
		}
	}
}
