package op

import (
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

func TestBatchNorm(t *testing.T) {
	x := fl(sh{1, 2, 2}, 1, 3, 5, -1)
	args := BatchNormArgs{X: val(x), Mean: []float32{1, 2}, Variance: []float32{4, 9}}
	with := func(f func(*BatchNormArgs)) any { a := args; f(&a); return &a }
	with17 := func(f func(*BatchNormArgs)) any { a := args; f(&a); b := BatchNormIOS17Args(a); return &b }
	checkCases(t, []evalCase{
		{"plain", BatchNorm.Op, with(func(a *BatchNormArgs) {}), outs(fl(sh{1, 2, 2}, 0, 1, 1, -1)), ""},
		{
			"scale and offset", BatchNorm.Op, with(func(a *BatchNormArgs) { a.Gamma, a.Beta = []float32{2, 3}, []float32{10, 20} }),
			outs(fl(sh{1, 2, 2}, 10, 12, 23, 17)), "",
		},
		{"epsilon", BatchNorm.Op, with(func(a *BatchNormArgs) { a.Variance, a.Epsilon = []float32{3, 8}, 1 }), outs(fl(sh{1, 2, 2}, 0, 1, 1, -1)), ""},
		{"batch", BatchNorm.Op, with(func(a *BatchNormArgs) { a.X = val(fl(sh{2, 2}, 1, 5, 3, -1)) }), outs(fl(sh{2, 2}, 0, 1, 1, -1)), ""},
		{
			"half", BatchNormIOS17.Op, with17(func(a *BatchNormArgs) { a.X = val(tensor.New(tensor.Float16, sh{1, 2}, []float32{3, 2})) }),
			outs(tensor.New(tensor.Float16, sh{1, 2}, []float32{1, 0})), "",
		},
		{"empty", BatchNorm.Op, with(func(a *BatchNormArgs) { a.X = val(ramp(0, 2, 3)) }), outs(ramp(0, 2, 3)), ""},
		{"mean", BatchNorm.Op, with(func(a *BatchNormArgs) { a.Mean = []float32{1} }), nil, "mean has 1"},
		{"variance", BatchNorm.Op, with(func(a *BatchNormArgs) { a.Variance = []float32{1, 2, 3} }), nil, "variance has 3"},
		{"gamma", BatchNorm.Op, with(func(a *BatchNormArgs) { a.Gamma = []float32{1} }), nil, "gamma has 1"},
		{"beta", BatchNormIOS17.Op, with17(func(a *BatchNormArgs) { a.Beta = []float32{1} }), nil, "beta has 1"},
		{"rank", BatchNorm.Op, with(func(a *BatchNormArgs) { a.X = val(ramp(2)) }), nil, "channel dimension"},
	})
	checkInfer(t, []inferCase{
		{"unknown", BatchNorm.Op, with(func(a *BatchNormArgs) { a.X = unknown(tensor.Float32, -1, 2, -3, -4) }), f32(-1, 2, -3, -4), ""},
		{"unknown channels", BatchNorm.Op, with(func(a *BatchNormArgs) { a.X = unknown(tensor.Float32, -1, -2, 5) }), f32(-1, -2, 5), ""},
	})
}

func TestInstanceNorm(t *testing.T) {
	in := func(x *tensor.Tensor, gamma, beta []float32, eps float32) any {
		return &InstanceNormArgs{val(x), gamma, beta, eps}
	}
	x := fl(sh{1, 2, 2}, 1, 3, 5, -1)
	checkCases(t, []evalCase{
		{"plain", InstanceNorm.Op, in(x, nil, nil, 0), outs(fl(sh{1, 2, 2}, -1, 1, 1, -1)), ""},
		{"scale and offset", InstanceNorm.Op, in(x, []float32{2, 3}, []float32{10, 20}, 0), outs(fl(sh{1, 2, 2}, 8, 12, 23, 17)), ""},
		{"epsilon", InstanceNorm.Op, in(x, nil, nil, 16), outs(fl(sh{1, 2, 2}, -0.242535625, 0.242535625, 0.6, -0.6)), ""},
		{"one element", InstanceNorm.Op, in(ramp(2, 2, 1), nil, []float32{3, 4}, 1), outs(fl(sh{2, 2, 1}, 3, 4, 3, 4)), ""},
		{"far from zero", InstanceNorm.Op, in(fl(sh{1, 1, 2}, 1<<23, 1<<23+2), nil, nil, 0), outs(fl(sh{1, 1, 2}, -1, 1)), ""},
		{"iOS17", InstanceNormIOS17.Op, &InstanceNormIOS17Args{X: val(x)}, outs(fl(sh{1, 2, 2}, -1, 1, 1, -1)), ""},
		{"empty plane", InstanceNorm.Op, in(ramp(1, 2, 0), nil, nil, 0), outs(ramp(1, 2, 0)), ""},
		{"gamma", InstanceNorm.Op, in(x, []float32{1}, nil, 0), nil, "gamma has 1"},
	})
}

func TestLayerNorm(t *testing.T) {
	ln := func(x, gamma, beta *tensor.Tensor, eps float32, axes ...int) any {
		return &LayerNormArgs{val(x), axes, gamma, beta, eps}
	}
	x := fl(sh{2, 2}, 1, 3, 5, -1)
	cube := fl(sh{2, 2, 2}, 1, 5, 3, -1, 0, 0, 2, 8)
	checkCases(t, []evalCase{
		{"last", LayerNorm.Op, ln(x, nil, nil, 0, -1), outs(fl(sh{2, 2}, -1, 1, 1, -1)), ""},
		{"first", LayerNorm.Op, ln(x, nil, nil, 0, 0), outs(fl(sh{2, 2}, -1, 1, 1, -1)), ""},
		{"all", LayerNorm.Op, ln(x, nil, nil, 11, 0, 1), outs(fl(sh{2, 2}, -0.25, 0.25, 0.75, -0.75)), ""},
		{"no axes are all", LayerNorm.Op, ln(x, nil, nil, 11), outs(fl(sh{2, 2}, -0.25, 0.25, 0.75, -0.75)), ""},
		{"scale and offset", LayerNorm.Op, ln(x, line(2, 3), line(10, 20), 0, 1), outs(fl(sh{2, 2}, 8, 23, 12, 17)), ""},
		{"middle", LayerNorm.Op, ln(cube, line(1, 2), nil, 0, 1), outs(fl(sh{2, 2, 2}, -1, 1, 2, -2, -1, -1, 2, 2)), ""},
		// The axes' order does not matter: gamma lies as x does.
		{"order", LayerNorm.Op, ln(x, fl(sh{2, 2}, 4, 8, 12, 16), nil, 11, 1, 0), outs(fl(sh{2, 2}, -1, 2, 9, -12)), ""},
		{"iOS17", LayerNormIOS17.Op, &LayerNormIOS17Args{X: val(half(1, 3)), Gamma: line(2, 2), Beta: line(0, 1)}, outs(half(-2, 3)), ""},
		{"empty", LayerNorm.Op, ln(ramp(2, 0), nil, nil, 0, 1), outs(ramp(2, 0)), ""},
		{"gamma", LayerNorm.Op, ln(x, line(1, 2, 3), nil, 0, 1), nil, "gamma has shape [3]"},
		{"beta's rank", LayerNorm.Op, ln(x, nil, fl(sh{1, 2}, 1, 2), 0, 1), nil, "beta has shape [1, 2]"},
		{"axis", LayerNorm.Op, ln(x, nil, nil, 0, 2), nil, "axis 2"},
		{"axis twice", LayerNorm.Op, ln(x, nil, nil, 0, 1, -1), nil, "twice"},
		{"gamma's float type", LayerNorm.Op, ln(x, half(2, 3), line(10, 20), 0, 1), outs(fl(sh{2, 2}, 8, 23, 12, 17)), ""},
		{"gamma's type", LayerNorm.Op, ln(x, whole(1, 2), nil, 0, 1), nil, "type int32"},
	})
	checkInfer(t, []inferCase{
		{"unknown", LayerNorm.Op, &LayerNormArgs{X: unknown(tensor.Float32, -1, -2), Axes: []int{1}, Gamma: line(1, 2, 3)}, f32(-1, -2), ""},
	})
}

func TestL2Norm(t *testing.T) {
	l2 := func(x *tensor.Tensor, eps float32) any { return &L2NormArgs{val(x), eps} }
	checkCases(t, []evalCase{
		{"rank 3", L2Norm.Op, l2(fl(sh{2, 1, 1}, 3, 4), 0), outs(fl(sh{2, 1, 1}, 0.6, 0.8)), ""},
		{"epsilon", L2Norm.Op, l2(fl(sh{1, 1, 2}, 3, 4), 75), outs(fl(sh{1, 1, 2}, 0.3, 0.4)), ""},
		{"batches", L2Norm.Op, l2(fl(sh{2, 1, 1, 1, 2}, 3, 4, 0, -2), 0), outs(fl(sh{2, 1, 1, 1, 2}, 0.6, 0.8, 0, -1)), ""},
		{"large", L2Norm.Op, l2(fl(sh{1, 1, 2}, 3<<100, 4<<100), 0), outs(fl(sh{1, 1, 2}, 0.6, 0.8)), ""},
		{"zeros", L2Norm.Op, l2(fl(sh{1, 1, 1}, 0), 1e-6), outs(fl(sh{1, 1, 1}, 0)), ""},
		{"empty", L2Norm.Op, l2(ramp(2, 0, 1), 0), outs(ramp(2, 0, 1)), ""},
		{"iOS17", L2NormIOS17.Op, &L2NormIOS17Args{val(fl(sh{1, 1, 2}, 3, 4)), 0}, outs(fl(sh{1, 1, 2}, 0.6, 0.8)), ""},
		{"rank 2", L2Norm.Op, l2(ramp(2, 2), 0), nil, "rank 3"},
	})
	checkInfer(t, []inferCase{{"unknown", L2Norm.Op, &L2NormArgs{unknown(tensor.Float32, -1, -2, 3), 0}, f32(-1, -2, 3), ""}})
}

func TestLocalResponseNorm(t *testing.T) {
	lrn := func(x *tensor.Tensor, size int, alpha, beta, k float32) any {
		return &LocalResponseNormArgs{val(x), size, alpha, beta, k}
	}
	x := fl(sh{1, 3, 1, 1}, 1, 2, 3) // sums over the channel and its two neighbours: 5, 14, 13
	d := LocalResponseNorm.Defaults()
	checkCases(t, []evalCase{
		{"odd", LocalResponseNorm.Op, lrn(x, 3, 3, 1, 1), outs(fl(sh{1, 3, 1, 1}, 1.0/6, 2.0/15, 3.0/14)), ""},
		{"even looks back", LocalResponseNorm.Op, lrn(x, 2, 2, 1, 1), outs(fl(sh{1, 3, 1, 1}, 1.0/2, 2.0/6, 3.0/14)), ""},
		{"four", LocalResponseNorm.Op, lrn(x, 4, 4, 1, 1), outs(fl(sh{1, 3, 1, 1}, 1.0/6, 2.0/15, 3.0/15)), ""},
		{"one", LocalResponseNorm.Op, lrn(x, 1, 1, 1, 1), outs(fl(sh{1, 3, 1, 1}, 1.0/2, 2.0/5, 3.0/10)), ""},
		{"more than there are", LocalResponseNorm.Op, lrn(x, 1<<30, 1<<30, 1, 0), outs(fl(sh{1, 3, 1, 1}, 1.0/14, 2.0/14, 3.0/14)), ""},
		{"power and constant", LocalResponseNorm.Op, lrn(x, 3, 3, 0.5, 11), outs(fl(sh{1, 3, 1, 1}, 1.0/4, 2.0/5, 3/4.89897949)), ""},
		{"rank 3 has no batch", LocalResponseNorm.Op, lrn(fl(sh{3, 1, 1}, 1, 2, 3), 3, 3, 1, 1), outs(fl(sh{3, 1, 1}, 1.0/6, 2.0/15, 3.0/14)), ""},
		{
			"defaults", LocalResponseNorm.Op, lrn(fl(sh{1, 3, 2}, 1, -7, 5, -6, -3, -5), 2, d.Alpha, d.Beta, d.K),
			outs(fl(sh{1, 3, 2}, 0.999962509, -6.98716497, 4.99531746, -5.99191284, -2.99898791, -4.99531746)), "",
		},
		{"iOS17", LocalResponseNormIOS17.Op, &LocalResponseNormIOS17Args{val(x), 3, 3, 1, 1}, outs(fl(sh{1, 3, 1, 1}, 1.0/6, 2.0/15, 3.0/14)), ""},
		{"empty", LocalResponseNorm.Op, lrn(ramp(1, 0, 2, 2), 3, 3, 1, 1), outs(ramp(1, 0, 2, 2)), ""},
		{"rank 2", LocalResponseNorm.Op, lrn(ramp(3, 1), 3, 3, 1, 1), nil, "rank 3"},
		{"size", LocalResponseNorm.Op, lrn(x, 0, 3, 1, 1), nil, "not positive"},
	})
}
