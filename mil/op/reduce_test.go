package op

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func TestReduce(t *testing.T) {
	re := func(x *tensor.Tensor, keep bool, axes ...int) any { return &Reduction{val(x), axes, keep} }
	x := fl(sh{2, 3}, 1, -2, 3, 4, 5, -6)
	cube := ramp(2, 2, 2)
	cases := []evalCase{
		// Which elements go where is the same code for all.
		{"all", ReduceSum.Op, re(x, false), outs(fl(sh{}, 5)), ""},
		{"all kept", ReduceSum.Op, re(x, true), outs(fl(sh{1, 1}, 5)), ""},
		{"rows", ReduceSum.Op, re(x, false, 1), outs(line(2, 3)), ""},
		{"rows kept", ReduceSum.Op, re(x, true, -1), outs(fl(sh{2, 1}, 2, 3)), ""},
		{"columns", ReduceSum.Op, re(x, false, 0), outs(line(5, 3, -3)), ""},
		{"columns kept", ReduceSum.Op, re(x, true, -2), outs(fl(sh{1, 3}, 5, 3, -3)), ""},
		{"middle", ReduceSum.Op, re(cube, false, 1), outs(fl(sh{2, 2}, 2, 4, 10, 12)), ""},
		{"ends", ReduceSum.Op, re(cube, false, 2, 0), outs(line(10, 18)), ""},
		{"last two", ReduceSum.Op, re(cube, true, -1, 1), outs(fl(sh{2, 1, 1}, 6, 22)), ""},
		{"scalar", ReduceSum.Op, re(fl(sh{}, 7), false), outs(fl(sh{}, 7)), ""},
		{"none", ReduceSum.Op, re(ramp(0, 2), false, 0), outs(line(0, 0)), ""},
		{"of none none", ReduceSum.Op, re(ramp(0, 2), false, 1), outs(ramp(0)), ""},
		{"axis too large", ReduceSum.Op, re(x, false, 2), nil, "axis 2"},
		{"axis too small", ReduceSum.Op, re(x, false, -3), nil, "axis -3"},
		{"axis twice", ReduceSum.Op, re(x, false, 1, -1), nil, "twice"},
		{"bool", ReduceSum.Op, re(truth(true), false), nil, "type bool"},
		{"half", ReduceMax.Op, re(half(1, 2), false), outs(tensor.New(tensor.Float16, nil, []float32{2})), ""},
	}
	for _, c := range []struct {
		def  *Def[Reduction]
		x    []float32
		want float32
	}{
		{ReduceSum, []float32{1e30, 1, -1e30}, 0}, // 1 is lost in float64 too
		{ReduceSum, []float32{1 << 24, 1, 1}, 1<<24 + 2},
		{ReduceSum, []float32{inf, -inf}, nan},
		{ReduceMean, []float32{1, 2, 6}, 3},
		{ReduceMean, nil, nan},
		{ReduceMax, []float32{-3, -1, -2}, -1},
		{ReduceMax, []float32{1, nan, 2}, nan},
		{ReduceMax, nil, -inf},
		{ReduceMin, []float32{3, 1, 2}, 1},
		{ReduceMin, []float32{1, nan, 2}, nan},
		{ReduceMin, nil, inf},
		{ReduceProd, []float32{2, -3, 4}, -24},
		{ReduceProd, []float32{1e30, 1e30, 1e-30}, 1e30},
		{ReduceProd, nil, 1},
		{ReduceSumSquare, []float32{1, -2, 3}, 14},
		{ReduceL1Norm, []float32{1, -2, 3}, 6},
		{ReduceL2Norm, []float32{1, -2, 3}, 3.74165739},
		{ReduceL2Norm, []float32{3e30, 4e30}, 5e30},
		{ReduceLogSum, []float32{1, 2, 3}, 1.79175947},
		{ReduceLogSum, []float32{1, -1}, -inf},
		{ReduceLogSum, []float32{-1}, nan},
		{ReduceLogSumExp, []float32{1, 2, 3}, 3.40760596},
		{ReduceLogSumExp, []float32{1000, 1000}, 1000.69315},
		{ReduceLogSumExp, []float32{-1000, -1000}, -999.306853},
		{ReduceLogSumExp, []float32{-inf, -inf}, -inf},
		{ReduceLogSumExp, []float32{inf, 1}, inf},
		{ReduceLogSumExp, []float32{nan, 1}, nan},
		{ReduceLogSumExp, nil, -inf},
	} {
		cases = append(cases, evalCase{"floats", c.def.Op, re(line(c.x...), false), outs(fl(sh{}, c.want)), ""})
	}
	for _, c := range []struct {
		def  *Def[Reduction]
		x    []int32
		want int32
	}{
		{ReduceSum, []int32{maxInt32, 1}, minInt32},
		{ReduceMean, []int32{1, 2, 5}, 2},
		{ReduceMean, []int32{-1, -2}, -1},
		{ReduceMean, []int32{maxInt32, maxInt32}, maxInt32},
		{ReduceMean, nil, 0},
		{ReduceMax, []int32{-3, -1}, -1},
		{ReduceMax, nil, minInt32},
		{ReduceMin, []int32{-3, -1}, -3},
		{ReduceMin, nil, maxInt32},
		{ReduceProd, []int32{2, -3, 4}, -24},
		{ReduceProd, []int32{65536, 65536}, 0},
		{ReduceSumSquare, []int32{1, -2, 3}, 14},
		{ReduceL1Norm, []int32{1, -2, 3}, 6},
		{ReduceL2Norm, []int32{1, -2, 3}, 3},
		{ReduceLogSum, []int32{10, 10}, 2},
		{ReduceLogSum, []int32{0}, minInt32},
		{ReduceLogSumExp, []int32{1, 2, 3}, 3},
	} {
		cases = append(cases, evalCase{"ints", c.def.Op, re(whole(c.x...), false), outs(in(sh{}, c.want)), ""})
	}
	checkCases(t, cases)
	u := unknown(tensor.Float32, -1, 3, -4)
	checkInfer(t, []inferCase{
		{"unknown kept", ReduceMean.Op, &Reduction{u, []int{1}, true}, f32(-1, 1, -4), ""},
		{"unknown reduced", ReduceMean.Op, &Reduction{u, []int{0, -1}, false}, f32(3), ""},
		{"unknown all", ReduceMean.Op, &Reduction{u, nil, false}, f32(), ""},
	})
}

func TestReduceArg(t *testing.T) {
	re := func(x *tensor.Tensor, axis int, keep bool) any { return &ArgReduction{val(x), axis, keep} }
	x := fl(sh{2, 3}, 1, 3, 3, 5, -6, 4)
	checkCases(t, []evalCase{
		{"rows", ReduceArgmax.Op, re(x, -1, false), outs(whole(1, 0)), ""},
		{"columns", ReduceArgmax.Op, re(x, 0, false), outs(whole(1, 0, 1)), ""},
		{"kept", ReduceArgmax.Op, re(x, 1, true), outs(in(sh{2, 1}, 1, 0)), ""},
		{"NaN", ReduceArgmax.Op, re(line(1, nan, inf, nan), 0, false), outs(in(sh{}, 1)), ""},
		{"ints", ReduceArgmax.Op, re(whole(16777216, 16777217), 0, false), outs(in(sh{}, 1)), ""},
		{"rows", ReduceArgmin.Op, re(x, -1, false), outs(whole(0, 1)), ""},
		{"ties", ReduceArgmin.Op, re(line(2, 1, 1), -1, false), outs(in(sh{}, 1)), ""},
		{"NaN", ReduceArgmin.Op, re(line(1, nan, -inf), 0, false), outs(in(sh{}, 1)), ""},
		{
			"uint16", ReduceArgminIOS17.Op, &ArgReductionIOS17{val(x), 0, false, "uint16"},
			outs(tensor.New(tensor.Uint16, sh{3}, []int32{0, 1, 0})), "",
		},
		{"index too large", ReduceArgmaxIOS17.Op, &ArgReductionIOS17{val(ramp(65537)), 0, false, "uint16"}, nil, "does not fit"},
		{"wrong type", ReduceArgmaxIOS17.Op, &ArgReductionIOS17{val(x), 0, false, "uint8"}, nil, "not one of"},
		{"of none", ReduceArgmax.Op, re(ramp(2, 0), 1, false), nil, "no elements"},
		{"none of some", ReduceArgmax.Op, re(ramp(2, 0), 0, false), outs(in(sh{0})), ""},
		{"scalar", ReduceArgmax.Op, re(ramp(), 0, false), nil, "axis 0"},
		{"axis", ReduceArgmax.Op, re(x, 2, false), nil, "axis 2"},
	})
	checkInfer(t, []inferCase{
		{"unknown", ReduceArgmax.Op, &ArgReduction{unknown(tensor.Float32, -1, -2), -1, true}, i32(-1, 1), ""},
		{
			"unknown", ReduceArgmaxIOS17.Op, &ArgReductionIOS17{unknown(tensor.Float32, -1, 5), 0, false, "uint16"},
			[]mil.Type{mil.TensorType(tensor.Uint16, 5)},
			"",
		},
	})
}
