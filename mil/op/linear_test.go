package op

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func TestLinear(t *testing.T) {
	x, w := fl(sh{2, 2}, 1, 2, 3, 4), fl(sh{3, 2}, 1, 0, 0, 1, 10, 100)
	half := tensor.New(tensor.Float16, sh{2}, []float32{1, 2})
	o := LinearIOS17.Op
	checkCases(t, []evalCase{
		{"rows", o, &LinearIOS17Args{X: val(x), Weight: w}, outs(fl(sh{2, 3}, 1, 2, 210, 3, 4, 430)), ""},
		{"bias", o, &LinearIOS17Args{X: val(x), Weight: w, Bias: fl(sh{3}, 5, 6, 7)}, outs(fl(sh{2, 3}, 6, 8, 217, 8, 10, 437)), ""},
		{"vector", o, &LinearIOS17Args{X: val(fl(sh{2}, 1, 2)), Weight: w}, outs(fl(sh{3}, 1, 2, 210)), ""},
		{"rank 3", o, &LinearIOS17Args{X: val(fl(sh{1, 1, 2}, 1, 2)), Weight: w}, outs(fl(sh{1, 1, 3}, 1, 2, 210)), ""},
		{"no rows", o, &LinearIOS17Args{X: val(fl(sh{0, 2})), Weight: w}, outs(fl(sh{0, 3})), ""},
		{"no columns", o, &LinearIOS17Args{X: val(fl(sh{2, 0})), Weight: fl(sh{1, 0}), Bias: fl(sh{1}, 3)}, outs(fl(sh{2, 1}, 3, 3)), ""},
		{"no outputs", o, &LinearIOS17Args{X: val(x), Weight: fl(sh{0, 2})}, outs(fl(sh{2, 0})), ""},
		{"integers", o, &LinearIOS17Args{X: val(in(sh{2}, 1<<30, 3)), Weight: in(sh{1, 2}, 4, 5), Bias: in(sh{1}, 1)}, outs(in(sh{1}, 16)), ""},
		{"NaN and infinity", o, &LinearIOS17Args{X: val(fl(sh{3, 2}, nan, 0, inf, 0, inf, -inf)), Weight: fl(sh{1, 2}, 0, 1)}, outs(fl(sh{3, 1}, nan, nan, nan)), ""},
		{"cancelling", o, &LinearIOS17Args{X: val(fl(sh{3}, 1e8, 1, -1e8)), Weight: fl(sh{1, 3}, 1, 1, 1)}, outs(fl(sh{1}, 1)), ""},
		{"float16 x", o, &LinearIOS17Args{X: val(half), Weight: w}, outs(tensor.New(tensor.Float16, sh{3}, []float32{1, 2, 210})), ""},
		{"float x, whole weights", o, &LinearIOS17Args{X: val(fl(sh{1}, 0.5)), Weight: in(sh{1, 1}, 3)}, outs(fl(sh{1}, 1.5)), ""},
		{"iOS15", Linear.Op, &LinearArgs{X: val(x), Weight: w}, outs(fl(sh{2, 3}, 1, 2, 210, 3, 4, 430)), ""},
		{"two types", Linear.Op, &LinearArgs{X: val(x), Weight: in(sh{1, 2}, 1, 2)}, nil, "int32"},
		{"sizes", o, &LinearIOS17Args{X: val(ramp(3)), Weight: w}, nil, "want 3 numbers"},
		{"scalar", o, &LinearIOS17Args{X: val(fl(nil, 1)), Weight: w}, nil, "rank 1 or more"},
		{"weight", o, &LinearIOS17Args{X: val(x), Weight: ramp(2)}, nil, "a matrix"},
		{"bias", o, &LinearIOS17Args{X: val(x), Weight: w, Bias: ramp(2)}, nil, "bias: want 3"},
	})
	checkInfer(t, []inferCase{
		{"unknown", o, &LinearIOS17Args{X: unknown(tensor.Float32, -3, -1), Weight: w}, f32(-3, 3), ""},
	})
}

func TestMatmul(t *testing.T) {
	mul := func(x, y *tensor.Tensor, tx, ty bool) *MatmulArgs { return &MatmulArgs{val(x), val(y), tx, ty} }
	a, b := fl(sh{2, 3}, 1, 2, 3, 4, 5, 6), fl(sh{3, 1}, 1, 10, 100)
	o := Matmul.Op
	half := func(v ...float32) *tensor.Tensor { return tensor.New(tensor.Float16, sh{1, len(v)}, v) }
	checkCases(t, []evalCase{
		{"matrices", o, mul(a, b, false, false), outs(fl(sh{2, 1}, 321, 654)), ""},
		{"transposed x", o, mul(a, fl(sh{2, 1}, 1, 10), true, false), outs(fl(sh{3, 1}, 41, 52, 63)), ""},
		{"transposed y", o, mul(a, fl(sh{1, 3}, 1, 10, 100), false, true), outs(fl(sh{2, 1}, 321, 654)), ""},
		{"transposed both", o, mul(a, fl(sh{1, 2}, 1, 10), true, true), outs(fl(sh{3, 1}, 41, 52, 63)), ""},
		{"vectors", o, mul(fl(sh{2}, 1, 2), fl(sh{2}, 3, 4), true, true), outs(fl(nil, 11)), ""},
		{"row", o, mul(fl(sh{2}, 1, 10), a, false, false), outs(fl(sh{3}, 41, 52, 63)), ""},
		{"column", o, mul(a, fl(sh{3}, 1, 10, 100), false, false), outs(fl(sh{2}, 321, 654)), ""},
		{"row and stack", o, mul(fl(sh{1}, 2), fl(sh{2, 1, 2}, 1, 2, 3, 4), false, false), outs(fl(sh{2, 2}, 2, 4, 6, 8)), ""},
		{"stack and column", o, mul(fl(sh{2, 1, 2}, 1, 2, 3, 4), fl(sh{2}, 1, 10), false, false), outs(fl(sh{2, 1}, 21, 43)), ""},
		{"broadcast", o, mul(fl(sh{2, 1, 1, 1}, 2, 3), fl(sh{2, 1, 1}, 10, 100), false, false), outs(fl(sh{2, 2, 1, 1}, 20, 200, 30, 300)), ""},
		{"empty sum", o, mul(fl(sh{2, 0}), fl(sh{0, 1}), false, false), outs(fl(sh{2, 1}, 0, 0)), ""},
		{"empty stack", o, mul(fl(sh{0, 2, 2}), fl(sh{2, 2}, 1, 2, 3, 4), false, false), outs(fl(sh{0, 2, 2})), ""},
		{"integers wrap", o, mul(in(sh{1, 2}, 1<<30, 3), in(sh{2, 1}, 4, 5), false, false), outs(in(sh{1, 1}, 15)), ""},
		{"zero times infinity", o, mul(fl(sh{1, 1}, 0), fl(sh{1, 2}, inf, nan), false, false), outs(fl(sh{1, 2}, nan, nan)), ""},
		{"inner sizes", o, mul(a, a, false, false), nil, "3 columns and 2 rows"},
		{"batches", o, mul(ramp(2, 1, 1), ramp(3, 1, 1), false, false), nil, "broadcast"},
		{"scalar", o, mul(fl(nil, 1), a, false, false), nil, "x is a scalar"},
		{"scalar y", o, mul(a, fl(nil, 1), false, false), nil, "y is a scalar"},
		{"two types", o, mul(half(1), fl(sh{1, 1}, 1), false, false), nil, "fp32"},
		{"two known types", MatmulIOS17.Op, &MatmulIOS17Args{X: val(in(sh{1, 1}, 2)), Y: val(fl(sh{1, 1}, 0.5))}, outs(fl(sh{1, 1}, 1)), ""},
		{"huge", o, mul(tensor.Zeros(tensor.Float32, sh{1 << 16, 0}), tensor.Zeros(tensor.Float32, sh{0, 1 << 16}), false, false), nil, "elements"},
	})
	computed := val(in(sh{1, 1}, 2))
	computed.Node = &mil.Node{Op: "add"}
	f16 := []mil.Type{mil.TensorType(tensor.Float16, 1, 1)}
	checkInfer(t, []inferCase{
		{"unknown", o, &MatmulArgs{X: unknown(tensor.Float32, -2, 4, -3), Y: unknown(tensor.Float32, -1, 5)}, f32(-2, 4, 5), ""},
		{"constant y", MatmulIOS17.Op, &MatmulIOS17Args{X: unknown(tensor.Float16, 1, 1), Y: val(ramp(1, 1))}, f16, ""},
		{"constant x", MatmulIOS17.Op, &MatmulIOS17Args{X: val(ramp(1, 1)), Y: unknown(tensor.Float16, 1, 1)}, f16, ""},
		{"computed x", MatmulIOS17.Op, &MatmulIOS17Args{X: computed, Y: val(ramp(1, 1))}, i32(1, 1), ""},
		{"no constant", MatmulIOS17.Op, &MatmulIOS17Args{X: unknown(tensor.Float32, 1, 1), Y: unknown(tensor.Float16, 1, 1)}, nil, "neither"},
	})
}

func TestEinsum(t *testing.T) {
	ein := func(equation string, x, y *tensor.Tensor) *EinsumArgs { return &EinsumArgs{vals(x, y), equation} }
	o := Einsum.Op
	x, y := fl(sh{1, 2, 2}, 1, 2, 3, 4), fl(sh{2, 2, 1}, 1, 10, 100, 1000)
	checkCases(t, []evalCase{
		{"rank 3", o, ein("chw,whr->chr", x, y), outs(fl(sh{1, 2, 1}, 201, 4030)), ""},
		{"other letters", o, ein("abc,cbz->abz", x, y), outs(fl(sh{1, 2, 1}, 201, 4030)), ""},
		{"rows", o, ein("chw,whr->chr", fl(sh{2, 1, 1}, 2, 3), fl(sh{1, 1, 2}, 10, 100)), outs(fl(sh{2, 1, 2}, 20, 200, 30, 300)), ""},
		{"repeated h", o, ein("chw,whr->chr", fl(sh{1, 1, 2}, 1, 2), y), outs(fl(sh{1, 2, 1}, 201, 2010)), ""},
		{"rank 4", o, ein("nchw,nwhu->nchu", fl(sh{2, 1, 1, 1}, 2, 3), fl(sh{2, 1, 1, 1}, 10, 100)), outs(fl(sh{2, 1, 1, 1}, 20, 300)), ""},
		{"repeated n", o, ein("nchw,nwhu->nchu", fl(sh{2, 1, 1, 1}, 2, 3), fl(sh{1, 1, 2, 1}, 10, 100)), outs(fl(sh{2, 1, 2, 1}, 20, 200, 30, 300)), ""},
		{"empty", o, ein("chw,whr->chr", fl(sh{1, 1, 0}), fl(sh{0, 1, 1})), outs(fl(sh{1, 1, 1}, 0)), ""},
		{"no rows", o, ein("chw,whr->chr", fl(sh{0, 1, 2}), fl(sh{2, 1, 1}, 1, 2)), outs(fl(sh{0, 1, 1})), ""},
		{"plain product", o, ein("ab,bc->ac", ramp(1, 1), ramp(1, 1)), nil, "equation"},
		{"a letter twice", o, ein("chc,chr->chr", x, y), nil, "equation"},
		{"rank", o, ein("nchw,nwhu->nchu", x, y), nil, "rank 4"},
		{"sizes", o, ein("chw,whr->chr", x, ramp(3, 2, 1)), nil, "2 is not 3"},
		{"h", o, ein("chw,whr->chr", x, ramp(2, 3, 1)), nil, "broadcast"},
		{"types", o, &EinsumArgs{vals(x, in(sh{2, 2, 1}, 1, 2, 3, 4)), "chw,whr->chr"}, nil, "types"},
		{"integers", o, ein("chw,whr->chr", in(sh{1, 1, 1}, 1), in(sh{1, 1, 1}, 1)), nil, "int32"},
		{"one value", o, &EinsumArgs{vals(x), "chw,whr->chr"}, nil, "2 values"},
	})
	checkInfer(t, []inferCase{
		{"unknown", o, &EinsumArgs{[]*mil.Value{unknown(tensor.Float32, -3, 4, -1), unknown(tensor.Float32, 5, -2, 6)}, "chw,whr->chr"}, f32(-3, 4, 6), ""},
	})
}

func TestScaledDotProductAttention(t *testing.T) {
	o := ScaledDotProductAttention.Op
	q, k, v := fl(sh{1, 1, 4}, 2, 0, 0, 0), fl(sh{1, 2, 4}, 3, 0, 0, 0, 3, 0, 0, 0), fl(sh{1, 2, 1}, 10, 30)
	attend := func(mask *tensor.Tensor) *ScaledDotProductAttentionArgs {
		a := &ScaledDotProductAttentionArgs{Query: val(q), Key: val(k), Value: val(v)}
		if mask != nil {
			a.AttnMask = val(mask)
		}
		return a
	}
	// Scores of 0 and ln 3·√1 weigh 1 to 3.
	ln3 := float32(1.0986123)
	weighed := &ScaledDotProductAttentionArgs{Query: val(fl(sh{1, 1, 1}, 1)), Key: val(fl(sh{1, 2, 1}, 0, ln3)), Value: val(fl(sh{1, 2, 2}, 0, 4, 4, 8))}
	checkCases(t, []evalCase{
		{"equal scores", o, attend(nil), outs(fl(sh{1, 1, 1}, 20)), ""},
		{"scores", o, weighed, outs(fl(sh{1, 1, 2}, 3, 7)), ""},
		{"scale", o, &ScaledDotProductAttentionArgs{Query: val(q), Key: val(fl(sh{1, 2, 4}, 0, 9, 9, 9, ln3, 9, 9, 9)), Value: val(fl(sh{1, 2, 1}, 0, 4))}, outs(fl(sh{1, 1, 1}, 3)), ""},
		{"left out", o, attend(bo(sh{2}, false, true)), outs(fl(sh{1, 1, 1}, 30)), ""},
		{"added", o, attend(fl(sh{1, 1, 2}, 0, -inf)), outs(fl(sh{1, 1, 1}, 10)), ""},
		{"all left out", o, attend(bo(sh{2}, false, false)), outs(fl(sh{1, 1, 1}, nan)), ""},
		{"large scores", o, attend(fl(sh{2}, 1e30, 1e30)), outs(fl(sh{1, 1, 1}, 20)), ""},
		{"no keys", o, &ScaledDotProductAttentionArgs{Query: val(ramp(1, 1, 1)), Key: val(ramp(1, 0, 1)), Value: val(ramp(1, 0, 2))}, outs(fl(sh{1, 1, 2}, 0, 0)), ""},
		{"batches", o, &ScaledDotProductAttentionArgs{Query: val(ramp(2, 1, 1, 1)), Key: val(ramp(2, 1, 1, 1)), Value: val(fl(sh{2, 1, 1, 1}, 5, 6))}, outs(fl(sh{2, 1, 1, 1}, 5, 6)), ""},
		{
			"mask by query", o, &ScaledDotProductAttentionArgs{Query: val(ramp(1, 2, 1)), Key: val(ramp(1, 2, 1)), Value: val(v), AttnMask: val(bo(sh{2, 2}, true, false, false, true))},
			outs(fl(sh{1, 2, 1}, 10, 30)), "",
		},
		{"rank", o, &ScaledDotProductAttentionArgs{Query: val(ramp(1, 1)), Key: val(ramp(1, 1)), Value: val(ramp(1, 1))}, nil, "rank of 3"},
		{"batch", o, &ScaledDotProductAttentionArgs{Query: val(ramp(2, 1, 1)), Key: val(ramp(1, 1, 1)), Value: val(ramp(1, 1, 1))}, nil, "dimension 0 is 2, 1 and 1"},
		{"vectors", o, &ScaledDotProductAttentionArgs{Query: val(ramp(1, 1, 2)), Key: val(ramp(1, 1, 1)), Value: val(ramp(1, 1, 1))}, nil, "2 and 1 numbers"},
		{"keys", o, &ScaledDotProductAttentionArgs{Query: val(ramp(1, 1, 1)), Key: val(ramp(1, 2, 1)), Value: val(ramp(1, 1, 1))}, nil, "2 keys and 1 values"},
		{"mask", o, attend(ramp(3)), nil, "attn_mask: want [1, 1, 2]"},
		{"mask of more queries", o, attend(ramp(2, 2)), nil, "attn_mask"},
		{"mask of higher rank", o, attend(ramp(1, 1, 1, 2)), nil, "attn_mask"},
	})
	checkInfer(t, []inferCase{
		{"unknown", o, &ScaledDotProductAttentionArgs{
			Query: unknown(tensor.Float32, -2, 4, -3, 8), Key: unknown(tensor.Float32, 2, -1, -4, -1), Value: unknown(tensor.Float32, -1, -1, 7, 16),
			AttnMask: unknown(tensor.Bool, -3, -4),
		}, f32(2, 4, -3, 16), ""},
	})
}
