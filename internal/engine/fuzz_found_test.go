package engine

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// A file can ask for padding of which there is much more than of the plane,
// and for strides that pass over it. No kernel may copy that.
func TestPaddingIsNotCopied(t *testing.T) {
	const much = 1 << 18
	pads := []int{much, much, much, much}
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 1, 3, 3)}
	in := tensor.Floats([]int{1, 1, 3, 3}, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9})
	weight := mil.NewConst("w", tensor.Floats([]int{1, 1, 3, 3}, []float32{1, 1, 1, 1, 1, 1, 1, 1, 1}))
	for name, add := range map[string]func(b *mil.Builder) *mil.Value{
		"max_pool": func(b *mil.Builder) *mil.Value {
			return op.MaxPool.Add(b, op.Pooling{X: x, KernelSizes: []int{3, 3}, Strides: []int{much, much}, PadType: "custom", Pad: pads})
		},
		"conv": func(b *mil.Builder) *mil.Value {
			return op.ConvIOS17.Add(b, op.ConvIOS17Args{X: x, Weight: weight, Strides: []int{much, much}, PadType: "custom", Pad: pads, Groups: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := mil.NewBuilder(mil.IOS17)
			b.Block.Outputs = []*mil.Value{add(b)}
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			f := &mil.Func{Name: "main", Opset: mil.IOS17, Inputs: []*mil.Value{x}, Body: b.Block}
			inputs := []*tensor.Tensor{in}
			have := compileAndRun(t, f, inputs, Options{MaxBytes: fuzzBytes}, 1)
			want := compileAndRun(t, f, inputs, Options{Reference: true}, 1)
			near(t, name, want[0], have[0], 0)
		})
	}
}
