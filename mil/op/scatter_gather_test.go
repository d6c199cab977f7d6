package op

import (
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

func TestGather(t *testing.T) {
	g := func(x, i *tensor.Tensor, axis int) any { return &GatherArgs{val(x), val(i), axis} }
	u16 := tensor.New(tensor.Uint16, sh{2}, []int32{1, 0})
	checkCases(t, []evalCase{
		{"rows", Gather.Op, g(ramp(3, 2), in(sh{2}, 2, 0), 0), outs(fl(sh{2, 2}, 4, 5, 0, 1)), ""},
		{"columns", Gather.Op, g(ramp(2, 3), in(sh{2}, -1, 1), -1), outs(fl(sh{2, 2}, 2, 1, 5, 4)), ""},
		{"scalar", Gather.Op, g(ramp(2, 3), in(nil, 1), 1), outs(fl(sh{2}, 1, 4)), ""},
		{"scalar of a vector", Gather.Op, g(ramp(3), in(nil, 1), 0), outs(fl(nil, 1)), ""},
		{"matrix", Gather.Op, g(ramp(3), in(sh{2, 2}, 0, 1, 2, 0), 0), outs(fl(sh{2, 2}, 0, 1, 2, 0)), ""},
		{"none", Gather.Op, g(ramp(3), in(sh{0}), 0), outs(ramp(0)), ""},
		{"of nothing", Gather.Op, g(ramp(0), in(sh{1}, 0), 0), nil, "index 0 of a dimension of 0"},
		{"beyond", Gather.Op, g(ramp(3), in(sh{1}, 3), 0), nil, "index 3"},
		{"before", Gather.Op, g(ramp(3), in(sh{1}, -4), 0), nil, "index -4"},
		{"axis", Gather.Op, g(ramp(3), in(sh{1}, 0), 1), nil, "axis 1"},
		{"batch", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 3)), val(in(sh{2, 2}, 2, 0, 1, 1)), 1, 1}, outs(fl(sh{2, 2}, 2, 0, 4, 4)), ""},
		{"batch scalar", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 3)), val(in(sh{2}, 2, 0)), 1, 1}, outs(fl(sh{2}, 2, 3)), ""},
		{"batch and outer", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 2, 2)), val(in(sh{2, 1}, 1, 0)), -1, 1}, outs(fl(sh{2, 2, 1}, 1, 3, 4, 6)), ""},
		{"uint16", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2)), val(u16), 0, 0}, outs(fl(sh{2}, 1, 0)), ""},
		{"batch sizes", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 3)), val(in(sh{3, 1}, 0, 0, 0)), 1, 1}, nil, "first 1 dimensions"},
		{"batch beyond axis", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 3)), val(in(sh{2}, 0, 0)), 0, 1}, nil, "batch_dims 1"},
		{"validated", GatherIOS17.Op, &GatherIOS17Args{X: val(ramp(3)), Indices: val(in(sh{1}, -1)), ValidateIndices: true}, nil, "index -1"},
		{"not validated", GatherIOS17.Op, &GatherIOS17Args{X: val(ramp(3)), Indices: val(in(sh{1}, -1))}, outs(fl(sh{1}, 2)), ""},
	})
	checkInfer(t, []inferCase{
		{"unknown", Gather.Op, &GatherArgs{unknown(tensor.Float32, -2, 4, -3), unknown(tensor.Int32, -7), 1}, f32(-2, -7, -3), ""},
	})
}

func TestGatherAlongAxis(t *testing.T) {
	g := func(x, i *tensor.Tensor, axis int) any { return &GatherArgs{val(x), val(i), axis} }
	checkCases(t, []evalCase{
		{"rows", GatherAlongAxis.Op, g(ramp(2, 3), in(sh{1, 3}, 1, 0, 1), 0), outs(fl(sh{1, 3}, 3, 1, 5)), ""},
		{"columns", GatherAlongAxis.Op, g(ramp(2, 3), in(sh{2, 2}, 2, -1, 0, 0), -1), outs(fl(sh{2, 2}, 2, 2, 3, 3)), ""},
		{"cube", GatherAlongAxis.Op, g(ramp(2, 2, 2), in(sh{2, 1, 2}, 0, 1, 1, 0), 1), outs(fl(sh{2, 1, 2}, 0, 3, 6, 5)), ""},
		{"empty", GatherAlongAxis.Op, g(ramp(2, 3), in(sh{0, 3}), 0), outs(ramp(0, 3)), ""},
		{"beyond", GatherAlongAxis.Op, g(ramp(2, 3), in(sh{1, 3}, 2, 0, 0), 0), nil, "index 2"},
		{"sizes", GatherAlongAxis.Op, g(ramp(2, 3), in(sh{1, 2}, 0, 0), 0), nil, "indices"},
		{"ranks", GatherAlongAxis.Op, g(ramp(2, 3), in(sh{2}, 0, 0), 0), nil, "indices"},
		{"validated", GatherAlongAxisIOS17.Op, &GatherAlongAxisIOS17Args{val(ramp(2)), val(in(sh{1}, -1)), 0, true}, nil, "index -1"},
	})
	checkInfer(t, []inferCase{
		{"unknown", GatherAlongAxis.Op, &GatherArgs{unknown(tensor.Float32, -2, 4), unknown(tensor.Int32, 3, -7), 1}, f32(3, -7), ""},
	})
}

func TestGatherNd(t *testing.T) {
	g := func(x, i *tensor.Tensor) any { return &GatherNdArgs{val(x), val(i)} }
	checkCases(t, []evalCase{
		{"elements", GatherNd.Op, g(ramp(2, 3), in(sh{2, 2}, 1, 2, 0, 1)), outs(fl(sh{2}, 5, 1)), ""},
		{"rows", GatherNd.Op, g(ramp(2, 3), in(sh{2, 1}, 1, -2)), outs(fl(sh{2, 3}, 3, 4, 5, 0, 1, 2)), ""},
		{"one", GatherNd.Op, g(ramp(2, 3), in(sh{2}, 1, 1)), outs(fl(nil, 4)), ""},
		{"everything", GatherNd.Op, g(ramp(2), in(sh{2, 0})), outs(fl(sh{2, 2}, 0, 1, 0, 1)), ""},
		{"batch", GatherNdIOS16.Op, &GatherNdIOS16Args{val(ramp(2, 3)), val(in(sh{2, 1}, 2, 0)), 1}, outs(fl(sh{2}, 2, 3)), ""},
		{"batch of slices", GatherNdIOS16.Op, &GatherNdIOS16Args{val(ramp(2, 2, 2)), val(in(sh{2, 1, 1}, 1, 0)), 1}, outs(fl(sh{2, 1, 2}, 2, 3, 4, 5)), ""},
		{"beyond", GatherNd.Op, g(ramp(2, 3), in(sh{1, 2}, 0, 3)), nil, "index 3 of a dimension of 3"},
		{"too many", GatherNd.Op, g(ramp(2), in(sh{1, 2}, 0, 0)), nil, "rows of 2"},
		{"scalar", GatherNd.Op, g(ramp(2), in(nil, 0)), nil, "vector"},
		{"batch too large", GatherNdIOS16.Op, &GatherNdIOS16Args{val(ramp(2, 3)), val(in(sh{2, 1}, 2, 0)), 2}, nil, "batch_dims 2"},
		{"validated", GatherNdIOS17.Op, &GatherNdIOS17Args{val(ramp(2)), val(in(sh{1}, -1)), 0, true}, nil, "index -1"},
	})
	checkInfer(t, []inferCase{
		{"unknown", GatherNd.Op, &GatherNdArgs{unknown(tensor.Float32, 2, -5), unknown(tensor.Int32, -3, 1)}, f32(-3, -5), ""},
		{"unknown row", GatherNd.Op, &GatherNdArgs{val(ramp(2, 2)), unknown(tensor.Int32, 3, -1)}, anyRankType(tensor.Float32), ""},
	})
}

func TestScatters(t *testing.T) {
	data := fl(sh{2, 3}, 1, 2, 3, 4, 5, 6)
	rows := func(mode string) any {
		return &ScatterArgs{val(data), val(in(sh{2}, 1, 0)), val(fl(sh{2, 3}, 5, 6, 7, 8, 9, 10)), 0, mode}
	}
	twice := func(mode string, v ...float32) any {
		return &ScatterArgs{val(fl(sh{2}, 8, 9)), val(in(sh{2}, 0, 0)), val(fl(sh{2}, v...)), 0, mode}
	}
	whole := func(mode string, updates ...int32) any {
		return &ScatterArgs{val(in(sh{2}, 7, 9)), val(in(sh{1}, -1)), val(in(sh{1}, updates...)), 0, mode}
	}
	checkCases(t, []evalCase{
		{"add", Scatter.Op, rows("add"), outs(fl(sh{2, 3}, 9, 11, 13, 9, 11, 13)), ""},
		{"update", Scatter.Op, rows("update"), outs(fl(sh{2, 3}, 8, 9, 10, 5, 6, 7)), ""},
		{"the last update wins", Scatter.Op, twice("update", 1, 2), outs(fl(sh{2}, 2, 9)), ""},
		{"add twice", Scatter.Op, twice("add", 1, 2), outs(fl(sh{2}, 11, 9)), ""},
		{"sub", Scatter.Op, twice("sub", 1, 2), outs(fl(sh{2}, 5, 9)), ""},
		{"mul", Scatter.Op, twice("mul", 2, 3), outs(fl(sh{2}, 48, 9)), ""},
		{"div", Scatter.Op, twice("div", 2, 0), outs(fl(sh{2}, inf, 9)), ""},
		{"max", Scatter.Op, twice("max", 10, nan), outs(fl(sh{2}, nan, 9)), ""},
		{"min", Scatter.Op, twice("min", 10, 2), outs(fl(sh{2}, 2, 9)), ""},
		{"int add", Scatter.Op, whole("add", 3), outs(in(sh{2}, 7, 12)), ""},
		{"int div", Scatter.Op, whole("div", 2), outs(in(sh{2}, 7, 4)), ""},
		{"int div by 0", Scatter.Op, whole("div", 0), nil, "divided by 0"},
		{"columns", Scatter.Op, &ScatterArgs{val(data), val(in(sh{1}, 2)), val(fl(sh{2, 1}, 10, 20)), -1, "update"}, outs(fl(sh{2, 3}, 1, 2, 10, 4, 5, 20)), ""},
		{"beyond", Scatter.Op, &ScatterArgs{val(data), val(in(sh{1}, 2)), val(ramp(1, 3)), 0, "add"}, nil, "index 2"},
		{"updates", Scatter.Op, &ScatterArgs{val(data), val(in(sh{1}, 0)), val(ramp(3)), 0, "add"}, nil, "updates"},
		{"mode", Scatter.Op, rows("xor"), nil, "not one of"},
		{"validated", ScatterIOS17.Op, &ScatterIOS17Args{val(data), val(in(sh{1}, -1)), val(ramp(1, 3)), 0, "add", true}, nil, "index -1"},
		{
			"along rows", ScatterAlongAxis.Op, &ScatterArgs{val(data), val(in(sh{1, 3}, 1, 0, 1)), val(fl(sh{1, 3}, 10, 20, 30)), 0, "add"},
			outs(fl(sh{2, 3}, 1, 22, 3, 14, 5, 36)), "",
		},
		{
			"along columns", ScatterAlongAxis.Op, &ScatterArgs{val(data), val(in(sh{2, 2}, 0, 0, 2, 1)), val(fl(sh{2, 2}, 10, 20, 30, 40)), 1, "update"},
			outs(fl(sh{2, 3}, 20, 2, 3, 4, 40, 30)), "",
		},
		{"along updates", ScatterAlongAxis.Op, &ScatterArgs{val(data), val(in(sh{1, 3}, 1, 0, 1)), val(ramp(1, 2)), 0, "add"}, nil, "updates"},
		{"along sizes", ScatterAlongAxis.Op, &ScatterArgs{val(data), val(in(sh{1, 2}, 1, 0)), val(ramp(1, 2)), 0, "add"}, nil, "indices"},
		{"along validated", ScatterAlongAxisIOS17.Op, &ScatterIOS17Args{val(ramp(2)), val(in(sh{1}, -1)), val(ramp(1)), 0, "add", true}, nil, "index -1"},
		{"nd elements", ScatterNd.Op, &ScatterNdArgs{val(data), val(in(sh{2, 2}, 0, 1, 0, 2)), val(fl(sh{2}, 10, 20)), "add"}, outs(fl(sh{2, 3}, 1, 12, 23, 4, 5, 6)), ""},
		{"nd rows", ScatterNd.Op, &ScatterNdArgs{val(data), val(in(sh{1, 1}, 1)), val(fl(sh{1, 3}, 7, 8, 9)), "update"}, outs(fl(sh{2, 3}, 1, 2, 3, 7, 8, 9)), ""},
		{"nd nothing", ScatterNd.Op, &ScatterNdArgs{val(data), val(in(sh{0, 1})), val(ramp(0, 3)), "add"}, outs(data), ""},
		{"nd updates", ScatterNd.Op, &ScatterNdArgs{val(data), val(in(sh{1, 1}, 1)), val(ramp(1)), "add"}, nil, "updates"},
		{"nd beyond", ScatterNd.Op, &ScatterNdArgs{val(data), val(in(sh{1, 1}, 2)), val(ramp(1, 3)), "add"}, nil, "index 2"},
		{"nd validated", ScatterNdIOS17.Op, &ScatterNdIOS17Args{val(data), val(in(sh{1, 1}, -1)), val(ramp(1, 3)), "add", true}, nil, "index -1"},
	})
	if data.F32()[0] != 1 || data.F32()[5] != 6 {
		t.Error("the argument has changed")
	}
	checkInfer(t, []inferCase{
		{"unknown", Scatter.Op, &ScatterArgs{unknown(tensor.Float32, -2, 3), unknown(tensor.Int32, -7), unknown(tensor.Float32, 4, -3), 0, "add"}, f32(-2, 3), ""},
		{"unknown nd", ScatterNd.Op, &ScatterNdArgs{unknown(tensor.Float32, -2, 3), unknown(tensor.Int32, 5, -7), val(ramp(2)), "add"}, f32(-2, 3), ""},
	})
}
