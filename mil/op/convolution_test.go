package op

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func TestConv(t *testing.T) {
	conv := func(x, w *tensor.Tensor, change func(a *ConvIOS17Args)) *ConvIOS17Args {
		a := ConvIOS17.Defaults()
		a.X, a.Weight = val(x), val(w)
		if change != nil {
			change(&a)
		}
		return &a
	}
	line, pair := fl(sh{1, 1, 4}, 1, 2, 3, 4), fl(sh{1, 1, 2}, 1, 10)
	half := tensor.New(tensor.Float16, sh{1, 1, 2}, []float32{1, 2})
	checkCases(t, []evalCase{
		{"valid", ConvIOS17.Op, conv(line, pair, nil), outs(fl(sh{1, 1, 3}, 21, 32, 43)), ""},
		{"bias", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Bias = val(fl(sh{1}, 0.5)) }), outs(fl(sh{1, 1, 3}, 21.5, 32.5, 43.5)), ""},
		{"stride", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Strides = sh{2} }), outs(fl(sh{1, 1, 2}, 21, 43)), ""},
		{"dilation", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Dilations = sh{3} }), outs(fl(sh{1, 1, 1}, 41)), ""},
		{"same", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.PadType = "same" }), outs(fl(sh{1, 1, 4}, 21, 32, 43, 4)), ""},
		{"same_lower", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.PadType = "same_lower" }), outs(fl(sh{1, 1, 4}, 10, 21, 32, 43)), ""},
		{
			"same, stride 3", ConvIOS17.Op, conv(line, fl(sh{1, 1, 3}, 1, 10, 100), func(a *ConvIOS17Args) { a.PadType, a.Strides = "same", sh{3} }),
			outs(fl(sh{1, 1, 2}, 210, 43)), "",
		},
		{
			"custom", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.PadType, a.Pad = "custom", sh{2, 1} }),
			outs(fl(sh{1, 1, 6}, 0, 10, 21, 32, 43, 4)), "",
		},
		{"pad of another type", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Pad = sh{2, 1} }), outs(fl(sh{1, 1, 3}, 21, 32, 43)), ""},
		{"channels and filters", ConvIOS17.Op, conv(fl(sh{1, 2, 1}, 1, 2), fl(sh{3, 2, 1}, 1, 0, 0, 1, 10, 100), nil), outs(fl(sh{1, 3, 1}, 1, 2, 210)), ""},
		{
			"groups", ConvIOS17.Op, conv(fl(sh{1, 2, 1}, 3, 5), fl(sh{4, 1, 1}, 1, 2, 3, 4), func(a *ConvIOS17Args) { a.Groups = 2 }),
			outs(fl(sh{1, 4, 1}, 3, 6, 15, 20)), "",
		},
		{"plane", ConvIOS17.Op, conv(fl(sh{1, 1, 2, 3}, 1, 2, 3, 4, 5, 6), fl(sh{1, 1, 2, 2}, 1, 10, 100, 1000), nil), outs(fl(sh{1, 1, 1, 2}, 5421, 6532)), ""},
		{"space", ConvIOS17.Op, conv(ramp(1, 1, 2, 2, 2), fl(sh{1, 1, 2, 1, 1}, 1, 10), nil), outs(fl(sh{1, 1, 1, 2, 2}, 40, 51, 62, 73)), ""},
		{"batch", ConvIOS17.Op, conv(fl(sh{2, 1, 1}, 2, 3), fl(sh{1, 1, 1}, 5), nil), outs(fl(sh{2, 1, 1}, 10, 15)), ""},
		{"no batch", ConvIOS17.Op, conv(fl(sh{0, 1, 1}), fl(sh{1, 1, 1}, 5), nil), outs(fl(sh{0, 1, 1})), ""},
		{"no channels", ConvIOS17.Op, conv(fl(sh{1, 0, 2}), fl(sh{1, 0, 1}), func(a *ConvIOS17Args) { a.Bias = val(fl(sh{1}, 7)) }), outs(fl(sh{1, 1, 2}, 7, 7)), ""},
		{"NaN and infinity", ConvIOS17.Op, conv(fl(sh{1, 1, 3}, nan, 1, inf), fl(sh{1, 1, 1}, 0), nil), outs(fl(sh{1, 1, 3}, nan, 0, nan)), ""},
		{"float16 x, float32 weights", ConvIOS17.Op, conv(half, pair, nil), outs(tensor.New(tensor.Float16, sh{1, 1, 1}, []float32{21})), ""},
		{"iOS15", Conv.Op, &ConvArgs{X: val(line), Weight: val(pair), Bias: fl(sh{1}, 1), PadType: "valid", Groups: 1}, outs(fl(sh{1, 1, 3}, 22, 33, 44)), ""},

		{"two types", Conv.Op, &ConvArgs{X: val(half), Weight: val(pair), PadType: "valid", Groups: 1}, nil, "fp32"},
		{"too small", ConvIOS17.Op, conv(line, ramp(1, 1, 5), nil), nil, "no window of 5"},
		{"nothing to look at", ConvIOS17.Op, conv(ramp(1, 1, 0), ramp(1, 1, 1), nil), nil, "no window"},
		{"rank", ConvIOS17.Op, conv(ramp(1, 4), ramp(1, 1), nil), nil, "rank 3 to 5"},
		{"rank of weight", ConvIOS17.Op, conv(line, ramp(1, 1, 1, 1), nil), nil, "weight: want rank 3"},
		{"empty window", ConvIOS17.Op, conv(line, ramp(1, 1, 0), nil), nil, "window of [0]"},
		{"weight's channels", ConvIOS17.Op, conv(line, ramp(1, 2, 1), nil), nil, "want 1 channels"},
		{"groups of channels", ConvIOS17.Op, conv(ramp(1, 3, 1), ramp(2, 1, 1), func(a *ConvIOS17Args) { a.Groups = 2 }), nil, "2 groups"},
		{"groups of filters", ConvIOS17.Op, conv(ramp(1, 2, 1), ramp(3, 1, 1), func(a *ConvIOS17Args) { a.Groups = 2 }), nil, "3 filters in 2 groups"},
		{"no groups", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Groups = 0 }), nil, "0 groups"},
		{"bias", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Bias = val(ramp(2)) }), nil, "bias: 2 numbers for 1 filters"},
		{"bias's rank", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Bias = val(ramp(1, 1)) }), nil, "bias: want a vector"},
		{"stride", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Strides = sh{0} }), nil, "strides: 0"},
		{"strides", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Strides = sh{1, 1} }), nil, "strides: want 1"},
		{"dilation", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.Dilations = sh{-1} }), nil, "dilations: -1"},
		{"pad", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.PadType, a.Pad = "custom", sh{-1, 0} }), nil, "pad: -1"},
		{"pads", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.PadType, a.Pad = "custom", sh{1} }), nil, "pad: want 2"},
		{"huge pad", ConvIOS17.Op, conv(ramp(1, 1, 1, 1), ramp(1, 1, 1, 1), func(a *ConvIOS17Args) { a.PadType, a.Pad = "custom", sh{1 << 30, 1 << 30, 1 << 30, 0} }), nil, "elements"},
		{"pad_type", ConvIOS17.Op, conv(line, pair, func(a *ConvIOS17Args) { a.PadType = "full" }), nil, "not one of"},
	})
	weight := unknown(tensor.Float32, 8, 3, 3, 3)
	infer := func(x, w *mil.Value, padType string, strides ...int) *ConvIOS17Args {
		return &ConvIOS17Args{X: x, Weight: w, PadType: padType, Groups: 1, Strides: strides}
	}
	checkInfer(t, []inferCase{
		{"unknown sizes", ConvIOS17.Op, infer(unknown(tensor.Float32, -2, 3, -3, 10), weight, "valid", 1, 2), f32(-2, 8, -1, 4), ""},
		{"unknown sizes stay", ConvIOS17.Op, infer(unknown(tensor.Float32, -2, 3, -3, 10), weight, "same"), f32(-2, 8, -3, 10), ""},
		{"unknown channels", ConvIOS17.Op, infer(unknown(tensor.Float32, 1, -1, 5, 5), weight, "valid"), f32(1, 8, 3, 3), ""},
		{"unknown weight", ConvIOS17.Op, infer(unknown(tensor.Float32, 1, 3, 5, 5), unknown(tensor.Float32, -1, -1, -1, 2), "valid"), f32(1, -1, -1, 4), ""},
		{"unknown window, same", ConvIOS17.Op, infer(unknown(tensor.Float32, 1, 3, 5), unknown(tensor.Float32, 2, 3, -1), "same"), f32(1, 2, 5), ""},
	})
}

func TestConvTranspose(t *testing.T) {
	conv := func(x, w *tensor.Tensor, change func(a *ConvTransposeIOS17Args)) *ConvTransposeIOS17Args {
		a := ConvTransposeIOS17.Defaults()
		a.X, a.Weight = val(x), val(w)
		if change != nil {
			change(&a)
		}
		return &a
	}
	line, three := fl(sh{1, 1, 2}, 1, 2), fl(sh{1, 1, 3}, 1, 10, 100)
	o := ConvTransposeIOS17.Op
	checkCases(t, []evalCase{
		{"valid", o, conv(line, three, nil), outs(fl(sh{1, 1, 4}, 1, 12, 120, 200)), ""},
		{"stride", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.Strides = sh{2} }), outs(fl(sh{1, 1, 5}, 1, 10, 102, 20, 200)), ""},
		{
			"stride beyond", o, conv(line, fl(sh{1, 1, 1}, 5), func(a *ConvTransposeIOS17Args) { a.Strides, a.Bias = sh{3}, val(fl(sh{1}, 7)) }),
			outs(fl(sh{1, 1, 4}, 12, 7, 7, 17)), "",
		},
		{"dilation", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.Dilations = sh{2} }), outs(fl(sh{1, 1, 6}, 1, 2, 10, 20, 100, 200)), ""},
		{"same", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.PadType = "same" }), outs(fl(sh{1, 1, 2}, 12, 120)), ""},
		{"same, stride 2", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.PadType, a.Strides = "same", sh{2} }), outs(fl(sh{1, 1, 4}, 1, 10, 102, 20)), ""},
		{
			"same, stride beyond", o, conv(line, fl(sh{1, 1, 1}, 5), func(a *ConvTransposeIOS17Args) { a.PadType, a.Strides = "same", sh{3} }),
			outs(fl(sh{1, 1, 6}, 5, 0, 0, 10, 0, 0)), "",
		},
		{"custom", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.PadType, a.Pad = "custom", sh{1, 2} }), outs(fl(sh{1, 1, 1}, 12)), ""},
		{"output shape", o, conv(line, three, func(a *ConvTransposeIOS17Args) {
			a.PadType, a.Pad, a.OutputShape = "custom", sh{1, 1}, sh{1, 1, 4}
		}), outs(fl(sh{1, 1, 4}, 12, 120, 200, 0)), ""},
		{"output shape, same", o, conv(line, three, func(a *ConvTransposeIOS17Args) {
			a.PadType, a.Strides, a.OutputShape = "same", sh{2}, sh{1, 1, 3}
		}), outs(fl(sh{1, 1, 3}, 10, 102, 20)), ""},
		{
			"groups", o, conv(fl(sh{1, 2, 1}, 3, 5), fl(sh{2, 2, 1}, 1, 2, 3, 4), func(a *ConvTransposeIOS17Args) { a.Groups = 2 }),
			outs(fl(sh{1, 4, 1}, 3, 6, 15, 20)), "",
		},
		{"channels", o, conv(fl(sh{1, 2, 1}, 3, 5), fl(sh{2, 2, 1}, 1, 2, 10, 20), nil), outs(fl(sh{1, 2, 1}, 53, 106)), ""},
		{"plane", o, conv(fl(sh{1, 1, 1, 1}, 2), fl(sh{1, 1, 2, 2}, 1, 2, 3, 4), nil), outs(fl(sh{1, 1, 2, 2}, 2, 4, 6, 8)), ""},
		{"NaN", o, conv(fl(sh{1, 1, 2}, nan, 1), fl(sh{1, 1, 1}, 0), nil), outs(fl(sh{1, 1, 2}, nan, 0)), ""},
		{
			"iOS15", ConvTranspose.Op, &ConvTransposeArgs{X: val(line), Weight: three, Bias: fl(sh{1}, 1), PadType: "valid", Groups: 1},
			outs(fl(sh{1, 1, 4}, 2, 13, 121, 201)), "",
		},

		{"channels", o, conv(line, ramp(2, 1, 1), nil), nil, "weight: want 1 channels"},
		{"groups of channels", o, conv(ramp(1, 3, 1), ramp(3, 1, 1), func(a *ConvTransposeIOS17Args) { a.Groups = 2 }), nil, "2 groups"},
		{"bias", o, conv(line, ramp(1, 2, 1), func(a *ConvTransposeIOS17Args) { a.Bias = val(ramp(1)) }), nil, "1 numbers for 2 filters"},
		{"cropped away", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.PadType, a.Pad = "custom", sh{2, 2} }), nil, "0 elements remain"},
		{"output rank", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.OutputShape = sh{4} }), nil, "output_shape"},
		{"output filters", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.OutputShape = sh{1, 2, 4} }), nil, "output_shape"},
		{"output size", o, conv(line, three, func(a *ConvTransposeIOS17Args) { a.OutputShape = sh{1, 1, -4} }), nil, "output_shape"},
		{"huge output", o, conv(ramp(1, 1, 1, 1), ramp(1, 1, 1, 1), func(a *ConvTransposeIOS17Args) { a.OutputShape = sh{1, 1, 1<<31 - 1, 2} }), nil, "elements"},
		{"huge stride", o, conv(ramp(1, 1, 2, 2), ramp(1, 1, 1, 1), func(a *ConvTransposeIOS17Args) { a.Strides = sh{1<<31 - 1, 1<<31 - 1} }), nil, "elements"},
	})
	checkInfer(t, []inferCase{
		{
			"unknown sizes", o, &ConvTransposeIOS17Args{X: unknown(tensor.Float32, -2, 3, -3, 4), Weight: unknown(tensor.Float32, 3, 5, 2, 2), PadType: "valid", Groups: 1},
			f32(-2, 5, -1, 5), "",
		},
		{
			"unknown sizes stay", o, &ConvTransposeIOS17Args{X: unknown(tensor.Float32, -2, 3, -3), Weight: unknown(tensor.Float32, -1, 5, 2), PadType: "same", Groups: 1},
			f32(-2, 5, -3), "",
		},
		{
			"output shape", o, &ConvTransposeIOS17Args{X: unknown(tensor.Float32, -2, 3, -3), Weight: unknown(tensor.Float32, 3, 5, 2), PadType: "same", Groups: 1, OutputShape: sh{2, 5, 9}},
			f32(-2, 5, 9), "",
		},
	})
}

// TestConvByDefinition holds conv against the sum that defines it, index by
// index, and conv_transpose against conv: y·conv(x) = conv_transpose(y)·x.
func TestConvByDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	dotted := func(x, y []float32) (sum, size float64) {
		for i, v := range x {
			sum += float64(v) * float64(y[i])
			size += math.Abs(float64(v) * float64(y[i]))
		}
		return sum, size
	}
	for range 200 {
		a := sampleConv(r)
		a.Bias = nil
		w, err := a.Window()
		if err != nil {
			t.Fatal(err)
		}
		outs, err := evalConv(&a)
		if err != nil {
			t.Fatal(err)
		}
		got, shape := outs[0].F32(), outs[0].Shape()
		x, k := a.X.Const.F32(), a.Weight.Const.F32()
		channels, filters, per := dims(a.X)[1], shape[1], dims(a.Weight)[1]
		i := 0
		for n := range shape[0] {
			for f := range filters {
				each(w.Out[:], func(_ int, o []int) {
					var sum float64
					for c := range per {
						each(w.Kernel[:], func(tap int, at []int) {
							from := n*channels + f/(filters/a.Groups)*per + c
							for d := range at {
								p := o[d]*w.Stride[d] + at[d]*w.Dilation[d] - w.Pad[d][0]
								if p < 0 || p >= w.In[d] {
									return
								}
								from = from*w.In[d] + p
							}
							sum += float64(k[(f*per+c)*volume(w.Kernel)+tap]) * float64(x[from])
						})
					}
					if math.Abs(sum-float64(got[i])) > 1e-5*(1+math.Abs(sum)) {
						t.Fatalf("%+v: element %d is %v, want %v", w, i, got[i], sum)
					}
					i++
				})
			}
		}
		y := sampleFloats(r, shape...)
		back := ConvTransposeIOS17Args{
			X: y, Weight: a.Weight, Strides: a.Strides, Dilations: a.Dilations, Groups: a.Groups, PadType: "custom", OutputShape: dims(a.X),
		}
		for d := 3 - (len(shape) - 2); d < 3; d++ {
			back.Pad = append(back.Pad, w.Pad[d][0], w.Pad[d][1])
		}
		outs, err = evalConvTranspose(&back)
		if err != nil {
			t.Fatal(err)
		}
		want, size := dotted(got, y.Const.F32())
		if have, _ := dotted(x, outs[0].F32()); math.Abs(have-want) > 1e-5*(1+size) {
			t.Fatalf("%+v: transposed %v, want %v", w, have, want)
		}
	}
}

func TestConvQuantized(t *testing.T) {
	codes := packed(tensor.Uint8, sh{2, 1, 1}, 3, 200)
	a := ConvQuantizedArgs{
		X: val(fl(sh{1, 1, 2}, 1, -2)), Weight: val(codes), QuantizationType: "linear", NBits: 8,
		QuantScale: fl(sh{1}, 0.5), QuantBias: fl(sh{2}, 1, -100), PadType: "valid", Groups: 1,
	}
	with := func(change func(a *ConvQuantizedArgs)) *ConvQuantizedArgs { b := a; change(&b); return &b }
	checkCases(t, []evalCase{
		{"linear", ConvQuantized.Op, &a, outs(fl(sh{1, 2, 2}, 2.5, -5, 0, 0)), ""},
		{"bias", ConvQuantized.Op, with(func(a *ConvQuantizedArgs) { a.Bias = packed(tensor.Uint8, sh{2}, 1, 255) }), outs(fl(sh{1, 2, 2}, 3.5, -4, 255, 255)), ""},
		{"no filters", ConvQuantized.Op, with(func(a *ConvQuantizedArgs) {
			a.Weight, a.QuantBias = val(packed(tensor.Uint8, sh{0, 1, 1})), fl(sh{1}, 0)
		}), outs(fl(sh{1, 0, 2})), ""},
		{"table", ConvQuantized.Op, with(func(a *ConvQuantizedArgs) { a.QuantizationType = "lut" }), nil, "lookup table"},
		{"bits", ConvQuantized.Op, with(func(a *ConvQuantizedArgs) { a.NBits = 9 }), nil, "nbits"},
		{"scale", ConvQuantized.Op, with(func(a *ConvQuantizedArgs) { a.QuantScale = ramp(3) }), nil, "1 or 2 numbers"},
	})
}

func TestPooling(t *testing.T) {
	line := fl(sh{1, 1, 5}, 4, 1, 2, 8, 6)
	pool := func(x *tensor.Tensor, padType string, kernel, strides, pad sh, ceil bool) *Pooling {
		return &Pooling{X: val(x), KernelSizes: kernel, Strides: strides, PadType: padType, Pad: pad, CeilMode: ceil}
	}
	average := func(exclude bool, p *Pooling) *AvgPoolArgs {
		return &AvgPoolArgs{exclude, p.X, p.KernelSizes, p.Strides, p.PadType, p.Pad, p.CeilMode}
	}
	m, avg, l2 := MaxPool.Op, AvgPool.Op, L2Pool.Op
	plane := fl(sh{1, 1, 3, 3}, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	checkCases(t, []evalCase{
		{"valid", m, pool(line, "valid", sh{2}, sh{2}, nil, false), outs(fl(sh{1, 1, 2}, 4, 8)), ""},
		{"rounded up", m, pool(line, "valid", sh{2}, sh{2}, nil, true), outs(fl(sh{1, 1, 3}, 4, 8, 6)), ""},
		{"rounded up, not needed", m, pool(line, "valid", sh{3}, sh{2}, nil, true), outs(fl(sh{1, 1, 2}, 4, 8)), ""},
		// A third window would begin at 6, which is padding after the tensor.
		{"rounded up, padded", m, pool(line, "custom", sh{2}, sh{3}, sh{1, 1}, true), outs(fl(sh{1, 1, 2}, 4, 8)), ""},
		{"rounded up, last in padding", m, pool(fl(sh{1, 1, 4}, 4, 1, 2, 8), "custom", sh{2}, sh{5}, sh{1, 1}, true), outs(fl(sh{1, 1, 1}, 4)), ""},
		{"same", m, pool(line, "same", sh{2}, sh{2}, nil, false), outs(fl(sh{1, 1, 3}, 4, 8, 6)), ""},
		{"same_lower", m, pool(line, "same_lower", sh{2}, sh{2}, nil, false), outs(fl(sh{1, 1, 3}, 4, 2, 8)), ""},
		{"custom", m, pool(line, "custom", sh{3}, nil, sh{1, 0}, false), outs(fl(sh{1, 1, 4}, 4, 4, 8, 8)), ""},
		{"negative numbers", m, pool(fl(sh{1, 1, 2}, -3, -5), "custom", sh{2}, nil, sh{1, 1}, false), outs(fl(sh{1, 1, 3}, -3, -3, -5)), ""},
		{"NaN", m, pool(fl(sh{1, 1, 3}, nan, 1, inf), "valid", sh{2}, nil, nil, false), outs(fl(sh{1, 1, 2}, nan, inf)), ""},
		{"only padding", m, pool(fl(sh{1, 1, 1}, 5), "custom", sh{1}, nil, sh{1, 0}, false), outs(fl(sh{1, 1, 2}, -inf, 5)), ""},
		{"plane", m, pool(plane, "valid", sh{2, 2}, sh{2, 2}, nil, true), outs(fl(sh{1, 1, 2, 2}, 5, 6, 8, 9)), ""},
		{"space", m, pool(ramp(1, 1, 2, 2, 2), "valid", sh{2, 1, 2}, nil, nil, false), outs(fl(sh{1, 1, 1, 2, 1}, 5, 7)), ""},
		{"channels", m, pool(ramp(2, 2, 2), "valid", sh{2}, nil, nil, false), outs(fl(sh{2, 2, 1}, 1, 3, 5, 7)), ""},
		{"no channels", m, pool(ramp(1, 0, 2), "valid", sh{2}, nil, nil, false), outs(fl(sh{1, 0, 1})), ""},

		{"average", avg, average(false, pool(line, "valid", sh{2}, sh{2}, nil, false)), outs(fl(sh{1, 1, 2}, 2.5, 5)), ""},
		{"average with padding", avg, average(false, pool(line, "custom", sh{2}, sh{2}, sh{1, 0}, false)), outs(fl(sh{1, 1, 3}, 2, 1.5, 7)), ""},
		{"average without padding", avg, average(true, pool(line, "custom", sh{2}, sh{2}, sh{1, 0}, false)), outs(fl(sh{1, 1, 3}, 4, 1.5, 7)), ""},
		{"average, same", avg, average(false, pool(line, "same", sh{2}, sh{2}, nil, false)), outs(fl(sh{1, 1, 3}, 2.5, 5, 3)), ""},
		{"average, same without padding", avg, average(true, pool(line, "same", sh{2}, sh{2}, nil, false)), outs(fl(sh{1, 1, 3}, 2.5, 5, 6)), ""},
		{"average, rounded up", avg, average(false, pool(line, "valid", sh{2}, sh{2}, nil, true)), outs(fl(sh{1, 1, 3}, 2.5, 5, 6)), ""},
		{
			"average, rounded up and padded", avg, average(false, pool(fl(sh{1, 1, 4}, 4, 1, 2, 8), "custom", sh{3}, sh{2}, sh{1, 1}, true)),
			outs(fl(sh{1, 1, 3}, 5./3, 11./3, 4)), "",
		},
		{"average of a plane", avg, average(true, pool(plane, "same", sh{2, 2}, sh{2, 2}, nil, false)), outs(fl(sh{1, 1, 2, 2}, 3, 4.5, 7.5, 9)), ""},
		{"average of only padding", avg, average(true, pool(fl(sh{1, 1, 1}, 5), "custom", sh{1}, nil, sh{1, 0}, false)), outs(fl(sh{1, 1, 2}, 0, 5)), ""},
		{"average of infinities", avg, average(false, pool(fl(sh{1, 1, 2}, inf, -inf), "valid", sh{2}, nil, nil, false)), outs(fl(sh{1, 1, 1}, nan)), ""},

		{"norm", l2, pool(fl(sh{1, 1, 3}, 3, -4, 12), "valid", sh{2}, nil, nil, false), outs(fl(sh{1, 1, 2}, 5, float32(math.Sqrt(160)))), ""},
		{"norm with padding", l2, pool(fl(sh{1, 1, 2}, 3, -4), "same", sh{2}, nil, nil, false), outs(fl(sh{1, 1, 2}, 5, 4)), ""},

		{"norm in space", l2, pool(ramp(1, 1, 1, 1, 1), "valid", sh{1, 1, 1}, nil, nil, false), nil, "1 or 2"},
		{"rounded up in space", m, pool(ramp(1, 1, 2, 2, 2), "valid", sh{1, 1, 1}, nil, nil, true), nil, "at most 2"},
		{"rounded up and same", m, pool(line, "same", sh{1}, nil, nil, true), nil, "ceil_mode"},
		{"rounded up and uneven", m, pool(line, "custom", sh{2}, nil, sh{1, 0}, true), nil, "ceil_mode"},
		{"kernel's rank", m, pool(line, "valid", sh{2, 2}, nil, nil, false), nil, "2 dimensions"},
		{"no kernel", m, pool(line, "valid", sh{0}, nil, nil, false), nil, "kernel_sizes [0]"},
		{"unknown kernel", m, pool(line, "valid", sh{-1}, nil, nil, false), nil, "kernel_sizes [-1]"},
		{"too large", m, pool(line, "valid", sh{6}, nil, nil, false), nil, "no window of 6"},
		{"rank", m, pool(ramp(2, 2), "valid", sh{}, nil, nil, false), nil, "rank 3 to 5"},
		{"no dimensions", avg, average(false, pool(ramp(2, 2, 2), "valid", sh{}, nil, nil, false)), nil, "0 dimensions"},
		{"pad_type", m, pool(line, "", sh{2}, nil, nil, false), nil, "not one of"},
	})
	checkInfer(t, []inferCase{
		{"unknown sizes", m, &Pooling{X: unknown(tensor.Float32, -4, 3, -5, 7), KernelSizes: sh{2, 2}, Strides: sh{2, 2}, PadType: "valid", CeilMode: true}, f32(-4, 3, -1, 4), ""},
		{"unknown sizes stay", m, &Pooling{X: unknown(tensor.Float32, -4, 3, -5), KernelSizes: sh{3}, PadType: "custom", Pad: sh{1, 1}}, f32(-4, 3, -5), ""},
	})
}

// TestHugeWindows sees to it that windows far larger than their tensor, which
// the arguments of a bad file can ask for, take no time.
func TestHugeWindows(t *testing.T) {
	const n = 1 << 30
	a := &Pooling{X: val(fl(sh{1, 1, 2, 2}, 1, 2, 3, 4)), KernelSizes: sh{n, n}, PadType: "custom", Pad: sh{n, 0, n, 0}, Strides: sh{n, n}}
	checkCases(t, []evalCase{{"max", MaxPool.Op, a, outs(fl(sh{1, 1, 1, 1}, -inf)), ""}})
	a.Pad = sh{n - 1, n, n - 1, n}
	checkCases(t, []evalCase{{"max", MaxPool.Op, a, outs(fl(sh{1, 1, 2, 2}, 1, 2, 3, 4)), ""}})
}

func TestWindow(t *testing.T) {
	a := ConvIOS17Args{
		X: unknown(tensor.Float32, 1, 3, 227, 10), Weight: unknown(tensor.Float32, 8, 3, 3, 2), PadType: "same", Strides: sh{2, 1}, Dilations: sh{1, 3}, Groups: 1,
	}
	w, err := a.Window()
	want := Window{
		In: [3]int{1, 227, 10}, Kernel: [3]int{1, 3, 2}, Stride: [3]int{1, 2, 1}, Dilation: [3]int{1, 1, 3},
		Pad: [3][2]int{{}, {1, 1}, {1, 2}}, Out: [3]int{1, 114, 10},
	}
	if err != nil || w != want {
		t.Errorf("conv: %+v, %v; want %+v", w, err, want)
	}
	b := ConvTransposeIOS17Args{X: unknown(tensor.Float32, 1, 3, 7), Weight: unknown(tensor.Float32, 3, 8, 3), PadType: "same", Strides: sh{2}, Groups: 1}
	w, err = b.Window()
	want = Window{
		In: [3]int{1, 1, 7}, Kernel: [3]int{1, 1, 3}, Stride: [3]int{1, 1, 2}, Dilation: [3]int{1, 1, 1},
		Pad: [3][2]int{{}, {}, {0, 1}}, Out: [3]int{1, 1, 14},
	}
	if err != nil || w != want {
		t.Errorf("conv_transpose: %+v, %v; want %+v", w, err, want)
	}
	c := AvgPoolArgs{X: unknown(tensor.Float32, 1, 3, 112, 5), KernelSizes: sh{3, 2}, Strides: sh{2, 2}, PadType: "custom", Pad: sh{1, 1, 1, 1}, CeilMode: true}
	w, err = c.Window()
	want = Window{
		In: [3]int{1, 112, 5}, Kernel: [3]int{1, 3, 2}, Stride: [3]int{1, 2, 2}, Dilation: [3]int{1, 1, 1},
		Pad: [3][2]int{{}, {1, 1}, {1, 1}}, Out: [3]int{1, 57, 3},
	}
	if err != nil || w != want {
		t.Errorf("avg_pool: %+v, %v; want %+v", w, err, want)
	}
	counts, err := c.Counts()
	if err != nil || !slices.Equal(counts[2], sh{2, 2, 2}) || counts[1][0] != 3 || counts[1][56] != 2 || !slices.Equal(counts[0], sh{1}) {
		t.Errorf("counts %v, %v", counts, err)
	}
	c.X = unknown(tensor.Float32, 1, 3, -1, 5)
	if _, err := c.Window(); err == nil {
		t.Error("a window over an unknown size")
	}
	if _, err := c.Counts(); err == nil {
		t.Error("counts over an unknown size")
	}
	a.X = unknown(tensor.Float32, 1, 3, 227, -1)
	if _, err := a.Window(); err == nil {
		t.Error("a convolution over an unknown size")
	}
	b.Weight = unknown(tensor.Float32, 3, 8, -1)
	if _, err := b.Window(); err == nil {
		t.Error("a transposed convolution with an unknown window")
	}
}
