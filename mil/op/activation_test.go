package op

import (
	"math"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func TestActivation(t *testing.T) {
	gelu := func(mode string) any { return &GeluArgs{val(line(-0.5, 0.25, 2)), mode} }
	cases := []evalCase{
		{"exact", Gelu.Op, gelu("EXACT"), outs(line(-0.154268769, 0.149676581, 1.95449974)), ""},
		{"default", Gelu.Op, gelu(""), outs(line(-0.154268769, 0.149676581, 1.95449974)), ""},
		{"tanh", Gelu.Op, gelu("TANH_APPROXIMATION"), outs(line(-0.15428599, 0.149675351, 1.95459769)), ""},
		{"at -Inf", Gelu.Op, &GeluArgs{val(line(-inf)), "EXACT"}, outs(line(float32(math.Copysign(0, -1)))), ""},
		{"sigmoid", Gelu.Op, gelu("SIGMOID_APPROXIMATION"), outs(line(-0.149611563, 0.15119965, 1.93565862)), ""},
		{"unknown mode", Gelu.Op, gelu("exact"), nil, "not one of"},
	}
	for _, c := range []struct {
		old  *Def[Alpha]
		new  *Def[AlphaIOS17]
		x, y []float32
	}{ // alpha = 0.5
		{Elu, EluIOS17, []float32{-0.5, 0.25, -inf, nan}, []float32{-0.19673467, 0.25, -0.5, nan}},
		{LeakyRelu, LeakyReluIOS17, []float32{-1, 2, -inf, nan}, []float32{-0.5, 2, -inf, nan}},
		{ThresholdedRelu, ThresholdedReluIOS17, []float32{-1, 0.4, 0.5, 2, nan}, []float32{0, 0, 0.5, 2, nan}},
	} {
		cases = append(cases,
			evalCase{"values", c.old.Op, &Alpha{val(line(c.x...)), 0.5}, outs(line(c.y...)), ""},
			evalCase{"iOS17", c.new.Op, &AlphaIOS17{val(half(c.x...)), 0.5}, outs(half(c.y...)), ""})
	}
	for _, c := range []struct {
		old         *Def[AlphaBeta]
		new         *Def[AlphaBetaIOS17]
		alpha, beta float32
		x, y        []float32
	}{
		{ClampedRelu, ClampedReluIOS17, 0.5, 3, []float32{-1, 2, 4, -inf, nan}, []float32{-0.5, 2, 3, -inf, nan}},
		{ClampedRelu, ClampedReluIOS17, 0.5, -1, []float32{-1, 2}, []float32{-1, -1}},
		{LinearActivation, LinearActivationIOS17, 2, 1, []float32{-1, 2, inf}, []float32{-1, 5, inf}},
		{ScaledTanh, ScaledTanhIOS17, 2, 0.5, []float32{-0.5, 0.25, 2}, []float32{-0.489837325, 0.248706004, 1.52318831}},
		{SigmoidHard, SigmoidHardIOS17, 0.25, 0.5, []float32{-3, 1, 3, nan}, []float32{0, 0.75, 1, nan}},
	} {
		cases = append(cases,
			evalCase{"values", c.old.Op, &AlphaBeta{val(line(c.x...)), c.alpha, c.beta}, outs(line(c.y...)), ""},
			evalCase{"iOS17", c.new.Op, &AlphaBetaIOS17{val(half(c.x...)), c.alpha, c.beta}, outs(half(c.y...)), ""})
	}
	checkCases(t, cases)
	u := unknown(tensor.Float32, -1, 3)
	checkInfer(t, []inferCase{
		{"unknown", Gelu.Op, &GeluArgs{u, ""}, f32(-1, 3), ""},
		{"unknown", Elu.Op, &Alpha{u, 1}, f32(-1, 3), ""},
		{"unknown", SigmoidHardIOS17.Op, &AlphaBetaIOS17{u, 1, 1}, f32(-1, 3), ""},
	})
	missing := &mil.Node{Op: "elu", Name: "n", Inputs: []mil.Input{{Name: "x", Values: []*mil.Value{u}}}}
	if _, err := Elu.Bind(missing, nil); err == nil {
		t.Error("elu without alpha is accepted")
	}
}

func TestSoftmax(t *testing.T) {
	sm := func(x *tensor.Tensor, axis int) any { return &SoftmaxArgs{val(x), axis} }
	const a, b, c = 0.0900305732, 0.244728471, 0.665240956 // e⁰, e¹, e² over their sum
	const d, e = 0.0474258732, 0.952574127                 // e⁰, e³ over their sum
	checkCases(t, []evalCase{
		{"last", Softmax.Op, sm(ramp(2, 3), -1), outs(fl(sh{2, 3}, a, b, c, a, b, c)), ""},
		{"first", Softmax.Op, sm(ramp(2, 3), 0), outs(fl(sh{2, 3}, d, d, d, e, e, e)), ""},
		{"middle", Softmax.Op, sm(fl(sh{1, 3, 2}, 0, 1, 1, 2, 2, 3), 1), outs(fl(sh{1, 3, 2}, a, a, b, b, c, c)), ""},
		{"large", Softmax.Op, sm(line(1e30, 1e30), 0), outs(line(0.5, 0.5)), ""},
		{"one", Softmax.Op, sm(ramp(2, 1), 1), outs(fl(sh{2, 1}, 1, 1)), ""},
		{"minus infinity", Softmax.Op, sm(line(-inf, 0), 0), outs(line(0, 1)), ""},
		{"all minus infinity", Softmax.Op, sm(line(-inf, -inf), 0), outs(line(nan, nan)), ""},
		{"NaN", Softmax.Op, sm(line(nan, 0), 0), outs(line(nan, nan)), ""},
		{"empty", Softmax.Op, sm(ramp(2, 0), 1), outs(ramp(2, 0)), ""},
		{"half", Softmax.Op, sm(half(1, 1), 0), outs(half(0.5, 0.5)), ""},
		{"scalar", Softmax.Op, sm(ramp(), -1), nil, "axis -1"},
		{"axis", Softmax.Op, sm(ramp(2, 3), 2), nil, "axis 2"},
	})
	checkInfer(t, []inferCase{{"unknown", Softmax.Op, &SoftmaxArgs{unknown(tensor.Float32, -1, -9), 0}, f32(-1, -9), ""}})
}

func TestPerChannelActivation(t *testing.T) {
	x := fl(sh{1, 2, 3}, -1, 0, 2, -3, nan, -inf)
	checkCases(t, []evalCase{
		{"channels", Prelu.Op, &PreluArgs{val(x), []float32{0.5, 2}}, outs(fl(sh{1, 2, 3}, -0.5, 0, 2, -6, nan, -inf)), ""},
		{"batch", Prelu.Op, &PreluArgs{val(fl(sh{2, 2}, -1, -1, -2, -2)), []float32{0.5, 2}}, outs(fl(sh{2, 2}, -0.5, -2, -1, -4)), ""},
		{
			"iOS17", PreluIOS17.Op, &PreluIOS17Args{val(tensor.New(tensor.Float16, sh{1, 1}, []float32{-1})), []float32{0.5}},
			outs(tensor.New(tensor.Float16, sh{1, 1}, []float32{-0.5})), "",
		},
		{"too few", Prelu.Op, &PreluArgs{val(x), []float32{0.5}}, nil, "2 channels"},
		{"no channels", Prelu.Op, &PreluArgs{val(line(1)), []float32{0.5}}, nil, "channel dimension"},

		{
			"channels", SoftplusParametric.Op, &SoftplusParametricArgs{val(fl(sh{1, 2, 1}, 2, 0.125)), []float32{1, 2}, []float32{1, 2}},
			outs(fl(sh{1, 2, 1}, 2.12692801, 2*0.82593942)), "",
		},
		{
			"iOS17", SoftplusParametricIOS17.Op, &SoftplusParametricIOS17Args{val(fl(sh{1, 1, 1}, 1e4)), []float32{1}, []float32{1}},
			outs(fl(sh{1, 1, 1}, 1e4)), "",
		},
		{"too many", SoftplusParametric.Op, &SoftplusParametricArgs{val(ramp(1, 1, 1)), []float32{1}, []float32{1, 2}}, nil, "beta has 2"},
	})
	checkInfer(t, []inferCase{
		{"unknown channels", Prelu.Op, &PreluArgs{unknown(tensor.Float32, -1, -2, 4), []float32{1, 2}}, f32(-1, -2, 4), ""},
		{"unknown batch", SoftplusParametric.Op, &SoftplusParametricArgs{unknown(tensor.Float32, -1, 2, 4), []float32{1, 2}, []float32{1, 2}}, f32(-1, 2, 4), ""},
	})
}
