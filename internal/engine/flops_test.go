package engine

import (
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

func TestFLOPs(t *testing.T) {
	zeros := func(shape ...int) *tensor.Tensor { return tensor.Zeros(tensor.Float32, shape) }
	konst := func(shape ...int) *mil.Value { return mil.NewConst("w", zeros(shape...)) }
	for _, c := range []struct {
		name string
		want int64
		in   []int
		add  func(b *mil.Builder, x *mil.Value) *mil.Value
	}{
		{"conv", 2 * 8 * 6 * 6 * 2 * 9, []int{1, 4, 8, 8}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.ConvIOS17.Add(b, op.ConvIOS17Args{X: x, Weight: konst(8, 2, 3, 3), PadType: "valid", Groups: 2})
		}},
		{"conv and relu", 2 * 8 * 6 * 6 * 4 * 9, []int{1, 4, 8, 8}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.ConvIOS17.Add(b, op.ConvIOS17Args{X: x, Weight: konst(8, 4, 3, 3), PadType: "valid", Groups: 1})
			return op.Relu.Add(b, op.Unary{X: y})
		}},
		{"conv_transpose", 2 * 4 * 8 * 8 * 5 * 4, []int{1, 4, 8, 8}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.ConvTransposeIOS17.Add(b, op.ConvTransposeIOS17Args{X: x, Weight: konst(4, 5, 2, 2), PadType: "valid", Groups: 1})
		}},
		{"linear", 2 * 3 * 7 * 5, []int{3, 7}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.Linear.Add(b, op.LinearArgs{X: x, Weight: zeros(5, 7)})
		}},
		{"matmul", 2 * 2 * 7 * 3 * 5, []int{2, 3, 7}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.Matmul.Add(b, op.MatmulArgs{X: x, Y: konst(3, 5), TransposeX: true})
		}},
		{"relu", 0, []int{3, 7}, func(b *mil.Builder, x *mil.Value) *mil.Value { return op.Relu.Add(b, op.Unary{X: x}) }},
	} {
		b := mil.NewBuilder(mil.IOS18)
		x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, c.in...)}
		y := c.add(b, x)
		if err := b.Err(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		b.Block.Outputs = []*mil.Value{y}
		p, err := Compile(&mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x}, Body: b.Block}, []mil.Type{x.Type}, Options{Level: cpu.Best()})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := p.FLOPs(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
