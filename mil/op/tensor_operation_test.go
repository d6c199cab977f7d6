package op

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func vals(ts ...*tensor.Tensor) []*mil.Value {
	var out []*mil.Value
	for _, t := range ts {
		out = append(out, val(t))
	}
	return out
}

func TestConcatStackSplit(t *testing.T) {
	checkCases(t, []evalCase{
		{"rows", Concat.Op, &ConcatArgs{Values: vals(fl(sh{1, 2}, 1, 2), fl(sh{2, 2}, 3, 4, 5, 6))}, outs(fl(sh{3, 2}, 1, 2, 3, 4, 5, 6)), ""},
		{"columns", Concat.Op, &ConcatArgs{Values: vals(fl(sh{2, 1}, 1, 2), fl(sh{2, 2}, 3, 4, 5, 6)), Axis: -1}, outs(fl(sh{2, 3}, 1, 3, 4, 2, 5, 6)), ""},
		{
			"interleaved", Concat.Op, &ConcatArgs{Values: vals(fl(sh{2, 2}, 1, 2, 3, 4), fl(sh{2, 2}, 5, 6, 7, 8)), Interleave: true},
			outs(fl(sh{4, 2}, 1, 2, 5, 6, 3, 4, 7, 8)), "",
		},
		{
			"interleaved columns", Concat.Op, &ConcatArgs{Values: vals(fl(sh{1, 2}, 1, 2), fl(sh{1, 2}, 5, 6)), Axis: 1, Interleave: true},
			outs(fl(sh{1, 4}, 1, 5, 2, 6)), "",
		},
		{"scalars", Concat.Op, &ConcatArgs{Values: vals(in(nil, 1), in(nil, 2))}, outs(in(sh{2}, 1, 2)), ""},
		{"with an empty one", Concat.Op, &ConcatArgs{Values: vals(ramp(0), ramp(2))}, outs(ramp(2)), ""},
		{"one", Concat.Op, &ConcatArgs{Values: vals(bo(sh{1}, true))}, outs(bo(sh{1}, true)), ""},
		{"none", Concat.Op, &ConcatArgs{Values: vals()}, nil, "no values"},
		{"ranks", Concat.Op, &ConcatArgs{Values: vals(ramp(2), ramp(1, 2))}, nil, "[1, 2]"},
		{"sizes", Concat.Op, &ConcatArgs{Values: vals(ramp(1, 2), ramp(1, 3))}, nil, "axis 0"},
		{"types", Concat.Op, &ConcatArgs{Values: vals(ramp(2), in(sh{1}, 1))}, nil, "types"},
		{"interleaved sizes", Concat.Op, &ConcatArgs{Values: vals(ramp(2), ramp(3)), Interleave: true}, nil, "axis 0"},
		{"axis", Concat.Op, &ConcatArgs{Values: vals(ramp(2)), Axis: 1}, nil, "axis 1"},
		{"front", Stack.Op, &StackArgs{Values: vals(fl(sh{2}, 1, 2), fl(sh{2}, 3, 4))}, outs(fl(sh{2, 2}, 1, 2, 3, 4)), ""},
		{"back", Stack.Op, &StackArgs{Values: vals(fl(sh{2}, 1, 2), fl(sh{2}, 3, 4)), Axis: -1}, outs(fl(sh{2, 2}, 1, 3, 2, 4)), ""},
		{"scalars", Stack.Op, &StackArgs{Values: vals(fl(nil, 7), fl(nil, 8))}, outs(fl(sh{2}, 7, 8)), ""},
		{"shapes", Stack.Op, &StackArgs{Values: vals(ramp(2), ramp(3))}, nil, "[3]"},
		{"axis", Stack.Op, &StackArgs{Values: vals(ramp(2)), Axis: 2}, nil, "axis 2"},
		{"equal", Split.Op, &SplitArgs{X: val(ramp(2, 4)), NumSplits: 2, Axis: 1}, outs(fl(sh{2, 2}, 0, 1, 4, 5), fl(sh{2, 2}, 2, 3, 6, 7)), ""},
		{"sizes", Split.Op, &SplitArgs{X: val(ramp(4)), SplitSizes: sh{1, 0, 3}, Axis: -1}, outs(fl(sh{1}, 0), fl(sh{0}), fl(sh{3}, 1, 2, 3)), ""},
		{"both", Split.Op, &SplitArgs{X: val(ramp(3)), NumSplits: 2, SplitSizes: sh{1, 2}}, outs(fl(sh{1}, 0), fl(sh{2}, 1, 2)), ""},
		{"neither", Split.Op, &SplitArgs{X: val(ramp(3))}, nil, "neither"},
		{"unequal", Split.Op, &SplitArgs{X: val(ramp(3)), NumSplits: 2}, nil, "equal parts"},
		{"sum", Split.Op, &SplitArgs{X: val(ramp(3)), SplitSizes: sh{1, 1}}, nil, "add up"},
		{"negative", Split.Op, &SplitArgs{X: val(ramp(3)), SplitSizes: sh{4, -1}}, nil, "-1 elements"},
		{"disagree", Split.Op, &SplitArgs{X: val(ramp(3)), NumSplits: 3, SplitSizes: sh{1, 2}}, nil, "num_splits is 3"},
		{"too many", Split.Op, &SplitArgs{X: val(ramp(0)), NumSplits: 1 << 30}, nil, "parts"},
	})
	checkInfer(t, []inferCase{
		{"unknown", Concat.Op, &ConcatArgs{Values: []*mil.Value{unknown(tensor.Float32, -1, 2), unknown(tensor.Float32, 3, -1)}}, f32(-1, 2), ""},
		{"unknown interleaved", Concat.Op, &ConcatArgs{Values: []*mil.Value{unknown(tensor.Float32, -1, 2), unknown(tensor.Float32, 3, 2)}, Interleave: true}, f32(6, 2), ""},
		{"symbol", Stack.Op, &StackArgs{Values: []*mil.Value{unknown(tensor.Float32, -5), unknown(tensor.Float32, -5)}}, f32(2, -5), ""},
		{"known by another", Stack.Op, &StackArgs{Values: []*mil.Value{unknown(tensor.Float32, -5), unknown(tensor.Float32, 4)}}, f32(2, 4), ""},
		{"unknown size", Split.Op, &SplitArgs{X: unknown(tensor.Float32, -5, 3), NumSplits: 2}, append(f32(-1, 3), f32(-1, 3)...), ""},
		{"list", Concat.Op, &ConcatArgs{Values: []*mil.Value{{Type: mil.Type{Kind: mil.List, Elem: &f32()[0]}}}}, nil, "list"},
	})
}

func TestPad(t *testing.T) {
	pad := func(x *tensor.Tensor, mode string, v float32, pad ...int) any {
		return &PadArgs{val(x), vectorOf(pad...), mode, v}
	}
	half := tensor.New(tensor.Float16, sh{1}, []float32{2})
	checkCases(t, []evalCase{
		{"constant", Pad.Op, pad(fl(sh{1, 2}, 1, 2), "constant", 9, 1, 0, 0, 1), outs(fl(sh{2, 3}, 9, 9, 9, 1, 2, 9)), ""},
		{"last dimension", Pad.Op, pad(fl(sh{2, 1}, 1, 2), "constant", nan, 1, 0), outs(fl(sh{2, 2}, nan, 1, nan, 2)), ""},
		{"float16", Pad.Op, &PadArgs{val(half), vectorOf(0, 1), "constant", inf}, outs(tensor.New(tensor.Float16, sh{2}, []float32{2, inf})), ""},
		{"reflect", Pad.Op, pad(ramp(4), "reflect", 0, 3, 2), outs(fl(sh{9}, 3, 2, 1, 0, 1, 2, 3, 2, 1)), ""},
		{"reflect both", Pad.Op, pad(ramp(2, 2), "reflect", 0, 1, 1, 1, 0), outs(fl(sh{4, 3}, 3, 2, 3, 1, 0, 1, 3, 2, 3, 1, 0, 1)), ""},
		{"replicate", Pad.Op, pad(ramp(2, 2), "replicate", 0, 1, 0, 0, 2), outs(fl(sh{3, 4}, 0, 1, 1, 1, 0, 1, 1, 1, 2, 3, 3, 3)), ""},
		{"replicate far", Pad.Op, pad(fl(sh{1}, 7), "replicate", 0, 2, 3), outs(fl(sh{6}, 7, 7, 7, 7, 7, 7)), ""},
		{"empty", Pad.Op, pad(ramp(0), "constant", 3, 1, 1), outs(fl(sh{2}, 3, 3)), ""},
		{"no pads", Pad.Op, pad(ramp(2), "constant", 3), outs(ramp(2)), ""},
		{"negative", Pad.Op, pad(ramp(2), "constant", 0, -1, 0), nil, "pad of -1"},
		{"odd", Pad.Op, pad(ramp(2), "constant", 0, 1), nil, "1 numbers"},
		{"too many", Pad.Op, pad(ramp(2), "constant", 0, 1, 1, 1, 1), nil, "4 numbers"},
		{"reflect too far", Pad.Op, pad(ramp(2), "reflect", 0, 2, 0), nil, "less than the size"},
		{"replicate nothing", Pad.Op, pad(ramp(0), "replicate", 0, 2, 0), nil, "no edge"},
		{"huge", Pad.Op, pad(ramp(2, 2), "constant", 0, 1<<30, 1<<30, 1<<30, 1<<30), nil, "elements"},
		{"mode", Pad.Op, pad(ramp(2), "wrap", 0, 1, 1), nil, "not one of"},
	})
	checkInfer(t, []inferCase{
		{"unknown size", Pad.Op, &PadArgs{X: unknown(tensor.Float32, -2, -3, 4), Pad: vectorOf(0, 0, 1, 1, 1, 1), Mode: "constant"}, f32(-2, -1, 6), ""},
		{"unknown pad", Pad.Op, &PadArgs{X: unknown(tensor.Float32, 2, 4), Pad: unknown(tensor.Int32, 2), Mode: "constant"}, f32(2, -1), ""},
	})
}

func TestClassify(t *testing.T) {
	words := tensor.New(tensor.String, sh{2}, []string{"cat", "dog"})
	label, p := mil.TensorType(tensor.String), mil.TensorType(tensor.Float64)
	number := mil.TensorType(tensor.Int64)
	checkInfer(t, []inferCase{
		{"strings", Classify.Op, &ClassifyArgs{unknown(tensor.Float32, 1, 2), words}, []mil.Type{label, {Kind: mil.Dict, Key: &label, Elem: &p}}, ""},
		{
			"numbers", Classify.Op, &ClassifyArgs{unknown(tensor.Float32, -1), tensor.New(tensor.Int64, sh{1}, []int64{7})},
			[]mil.Type{number, {Kind: mil.Dict, Key: &number, Elem: &p}},
			"",
		},
		{"count", Classify.Op, &ClassifyArgs{unknown(tensor.Float32, 3), words}, nil, "2 classes"},
		{"type", Classify.Op, &ClassifyArgs{unknown(tensor.Float32, 1), ramp(1)}, nil, "fp32"},
	})
}
