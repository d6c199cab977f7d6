package onnx

import (
	"math"
	"testing"

	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/tensor"
)

// small8 makes a tensor of a narrow integer type.
func narrow(d tensor.DType, shape sh, v ...int32) *tensor.Tensor { return tensor.New(d, shape, v) }

func bools(shape sh, v ...bool) *tensor.Tensor { return tensor.New(tensor.Bool, shape, v) }

type (
	ts = []*tensor.Tensor
	as = []*onnxpb.AttributeProto
)

func TestElementwise(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	runNodes(t, []nodeTest{
		{op: "Add", in: ts{fl(sh{2, 1}, 1, 2), fl(sh{3}, 10, 20, 30)}, want: ts{fl(sh{2, 3}, 11, 21, 31, 12, 22, 32)}},
		{op: "Add", name: "axis", version: 6, in: ts{fl(sh{2, 2}, 1, 2, 3, 4), fl(sh{2}, 10, 20)}, attrs: as{attr("broadcast", 1), attr("axis", 0)}, want: ts{fl(sh{2, 2}, 11, 12, 23, 24)}},
		{op: "Add", name: "uint8 wraps", in: ts{narrow(tensor.Uint8, sh{2}, 200, 3), narrow(tensor.Uint8, sh{2}, 100, 4)}, want: ts{narrow(tensor.Uint8, sh{2}, 44, 7)}},
		{op: "Mul", name: "int8 wraps", in: ts{narrow(tensor.Int8, sh{1}, 100), narrow(tensor.Int8, sh{1}, 2)}, want: ts{narrow(tensor.Int8, sh{1}, -56)}},
		{op: "Add", name: "wide", in: ts{in64(sh{1}, 1<<40), in64(sh{1}, 1)}, err: "more than 32 bits"},
		{op: "Div", name: "integers toward zero", in: ts{in64(sh{4}, 7, -7, 7, -7), in64(sh{4}, 2, 2, -2, -2)}, want: ts{in64(sh{4}, 3, -3, -3, 3)}},
		{op: "Mod", in: ts{in64(sh{4}, 7, -7, 7, -7), in64(sh{4}, 3, 3, -3, -3)}, want: ts{in64(sh{4}, 1, 2, -2, -1)}},
		{op: "Mod", name: "fmod", in: ts{fl(sh{2}, 5.5, -5.5), fl(sh{2}, 2, 2)}, attrs: as{attr("fmod", 1)}, want: ts{fl(sh{2}, 1.5, -1.5)}},
		{op: "Pow", name: "mixed", in: ts{in64(sh{2}, 3, 4), fl(sh{2}, 2, 0.5)}, want: ts{in64(sh{2}, 9, 2)}},
		{op: "Neg", in: ts{in64(sh{2}, 3, -4)}, want: ts{in64(sh{2}, -3, 4)}},
		{op: "Log", in: ts{fl(sh{2}, 1, 0)}, want: ts{fl(sh{2}, 0, -inf)}},
		{op: "Mean", in: ts{fl(sh{1}, 1), fl(sh{1}, 5)}, want: ts{fl(sh{1}, 3)}},
		{op: "PRelu", in: ts{fl(sh{1, 2, 2}, -1, 1, -2, 2), fl(sh{2, 1}, 0.5, 0.25)}, want: ts{fl(sh{1, 2, 2}, -0.5, 1, -0.5, 2)}},
		{op: "Clip", in: ts{fl(sh{3}, -5, 0, 5), fl(nil, -1), fl(nil, 2)}, want: ts{fl(sh{3}, -1, 0, 2)}},
		{op: "Clip", name: "attributes", version: 6, in: ts{fl(sh{2}, -5, 5)}, attrs: as{attr("max", 1.0)}, want: ts{fl(sh{2}, -5, 1)}},
		{op: "Where", in: ts{bools(sh{2}, true, false), fl(sh{2, 1}, 1, 2), fl(nil, 9)}, want: ts{fl(sh{2, 2}, 1, 9, 2, 9)}},
		{op: "IsInf", in: ts{fl(sh{3}, inf, -inf, nan)}, attrs: as{attr("detect_negative", 0)}, want: ts{bools(sh{3}, true, false, false)}},
		{op: "Cast", name: "to uint8", in: ts{fl(sh{2}, 300, 7.9)}, attrs: as{attr("to", 2)}, want: ts{narrow(tensor.Uint8, sh{2}, 44, 7)}},
		{op: "Cast", name: "to bool", in: ts{fl(sh{3}, 0, 0.1, nan)}, attrs: as{attr("to", 9)}, want: ts{bools(sh{3}, false, true, true)}},
		{op: "Cast", name: "to string", in: ts{fl(sh{1}, 0)}, attrs: as{attr("to", 8)}, err: "a cast from"},
		{op: "Equal", name: "bools", in: ts{bools(sh{2}, true, false), bools(sh{2}, true, true)}, want: ts{bools(sh{2}, true, false)}},
		{op: "Relu", err: "at least 1 input"},
	})
}

func TestInteger(t *testing.T) {
	i32 := func(v ...int32) *tensor.Tensor { return narrow(tensor.Int32, sh{len(v)}, v...) }
	runNodes(t, []nodeTest{
		{op: "BitwiseAnd", in: ts{i32(12, -1, -8), i32(10, 255, 7)}, want: ts{i32(8, 255, 0)}},
		{op: "BitwiseOr", in: ts{i32(12, -8), i32(10, 1)}, want: ts{i32(14, -7)}},
		{op: "BitwiseXor", in: ts{i32(12, -1), i32(10, 1)}, want: ts{i32(6, -2)}},
		{op: "BitwiseNot", in: ts{narrow(tensor.Uint8, sh{1}, 1)}, want: ts{narrow(tensor.Uint8, sh{1}, 254)}},
		{op: "BitShift", in: ts{i32(-8, 1), i32(1, 40)}, attrs: as{attr("direction", "RIGHT")}, want: ts{i32(-4, 0)}},
		{op: "BitShift", name: "left", in: ts{narrow(tensor.Uint8, sh{2}, 129, 1), narrow(tensor.Uint8, sh{2}, 1, 9)}, attrs: as{attr("direction", "LEFT")}, want: ts{narrow(tensor.Uint8, sh{2}, 2, 0)}},
	})
}

func TestShapes(t *testing.T) {
	x := fl(sh{2, 3}, 1, 2, 3, 4, 5, 6)
	runNodes(t, []nodeTest{
		{op: "Reshape", in: ts{x, in64(sh{2}, 0, -1)}, want: ts{x}},
		{op: "Reshape", name: "zero of another place", in: ts{fl(sh{2, 1, 3}, 1, 2, 3, 4, 5, 6), in64(sh{2}, 0, 3)}, want: ts{x}},
		{op: "Reshape", name: "does not fit", in: ts{x, in64(sh{2}, 4, -1)}, err: "cannot take the shape"},
		{op: "Shape", in: ts{x}, attrs: as{attr("start", -1)}, want: ts{in64(sh{1}, 3)}},
		{op: "Size", in: ts{x}, want: ts{in64(nil, 6)}},
		{op: "Flatten", in: ts{fl(sh{1, 2, 3}, 1, 2, 3, 4, 5, 6)}, attrs: as{attr("axis", 2)}, want: ts{x}},
		{op: "Slice", name: "negative step", in: ts{x, in64(sh{1}, -1), in64(sh{1}, math.MinInt64), in64(sh{1}, 1), in64(sh{1}, -2)}, want: ts{fl(sh{2, 2}, 3, 1, 6, 4)}},
		{op: "Slice", name: "to the end", in: ts{x, in64(sh{1}, 1), in64(sh{1}, math.MaxInt64), in64(sh{1}, -1)}, want: ts{fl(sh{2, 2}, 2, 3, 5, 6)}},
		{op: "Slice", name: "attributes", version: 9, in: ts{x}, attrs: as{attr("starts", []int{0}), attr("ends", []int{-1}), attr("axes", []int{1})}, want: ts{fl(sh{2, 2}, 1, 2, 4, 5)}},
		{op: "Slice", name: "step of 0", in: ts{x, in64(sh{1}, 0), in64(sh{1}, 1), in64(sh{1}, 1), in64(sh{1}, 0)}, err: "step of 0"},
		{op: "Split", in: ts{x, in64(sh{2}, 1, 2)}, attrs: as{attr("axis", 1)}, want: ts{fl(sh{2, 1}, 1, 4), fl(sh{2, 2}, 2, 3, 5, 6)}},
		{op: "Split", name: "uneven", in: ts{x}, attrs: as{attr("axis", 1), attr("num_outputs", 2)}, want: ts{fl(sh{2, 2}, 1, 2, 4, 5), fl(sh{2, 1}, 3, 6)}},
		{op: "Expand", in: ts{fl(sh{2, 1}, 1, 2), in64(sh{3}, 1, 1, 2)}, want: ts{fl(sh{1, 2, 2}, 1, 1, 2, 2)}},
		{op: "Tile", in: ts{fl(sh{1, 2}, 1, 2), in64(sh{2}, 2, 2)}, want: ts{fl(sh{2, 4}, 1, 2, 1, 2, 1, 2, 1, 2)}},
		{op: "Trilu", in: ts{x, in64(nil, 1)}, want: ts{fl(sh{2, 3}, 0, 2, 3, 0, 0, 6)}},
		{op: "Unsqueeze", in: ts{x, in64(sh{2}, 0, -1)}, want: ts{fl(sh{1, 2, 3, 1}, 1, 2, 3, 4, 5, 6)}},
		{op: "Squeeze", in: ts{fl(sh{1, 2, 1}, 1, 2)}, want: ts{fl(sh{2}, 1, 2)}},
		{op: "Pad", in: ts{fl(sh{3}, 1, 2, 3), in64(sh{2}, 2, 1)}, attrs: as{attr("mode", "reflect")}, want: ts{fl(sh{6}, 3, 2, 1, 2, 3, 2)}},
		{op: "Pad", name: "wrap", in: ts{fl(sh{3}, 1, 2, 3), in64(sh{2}, 1, 2)}, attrs: as{attr("mode", "wrap")}, want: ts{fl(sh{6}, 3, 1, 2, 3, 1, 2)}},
		{op: "Pad", name: "negative, integers", in: ts{in64(sh{3}, 1, 2, 3), in64(sh{2}, -1, 1), in64(nil, 9)}, want: ts{in64(sh{3}, 2, 3, 9)}},
		{op: "SpaceToDepth", in: ts{fl(sh{1, 1, 2, 2}, 1, 2, 3, 4)}, attrs: as{attr("blocksize", 2)}, want: ts{fl(sh{1, 4, 1, 1}, 1, 2, 3, 4)}},
		{op: "DepthToSpace", in: ts{fl(sh{1, 4, 1, 1}, 1, 2, 3, 4)}, attrs: as{attr("blocksize", 2), attr("mode", "CRD")}, want: ts{fl(sh{1, 1, 2, 2}, 1, 2, 3, 4)}},
		{op: "Concat", in: ts{fl(sh{1, 2}, 1, 2), fl(sh{1, 2}, 3, 4)}, attrs: as{attr("axis", -2)}, want: ts{fl(sh{2, 2}, 1, 2, 3, 4)}},
	})
}

func TestConstants(t *testing.T) {
	runNodes(t, []nodeTest{
		{op: "ConstantOfShape", in: ts{in64(sh{2}, 1, 2)}, attrs: as{attr("value", in64(sh{1}, 5))}, want: ts{in64(sh{1, 2}, 5, 5)}},
		{op: "Range", in: ts{in64(nil, 5), in64(nil, 0), in64(nil, -2)}, want: ts{in64(sh{3}, 5, 3, 1)}},
		{op: "EyeLike", in: ts{fl(sh{2, 3}, 0, 0, 0, 0, 0, 0)}, attrs: as{attr("k", 1)}, want: ts{fl(sh{2, 3}, 0, 1, 0, 0, 0, 1)}},
		{op: "OneHot", in: ts{in64(sh{2}, 1, -1), in64(nil, 3), fl(sh{2}, -1, 4)}, want: ts{fl(sh{2, 3}, -1, 4, -1, -1, -1, 4)}},
		{op: "HannWindow", in: ts{in64(nil, 4)}, want: ts{fl(sh{4}, 0, 0.5, 1, 0.5)}},
	})
}

func TestReductions(t *testing.T) {
	x := fl(sh{2, 2}, 1, 2, 3, 5)
	runNodes(t, []nodeTest{
		{op: "ReduceSum", in: ts{x, in64(sh{1}, 1)}, want: ts{fl(sh{2, 1}, 3, 8)}},
		{op: "ReduceSum", name: "no axes, no operation", in: ts{x, in64(sh{0})}, attrs: as{attr("noop_with_empty_axes", 1)}, want: ts{x}},
		{op: "ReduceMax", name: "nothing", in: ts{fl(sh{2, 0}), in64(sh{1}, 1)}, attrs: as{attr("keepdims", 0)}, want: ts{fl(sh{2}, float32(math.Inf(-1)), float32(math.Inf(-1)))}},
		{op: "ReduceMean", name: "attribute", version: 11, in: ts{x}, attrs: as{attr("axes", []int{-2}), attr("keepdims", 0)}, want: ts{fl(sh{2}, 2, 3.5)}},
		{op: "ArgMax", name: "last of equal", in: ts{fl(sh{1, 3}, 4, 4, 1)}, attrs: as{attr("axis", 1), attr("select_last_index", 1)}, want: ts{in64(sh{1, 1}, 1)}},
		{op: "Softmax", name: "as a matrix", version: 11, in: ts{fl(sh{1, 2, 2}, 0, 0, 0, 0)}, want: ts{fl(sh{1, 2, 2}, .25, .25, .25, .25)}},
		{op: "LogSoftmax", in: ts{fl(sh{1, 2}, 3, 3)}, want: ts{fl(sh{1, 2}, -math.Ln2, -math.Ln2)}},
		{op: "Hardmax", in: ts{x}, want: ts{fl(sh{2, 2}, 0, 1, 0, 1)}},
		{op: "CumSum", in: ts{fl(sh{3}, 1, 2, 3), in64(nil, 0)}, attrs: as{attr("reverse", 1), attr("exclusive", 1)}, want: ts{fl(sh{3}, 5, 3, 0)}},
		{op: "CumProd", version: 26, in: ts{fl(sh{3}, 1, 2, 3), in64(nil, 0)}, want: ts{fl(sh{3}, 1, 2, 6)}},
	})
}

func TestProducts(t *testing.T) {
	a, b := fl(sh{2, 2}, 1, 2, 3, 4), fl(sh{2, 2}, 1, 0, 2, 1)
	runNodes(t, []nodeTest{
		{op: "MatMul", in: ts{a, fl(sh{2}, 1, 1)}, want: ts{fl(sh{2}, 3, 7)}},
		{op: "Gemm", in: ts{a, b, fl(sh{2}, 1, 1)}, attrs: as{attr("alpha", 2.0), attr("beta", 3.0), attr("transA", 1)}, want: ts{fl(sh{2, 2}, 17, 9, 23, 11)}},
		{op: "Einsum", in: ts{a, b}, attrs: as{attr("equation", "ij,kj->ik")}, want: ts{fl(sh{2, 2}, 1, 4, 3, 10)}},
		{op: "Einsum", name: "diagonal", in: ts{a}, attrs: as{attr("equation", "ii->i")}, want: ts{fl(sh{2}, 1, 4)}},
		{op: "Einsum", name: "sum", in: ts{a}, attrs: as{attr("equation", "ij->")}, want: ts{fl(nil, 10)}},
		{op: "Einsum", name: "ellipsis", in: ts{fl(sh{1, 2, 2}, 1, 2, 3, 4)}, attrs: as{attr("equation", "...ij->...ji")}, want: ts{fl(sh{1, 2, 2}, 1, 3, 2, 4)}},
		{op: "Einsum", name: "wrong", in: ts{a}, attrs: as{attr("equation", "ijk->i")}, err: "rank 2"},
		{op: "Det", in: ts{fl(sh{3, 3}, 2, 0, 1, 1, 3, 2, 0, 1, 1)}, want: ts{fl(nil, 3)}},
		{op: "com.microsoft::FusedMatMul", in: ts{a, b}, attrs: as{attr("transB", 1), attr("alpha", 0.5)}, want: ts{fl(sh{2, 2}, .5, 2, 1.5, 5)}},
	})
}
