package op

import (
	"math"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

var (
	negZero  = float32(math.Copysign(0, -1))
	half     = func(v ...float32) *tensor.Tensor { return tensor.New(tensor.Float16, sh{len(v)}, v) }
	line     = func(v ...float32) *tensor.Tensor { return fl(sh{len(v)}, v...) }
	whole    = func(v ...int32) *tensor.Tensor { return in(sh{len(v)}, v...) }
	truth    = func(v ...bool) *tensor.Tensor { return bo(sh{len(v)}, v...) }
	minInt32 = int32(math.MinInt32)
	maxInt32 = int32(math.MaxInt32)
)

func TestUnary(t *testing.T) {
	var cases []evalCase
	for _, c := range []struct {
		def  *Def[Unary]
		x, y []float32
	}{
		{Abs, []float32{-1.5, 2, negZero, -inf, nan}, []float32{1.5, 2, 0, inf, nan}},
		{Acos, []float32{-0.5, 0.25, 2, 1}, []float32{2.0943951, 1.31811607, nan, 0}},
		{Acosh, []float32{1, 1.25, 0.5, 1e30, inf, nan}, []float32{0, 0.693147181, nan, 69.770699, inf, nan}},
		{Asin, []float32{-0.5, 0.25, 2, negZero}, []float32{-0.523598776, 0.252680255, nan, negZero}},
		{Asinh, []float32{-0.5, 1e-6, 2, -1e30, negZero}, []float32{-0.481211825, 1e-6, 1.44363548, -69.770699, negZero}},
		{Atan, []float32{-0.5, 0.25, 2, inf}, []float32{-0.463647609, 0.244978663, 1.10714872, 1.57079633}},
		{Atanh, []float32{-0.5, 0.25, 2, 1}, []float32{-0.549306144, 0.255412812, nan, inf}},
		{Ceil, []float32{-1.5, 0.25, 2, -inf, nan}, []float32{-1, 1, 2, -inf, nan}},
		{Cos, []float32{-0.5, 0.25, 2, inf}, []float32{0.877582562, 0.968912422, -0.416146837, nan}},
		{Cosh, []float32{-0.5, 0.25, 2, -inf, 100}, []float32{1.12762597, 1.0314131, 3.76219569, inf, inf}},
		{Erf, []float32{-0.5, 0.25, 2, -inf, nan}, []float32{-0.520499878, 0.27632639, 0.995322265, -1, nan}},
		{Exp, []float32{-0.5, 0.25, 2, -inf, 100, nan}, []float32{0.60653066, 1.28402542, 7.3890561, 0, inf, nan}},
		{Exp2, []float32{-0.5, 0.25, 2, -inf, 200}, []float32{0.707106781, 1.18920712, 4, 0, inf}},
		{Floor, []float32{-1.5, 0.75, 2, inf, nan}, []float32{-2, 0, 2, inf, nan}},
		{Round, []float32{0.5, 1.5, 2.5, -0.5, -2.6, 1e9, inf}, []float32{0, 2, 2, negZero, -3, 1e9, inf}},
		{Sign, []float32{-3, 0, 0.1, -inf, nan}, []float32{-1, 0, 1, -1, nan}},
		{Sin, []float32{-0.5, 0.25, 2, inf}, []float32{-0.479425539, 0.247403959, 0.909297427, nan}},
		{Sinh, []float32{-0.5, 0.25, 2, -inf}, []float32{-0.521095305, 0.252612317, 3.62686041, -inf}},
		{Sqrt, []float32{4, 0.25, 2, -1, inf}, []float32{2, 0.5, 1.41421356, nan, inf}},
		{Square, []float32{-3, 0.5, -inf, nan}, []float32{9, 0.25, inf, nan}},
		{Tan, []float32{-0.5, 0.25, 2, inf}, []float32{-0.54630249, 0.255341921, -2.18503986, nan}},
		{Tanh, []float32{-0.5, 0.25, 2, -inf, nan}, []float32{-0.462117157, 0.244918662, 0.96402758, -1, nan}},
		{Relu, []float32{-1, 0, 2, inf, nan}, []float32{0, 0, 2, inf, nan}},
		{Relu6, []float32{-1, 0, 2, inf, nan}, []float32{0, 0, 2, 6, nan}},
		{Sigmoid, []float32{-0.5, 0.25, 2, -inf, 200, -200}, []float32{0.377540669, 0.562176501, 0.880797078, 0, 1, 0}},
		{Silu, []float32{-0.5, 0.25, 2, 200}, []float32{-0.188770334, 0.140544125, 1.76159416, 200}},
		{Softplus, []float32{-0.5, 0.25, 2, 1000, -inf, nan}, []float32{0.474076984, 0.82593942, 2.12692801, 1000, 0, nan}},
		{Softsign, []float32{-1, 0, 3}, []float32{-0.5, 0, 0.75}},
	} {
		n := len(c.x)
		cases = append(cases,
			evalCase{"values", c.def.Op, &Unary{val(fl(sh{n}, c.x...))}, outs(fl(sh{n}, c.y...)), ""},
			evalCase{"scalar", c.def.Op, &Unary{val(fl(sh{}, c.x[1]))}, outs(fl(sh{}, c.y[1])), ""},
			evalCase{"half", c.def.Op, &Unary{val(half(c.x...))}, outs(half(c.y...)), ""},
			evalCase{"empty", c.def.Op, &Unary{val(ramp(2, 0))}, outs(ramp(2, 0)), ""},
			evalCase{"bool", c.def.Op, &Unary{val(truth(true))}, nil, "type bool"})
	}
	for _, c := range []struct {
		def  *Def[Unary]
		x, y []int32
	}{
		{Abs, []int32{-5, 0, 7, minInt32}, []int32{5, 0, 7, minInt32}},
		{Sign, []int32{-5, 0, 7}, []int32{-1, 0, 1}},
		{Square, []int32{-5, 0, 65536}, []int32{25, 0, 0}},
		{Exp2, []int32{-1, 0, 3, 30, 31, maxInt32}, []int32{0, 1, 8, 1 << 30, maxInt32, maxInt32}},
	} {
		cases = append(cases, evalCase{"ints", c.def.Op, &Unary{val(whole(c.x...))}, outs(whole(c.y...)), ""})
	}
	checkCases(t, append(cases,
		evalCase{"no ints", Exp.Op, &Unary{val(whole(1))}, nil, "type int32"},
		evalCase{"not", LogicalNot.Op, &LogicalNotArgs{val(truth(true, false))}, outs(truth(false, true)), ""},
		evalCase{"not of a number", LogicalNot.Op, &LogicalNotArgs{val(line(1))}, nil, "want bool"},
	))
	checkInfer(t, []inferCase{
		{"unknown", Exp.Op, &Unary{unknown(tensor.Float32, -1, 3, -7)}, f32(-1, 3, -7), ""},
		{"unknown", LogicalNot.Op, &LogicalNotArgs{unknown(tensor.Bool, -1)}, []mil.Type{mil.TensorType(tensor.Bool, -1)}, ""},
	})
}

func TestEpsilon(t *testing.T) {
	e := func(v float32, x ...float32) any { return &Epsilon{val(line(x...)), v} }
	checkCases(t, []evalCase{
		{"plain", Log.Op, e(0, 0.25, 2, 0, -1), outs(line(-1.38629436, 0.693147181, -inf, nan)), ""},
		{"epsilon", Log.Op, e(1, 0, 1), outs(line(0, 0.693147181)), ""},
		{"default", Log.Op, e(Log.Defaults().Epsilon, 0), outs(line(-103.278929903)), ""},
		{"plain", Rsqrt.Op, e(0, 4, 0, -1), outs(line(0.5, inf, nan)), ""},
		{"epsilon", Rsqrt.Op, e(3, 1), outs(line(0.5)), ""},
		{"plain", Inverse.Op, e(0, 4, 0, -2, negZero), outs(line(0.25, inf, -0.5, inf)), ""},
		{"epsilon", Inverse.Op, e(1, 1), outs(line(0.5)), ""},
		{"mixed types", InverseIOS17.Op, &EpsilonIOS17{val(half(1)), 1}, outs(half(0.5)), ""},
	})
	// Files have parameters of another float type in every opset.
	n := &mil.Node{Op: "log", Name: "n", Inputs: []mil.Input{
		{Name: "x", Values: []*mil.Value{val(half(0))}},
		{Name: "epsilon", Values: []*mil.Value{val(fl(sh{}, 1))}},
	}}
	for _, o := range []*Op{Log.Op, LogIOS17.Op} {
		args, err := o.Bind(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := o.Eval(args); err != nil || !sameTensor(got[0], half(0)) {
			t.Errorf("%s of %s: %v, %v", o.Name, o.Since, got, err)
		}
	}
	n.Inputs[1].Values[0] = val(in(sh{}, 1))
	if _, err := Log.Bind(n, nil); err == nil {
		t.Error("log takes an integer epsilon")
	}
}

func TestClipThresholdCast(t *testing.T) {
	cast := func(x *tensor.Tensor, d string) any { return &CastArgs{val(x), d} }
	cast17 := func(x *tensor.Tensor, d string) any { return &CastIOS17Args{val(x), d} }
	ints := func(d tensor.DType, v ...int32) *tensor.Tensor { return tensor.New(d, sh{len(v)}, v) }
	checkCases(t, []evalCase{
		{"plain", Clip.Op, &AlphaBeta{val(line(-2, 0.5, 3, inf, nan)), -1, 1}, outs(line(-1, 0.5, 1, 1, nan)), ""},
		{"crossed", Clip.Op, &AlphaBeta{val(line(-2, 3)), 1, -1}, outs(line(-1, -1)), ""},
		{"crossed", ClipIOS17.Op, &AlphaBeta{val(line(-2, 3)), 1, -1}, nil, "not below"},
		{"open end", ClipIOS17.Op, &AlphaBeta{val(line(-2, 3)), 0, inf}, outs(line(0, 3)), ""},

		{"floats", Threshold.Op, &ThresholdArgs{val(line(-2, 3, nan)), fl(sh{}, 1)}, outs(line(1, 3, nan)), ""},
		{"ints", Threshold.Op, &ThresholdArgs{val(whole(16777216, 16777218)), in(sh{}, 16777217)}, outs(whole(16777217, 16777218)), ""},
		{"vector", Threshold.Op, &ThresholdArgs{val(line(1)), line(1, 2)}, nil, "scalar"},
		{"mixed", Threshold.Op, &ThresholdArgs{val(line(1)), whole(1)}, nil, "other arguments"},

		{"to int", Cast.Op, cast(line(-1.9, 1.9, 3e9, -inf, nan), "int32"), outs(whole(-1, 1, maxInt32, minInt32, 0)), ""},
		{"to half", Cast.Op, cast(line(1, 2049, 65504, 65520), "fp16"), outs(half(1, 2048, 65504, inf)), ""},
		{"to bool", Cast.Op, cast(line(0, -2, nan), "bool"), outs(truth(false, true, true)), ""},
		{"from bool", Cast.Op, cast(truth(false, true), "fp32"), outs(line(0, 1)), ""},
		{"same", Cast.Op, cast(whole(5), "int32"), outs(whole(5)), ""},
		{"no uint8 yet", Cast.Op, cast(whole(5), "uint8"), nil, "not one of"},
		{"no strings", CastIOS17.Op, cast17(whole(5), "string"), nil, "not one of"},
		{"to uint8", CastIOS17.Op, cast17(line(-1, 3.7, 300), "uint8"), outs(ints(tensor.Uint8, 0, 3, 255)), ""},
		{"int8 to int16", CastIOS17.Op, cast17(ints(tensor.Int8, -128), "int16"), outs(ints(tensor.Int16, -128)), ""},
		{"uint16 to half", CastIOS17.Op, cast17(ints(tensor.Uint16, 7), "fp16"), outs(half(7)), ""},
	})
	checkInfer(t, []inferCase{
		{"unknown", Cast.Op, &CastArgs{unknown(tensor.Float32, -2, 3), "int32"}, i32(-2, 3), ""},
	})
}

func TestBinary(t *testing.T) {
	b := func(x, y *tensor.Tensor) any { return &Binary{val(x), val(y)} }
	// Broadcasting is the same code for all.
	cases := []evalCase{
		{"same", Sub.Op, b(fl(sh{2, 2}, 5, 6, 7, 8), ramp(2, 2)), outs(fl(sh{2, 2}, 5, 5, 5, 5)), ""},
		{"scalar right", Sub.Op, b(ramp(2, 2), fl(sh{}, 1)), outs(fl(sh{2, 2}, -1, 0, 1, 2)), ""},
		{"scalar left", Sub.Op, b(fl(sh{1}, 1), ramp(2, 2)), outs(fl(sh{2, 2}, 1, 0, -1, -2)), ""},
		{"two scalars", Sub.Op, b(fl(sh{}, 3), fl(sh{1, 1}, 1)), outs(fl(sh{1, 1}, 2)), ""},
		{"row", Sub.Op, b(ramp(2, 3), line(1, 2, 3)), outs(fl(sh{2, 3}, -1, -1, -1, 2, 2, 2)), ""},
		{"column", Sub.Op, b(ramp(2, 3), fl(sh{2, 1}, 1, 2)), outs(fl(sh{2, 3}, -1, 0, 1, 1, 2, 3)), ""},
		{"row and column", Sub.Op, b(fl(sh{2, 1}, 10, 20), line(1, 2, 3)), outs(fl(sh{2, 3}, 9, 8, 7, 19, 18, 17)), ""},
		{"middle", Sub.Op, b(ramp(2, 1, 2), fl(sh{3, 1}, 1, 2, 3)), outs(fl(sh{2, 3, 2}, -1, 0, -2, -1, -3, -2, 1, 2, 0, 1, -1, 0)), ""},
		{"equal sizes", Sub.Op, b(ramp(1, 3), ramp(3)), outs(fl(sh{1, 3}, 0, 0, 0)), ""},
		{"empty", Sub.Op, b(ramp(0, 3), ramp(3)), outs(ramp(0, 3)), ""},
		{"empty by one", Sub.Op, b(ramp(2, 1), ramp(1, 0)), outs(ramp(2, 0)), ""},
		{"does not fit", Sub.Op, b(ramp(2, 3), ramp(2)), nil, "do not broadcast"},
		{"mixed types", Sub.Op, b(ramp(2), whole(1, 2)), nil, "other arguments"},
		{"bool", Sub.Op, b(truth(true), truth(true)), nil, "type bool"},
		{"half", Sub.Op, b(half(3), half(1)), outs(half(2)), ""},
		{"logical on numbers", LogicalAnd.Op, b(ramp(2), ramp(2)), nil, "type fp32"},
	}
	for _, c := range []struct {
		def     *Def[Binary]
		x, y, z []float32
	}{
		{Add, []float32{1, inf, inf}, []float32{2, 1, -inf}, []float32{3, inf, nan}},
		{Sub, []float32{1, inf}, []float32{2, inf}, []float32{-1, nan}},
		{Mul, []float32{3, 0, 1e30}, []float32{-2, inf, 1e30}, []float32{-6, nan, inf}},
		{RealDiv, []float32{7, 1, -1, 0}, []float32{2, 0, 0, 0}, []float32{3.5, inf, -inf, nan}},
		{FloorDiv, []float32{7, -7, 1, 1, 0, nan}, []float32{2, 2, 0.1, 0, 0, 1}, []float32{3, -4, 9, inf, nan, nan}},
		{Mod, []float32{7, -7, 7, -7, 6, -6, 1, 1}, []float32{3, 3, -3, -3, 3, 3, 0, inf}, []float32{1, 2, -2, -1, 0, 0, nan, 1}},
		{Pow, []float32{2, 4, -8, 0, nan, -2, 1}, []float32{10, 0.5, 1.0 / 3, 0, 0, 3, nan}, []float32{1024, 2, nan, 1, 1, -8, 1}},
		{Maximum, []float32{1, 3, nan, 1, inf}, []float32{2, 2, 1, nan, 1}, []float32{2, 3, nan, nan, inf}},
		{Minimum, []float32{1, 3, nan, 1, -inf}, []float32{2, 2, 1, nan, 1}, []float32{1, 2, nan, nan, -inf}},
	} {
		cases = append(cases, evalCase{"floats", c.def.Op, b(line(c.x...), line(c.y...)), outs(line(c.z...)), ""})
	}
	for _, c := range []struct {
		def     *Def[Binary]
		x, y, z []int32
	}{
		{Add, []int32{1, maxInt32}, []int32{2, 1}, []int32{3, minInt32}},
		{Sub, []int32{1, minInt32}, []int32{2, 1}, []int32{-1, maxInt32}},
		{Mul, []int32{3, 65536}, []int32{-2, 65536}, []int32{-6, 0}},
		{RealDiv, []int32{7, -7, 7, 1, minInt32}, []int32{2, 2, -2, 0, -1}, []int32{3, -3, -3, 0, minInt32}},
		{FloorDiv, []int32{7, -7, 7, -6, 1, minInt32}, []int32{2, 2, -2, 2, 0, -1}, []int32{3, -4, -4, -3, 0, minInt32}},
		{Mod, []int32{7, -7, 7, -7, 6, 1, minInt32}, []int32{3, 3, -3, -3, 3, 0, -1}, []int32{1, 2, -2, -1, 0, 0, 0}},
		{Pow, []int32{2, -3, 5, 0, 0, 1, -1, -1, 2, 2}, []int32{10, 3, 0, 0, -1, -5, -5, -4, -1, 32}, []int32{1024, -27, 1, 1, 0, 1, -1, 1, 0, 0}},
		{Maximum, []int32{1, -3}, []int32{2, -4}, []int32{2, -3}},
		{Minimum, []int32{1, -3}, []int32{2, -4}, []int32{1, -4}},
	} {
		cases = append(cases, evalCase{"ints", c.def.Op, b(whole(c.x...), whole(c.y...)), outs(whole(c.z...)), ""})
	}
	x, y := []float32{1, 2, 3, nan, nan, inf, negZero}, []float32{2, 2, 2, 1, nan, inf, 0}
	for _, c := range []struct {
		def *Def[Binary]
		z   []bool
	}{
		{Equal, []bool{false, true, false, false, false, true, true}},
		{NotEqual, []bool{true, false, true, true, true, false, false}},
		{Less, []bool{true, false, false, false, false, false, false}},
		{LessEqual, []bool{true, true, false, false, false, true, true}},
		{Greater, []bool{false, false, true, false, false, false, false}},
		{GreaterEqual, []bool{false, true, true, false, false, true, true}},
	} {
		cases = append(cases,
			evalCase{"floats", c.def.Op, b(line(x...), line(y...)), outs(truth(c.z...)), ""},
			evalCase{"ints", c.def.Op, b(whole(16777216, 5, 16777217), whole(16777217, 5, 16777216)), outs(truth(c.z[:3]...)), ""})
	}
	for _, c := range []struct {
		def *Def[Binary]
		z   []bool
	}{
		{LogicalAnd, []bool{false, false, false, true}},
		{LogicalOr, []bool{false, true, true, true}},
		{LogicalXor, []bool{false, true, true, false}},
	} {
		cases = append(cases, evalCase{"table", c.def.Op, b(truth(false, false, true, true), truth(false, true, false, true)), outs(truth(c.z...)), ""})
	}
	checkCases(t, cases)

	u := func(shape ...int) *mil.Value { return unknown(tensor.Float32, shape...) }
	checkInfer(t, []inferCase{
		{"unknown with one", Mul.Op, &Binary{u(-1, 3), u(1, 3)}, f32(-1, 3), ""},
		{"unknown with a size", Mul.Op, &Binary{u(-1), u(5)}, f32(5), ""},
		{"symbol", Mul.Op, &Binary{u(-4, 1), u(-4, 3)}, f32(-4, 3), ""},
		{"two symbols", Mul.Op, &Binary{u(-4), u(-5)}, f32(-1), ""},
		{"comparison", Less.Op, &Binary{u(-1, 3), u(3)}, []mil.Type{mil.TensorType(tensor.Bool, -1, 3)}, ""},
		{"does not fit", Less.Op, &Binary{u(-1, 3), u(4)}, nil, "do not broadcast"},
		{"huge", Mul.Op, &Binary{u(1<<20, 1), u(1, 1<<20)}, nil, "more than"},
	})
}
