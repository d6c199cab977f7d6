package neuralnetwork

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var productRules = map[string]rule{"linear": dense, "matmul": matmul}

// dense is x·Wᵀ + bias along the last axis. innerProduct takes the last three
// axes of more than three as one, batchedMatmul does not.
func dense(w *writer, a args) {
	x, weight := a.Input("x"), a.Input("weight")
	out, in := weight.Type.Shape[0], weight.Type.Shape[1]
	var bias *spec.WeightParams
	if data := a.floats("bias"); data != nil {
		bias = w.vector(data)
	}
	if !w.rank5 && x.Type.Rank() > 3 {
		w.give(a, w.product(w.blob(x), w.weights(weight, 0), bias, in, out, w.shape(a.Outputs[0])))
		return
	}
	b := w.blob(x)
	if w.rank5 {
		// The blob may still be the picture that the vector was.
		if x.Type.Rank() > 2 || len(b.shape) == 5 && tensor.Size(b.shape[2:]) != in {
			w.fail("%w", errNone)
			return
		}
	} else {
		b = w.as(b, w.shape(x))
	}
	w.give(a, w.emit(layer{InnerProduct: spec.InnerProductLayerParams_builder{
		InputChannels: uint64(in), OutputChannels: uint64(out), HasBias: bias != nil, Weights: w.weights(weight, 0), Bias: bias,
	}.Build()}, w.shape(a.Outputs[0]), b))
}

// product multiplies by a matrix that the layer has, stored as [out, in].
func (w *writer) product(x *blob, weights, bias *spec.WeightParams, in, out int, shape []int) *blob {
	return w.emit(layer{BatchedMatmul: spec.BatchedMatMulLayerParams_builder{
		WeightMatrixFirstDimension: uint64(in), WeightMatrixSecondDimension: uint64(out), Weights: weights, HasBias: bias != nil, Bias: bias,
	}.Build()}, shape, x)
}

// matmul multiplies matrices; a constant one becomes the layer's own.
func matmul(w *writer, a args) {
	x, y := a.Input("x"), a.Input("y")
	tx, ty := a.bool("transpose_x"), a.bool("transpose_y")
	shape := w.shape(a.Outputs[0])
	if y.Const != nil && y.Type.Rank() == 2 && !tx && x.Const == nil && y.Type.DType.IsFloat() {
		in, out := y.Type.Shape[0], y.Type.Shape[1]
		var weights *spec.WeightParams
		if ty {
			in, out = out, in
			weights = w.weights(y, 0)
		} else {
			weights = w.matrix(turned(single(y.Const), in, out))
		}
		w.give(a, w.product(w.blob(x), weights, nil, in, out, shape))
		return
	}
	w.give(a, w.emit(layer{BatchedMatmul: spec.BatchedMatMulLayerParams_builder{TransposeA: tx, TransposeB: ty}.Build()}, shape, w.blob(x), w.blob(y)))
}

// turned transposes a matrix.
func turned(data []float32, rows, cols int) []float32 {
	out := make([]float32, len(data))
	for i := range rows {
		for j := range cols {
			out[j*rows+i] = data[i*cols+j]
		}
	}
	return out
}

var productCompositions = map[string]composition{
	// A vector is a matrix in networks, in the result as well.
	"matmul": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x, y := a.Input("x"), a.Input("y")
		if x.Type.Rank() > 1 && y.Type.Rank() > 1 {
			return nil
		}
		args := op.MatmulArgs{X: x, Y: y, TransposeX: a.bool("transpose_x"), TransposeY: a.bool("transpose_y")}
		var axes []int
		if y.Type.Rank() == 1 {
			args.Y, args.TransposeY = op.ExpandDims.Add(b, op.ExpandDimsArgs{X: y, Axes: []int{1}}), false
			axes = append(axes, -1)
		}
		if x.Type.Rank() == 1 {
			args.X, args.TransposeX = op.ExpandDims.Add(b, op.ExpandDimsArgs{X: x, Axes: []int{0}}), false
			axes = append(axes, -2)
		}
		return one(op.SqueezeIOS17.Add(b, op.SqueezeArgs{X: op.Matmul.Add(b, args), Axes: axes}))
	},
	"linear": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		weight, bias := a.Input("weight"), a.Input("bias")
		if weight.Const != nil && (bias == nil || bias.Const != nil) {
			return nil
		}
		y := op.Matmul.Add(b, op.MatmulArgs{X: a.Input("x"), Y: weight, TransposeY: true})
		if bias != nil {
			y = op.Add.Add(b, op.Binary{X: y, Y: bias})
		}
		return one(y)
	},
	// [B, C, H, V]·[B, V, H, W]: with H moved before the matrices.
	"einsum": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		vs := a.list("values")
		if len(vs) != 2 || vs[0].Type.Rank() != vs[1].Type.Rank() {
			w.fail("want two values of one rank")
			return nil
		}
		swap := func(v *mil.Value) *mil.Value {
			perm := []int{0, 2, 1, 3}
			if v.Type.Rank() == 3 {
				perm = []int{1, 0, 2}
			}
			return op.TransposeIOS17.Add(b, op.TransposeArgs{X: v, Perm: perm})
		}
		return one(swap(op.Matmul.Add(b, op.MatmulArgs{X: swap(vs[0]), Y: swap(vs[1])})))
	},
	"scaled_dot_product_attention": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		q := a.Input("query")
		if depth := q.Type.Shape[max(q.Type.Rank()-1, 0)]; depth > 0 {
			return one(attention(b, q, a.Input("key"), a.Input("value"), a.Input("attn_mask"), float32(1/math.Sqrt(float64(depth)))))
		}
		w.fail("the size of its heads is only known when it is run")
		return nil
	},
	"attention": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		swap := func(v *mil.Value, flag string) *mil.Value {
			if !a.bool(flag) {
				return v
			}
			perm := make([]int, v.Type.Rank())
			for i := range perm {
				perm[i] = i
			}
			n := len(perm)
			perm[n-3], perm[n-2] = n-2, n-3
			return op.TransposeIOS17.Add(b, op.TransposeArgs{X: v, Perm: perm})
		}
		y := attention(b, swap(a.Input("query"), "query_swapped"), swap(a.Input("key"), "key_swapped"), swap(a.Input("value"), "value_swapped"),
			a.Input("attn_mask"), a.float("scale"))
		return one(swap(y, "output_swapped"))
	},
}

// attention is softmax(scale·Q·Kᵀ + mask)·V. A mask of truth values is 0 where
// it is true and -∞ elsewhere.
func attention(b *mil.Builder, q, k, v, mask *mil.Value, scale float32) *mil.Value {
	q = op.Mul.Add(b, op.Binary{X: q, Y: number(q, scale)})
	weights := op.Matmul.Add(b, op.MatmulArgs{X: q, Y: k, TransposeY: true})
	if mask != nil {
		if mask.Type.DType == tensor.Bool {
			mask = op.Select.Add(b, op.SelectArgs{Cond: mask, A: number(q, 0), B: number(q, float32(math.Inf(-1)))})
		}
		weights = op.Add.Add(b, op.Binary{X: weights, Y: mask})
	}
	return op.Matmul.Add(b, op.MatmulArgs{X: op.Softmax.Add(b, op.SoftmaxArgs{X: weights, Axis: -1}), Y: v})
}

// quantizeCompositions say operators on codes in arithmetic.
var quantizeCompositions = map[string]composition{
	"quantize": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x := a.Input("input")
		y := op.RealDiv.Add(b, op.Binary{X: x, Y: along(a, x, "scale")})
		y = op.Round.Add(b, op.Unary{X: y})
		if zero := along(a, x, "zero_point"); zero != nil {
			y = op.Add.Add(b, op.Binary{X: y, Y: zero})
		}
		r := ranges[a.out().DType]
		y = op.ClipIOS17.Add(b, op.AlphaBeta{X: y, Alpha: r[0], Beta: r[1]})
		return one(op.CastIOS17.Add(b, op.CastIOS17Args{X: y, DType: a.out().DType.String()}))
	},
	"dequantize": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x := a.Input("input")
		y := op.CastIOS17.Add(b, op.CastIOS17Args{X: x, DType: a.out().DType.String()})
		if zero := along(a, y, "zero_point"); zero != nil {
			y = op.Sub.Add(b, op.Binary{X: y, Y: zero})
		}
		return one(op.Mul.Add(b, op.Binary{X: y, Y: along(a, y, "scale")}))
	},
}

// along is an argument with one number, or one for each index of the axis, as a
// float that broadcasts against x.
func along(a args, x *mil.Value, name string) *mil.Value {
	t := a.tensor(name)
	if t == nil {
		return nil
	}
	var shape []int
	if t.Rank() > 0 {
		shape = slices.Repeat([]int{1}, x.Type.Rank())
		shape[axis(a.int("axis"), x.Type.Rank())] = t.Len()
	}
	return mil.NewConst("", tensor.New(x.Type.DType, shape, single(t)))
}
