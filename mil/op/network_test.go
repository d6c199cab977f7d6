package op

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func TestNetworkSlice(t *testing.T) {
	x := fl(sh{2, 3}, 1, 2, 3, 4, 5, 6)
	flags := func(v ...bool) *mil.Value { return val(bo(sh{len(v)}, v...)) }
	none := flags(false, false)
	args := func(begin, end, stride sh, from, to, squeeze *mil.Value) any {
		return &NetworkSliceArgs{val(x), vectorOf(begin...), vectorOf(end...), vectorOf(stride...), from, to, squeeze}
	}
	checkCases(t, []evalCase{
		{"block", NetworkSlice.Op, args(sh{0, 1}, sh{1, 3}, sh{1, 1}, none, none, none), outs(fl(sh{1, 2}, 2, 3)), ""},
		{"backwards", NetworkSlice.Op, args(sh{0, 2}, sh{2, 0}, sh{1, -2}, none, flags(false, true), none), outs(fl(sh{2, 2}, 3, 1, 6, 4)), ""},
		{"from the start", NetworkSlice.Op, args(sh{1, 1}, sh{2, 2}, sh{1, 1}, flags(true, false), none, none), outs(fl(sh{2, 1}, 2, 5)), ""},
		{"one row", NetworkSlice.Op, args(sh{-1, 0}, sh{0, 3}, sh{1, 1}, none, none, flags(true, false)), outs(fl(sh{3}, 4, 5, 6)), ""},
		{"one number", NetworkSlice.Op, args(sh{1, 1}, sh{0, 0}, sh{1, 1}, none, none, flags(true, true)), outs(fl(sh{}, 5)), ""},
		{"nothing", NetworkSlice.Op, args(sh{0, 2}, sh{2, 1}, sh{1, 1}, none, none, none), outs(fl(sh{2, 0})), ""},
		{"no stride", NetworkSlice.Op, args(sh{0, 0}, sh{1, 1}, sh{0, 1}, none, none, none), nil, "stride of 0"},
		{"short stride", NetworkSlice.Op, args(sh{0, 0}, sh{1, 1}, sh{1}, none, none, none), nil, "stride: want 2"},
		{"short begin", NetworkSlice.Op, args(sh{0}, sh{1, 1}, sh{1, 1}, none, none, none), nil, "begin: want 2"},
		{"short mask", NetworkSlice.Op, args(sh{0, 0}, sh{1, 1}, sh{1, 1}, none, flags(true), none), nil, "mask: want 2"},
		{"beyond", NetworkSlice.Op, args(sh{2, 0}, sh{0, 0}, sh{1, 1}, none, none, flags(true, false)), nil, "index 2"},
	})
	ints, bools := unknown(tensor.Int32, 2), unknown(tensor.Bool, 2)
	checkInfer(t, []inferCase{
		{"unknown corners", NetworkSlice.Op, &NetworkSliceArgs{val(x), ints, ints, vectorOf(1, 1), none, none, flags(true, false)}, f32(-1), ""},
		{"unknown stride", NetworkSlice.Op, &NetworkSliceArgs{val(x), vectorOf(0, 0), vectorOf(1, 1), ints, none, none, none}, f32(-1, -1), ""},
		{"unknown masks", NetworkSlice.Op, &NetworkSliceArgs{val(x), vectorOf(0, 0), vectorOf(1, 1), vectorOf(1, 1), bools, bools, none}, f32(-1, -1), ""},
		{
			"unknown rank", NetworkSlice.Op, &NetworkSliceArgs{val(x), vectorOf(0, 0), vectorOf(1, 1), vectorOf(1, 1), none, none, bools},
			[]mil.Type{{DType: tensor.Float32, AnyRank: true}},
			"",
		},
	})
}

func TestNetworkNMS(t *testing.T) {
	// The first two boxes overlap by 3/5, the third lies apart.
	boxes, scores := fl(sh{1, 3, 4}, 0, 0, 4, 4, 1, 0, 4, 4, 9, 9, 2, 2), fl(sh{1, 3, 1}, 0.5, 0.9, 0.7)
	args := func(iou, least float32, most int) any {
		return &NetworkNMSArgs{val(boxes), val(scores), sampleOne(iou), sampleOne(least), vectorOf(most), false}
	}
	checkCases(t, []evalCase{
		{"one goes", NetworkNMS.Op, args(0.5, 0, 4), outs(
			fl(sh{1, 4, 4}, 1, 0, 4, 4, 9, 9, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0), fl(sh{1, 4, 1}, 0.9, 0.7, 0, 0), in(sh{1, 4}, 1, 2, -1, -1), in(sh{1}, 2)), ""},
		{"two low ones go", NetworkNMS.Op, args(0.9, 0.7, 2), outs(
			fl(sh{1, 2, 4}, 1, 0, 4, 4, 0, 0, 0, 0), fl(sh{1, 2, 1}, 0.9, 0), in(sh{1, 2}, 1, -1), in(sh{1}, 1)), ""},
		{"the best stays", NetworkNMS.Op, args(0.6, 2, 1), outs(
			fl(sh{1, 1, 4}, 1, 0, 4, 4), fl(sh{1, 1, 1}, 0.9), in(sh{1, 1}, 1), in(sh{1}, 1)), ""},
		{"negative", NetworkNMS.Op, args(0, 0, -1), nil, "max_boxes"},
		{"huge", NetworkNMS.Op, args(0, 0, 1<<31-1), nil, "elements"},
		{
			"two thresholds", NetworkNMS.Op, &NetworkNMSArgs{val(boxes), val(scores), val(ramp(2)), sampleOne(0), vectorOf(1), false},
			nil, "one number",
		},
		{
			"boxes and scores", NetworkNMS.Op, &NetworkNMSArgs{val(boxes), val(ramp(1, 2, 1)), sampleOne(0), sampleOne(0), vectorOf(1), false},
			nil, "scores",
		},
	})
	unknownMost := &NetworkNMSArgs{val(boxes), val(scores), sampleOne(0), sampleOne(0), unknown(tensor.Int32, 1), false}
	checkInfer(t, []inferCase{{"unknown number", NetworkNMS.Op, unknownMost, []mil.Type{
		mil.TensorType(tensor.Float32, 1, -1, 4), mil.TensorType(tensor.Float32, 1, -1, 1), mil.TensorType(tensor.Int32, 1, -1), mil.TensorType(tensor.Int32, 1),
	}, ""}})
}
