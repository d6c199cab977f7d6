package op

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func TestQuantize(t *testing.T) {
	q := func(x, zero, scale, axis *tensor.Tensor, d string) any {
		return &QuantizeArgs{val(x), zero, scale, axis, d}
	}
	s := func(v float32) *tensor.Tensor { return fl(sh{}, v) }
	at := func(v int32) *tensor.Tensor { return in(sh{}, v) }
	i8 := func(shape sh, v ...int32) *tensor.Tensor { return tensor.New(tensor.Int8, shape, v) }
	u8 := func(shape sh, v ...int32) *tensor.Tensor { return tensor.New(tensor.Uint8, shape, v) }
	x := fl(sh{2, 2}, 1, 2, 3, 4)
	checkCases(t, []evalCase{
		{"half to even", Quantize.Op, q(line(0.5, 1.5, -0.5, -2.5, 2.4), nil, s(1), nil, "int8"), outs(i8(sh{5}, 0, 2, 0, -2, 2)), ""},
		{"scale", Quantize.Op, q(line(1, -1), nil, s(0.25), nil, "int8"), outs(i8(sh{2}, 4, -4)), ""},
		{"range of int8", Quantize.Op, q(line(200, -200, inf, -inf, nan), nil, s(1), nil, "int8"), outs(i8(sh{5}, 127, -128, 127, -128, 0)), ""},
		{"range of uint8", Quantize.Op, q(line(300, -1, 255), nil, s(1), nil, "uint8"), outs(u8(sh{3}, 255, 0, 255)), ""},
		{"zero point", Quantize.Op, q(line(-1, 1, 127), u8(nil, 128), s(1), nil, "uint8"), outs(u8(sh{3}, 127, 129, 255)), ""},
		{"rows", Quantize.Op, q(x, i8(sh{2}, 0, 10), line(1, 0.5), at(0), "int8"), outs(i8(sh{2, 2}, 1, 2, 16, 18)), ""},
		{"columns", Quantize.Op, q(x, nil, line(1, 0.5), at(-1), "int8"), outs(i8(sh{2, 2}, 1, 4, 3, 8)), ""},
		{"columns, one zero point", Quantize.Op, q(x, i8(nil, 1), line(1, 0.5), at(1), "int8"), outs(i8(sh{2, 2}, 2, 5, 4, 9)), ""},
		{"scalar", Quantize.Op, q(s(3), nil, s(1), nil, "int8"), outs(i8(nil, 3)), ""},
		{"half", Quantize.Op, q(half(3), nil, half(1.5).Reshape(nil), nil, "int8"), outs(i8(sh{1}, 2)), ""},
		{"zero scale", Quantize.Op, q(x, nil, line(1, 0), at(0), "int8"), nil, "scale is 0"},
		{"zero point's type", Quantize.Op, q(x, u8(nil, 1), s(1), nil, "int8"), nil, "output_dtype"},
		{"no axis", Quantize.Op, q(x, nil, line(1, 1), nil, "int8"), nil, "needs an axis"},
		{"axis", Quantize.Op, q(x, nil, line(1, 1), at(2), "int8"), nil, "axis 2"},
		{"two axes", Quantize.Op, q(x, nil, line(1, 1), whole(0, 1), "int8"), nil, "want a scalar"},
		{"scales", Quantize.Op, q(x, nil, line(1, 1, 1), at(0), "int8"), nil, "scale has shape 3"},
		{"zero points", Quantize.Op, q(x, i8(sh{3}, 1, 2, 3), line(1, 1), at(0), "int8"), nil, "zero_point has shape 3"},
		{"result type", Quantize.Op, q(x, nil, s(1), nil, "int16"), nil, "not one of"},
		{"scale of another float type", Quantize.Op, q(line(4), nil, half(2), nil, "int8"), outs(i8(sh{1}, 2)), ""},
	})
	d := func(x, zero, scale, axis *tensor.Tensor) any { return &DequantizeArgs{val(x), zero, scale, axis} }
	checkCases(t, []evalCase{
		{"int8", Dequantize.Op, d(packed(tensor.Int8, sh{2}, -128, 127), nil, s(0.5), nil), outs(line(-64, 63.5)), ""},
		{"uint8", Dequantize.Op, d(u8(sh{2}, 0, 255), u8(nil, 128), s(2), nil), outs(line(-256, 254)), ""},
		{"rows", Dequantize.Op, d(i8(sh{2, 2}, 1, 2, 3, 4), i8(sh{2}, 1, 2), line(1, 10), at(-2)), outs(fl(sh{2, 2}, 0, 1, 10, 20)), ""},
		{"columns", Dequantize.Op, d(i8(sh{2, 2}, 1, 2, 3, 4), nil, line(1, 10), at(1)), outs(fl(sh{2, 2}, 1, 20, 3, 40)), ""},
		{"half", Dequantize.Op, d(i8(sh{1}, 3), nil, half(2), at(0)), outs(half(6)), ""},
		{"scalar", Dequantize.Op, d(i8(nil, 3), nil, s(2), nil), outs(s(6)), ""},
		{"empty", Dequantize.Op, d(i8(sh{3, 0}), i8(nil, 1), line(1, 2, 3), at(0)), outs(ramp(3, 0)), ""},
		{"no scales", Dequantize.Op, d(i8(sh{0, 3}), i8(sh{0}), line(), at(0)), outs(ramp(0, 3)), ""},
		{"no axis", Dequantize.Op, d(i8(sh{1, 2}, 1, 2), nil, line(1, 2), nil), nil, "needs an axis"},
		{"matrix of scales", Dequantize.Op, d(i8(sh{1, 2}, 1, 2), nil, ramp(1, 2), at(1)), nil, "scale has shape 1×2"},
	})
	checkInfer(t, []inferCase{
		{
			"unknown", Quantize.Op, &QuantizeArgs{unknown(tensor.Float32, -1, 2), nil, line(1, 2), at(1), "uint8"},
			[]mil.Type{mil.TensorType(tensor.Uint8, -1, 2)},
			"",
		},
		{"unknown axis", Dequantize.Op, &DequantizeArgs{unknown(tensor.Int8, -1, 2), nil, line(1, 2, 3), at(0)}, f32(-1, 2), ""},
	})
}
