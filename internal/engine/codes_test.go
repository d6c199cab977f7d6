package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// TestCodes runs layers whose weights are codes against their reference
// evaluation.
func TestCodes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	bits := func(d tensor.DType, shape ...int) *tensor.Tensor {
		b := make([]byte, d.PackedSize(tensor.Size(shape)))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		x, err := tensor.FromPacked(d, shape, b)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	// shift makes weights of scaled and shifted codes, by blocks, and table those
	// of a table.
	shift := func(d tensor.DType, grid ...int) func(b *mil.Builder, shape ...int) *mil.Value {
		return func(b *mil.Builder, shape ...int) *mil.Value {
			grid := append(slices.Clone(grid), slices.Repeat([]int{1}, len(shape)-len(grid))...)
			return op.ConstexprBlockwiseShiftScale.Add(b, op.ConstexprBlockwiseShiftScaleArgs{
				Data: bits(d, shape...), Scale: floatsOf(r, grid...), Offset: bits(d, grid...),
			})
		}
	}
	table := func(d tensor.DType) func(b *mil.Builder, shape ...int) *mil.Value {
		return func(b *mil.Builder, shape ...int) *mil.Value {
			lut := []int{1 << d.Bits(), 1}
			for range shape {
				lut = append([]int{1}, lut...)
			}
			return op.ConstexprLutToDenseIOS18.Add(b, op.ConstexprLutToDenseIOS18Args{Indices: bits(d, shape...), Lut: floatsOf(r, lut...)})
		}
	}
	type weights = func(b *mil.Builder, shape ...int) *mil.Value
	for name, w := range map[string]weights{
		"int8":         shift(tensor.Int8, 1, 1),
		"uint8 rows":   shift(tensor.Uint8, 256, 1),
		"int8 columns": shift(tensor.Int8, 1, 288),
		"int4 blocks":  shift(tensor.Int4, 256, 9),
		"uint4 rows":   shift(tensor.Uint4, 256, 1),
		"1 bit":        table(tensor.Uint1),
		"3 bits":       table(tensor.Uint3),
		"4 bits":       table(tensor.Uint4),
		"6 bits":       table(tensor.Uint6),
		"8 bits":       table(tensor.Uint8),
	} {
		for layer, build := range map[string]struct {
			x  []int
			of func(b *mil.Builder, x *mil.Value) *mil.Value
		}{
			"conv 1×1": {[]int{1, 288, 7, 7}, func(b *mil.Builder, x *mil.Value) *mil.Value {
				return op.ConvIOS17.Add(b, op.ConvIOS17Args{X: x, Weight: w(b, 256, 288, 1, 1), PadType: "valid", Groups: 1})
			}},
			"conv 3×3": {[]int{1, 288, 9, 13}, func(b *mil.Builder, x *mil.Value) *mil.Value {
				y := op.ConvIOS17.Add(b, op.ConvIOS17Args{X: x, Weight: w(b, 256, 288, 3, 3), PadType: "same", Groups: 1})
				return op.Relu.Add(b, op.Unary{X: y})
			}},
			"conv in groups": {[]int{1, 576, 5, 11}, func(b *mil.Builder, x *mil.Value) *mil.Value {
				return op.ConvIOS17.Add(b, op.ConvIOS17Args{X: x, Weight: w(b, 256, 288, 3, 1), PadType: "valid", Strides: []int{2, 1}, Groups: 2})
			}},
			"conv of a whole image": {[]int{3, 288, 1, 1}, func(b *mil.Builder, x *mil.Value) *mil.Value {
				return op.ConvIOS17.Add(b, op.ConvIOS17Args{X: x, Weight: w(b, 256, 288, 1, 1), PadType: "valid", Groups: 1})
			}},
			"product": {[]int{5, 288}, func(b *mil.Builder, x *mil.Value) *mil.Value {
				return op.MatmulIOS17.Add(b, op.MatmulIOS17Args{X: x, Y: w(b, 256, 288), TransposeY: true})
			}},
			"product of a row": {[]int{1, 288}, func(b *mil.Builder, x *mil.Value) *mil.Value {
				return op.MatmulIOS17.Add(b, op.MatmulIOS17Args{X: x, Y: w(b, 256, 288), TransposeY: true})
			}},
			"product, the other way round": {[]int{5, 256}, func(b *mil.Builder, x *mil.Value) *mil.Value {
				return op.MatmulIOS17.Add(b, op.MatmulIOS17Args{X: x, Y: w(b, 256, 288)})
			}},
			"gather": {[]int{256}, func(b *mil.Builder, x *mil.Value) *mil.Value {
				rows := mil.NewConst("rows", tensor.Ints([]int{3}, []int32{0, 63, 5}))
				y := op.GatherIOS17.Add(b, op.GatherIOS17Args{X: w(b, 256, 288), Indices: rows, Axis: 0})
				return op.Add.Add(b, op.Binary{X: y, Y: op.ReduceSum.Add(b, op.Reduction{X: x, Axes: []int{0}, KeepDims: true})})
			}},
		} {
			t.Run(fmt.Sprint(layer, ", ", name), func(t *testing.T) {
				b := mil.NewBuilder(mil.IOS18)
				x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, build.x...)}
				b.Block.Outputs = []*mil.Value{build.of(b, x)}
				if err := b.Err(); err != nil {
					t.Fatal(err)
				}
				f := &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x}, Body: b.Block}
				in := []*tensor.Tensor{floatsOf(r, build.x...)}
				want := compileAndRun(t, f, in, Options{Reference: true}, 1)
				for _, l := range cpu.Available() {
					near(t, l.String(), want[0], compileAndRun(t, f, in, Options{Level: l}, 2)[0], 1e-4)
				}
			})
		}
	}
}
