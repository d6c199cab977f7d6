package op

import (
	"math"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func TestFills(t *testing.T) {
	half := tensor.Scalar(tensor.Float16, float32(0.5))
	checkCases(t, []evalCase{
		{"default", Fill.Op, &FillArgs{Shape: vectorOf(2, 1)}, outs(fl(sh{2, 1}, 0, 0)), ""},
		{"float16", Fill.Op, &FillArgs{vectorOf(2), half}, outs(tensor.New(tensor.Float16, sh{2}, []float32{0.5, 0.5})), ""},
		{"bool", Fill.Op, &FillArgs{vectorOf(1), tensor.Scalar(tensor.Bool, true)}, outs(bo(sh{1}, true)), ""},
		{"scalar", Fill.Op, &FillArgs{vectorOf(), tensor.Scalar[int32](tensor.Int32, 7)}, outs(in(nil, 7)), ""},
		{"empty", Fill.Op, &FillArgs{vectorOf(0, 4), half}, outs(tensor.New(tensor.Float16, sh{0, 4}, []float32{})), ""},
		{"negative", Fill.Op, &FillArgs{vectorOf(-1), half}, nil, "negative"},
		{"huge", Fill.Op, &FillArgs{vectorOf(1<<31-1, 1<<31-1), half}, nil, "elements"},
		{"vector value", Fill.Op, &FillArgs{vectorOf(1), fl(sh{2}, 1, 2)}, nil, "scalar"},
		{"like", FillLike.Op, &FillLikeArgs{val(in(sh{1, 2}, 1, 2)), half}, outs(tensor.New(tensor.Float16, sh{1, 2}, []float32{0.5, 0.5})), ""},
		{"tile", Tile.Op, &TileArgs{val(ramp(1, 2)), vectorOf(2, 2)}, outs(fl(sh{2, 4}, 0, 1, 0, 1, 0, 1, 0, 1)), ""},
		{"tile none", Tile.Op, &TileArgs{val(ramp(2)), vectorOf(0)}, outs(ramp(0)), ""},
		{"tile negative", Tile.Op, &TileArgs{val(ramp(2)), vectorOf(-1)}, nil, "-1 repetitions"},
		{"tile short", Tile.Op, &TileArgs{val(ramp(2)), vectorOf(1, 1)}, nil, "reps"},
		{"tile huge", Tile.Op, &TileArgs{val(ramp(2)), vectorOf(1<<31 - 1)}, nil, "elements"},
		{"identity", Identity.Op, &IdentityArgs{val(ramp(2))}, outs(ramp(2)), ""},
		{"const", Const.Op, &ConstArgs{ramp(2)}, outs(ramp(2)), ""},
	})
	checkInfer(t, []inferCase{
		{"unknown shape", Fill.Op, &FillArgs{unknown(tensor.Int32, 2), half}, []mil.Type{mil.TensorType(tensor.Float16, -1, -1)}, ""},
		{"unknown rank", Fill.Op, &FillArgs{unknown(tensor.Int32, -1), half}, anyRankType(tensor.Float16), ""},
		{"unknown reference", FillLike.Op, &FillLikeArgs{RefTensor: unknown(tensor.Bool, -2, 3), Value: half}, []mil.Type{mil.TensorType(tensor.Float16, -2, 3)}, ""},
		{"unknown reps", Tile.Op, &TileArgs{val(ramp(2, 2)), unknown(tensor.Int32, 2)}, f32(-1, -1), ""},
		{"symbol", Tile.Op, &TileArgs{unknown(tensor.Float32, -4, -5), vectorOf(1, 2)}, f32(-4, -1), ""},
	})
}

func TestBandPartCumsum(t *testing.T) {
	nine := fl(sh{3, 3}, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	checkCases(t, []evalCase{
		{"upper", BandPart.Op, &BandPartArgs{val(nine), 0, -1}, outs(fl(sh{3, 3}, 1, 2, 3, 0, 5, 6, 0, 0, 9)), ""},
		{"lower", BandPart.Op, &BandPartArgs{val(nine), -1, 0}, outs(fl(sh{3, 3}, 1, 0, 0, 4, 5, 0, 7, 8, 9)), ""},
		{"band", BandPart.Op, &BandPartArgs{val(nine), 1, 0}, outs(fl(sh{3, 3}, 1, 0, 0, 4, 5, 0, 0, 8, 9)), ""},
		{"all", BandPart.Op, &BandPartArgs{val(nine), -1, -1}, outs(nine), ""},
		{"wide", BandPart.Op, &BandPartArgs{val(fl(sh{1, 3}, 1, 2, 3)), 0, 1}, outs(fl(sh{1, 3}, 1, 2, 0)), ""},
		{"tall", BandPart.Op, &BandPartArgs{val(fl(sh{3, 1}, 1, 2, 3)), 1, 0}, outs(fl(sh{3, 1}, 1, 2, 0)), ""},
		{"dropped NaN", BandPart.Op, &BandPartArgs{val(fl(sh{1, 2}, 1, nan)), 0, 0}, outs(fl(sh{1, 2}, 1, 0)), ""},
		{"batch of bool", BandPart.Op, &BandPartArgs{val(bo(sh{2, 1, 2}, true, true, true, true)), 0, 0}, outs(bo(sh{2, 1, 2}, true, false, true, false)), ""},
		{"vector", BandPart.Op, &BandPartArgs{val(ramp(3)), 0, 0}, nil, "matrices"},
		{"rows", Cumsum.Op, &CumsumArgs{X: val(fl(sh{2, 2}, 1, 2, 3, 4))}, outs(fl(sh{2, 2}, 1, 2, 4, 6)), ""},
		{"columns", Cumsum.Op, &CumsumArgs{X: val(fl(sh{2, 2}, 1, 2, 3, 4)), Axis: -1}, outs(fl(sh{2, 2}, 1, 3, 3, 7)), ""},
		{"exclusive", Cumsum.Op, &CumsumArgs{X: val(fl(sh{3}, 1, 2, 3)), Exclusive: true}, outs(fl(sh{3}, 0, 1, 3)), ""},
		{"reverse", Cumsum.Op, &CumsumArgs{X: val(fl(sh{3}, 1, 2, 3)), Reverse: true}, outs(fl(sh{3}, 6, 5, 3)), ""},
		{"both", Cumsum.Op, &CumsumArgs{X: val(fl(sh{3}, 1, 2, 3)), Exclusive: true, Reverse: true}, outs(fl(sh{3}, 5, 3, 0)), ""},
		{"NaN and Inf", Cumsum.Op, &CumsumArgs{X: val(fl(sh{3}, inf, 1, -inf))}, outs(fl(sh{3}, inf, inf, nan)), ""},
		{"in float64", Cumsum.Op, &CumsumArgs{X: val(fl(sh{3}, 1<<24, 1, 1))}, outs(fl(sh{3}, 1<<24, 1<<24, 1<<24+2)), ""},
		{"int32 wraps", Cumsum.Op, &CumsumArgs{X: val(in(sh{2}, math.MaxInt32, 1))}, outs(in(sh{2}, math.MaxInt32, math.MinInt32)), ""},
		{"empty", Cumsum.Op, &CumsumArgs{X: val(ramp(2, 0))}, outs(ramp(2, 0)), ""},
		{"axis", Cumsum.Op, &CumsumArgs{X: val(ramp(2)), Axis: 1}, nil, "axis 1"},
	})
}

func TestNonZeroOneHotRange(t *testing.T) {
	r := func(d tensor.DType, start, end, step float64) any {
		s := func(v float64) *mil.Value {
			x, err := tensor.Scalar(tensor.Float64, v).ConvertTo(d)
			if err != nil {
				t.Fatal(err)
			}
			return val(x)
		}
		return &Range1dArgs{Start: s(start), End: s(end), Step: s(step)}
	}
	hot := func(indices *tensor.Tensor, n, axis int, on, off *tensor.Tensor) any {
		a := OneHot.Defaults()
		a.Indices, a.OneHotVectorSize, a.Axis = val(indices), val(in(nil, int32(n))), axis
		if on != nil {
			a.OnValue = on
		}
		if off != nil {
			a.OffValue = off
		}
		return &a
	}
	five := tensor.Scalar(tensor.Float32, float32(5))
	checkCases(t, []evalCase{
		{"matrix", NonZero.Op, &Unary{val(fl(sh{2, 2}, 0, nan, -1, 0))}, outs(in(sh{2, 2}, 0, 1, 1, 0)), ""},
		{"bool", NonZero.Op, &Unary{val(bo(sh{3}, true, false, true))}, outs(in(sh{2, 1}, 0, 2)), ""},
		{"none", NonZero.Op, &Unary{val(fl(sh{1, 2}, 0, 0))}, outs(in(sh{0, 2})), ""},
		{"scalar", NonZero.Op, &Unary{val(in(nil, 3))}, outs(in(sh{1, 0})), ""},
		{"vector", OneHot.Op, hot(in(sh{2}, 1, 0), 3, -1, nil, nil), outs(in(sh{2, 3}, 0, 1, 0, 1, 0, 0)), ""},
		{"first axis", OneHot.Op, hot(in(sh{2}, 1, 0), 2, 0, five, five), outs(fl(sh{2, 2}, 5, 5, 5, 5)), ""},
		{"floats", OneHot.Op, hot(in(sh{1}, 1), 2, 1, five, tensor.Scalar(tensor.Float32, nan)), outs(fl(sh{1, 2}, nan, 5)), ""},
		{"one value given", OneHot.Op, hot(in(sh{2}, 1, 0), 2, 0, five, nil), nil, "other arguments"},
		{"outside", OneHot.Op, hot(in(sh{3}, -1, 2, 1<<30), 2, -1, nil, nil), outs(in(sh{3, 2}, 0, 0, 0, 0, 0, 0)), ""},
		{"scalar", OneHot.Op, hot(in(nil, 1), 2, 0, nil, nil), outs(in(sh{2}, 0, 1)), ""},
		{"no size", OneHot.Op, hot(in(sh{1}, 0), 0, 0, nil, nil), outs(in(sh{0, 1})), ""},
		{"negative size", OneHot.Op, hot(in(sh{1}, 0), -1, 0, nil, nil), nil, "one_hot_vector_size"},
		{"types", OneHot.Op, hot(in(sh{1}, 0), 1, 0, five, tensor.Scalar(tensor.Bool, true)), nil, "other arguments"},
		{"axis", OneHot.Op, hot(in(sh{1}, 0), 1, 2, nil, nil), nil, "axis 2"},
		{"huge", OneHot.Op, hot(in(sh{4}, 0, 0, 0, 0), 1<<31-1, 0, nil, nil), nil, "elements"},
		{"integers", Range1d.Op, r(tensor.Int32, 1, 8, 3), outs(in(sh{3}, 1, 4, 7)), ""},
		{"down", Range1d.Op, r(tensor.Int32, 3, 0, -1), outs(in(sh{3}, 3, 2, 1)), ""},
		{"floats", Range1d.Op, r(tensor.Float32, 0, 1, 0.25), outs(fl(sh{4}, 0, 0.25, 0.5, 0.75)), ""},
		{"the end is out", Range1d.Op, r(tensor.Float32, 0, 1.1, 0.5), outs(fl(sh{3}, 0, 0.5, 1)), ""},
		{"the end is out but for a rounding", Range1d.Op, r(tensor.Float32, 0, 0.3, 0.1), outs(fl(sh{3}, 0, 0.1, 0.2)), ""},
		{"wrong way", Range1d.Op, r(tensor.Float32, 0, 1, -1), outs(ramp(0)), ""},
		{"no step", Range1d.Op, r(tensor.Float32, 0, 1, 0), nil, "step of 0"},
		{"NaN", Range1d.Op, r(tensor.Float32, 0, math.NaN(), 1), nil, "too many"},
		{"huge", Range1d.Op, r(tensor.Float32, 0, 1e30, 1), nil, "too many"},
		{"vectors", Range1d.Op, &Range1dArgs{val(ramp(2)), val(ramp()), val(ramp())}, nil, "scalars"},
	})
	checkInfer(t, []inferCase{
		{"how many is unknown", NonZero.Op, &Unary{val(ramp(2, 2))}, i32(-1, 2), ""},
		{"unknown size", OneHot.Op, &OneHotArgs{Indices: unknown(tensor.Int32, -3), OneHotVectorSize: unknown(tensor.Int32), Axis: 0, OnValue: five, OffValue: five}, f32(-1, -3), ""},
		{"unknown end", Range1d.Op, &Range1dArgs{unknown(tensor.Int32), number32(0), number32(1)}, i32(-1), ""},
	})
}

func TestSorts(t *testing.T) {
	x := fl(sh{2, 4}, 3, 1, nan, 2, 5, 5, -inf, inf)
	top := func(x *tensor.Tensor, k, axis int, ascending bool) any { return &TopkArgs{val(x), k, axis, ascending} }
	newest := func(k int, d string, indices bool) any {
		return &TopkIOS17Args{X: val(tensor.New(tensor.Int8, sh{3}, []int32{-128, 127, 0})), K: k, Axis: 0, Sort: true, ReturnIndices: indices, OutputIndicesDType: d}
	}
	i8 := func(v ...int32) *tensor.Tensor { return tensor.New(tensor.Int8, sh{len(v)}, v) }
	checkCases(t, []evalCase{
		{"descending", Argsort.Op, &ArgsortArgs{val(x), -1, false}, outs(in(sh{2, 4}, 0, 3, 1, 2, 3, 0, 1, 2)), ""},
		{"ascending", Argsort.Op, &ArgsortArgs{val(x), 1, true}, outs(in(sh{2, 4}, 1, 3, 0, 2, 2, 0, 1, 3)), ""},
		{"columns", Argsort.Op, &ArgsortArgs{val(in(sh{3, 1}, 1, math.MinInt32, 2)), 0, true}, outs(in(sh{3, 1}, 1, 0, 2)), ""},
		{"empty", Argsort.Op, &ArgsortArgs{val(ramp(2, 0)), -1, true}, outs(in(sh{2, 0})), ""},
		{"axis", Argsort.Op, &ArgsortArgs{val(x), 2, true}, nil, "axis 2"},
		{"greatest", Topk.Op, top(x, 2, -1, false), outs(fl(sh{2, 2}, 3, 2, inf, 5), in(sh{2, 2}, 0, 3, 3, 0)), ""},
		{"least", Topk.Op, top(x, 1, -1, true), outs(fl(sh{2, 1}, 1, -inf), in(sh{2, 1}, 1, 2)), ""},
		{"columns", Topk.Op, top(fl(sh{2, 2}, 1, 4, 3, 2), 1, 0, false), outs(fl(sh{1, 2}, 3, 4), in(sh{1, 2}, 1, 0)), ""},
		{"none", Topk.Op, top(x, 0, -1, false), outs(ramp(2, 0), in(sh{2, 0})), ""},
		{"too many", Topk.Op, top(x, 5, -1, false), nil, "first 5"},
		{"all is new", Topk.Op, top(x, -1, -1, false), nil, "first -1"},
		{"all", TopkIOS17.Op, newest(-1, "", true), outs(i8(127, 0, -128), in(sh{3}, 1, 2, 0)), ""},
		{"uint16", TopkIOS17.Op, newest(1, "uint16", true), outs(i8(127), tensor.New(tensor.Uint16, sh{1}, []int32{1})), ""},
		{"values only", TopkIOS17.Op, newest(2, "", false), outs(i8(127, 0)), ""},
		{"type of nothing", TopkIOS17.Op, newest(2, "int32", false), nil, "return_indices"},
		{"values only", TopkIOS16.Op, &TopkIOS16Args{X: val(ramp(2)), K: 1}, outs(fl(sh{1}, 1)), ""},
	})
	checkInfer(t, []inferCase{
		{"unknown", Topk.Op, &TopkArgs{X: unknown(tensor.Float32, -3, -4), K: 2, Axis: -1}, append(f32(-3, 2), i32(-3, 2)...), ""},
		{"too long for uint16", TopkIOS17.Op, &TopkIOS17Args{X: unknown(tensor.Float32, 1<<17), K: 1, ReturnIndices: true, OutputIndicesDType: "uint16"}, nil, "uint16"},
	})
}

func TestNonMaximumSuppression(t *testing.T) {
	// The first two boxes overlap by 3/5, the third lies apart.
	boxes := fl(sh{1, 3, 4}, 0, 0, 4, 4, 1, 0, 4, 4, 9, 9, 2, 2)
	scores := fl(sh{1, 3, 1}, 0.5, 0.9, 0.7)
	args := func(scores *tensor.Tensor, iou, least float32, most int, byClass bool) any {
		return &NonMaximumSuppressionArgs{val(boxes), val(scores), iou, least, most, byClass}
	}
	two := fl(sh{1, 3, 2}, 0.5, 0.1, 0.1, 0.9, 0.7, 0.1)
	checkCases(t, []evalCase{
		{"one goes", NonMaximumSuppression.Op, args(scores, 0.5, 0, 4, false), outs(
			fl(sh{1, 4, 4}, 1, 0, 4, 4, 9, 9, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0), fl(sh{1, 4, 1}, 0.9, 0.7, 0, 0), in(sh{1, 4}, 1, 2, -1, -1), in(sh{1}, 2)), ""},
		{"just not too much", NonMaximumSuppression.Op, args(scores, 0.6, 0, 3, false), outs(
			fl(sh{1, 3, 4}, 1, 0, 4, 4, 9, 9, 2, 2, 0, 0, 4, 4), fl(sh{1, 3, 1}, 0.9, 0.7, 0.5), in(sh{1, 3}, 1, 2, 0), in(sh{1}, 3)), ""},
		{"score", NonMaximumSuppression.Op, args(scores, 0.6, 0.7, 2, false), outs(
			fl(sh{1, 2, 4}, 1, 0, 4, 4, 0, 0, 0, 0), fl(sh{1, 2, 1}, 0.9, 0), in(sh{1, 2}, 1, -1), in(sh{1}, 1)), ""},
		{"the best stays", NonMaximumSuppression.Op, args(scores, 0.6, 2, 1, false), outs(
			fl(sh{1, 1, 4}, 1, 0, 4, 4), fl(sh{1, 1, 1}, 0.9), in(sh{1, 1}, 1), in(sh{1}, 1)), ""},
		{"by class", NonMaximumSuppression.Op, args(two, 0.5, 0, 3, true), outs(
			fl(sh{1, 3, 4}, 1, 0, 4, 4, 9, 9, 2, 2, 0, 0, 4, 4), fl(sh{1, 3, 2}, 0.1, 0.9, 0.7, 0.1, 0.5, 0.1), in(sh{1, 3}, 1, 2, 0), in(sh{1}, 3)), ""},
		{"not by class", NonMaximumSuppression.Op, args(two, 0.5, 0, 2, false), outs(
			fl(sh{1, 2, 4}, 1, 0, 4, 4, 9, 9, 2, 2), fl(sh{1, 2, 2}, 0.1, 0.9, 0.7, 0.1), in(sh{1, 2}, 1, 2), in(sh{1}, 2)), ""},
		{
			"boxes last", NonMaximumSuppressionIOS17.Op,
			&NonMaximumSuppressionIOS17Args{val(fl(sh{1, 4, 2}, 0, 9, 0, 9, 2, 2, 4, 4)), val(fl(sh{1, 1, 2}, -3, -2)), 0.5, 3, false},
			outs(fl(sh{1, 4, 3}, 9, 0, 0, 9, 0, 0, 2, 2, 0, 4, 4, 0), fl(sh{1, 1, 3}, -2, -3, 0), in(sh{1, 3}, 1, 0, -1)), "",
		},
		{
			"no boxes", NonMaximumSuppression.Op, &NonMaximumSuppressionArgs{val(ramp(1, 0, 4)), val(ramp(1, 0, 1)), 0, 0, 1, false},
			outs(fl(sh{1, 1, 4}, 0, 0, 0, 0), fl(sh{1, 1, 1}, 0), in(sh{1, 1}, -1), in(sh{1}, 0)), "",
		},
		{
			"no images", NonMaximumSuppression.Op, &NonMaximumSuppressionArgs{val(ramp(0, 2, 4)), val(ramp(0, 2, 1)), 0, 0, 1, false},
			outs(ramp(0, 1, 4), ramp(0, 1, 1), in(sh{0, 1}), in(sh{0})), "",
		},
		{"counts", NonMaximumSuppression.Op, &NonMaximumSuppressionArgs{val(boxes), val(ramp(1, 2, 1)), 0, 0, 1, false}, nil, "scores"},
		{"coordinates", NonMaximumSuppression.Op, &NonMaximumSuppressionArgs{val(ramp(1, 3, 5)), val(scores), 0, 0, 1, false}, nil, "boxes"},
		{"negative", NonMaximumSuppression.Op, args(scores, 0, 0, -1, false), nil, "max_boxes"},
		{"huge", NonMaximumSuppression.Op, args(scores, 0, 0, 1<<31-1, false), nil, "elements"},
	})
}
