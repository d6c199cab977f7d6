package engine

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// TestPasses holds what the passes make of a net against its reference
// evaluation, and looks at the steps that are left.
func TestPasses(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	constant := func(shape ...int) *mil.Value { return mil.NewConst("c", floatsOf(r, shape...)) }
	conv := func(b *mil.Builder, x *mil.Value, filters int) *mil.Value {
		return op.Conv.Add(b, op.ConvArgs{X: x, Weight: constant(filters, x.Type.Shape[1], 3, 3), PadType: "same", Groups: 1})
	}
	shaped := func(b *mil.Builder, x *mil.Value, shape ...int32) *mil.Value {
		return op.Reshape.Add(b, op.ReshapeArgs{X: x, Shape: mil.NewConst("s", tensor.Ints([]int{len(shape)}, shape))})
	}
	scalar := func(v float32) *mil.Value { return mil.NewConst("n", tensor.Scalar(tensor.Float32, v)) }
	vector := func(n int) []float32 { return floatsOf(r, n).F32() }
	positive := func(n int) []float32 {
		v := vector(n)
		for i := range v {
			v[i] = 0.5 + v[i]*v[i]
		}
		return v
	}
	for _, c := range []struct {
		name  string
		build func(b *mil.Builder, x *mil.Value) *mil.Value // x is 1×8×9×7
		want  []string
	}{
		{"relu behind a reshape", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.Relu.Add(b, op.Unary{X: shaped(b, conv(b, x, 8), 1, 1, 8, 9, 7)})
			return shaped(b, conv(b, shaped(b, y, 1, 8, 9, 7), 4), 1, 1, 4, 9, 7)
		}, []string{"conv", "conv"}},
		{"channels behind a reshape", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := shaped(b, conv(b, x, 8), 1, 1, 8, 9, 7)
			y = op.Add.Add(b, op.Binary{X: y, Y: constant(1, 1, 8, 1, 1)})
			y = op.Mul.Add(b, op.Binary{X: constant(8, 1, 1), Y: y})
			return op.Sub.Add(b, op.Binary{X: y, Y: mil.NewConst("n", floatsOf(r, 1, 1, 1, 1, 1))})
		}, []string{"conv"}},
		{"joined behind reshapes", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := shaped(b, conv(b, x, 8), 1, 1, 8, 9, 7)
			z := op.Relu.Add(b, op.Unary{X: shaped(b, conv(b, x, 4), 1, 1, 4, 9, 7)})
			return shaped(b, op.Concat.Add(b, op.ConcatArgs{Values: []*mil.Value{y, z}, Axis: 2}), 1, 12, 9, 7)
		}, []string{"conv", "conv"}},
		{"joined along the new axis", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y, z := shaped(b, conv(b, x, 8), 1, 1, 8, 9, 7), shaped(b, conv(b, x, 8), 1, 1, 8, 9, 7)
			return op.Concat.Add(b, op.ConcatArgs{Values: []*mil.Value{y, z}, Axis: 1})
		}, []string{"conv", "conv"}},
		{"joined of joined, a value read twice, an input and a constant", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y, z := conv(b, x, 3), conv(b, x, 2)
			join := func(vs ...*mil.Value) *mil.Value {
				return op.Concat.Add(b, op.ConcatArgs{Values: vs, Axis: -3})
			}
			inner := join(op.Relu.Add(b, op.Unary{X: y}), z)
			all := join(x, inner, z, constant(1, 1, 9, 7), op.Tanh.Add(b, op.Unary{X: x}))
			return op.Sigmoid.Add(b, op.Unary{X: all})
		}, []string{"conv", "conv", "concat", "tanh", "concat", "sigmoid"}},
		{"joined twice", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := conv(b, x, 3)
			twice := op.Concat.Add(b, op.ConcatArgs{Values: []*mil.Value{y, y}, Axis: 1})
			return op.Tanh.Add(b, op.Unary{X: twice})
		}, []string{"conv", "concat", "tanh"}},
		{"joined and overwritten", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y, z := conv(b, x, 3), conv(b, x, 2)
			all := op.Tanh.Add(b, op.Unary{X: op.Concat.Add(b, op.ConcatArgs{Values: []*mil.Value{y, z}, Axis: 1})})
			return op.Concat.Add(b, op.ConcatArgs{Values: []*mil.Value{op.Exp.Add(b, op.Unary{X: all}), conv(b, all, 2)}, Axis: 1})
		}, []string{"conv", "conv", "tanh", "exp", "conv"}},
		{"flattened", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.Relu.Add(b, op.Unary{X: shaped(b, conv(b, x, 8), 8*9, 7)})
			return op.Mul.Add(b, op.Binary{X: y, Y: constant(8*9, 1)}) // no channel of the convolution
		}, []string{"conv", "mul"}},
		{"relu6 of other operators", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.Mul.Add(b, op.Binary{X: op.Relu.Add(b, op.Unary{X: conv(b, x, 8)}), Y: scalar(-1)})
			return op.Mul.Add(b, op.Binary{X: op.Maximum.Add(b, op.Binary{X: scalar(-6), Y: y}), Y: scalar(-1)})
		}, []string{"conv"}},
		{"not to be scaled back", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.Mul.Add(b, op.Binary{X: op.Relu.Add(b, op.Unary{X: x}), Y: scalar(-1)})
			return op.Maximum.Add(b, op.Binary{X: y, Y: scalar(-6)})
		}, []string{"relu", "mul", "maximum"}},
		{"clamped to one number", func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.Minimum.Add(b, op.Binary{X: op.Relu.Add(b, op.Unary{X: x}), Y: scalar(-1)})
		}, []string{"relu", "minimum"}},
		{"read in between", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.Mul.Add(b, op.Binary{X: op.Relu.Add(b, op.Unary{X: x}), Y: scalar(-1)})
			return op.Add.Add(b, op.Binary{X: y, Y: op.Mul.Add(b, op.Binary{X: y, Y: scalar(-1)})})
		}, []string{"relu", "mul", "mul", "add"}},
		{"batch_norm", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.BatchNorm.Add(b, op.BatchNormArgs{X: conv(b, x, 8), Mean: vector(8), Variance: positive(8), Gamma: vector(8), Beta: vector(8), Epsilon: 1e-3})
			return op.Relu.Add(b, op.Unary{X: op.BatchNorm.Add(b, op.BatchNormArgs{X: y, Mean: vector(8), Variance: positive(8), Epsilon: 1e-3})})
		}, []string{"conv"}},
		{"batch_norm of a transposed convolution in groups", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.ConvTranspose.Add(b, op.ConvTransposeArgs{X: x, Weight: floatsOf(r, 8, 3, 2, 2), Bias: floatsOf(r, 6), PadType: "valid", Groups: 2})
			return op.BatchNorm.Add(b, op.BatchNormArgs{X: y, Mean: vector(6), Variance: positive(6), Epsilon: 1e-3})
		}, []string{"conv_transpose"}},
		{"scaled linear", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.Linear.Add(b, op.LinearArgs{X: x, Weight: floatsOf(r, 5, 7)})
			y = op.RealDiv.Add(b, op.Binary{X: y, Y: scalar(3)})
			return op.Add.Add(b, op.Binary{X: constant(5), Y: y})
		}, []string{"linear"}},
		{"padded convolution", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.Pad.Add(b, op.PadArgs{X: x, Pad: mil.NewConst("p", tensor.Ints([]int{4}, []int32{1, 0, 2, 3})), Mode: "constant"})
			return op.Conv.Add(b, op.ConvArgs{X: y, Weight: constant(4, 8, 3, 3), PadType: "custom", Pad: []int{0, 1, 0, 0}, Strides: []int{2, 2}, Groups: 1})
		}, []string{"conv"}},
		{"padded with ones", func(b *mil.Builder, x *mil.Value) *mil.Value {
			y := op.Pad.Add(b, op.PadArgs{X: x, Pad: mil.NewConst("p", tensor.Ints([]int{4}, []int32{1, 0, 2, 3})), Mode: "constant", ConstantVal: 1})
			return conv(b, y, 4)
		}, []string{"pad", "conv"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := mil.NewBuilder(mil.IOS15)
			x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 8, 9, 7)}
			b.Block.Outputs = []*mil.Value{c.build(b, x)}
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			f := &mil.Func{Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{x}, Body: b.Block}
			in := floatsOf(r, 1, 8, 9, 7)
			want := compileAndRun(t, f, []*tensor.Tensor{in}, Options{Reference: true}, 1)[0]
			for _, level := range cpu.Available() {
				near(t, level.String(), want, compileAndRun(t, f, []*tensor.Tensor{in}, Options{Level: level}, 2)[0], 2e-5)
			}
			p, err := Compile(f, []mil.Type{x.Type}, Options{Level: cpu.Best()})
			if err != nil {
				t.Fatal(err)
			}
			var steps []string
			for _, s := range p.steps {
				steps = append(steps, s.node.Op)
			}
			if !slices.Equal(steps, c.want) {
				t.Errorf("steps %v, want %v", steps, c.want)
			}
		})
	}
}
