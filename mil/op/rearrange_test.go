package op

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func number32(v int32) *mil.Value { return val(in(nil, v)) }
func flag(v bool) *mil.Value      { return val(bo(nil, v)) }

func TestSliceBySize(t *testing.T) {
	sl := func(x *tensor.Tensor, begin, size sh) any {
		return &SliceBySizeArgs{val(x), vectorOf(begin...), vectorOf(size...)}
	}
	checkCases(t, []evalCase{
		{"block", SliceBySize.Op, sl(ramp(3, 4), sh{1, 2}, sh{2, 1}), outs(fl(sh{2, 1}, 6, 10)), ""},
		{"rest", SliceBySize.Op, sl(ramp(5), sh{3}, sh{-1}), outs(fl(sh{2}, 3, 4)), ""},
		{"negative begin", SliceBySize.Op, sl(ramp(5), sh{-2}, sh{1}), outs(fl(sh{1}, 3)), ""},
		{"nothing", SliceBySize.Op, sl(ramp(5), sh{5}, sh{0}), outs(ramp(0)), ""},
		{"beyond", SliceBySize.Op, sl(ramp(5), sh{3}, sh{3}), nil, "3 elements from 3"},
		{"begin beyond", SliceBySize.Op, sl(ramp(5), sh{6}, sh{-1}), nil, "from 6"},
		{"negative size", SliceBySize.Op, sl(ramp(5), sh{0}, sh{-2}), nil, "size of -2"},
		{"short", SliceBySize.Op, sl(ramp(5, 5), sh{0}, sh{1, 1}), nil, "begin"},
	})
	checkInfer(t, []inferCase{
		{"unknown begin", SliceBySize.Op, &SliceBySizeArgs{val(ramp(4, 4)), unknown(tensor.Int32, 2), vectorOf(2, -1)}, f32(2, -1), ""},
		{"unknown size", SliceBySize.Op, &SliceBySizeArgs{val(ramp(4, 4)), vectorOf(0, 0), unknown(tensor.Int32, 2)}, f32(-1, -1), ""},
		{"symbol", SliceBySize.Op, &SliceBySizeArgs{unknown(tensor.Float32, -5, -6), vectorOf(0, 1), vectorOf(-1, -1)}, f32(-5, -1), ""},
		{"too large at once", SliceBySize.Op, &SliceBySizeArgs{val(ramp(4)), unknown(tensor.Int32, 1), vectorOf(5)}, nil, "5 elements"},
	})
}

func TestSliceUpdate(t *testing.T) {
	x := ramp(3, 3)
	checkCases(t, []evalCase{
		{
			"block", SliceUpdate.Op, &SliceUpdateArgs{X: val(x), Update: val(fl(sh{1, 2}, 90, 91)), Begin: vectorOf(1, 1), End: vectorOf(2, 3)},
			outs(fl(sh{3, 3}, 0, 1, 2, 3, 90, 91, 6, 7, 8)), "",
		},
		{
			"backwards", SliceUpdate.Op, &SliceUpdateArgs{X: val(ramp(4)), Update: val(fl(sh{2}, 90, 91)), Begin: vectorOf(3), End: vectorOf(0), Stride: sh{-2}},
			outs(fl(sh{4}, 0, 91, 2, 90)), "",
		},
		{
			"column", SliceUpdate.Op, &SliceUpdateArgs{
				X: val(x), Update: val(fl(sh{3}, 90, 91, 92)), Begin: vectorOf(0, 1), End: vectorOf(0, 0),
				BeginMask: []bool{true, false}, EndMask: []bool{true, false}, SqueezeMask: []bool{false, true},
			},
			outs(fl(sh{3, 3}, 0, 90, 2, 3, 91, 5, 6, 92, 8)), "",
		},
		{"shape", SliceUpdate.Op, &SliceUpdateArgs{X: val(x), Update: val(ramp(2)), Begin: vectorOf(0, 0), End: vectorOf(1, 1)}, nil, "update"},
	})
	if x.F32()[4] != 4 {
		t.Error("the argument has changed")
	}
}

func TestBlocks(t *testing.T) {
	margins := func(v ...int32) *tensor.Tensor { return in(sh{2, 2}, v...) }
	checkCases(t, []evalCase{
		// Two channels a block place: places come first in the channels.
		{"places first", DepthToSpace.Op, &BlockArgs{val(ramp(1, 8, 1, 1)), 2}, outs(fl(sh{1, 2, 2, 2}, 0, 2, 4, 6, 1, 3, 5, 7)), ""},
		{"and back", SpaceToDepth.Op, &BlockArgs{val(fl(sh{1, 2, 2, 2}, 0, 2, 4, 6, 1, 3, 5, 7)), 2}, outs(ramp(1, 8, 1, 1)), ""},
		{"channels first", PixelShuffle.Op, &PixelShuffleArgs{val(ramp(1, 8, 1, 1)), 2}, outs(ramp(1, 2, 2, 2)), ""},
		{"and back", PixelUnshuffle.Op, &PixelUnshuffleArgs{val(ramp(1, 2, 2, 2)), 2}, outs(ramp(1, 8, 1, 1)), ""},
		{"rows and columns", SpaceToDepth.Op, &BlockArgs{val(ramp(1, 1, 2, 4)), 2}, outs(fl(sh{1, 4, 1, 2}, 0, 2, 1, 3, 4, 6, 5, 7)), ""},
		{"to batch", SpaceToBatch.Op, &SpaceToBatchArgs{val(ramp(1, 1, 2, 2)), sh{2, 2}, margins(0, 0, 0, 0)}, outs(ramp(4, 1, 1, 1)), ""},
		{
			"to batch padded", SpaceToBatch.Op, &SpaceToBatchArgs{val(fl(sh{1, 1, 1, 3}, 1, 2, 3)), sh{1, 2}, margins(0, 0, 1, 0)},
			outs(fl(sh{2, 1, 1, 2}, 0, 2, 1, 3)), "",
		},
		{"from batch", BatchToSpace.Op, &BatchToSpaceArgs{val(ramp(4, 1, 1, 1)), sh{2, 2}, margins(0, 0, 0, 0)}, outs(ramp(1, 1, 2, 2)), ""},
		{
			"from batch cropped", BatchToSpace.Op, &BatchToSpaceArgs{val(fl(sh{2, 1, 1, 2}, 0, 2, 1, 3)), sh{1, 2}, margins(0, 0, 1, 0)},
			outs(fl(sh{1, 1, 1, 3}, 1, 2, 3)), "",
		},
		{"channels", DepthToSpace.Op, &BlockArgs{val(ramp(1, 6, 1, 1)), 2}, nil, "channels"},
		{"height", SpaceToDepth.Op, &BlockArgs{val(ramp(1, 1, 3, 2)), 2}, nil, "height"},
		{"rank", PixelShuffle.Op, &PixelShuffleArgs{val(ramp(4, 1, 1)), 2}, nil, "rank 4"},
		{"no block", PixelShuffle.Op, &PixelShuffleArgs{val(ramp(1, 4, 1, 1)), 0}, nil, "side 0"},
		{"huge block", DepthToSpace.Op, &BlockArgs{val(ramp(1, 4, 1, 1)), 1 << 30}, nil, "side"},
		{"batch", BatchToSpace.Op, &BatchToSpaceArgs{val(ramp(3, 1, 1, 1)), sh{2, 2}, margins(0, 0, 0, 0)}, nil, "batch"},
		{"crops", BatchToSpace.Op, &BatchToSpaceArgs{val(ramp(4, 1, 1, 1)), sh{2, 2}, margins(2, 1, 0, 0)}, nil, "height"},
		{"negative margin", SpaceToBatch.Op, &SpaceToBatchArgs{val(ramp(1, 1, 2, 2)), sh{2, 2}, margins(-2, 0, 0, 0)}, nil, "margin of -2"},
		{"margins", SpaceToBatch.Op, &SpaceToBatchArgs{val(ramp(1, 1, 2, 2)), sh{2, 2}, in(sh{4}, 0, 0, 0, 0)}, nil, "2×2"},
		{"huge margin", SpaceToBatch.Op, &SpaceToBatchArgs{val(ramp(1, 1, 1, 1)), sh{1, 1}, margins(1<<30, 1<<30, 1<<30, 1<<30)}, nil, "elements"},
	})
	checkInfer(t, []inferCase{
		{"unknown", DepthToSpace.Op, &BlockArgs{unknown(tensor.Float32, -2, 8, -3, 5), 2}, f32(-2, 2, -1, 10), ""},
		{"unknown", SpaceToBatch.Op, &SpaceToBatchArgs{unknown(tensor.Float32, -2, 8, -3, 6), sh{2, 2}, margins(0, 0, 0, 0)}, f32(-1, 8, -1, 3), ""},
	})
}

func TestReverse(t *testing.T) {
	checkCases(t, []evalCase{
		{"all", Reverse.Op, &ReverseArgs{val(ramp(2, 2)), nil}, outs(fl(sh{2, 2}, 3, 2, 1, 0)), ""},
		{"one", Reverse.Op, &ReverseArgs{val(ramp(2, 2)), sh{-1}}, outs(fl(sh{2, 2}, 1, 0, 3, 2)), ""},
		{"none", Reverse.Op, &ReverseArgs{val(ramp(2, 2)), sh{}}, outs(ramp(2, 2)), ""},
		{"bool", Reverse.Op, &ReverseArgs{val(bo(sh{2}, true, false)), sh{0}}, outs(bo(sh{2}, false, true)), ""},
		{"empty", Reverse.Op, &ReverseArgs{val(ramp(0, 2)), nil}, outs(ramp(0, 2)), ""},
		{"axis", Reverse.Op, &ReverseArgs{val(ramp(2)), sh{1}}, nil, "axis 1"},
		{"rows", ReverseSequence.Op, &ReverseSequenceArgs{val(ramp(2, 3)), val(in(sh{2}, 2, 3)), 1, 0}, outs(fl(sh{2, 3}, 1, 0, 2, 5, 4, 3)), ""},
		{"columns", ReverseSequence.Op, &ReverseSequenceArgs{val(ramp(3, 2)), val(in(sh{2}, 0, 3)), 0, -1}, outs(fl(sh{3, 2}, 0, 5, 2, 3, 4, 1)), ""},
		{"too long", ReverseSequence.Op, &ReverseSequenceArgs{val(ramp(2, 3)), val(in(sh{2}, 2, 4)), 1, 0}, nil, "length of 4"},
		{"count", ReverseSequence.Op, &ReverseSequenceArgs{val(ramp(2, 3)), val(in(sh{3}, 2, 2, 2)), 1, 0}, nil, "3 lengths"},
		{"same axis", ReverseSequence.Op, &ReverseSequenceArgs{val(ramp(2, 3)), val(in(sh{2}, 2, 2)), 0, -2}, nil, "the same"},
	})
}

func TestSlidingWindows(t *testing.T) {
	checkCases(t, []evalCase{
		{"overlapping", SlidingWindows.Op, &SlidingWindowsArgs{val(ramp(4)), 0, 3, 1}, outs(fl(sh{2, 3}, 0, 1, 2, 1, 2, 3)), ""},
		{"apart", SlidingWindows.Op, &SlidingWindowsArgs{val(ramp(2, 5)), -1, 2, 3}, outs(fl(sh{2, 2, 2}, 0, 1, 3, 4, 5, 6, 8, 9)), ""},
		{"first axis", SlidingWindows.Op, &SlidingWindowsArgs{val(ramp(3, 2)), 0, 2, 1}, outs(fl(sh{2, 2, 2}, 0, 1, 2, 3, 2, 3, 4, 5)), ""},
		{"too large", SlidingWindows.Op, &SlidingWindowsArgs{val(ramp(4)), 0, 5, 1}, nil, "windows of 5"},
		{"no stride", SlidingWindows.Op, &SlidingWindowsArgs{val(ramp(4)), 0, 2, 0}, nil, "0 apart"},
	})
	checkInfer(t, []inferCase{
		{"unknown", SlidingWindows.Op, &SlidingWindowsArgs{unknown(tensor.Float32, -2, -3), 1, 4, 1}, f32(-2, -1, 4), ""},
	})
}

func TestFlatten2dReshapeLike(t *testing.T) {
	like := func(x *tensor.Tensor, refs []*mil.Value, begins, ends []*mil.Value, masks ...bool) any {
		a := &ReshapeLikeArgs{X: val(x), RefTensors: refs, Begins: begins, Ends: ends}
		for _, m := range masks {
			a.EndMasks = append(a.EndMasks, flag(m))
		}
		return a
	}
	two := []*mil.Value{val(ramp(2, 3, 4)), val(ramp(1, 5, 6))}
	checkCases(t, []evalCase{
		{"negative", Flatten2d.Op, &Flatten2dArgs{val(ramp(3)), -1}, outs(ramp(1, 3)), ""},
		{"after all", Flatten2d.Op, &Flatten2dArgs{val(ramp(3)), 1}, outs(ramp(3, 1)), ""},
		{"last", Flatten2d.Op, &Flatten2dArgs{val(ramp(2, 3, 2)), -1}, outs(ramp(6, 2)), ""},
		{"first", Flatten2d.Op, &Flatten2dArgs{val(ramp(5, 5, 2)), 1}, outs(ramp(5, 10)), ""},
		{"beyond", Flatten2d.Op, &Flatten2dArgs{val(ramp(3)), 2}, nil, "axis 2"},
		{"two tensors", ReshapeLike.Op, like(ramp(180), two, []*mil.Value{number32(0), number32(1)}, []*mil.Value{number32(2), number32(0)}, false, true), outs(ramp(2, 3, 5, 6)), ""},
		{"negative places", ReshapeLike.Op, like(ramp(3), two[:1], []*mil.Value{number32(-2)}, []*mil.Value{number32(-1)}, false), outs(ramp(3)), ""},
		{"to scalar", ReshapeLike.Op, like(ramp(1), two[:1], []*mil.Value{number32(2)}, []*mil.Value{number32(1)}, false), outs(ramp()), ""},
		{"size", ReshapeLike.Op, like(ramp(4), two[:1], []*mil.Value{number32(0)}, []*mil.Value{number32(1)}, false), nil, "cannot take"},
		{"counts", ReshapeLike.Op, like(ramp(4), two, []*mil.Value{number32(0)}, []*mil.Value{number32(1)}, false), nil, "2 ref_tensors"},
	})
	checkInfer(t, []inferCase{
		{"symbol alone", Flatten2d.Op, &Flatten2dArgs{unknown(tensor.Float32, 1, -4, 3, 2), 2}, f32(-4, 6), ""},
		{"symbol times", Flatten2d.Op, &Flatten2dArgs{unknown(tensor.Float32, 2, -4, 3), 2}, f32(-1, 3), ""},
		{"unknown reference", ReshapeLike.Op, like(ramp(4), []*mil.Value{unknown(tensor.Int32, -3, 2)}, []*mil.Value{number32(0)}, []*mil.Value{number32(2)}, false), f32(-3, 2), ""},
		{"unknown begin", ReshapeLike.Op, like(ramp(4), two[:1], []*mil.Value{unknown(tensor.Int32)}, []*mil.Value{number32(2)}, false), nil, "begins"},
	})
}
