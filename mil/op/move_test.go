package op

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/tensor"
)

// TestMove holds the block copy, which joins dimensions and walks in tiles,
// against its definition.
func TestMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := rapid.SliceOfN(rapid.IntRange(0, 40), 0, 4).Draw(t, "shape")
		for tensor.Size(shape) > 20000 {
			shape = shape[1:]
		}
		// The source is read in any order of its dimensions, each forwards,
		// backwards, in steps or always at the same place; the target likewise
		// but without repetition.
		m := move{shape: shape, from: make([]int, len(shape)), to: make([]int, len(shape))}
		size := func(strides []int, at *int, kinds int) int {
			n := 1
			for _, i := range rapid.Permutation(slices.Collect(indices(len(shape)))).Draw(t, "order") {
				step := 1
				switch rapid.IntRange(0, kinds).Draw(t, "kind") {
				case 1:
					step = -1
				case 2:
					step = 2
				case 3:
					strides[i] = 0
					continue
				}
				strides[i] = n * step
				span := max(shape[i], 1) * max(step, 1)
				if step < 0 {
					*at += n * (max(shape[i], 1) - 1)
				}
				n *= span
			}
			return n
		}
		src := make([]int32, size(m.from, &m.fromAt, 3)+1)
		for i := range src {
			src[i] = int32(i + 1)
		}
		got := make([]int32, size(m.to, &m.toAt, 2)+1)
		want := slices.Clone(got)
		each(shape, func(_ int, at []int) { want[m.toAt+dot(at, m.to)] = src[m.fromAt+dot(at, m.from)] })
		transfer(got, src, m)
		if !slices.Equal(got, want) {
			t.Fatalf("%+v: %v, want %v", m, got, want)
		}
	})
}

func indices(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// TestMoveTypes moves elements of every class.
func TestMoveTypes(t *testing.T) {
	for _, x := range []*tensor.Tensor{
		fl(sh{2}, 1, 2), in(sh{2}, 1, 2), bo(sh{2}, true, false),
		tensor.New(tensor.Float16, sh{2}, []float32{1, inf}),
		tensor.New(tensor.Uint8, sh{2}, []int32{1, 200}),
		tensor.New(tensor.Float64, sh{2}, []float64{1, 2}),
		tensor.New(tensor.Int64, sh{2}, []int64{1, 1 << 40}),
		tensor.New(tensor.Uint32, sh{2}, []int64{1, 1<<32 - 1}),
		tensor.New(tensor.String, sh{2}, []string{"a", "b"}),
	} {
		t.Run(x.DType().String(), func(t *testing.T) {
			back := move{shape: sh{2}, from: sh{-1}, fromAt: 1}
			y, err := rearranged(x, sh{2}, back)
			if err != nil {
				t.Fatal(err)
			}
			if sameTensor(x, y) {
				t.Fatalf("%s did not turn around", showTensor(y))
			}
			if y, err = rearranged(y, sh{2}, back); err != nil || !sameTensor(x, y) {
				t.Fatalf("%s, %v, want %s", showTensor(y), err, showTensor(x))
			}
			picked, err := zeros(x.DType(), sh{2})
			if err != nil {
				t.Fatal(err)
			}
			runs(picked, x, nil, sh{1, 0}, 1)
			back.to = sh{1}
			again, _ := zeros(x.DType(), sh{2})
			back.apply(again, picked)
			if !sameTensor(x, again) {
				t.Fatalf("runs: %s, want %s", showTensor(again), showTensor(x))
			}
		})
	}
}

func BenchmarkTranspose(b *testing.B) {
	x := ramp(1, 64, 224, 224)
	for _, perm := range [][]int{{0, 2, 3, 1}, {0, 1, 3, 2}, {0, 2, 1, 3}} {
		b.Run(tensor.FormatShape(perm), func(b *testing.B) {
			b.SetBytes(int64(4 * x.Len()))
			for b.Loop() {
				if _, err := evalTranspose(&TransposeArgs{val(x), perm}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkConcat(b *testing.B) {
	x := ramp(1, 64, 112, 112)
	for _, axis := range []int{1, 3} {
		b.Run(tensor.FormatShape(sh{axis}), func(b *testing.B) {
			b.SetBytes(int64(8 * x.Len()))
			for b.Loop() {
				if _, err := evalConcat(&ConcatArgs{Values: vals(x, x), Axis: axis}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
