package op

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
	"pgregory.net/rapid"
)

// packed returns a tensor of integers in the form that a file has.
func packed(d tensor.DType, shape sh, v ...int32) *tensor.Tensor {
	t, err := tensor.FromPacked(d, shape, tensor.New(d, shape, v).Packed())
	if err != nil {
		panic(err)
	}
	return t
}

// TestConstexprGolden holds the expansions against those of coremltools.
func TestConstexprGolden(t *testing.T) {
	type golden struct {
		DType string
		Shape []int
		Data  []float64
	}
	var cases []struct {
		Op    string
		Opset int
		Args  map[string]golden
		Out   []golden
	}
	b, err := os.ReadFile("testdata/constexpr.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	read := func(t *testing.T, g golden) *tensor.Tensor {
		d, err := tensor.ParseDType(g.DType)
		if err != nil {
			t.Fatal(err)
		}
		x, err := tensor.New(tensor.Float64, g.Shape, g.Data).ConvertTo(d)
		if err != nil {
			t.Fatal(err)
		}
		if x, err = tensor.FromPacked(d, g.Shape, x.Packed()); err != nil {
			t.Fatal(err)
		}
		return x
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%s/%d", c.Op, i), func(t *testing.T) {
			o, err := For(c.Op, mil.IOS16+mil.Opset(c.Opset-16))
			if err != nil {
				t.Fatal(err)
			}
			n := &mil.Node{Op: c.Op, Name: "n"}
			for _, name := range slices.Sorted(maps.Keys(c.Args)) {
				n.Inputs = append(n.Inputs, mil.Input{Name: name, Values: []*mil.Value{val(read(t, c.Args[name]))}})
			}
			if o.Attributes != (c.Opset == 16) {
				t.Fatal("arguments are attributes in iOS16, inputs in iOS18")
			}
			args, err := o.Bind(n, nil)
			if err != nil {
				t.Fatal(err)
			}
			types, err := o.Infer(args)
			if err != nil {
				t.Fatal(err)
			}
			got, err := o.Eval(args)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.Out) {
				t.Fatalf("%d outputs, want %d", len(got), len(c.Out))
			}
			for j, g := range c.Out {
				want := read(t, g)
				if !mil.TypeOf(want).Equal(types[j]) {
					t.Errorf("output %d: type %s, want %s", j, types[j], mil.TypeOf(want))
				}
				if !slices.Equal(got[j].Float64s(), want.Float64s()) {
					t.Errorf("output %d: %s, want %s", j, showTensor(got[j]), showTensor(want))
				}
			}
		})
	}
}

// TestLookUp holds the table look-up, which takes codes from the packed bytes
// many at a time, against unpacking.
func TestLookUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(indexTypes).Draw(t, "type")
		n := rapid.IntRange(0, 200).Draw(t, "codes")
		b := rapid.SliceOfN(rapid.Byte(), d.PackedSize(n), d.PackedSize(n)).Draw(t, "bytes")
		x, err := tensor.FromPacked(d, sh{n}, b)
		if err != nil {
			t.Fatal(err)
		}
		first := rapid.IntRange(0, n).Draw(t, "first")
		last := rapid.IntRange(first, n).Draw(t, "last")
		table := make([]int32, 1<<d.Bits())
		for i := range table {
			table[i] = int32(i)
		}
		got := make([]int32, last-first)
		lookUp(got, codes{b, d.Bits()}, first, table)
		if want := x.I32()[first:last]; !slices.Equal(got, want) {
			t.Fatalf("codes %v, want %v", got, want)
		}
	})
}

func TestConstexprDense(t *testing.T) {
	affine := func(q, zero, scale *tensor.Tensor, axis int) any {
		return &ConstexprAffineDequantizeArgs{q, zero, scale, axis}
	}
	// Codes 0 3 2 1 3 of 2 bits: the first lies lowest in the first byte.
	codes := packed(tensor.Uint8, sh{2}, 0b01_10_11_00, 0b11)
	lut := line(10, 11, 12, 13)
	lutTo := func(indices, lut *tensor.Tensor, shape ...int) any {
		return &ConstexprLutToDenseArgs{indices, lut, shape}
	}
	groups := packed(tensor.Uint2, sh{6, 2}, 2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3)
	two := fl(sh{2, 1, 4, 1}, 1, 5, 9, 13, 2, 10, 18, 26)
	bits := packed(tensor.Uint1, sh{2, 2, 2}, 0, 0, 1, 0, 1, 1, 0, 0)
	vectors := packed(tensor.Int8, sh{1, 1, 1, 2, 3}, 1, 2, 3, -1, -2, -3)
	at := func(v int32) *tensor.Tensor { return in(sh{}, v) }
	lut18 := func(indices, lut, axis *tensor.Tensor) any { return &ConstexprLutToDenseIOS18Args{indices, lut, axis} }
	shift := func(data, scale, offset *tensor.Tensor) any {
		return &ConstexprBlockwiseShiftScaleArgs{data, scale, offset}
	}
	q4 := packed(tensor.Int4, sh{2, 4}, -8, -1, 0, 7, 1, 2, 3, 4)
	checkCases(t, []evalCase{
		{
			"scalar", ConstexprAffineDequantize.Op, affine(packed(tensor.Uint8, sh{3}, 0, 128, 255), packed(tensor.Uint8, sh{}, 128), fl(sh{}, 0.5), 0),
			outs(line(-64, 0, 63.5)), "",
		},
		{
			"per row", ConstexprAffineDequantize.Op, affine(packed(tensor.Int8, sh{2, 2}, -128, 1, 2, 127), packed(tensor.Int8, sh{2}, 1, -1), line(1, 2), 0),
			outs(fl(sh{2, 2}, -129, 0, 6, 256)), "",
		},
		{
			"per column", ConstexprAffineDequantize.Op, affine(packed(tensor.Int8, sh{2, 2}, -128, 1, 2, 127), packed(tensor.Int8, sh{}, 1), line(1, 2), -1),
			outs(fl(sh{2, 2}, -129, 0, 1, 252)), "",
		},
		{"float zero point", ConstexprAffineDequantize.Op, affine(packed(tensor.Uint8, sh{2}, 1, 2), line(0.5), half(2), 0), outs(half(1, 3)), ""},
		{"empty", ConstexprAffineDequantize.Op, affine(packed(tensor.Uint8, sh{0, 2}), packed(tensor.Uint8, sh{0}), line(), 0), outs(ramp(0, 2)), ""},
		{"axis", ConstexprAffineDequantize.Op, affine(packed(tensor.Uint8, sh{2}, 1, 2), line(0), line(1), 1), nil, "axis 1"},
		{"scalar data", ConstexprAffineDequantize.Op, affine(packed(tensor.Uint8, sh{}, 1), line(0), line(1), 0), nil, "axis 0"},
		{"scales", ConstexprAffineDequantize.Op, affine(packed(tensor.Uint8, sh{2}, 1, 2), line(0), line(1, 2, 3), 0), nil, "scale has shape 3"},
		{"zero points", ConstexprAffineDequantize.Op, affine(packed(tensor.Uint8, sh{2}, 1, 2), line(1, 2, 3), line(1), 0), nil, "zero_point has shape 3"},
		{"matrix of scales", ConstexprAffineDequantize.Op, affine(packed(tensor.Uint8, sh{2}, 1, 2), line(0), ramp(1, 1), 0), nil, "scale has shape 1×1"},

		{"codes", ConstexprLutToDense.Op, lutTo(codes, lut, 5), outs(line(10, 13, 12, 11, 13)), ""},
		{"shape", ConstexprLutToDense.Op, lutTo(codes, lut, 5, 1), outs(fl(sh{5, 1}, 10, 13, 12, 11, 13)), ""},
		{
			"integer table", ConstexprLutToDense.Op, lutTo(packed(tensor.Uint8, sh{1}, 0b0101), packed(tensor.Int8, sh{2}, -7, 9), 4),
			outs(tensor.New(tensor.Int8, sh{4}, []int32{9, -7, 9, -7})), "",
		},
		{"empty", ConstexprLutToDense.Op, lutTo(packed(tensor.Uint8, sh{0}), lut, 0, 3), outs(ramp(0, 3)), ""},
		{"too few bytes", ConstexprLutToDense.Op, lutTo(codes, lut, 9), nil, "take 3"},
		{"too many bytes", ConstexprLutToDense.Op, lutTo(codes, lut, 4), nil, "take 1"},
		{"odd table", ConstexprLutToDense.Op, lutTo(codes, line(1, 2, 3), 5), nil, "3 entries"},
		{"table of 8", ConstexprLutToDense.Op, lutTo(codes, ramp(8), 5), nil, "8 entries"},
		{"no table", ConstexprLutToDense.Op, lutTo(codes, line(), 5), nil, "0 entries"},
		{"negative", ConstexprLutToDense.Op, lutTo(codes, lut, -5), nil, "negative"},
		{"huge", ConstexprLutToDense.Op, lutTo(codes, lut, 1<<31-1, 1<<31-1, 4), nil, "more than"},

		{"groups", ConstexprLutToDenseIOS18.Op, lut18(groups, two, nil), outs(fl(sh{6, 2}, 9, 13, 13, 1, 5, 1, 26, 2, 18, 10, 2, 26)), ""},
		{"vectors along 1", ConstexprLutToDenseIOS18.Op, lut18(bits, vectors, at(1)), outs(tensor.New(tensor.Int8, sh{2, 6, 2}, []int32{
			1, 1, 2, 2, 3, 3, -1, 1, -2, 2, -3, 3,
			-1, -1, -2, -2, -3, -3, 1, 1, 2, 2, 3, 3,
		})), ""},
		{"vectors along the last", ConstexprLutToDenseIOS18.Op, lut18(bits, vectors, at(-1)), outs(tensor.New(tensor.Int8, sh{2, 2, 6}, []int32{
			1, 2, 3, 1, 2, 3, -1, -2, -3, 1, 2, 3,
			-1, -2, -3, -1, -2, -3, 1, 2, 3, 1, 2, 3,
		})), ""},
		{"no axis", ConstexprLutToDenseIOS18.Op, lut18(bits, vectors, nil), nil, "vector_axis"},
		{"axis", ConstexprLutToDenseIOS18.Op, lut18(bits, vectors, at(3)), nil, "axis 3"},
		{"two axes", ConstexprLutToDenseIOS18.Op, lut18(bits, vectors, whole(1, 2)), nil, "scalar"},
		{"empty vectors", ConstexprLutToDenseIOS18.Op, lut18(bits, fl(sh{1, 1, 1, 2, 0}), at(0)), nil, "0 elements"},
		{"rank", ConstexprLutToDenseIOS18.Op, lut18(bits, two, nil), nil, "two more"},
		{"scalar index", ConstexprLutToDenseIOS18.Op, lut18(packed(tensor.Uint1, sh{}, 1), fl(sh{2, 1}, 1, 2), nil), nil, "two more"},
		{"groups do not divide", ConstexprLutToDenseIOS18.Op, lut18(groups, ramp(4, 1, 4, 1), nil), nil, "into 4 blocks"},
		{"no groups", ConstexprLutToDenseIOS18.Op, lut18(groups, ramp(0, 1, 4, 1), nil), nil, "into 0 blocks"},
		{"table size", ConstexprLutToDenseIOS18.Op, lut18(groups, ramp(1, 1, 8, 1), nil), nil, "tables of 8"},
		{"odd index type", ConstexprLutToDenseIOS18.Op, lut18(q4, ramp(1, 1, 16, 1), nil), nil, "type int4"},

		{"blocks of 2", ConstexprBlockwiseShiftScale.Op, shift(q4, fl(sh{2, 2}, 1, 2, 3, 4), nil), outs(fl(sh{2, 4}, -8, -1, 0, 14, 3, 6, 12, 16)), ""},
		{
			"offset", ConstexprBlockwiseShiftScale.Op, shift(q4, fl(sh{2, 1}, 1, 2), packed(tensor.Int4, sh{2, 1}, -8, 7)),
			outs(fl(sh{2, 4}, 0, 7, 8, 15, -12, -10, -8, -6)), "",
		},
		{"float offset", ConstexprBlockwiseShiftScale.Op, shift(packed(tensor.Uint4, sh{2}, 1, 15), line(2), line(0.5)), outs(line(1, 29)), ""},
		{"float data", ConstexprBlockwiseShiftScale.Op, shift(line(1, 2, 3), line(1, 10, 100), line(1, 1, 1)), outs(line(0, 10, 200)), ""},
		{"half", ConstexprBlockwiseShiftScale.Op, shift(packed(tensor.Uint8, sh{2}, 1, 200), half(2), nil), outs(half(2, 400)), ""},
		{"empty", ConstexprBlockwiseShiftScale.Op, shift(packed(tensor.Int8, sh{2, 0}), fl(sh{2, 1}, 1, 2), nil), outs(ramp(2, 0)), ""},
		{"rank", ConstexprBlockwiseShiftScale.Op, shift(q4, line(1), nil), nil, "rank 1"},
		{"scalar data", ConstexprBlockwiseShiftScale.Op, shift(packed(tensor.Int8, sh{}, 1), fl(sh{}, 1), nil), nil, "scalar"},
		{"blocks do not divide", ConstexprBlockwiseShiftScale.Op, shift(q4, ramp(2, 3), nil), nil, "into 3 blocks"},
		{"no blocks", ConstexprBlockwiseShiftScale.Op, shift(q4, ramp(2, 0), nil), nil, "into 0 blocks"},
		{"offset shape", ConstexprBlockwiseShiftScale.Op, shift(q4, ramp(2, 2), packed(tensor.Int4, sh{2, 1}, 0, 0)), nil, "offset has shape"},
		{"offset type", ConstexprBlockwiseShiftScale.Op, shift(q4, ramp(2, 1), packed(tensor.Int8, sh{2, 1}, 0, 0)), nil, "offset is of type"},

		{"inputs", ConstexprCastIOS18.Op, &ConstexprCastArgs{half(1, 65504), "fp32"}, outs(line(1, 65504)), ""},
		{"attributes", ConstexprCast.Op, &ConstexprCastArgs{half(-0.5), "fp32"}, outs(line(-0.5)), ""},
		{"to half", ConstexprCast.Op, &ConstexprCastArgs{half(-0.5), "fp16"}, nil, "not one of"},
		{"from float", ConstexprCast.Op, &ConstexprCastArgs{line(-0.5), "fp32"}, nil, "want fp16"},
	})
}

func TestConstexprSparse(t *testing.T) {
	bitsOf := func(shape sh, v ...int32) *tensor.Tensor { return packed(tensor.Uint1, shape, v...) }
	sparse16 := func(data, mask *tensor.Tensor, shape ...int) any {
		return &ConstexprSparseToDenseArgs{data, mask, shape}
	}
	sparse18 := func(data, mask *tensor.Tensor) any { return &ConstexprSparseToDenseIOS18Args{data, mask} }
	mask := bitsOf(sh{4, 6},
		1, 1, 0, 0, 0, 0,
		1, 1, 0, 0, 0, 1,
		0, 1, 1, 0, 1, 0,
		0, 0, 0, 1, 0, 0)
	indices := packed(tensor.Uint1, sh{9}, 0, 1, 1, 0, 1, 1, 0, 0, 1)
	twice := bitsOf(sh{8, 6},
		1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0,
		1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1,
		0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0,
		0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0)
	toSparse := func(mask, indices, lut, axis *tensor.Tensor) any {
		return &ConstexprLutToSparseArgs{mask, indices, lut, axis}
	}
	table := bitsOf(sh{4, 4}, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0)
	stored := packed(tensor.Int8, sh{9}, 10, 11, 3, 4, 5, 6, 7, 8, 9)
	sparseShift := func(mask, data, scale, offset *tensor.Tensor) any {
		return &ConstexprSparseBlockwiseShiftScaleArgs{mask, data, scale, offset}
	}
	// Bits past the last element say nothing.
	dirty, err := tensor.FromPacked(tensor.Uint1, sh{3}, []byte{0b11111_010})
	if err != nil {
		t.Fatal(err)
	}
	checkCases(t, []evalCase{
		{"bytes", ConstexprSparseToDense.Op, sparse16(line(7, 8), packed(tensor.Uint8, sh{1}, 0b01100), 5), outs(line(0, 0, 7, 8, 0)), ""},
		{
			"shape", ConstexprSparseToDense.Op, sparse16(line(7, 8, 9), packed(tensor.Uint8, sh{2}, 0b10000001, 1), 3, 3),
			outs(fl(sh{3, 3}, 7, 0, 0, 0, 0, 0, 0, 8, 9)), "",
		},
		{"empty", ConstexprSparseToDense.Op, sparse16(line(), packed(tensor.Uint8, sh{0}), 0, 3), outs(ramp(0, 3)), ""},
		{"too few values", ConstexprSparseToDense.Op, sparse16(line(7), packed(tensor.Uint8, sh{1}, 0b01100), 5), nil, "2 elements set"},
		{"too many values", ConstexprSparseToDense.Op, sparse16(line(7, 8, 9), packed(tensor.Uint8, sh{1}, 0b01100), 5), nil, "2 elements set"},
		{"mask size", ConstexprSparseToDense.Op, sparse16(line(7), packed(tensor.Uint8, sh{2}, 1, 0), 5), nil, "take 1"},
		{"huge", ConstexprSparseToDense.Op, sparse16(line(7), packed(tensor.Uint8, sh{1}, 1), 1<<31-1, 1<<31-1), nil, "more than"},
		{
			"bits", ConstexprSparseToDenseIOS18.Op, sparse18(packed(tensor.Int4, sh{2}, -8, 7), bitsOf(sh{2, 2}, 0, 1, 1, 0)),
			outs(tensor.New(tensor.Int4, sh{2, 2}, []int32{0, -8, 7, 0})), "",
		},
		{"padding", ConstexprSparseToDenseIOS18.Op, sparse18(line(5), dirty), outs(line(0, 5, 0)), ""},
		{"matrix of values", ConstexprSparseToDenseIOS18.Op, sparse18(ramp(1, 1), dirty), nil, "shape 1×1"},
		{"values", ConstexprSparseToDenseIOS18.Op, sparse18(line(5, 6), dirty), nil, "1 elements set"},

		{
			"scalars", ConstexprLutToSparse.Op, toSparse(mask, indices, fl(sh{1, 1, 2, 1}, 2, 3), nil),
			outs(mask, line(2, 3, 3, 2, 3, 3, 2, 2, 3)), "",
		},
		{
			"vectors", ConstexprLutToSparse.Op, toSparse(mask, indices, fl(sh{1, 1, 2, 2}, 2, 20, 3, 30), in(sh{}, 0)),
			outs(twice, line(2, 3, 20, 30, 3, 2, 3, 30, 20, 30, 3, 2, 2, 30, 20, 20, 3, 30)), "",
		},
		{
			"groups", ConstexprLutToSparse.Op, toSparse(mask, indices, fl(sh{2, 1, 2, 1}, 2, 3, 4, 5), nil),
			outs(mask, line(2, 3, 3, 2, 3, 5, 4, 4, 5)), "",
		},
		{"indices", ConstexprLutToSparse.Op, toSparse(mask, packed(tensor.Uint1, sh{1}, 0), fl(sh{1, 1, 2, 1}, 2, 3), nil), nil, "9 elements set"},
		{"rank", ConstexprLutToSparse.Op, toSparse(mask, indices, fl(sh{1, 2, 1}, 2, 3), nil), nil, "two more"},

		{
			"columns", ConstexprSparseBlockwiseShiftScale.Op, sparseShift(table, stored, fl(sh{1, 4}, 1, 2, 4, 8), packed(tensor.Int8, sh{1, 4}, 1, 2, 3, 4)),
			outs(table, line(9, 18, 2, 4, 8, 12, 24, 7, 14)), "",
		},
		{
			"no offset", ConstexprSparseBlockwiseShiftScale.Op, sparseShift(table, stored, fl(sh{2, 1}, 1, 2), nil),
			outs(table, line(10, 11, 3, 4, 5, 12, 14, 16, 18)), "",
		},
		{"values", ConstexprSparseBlockwiseShiftScale.Op, sparseShift(table, packed(tensor.Int8, sh{1}, 1), fl(sh{1, 4}, 1, 2, 4, 8), nil), nil, "9 elements set"},
		{"blocks", ConstexprSparseBlockwiseShiftScale.Op, sparseShift(table, stored, fl(sh{1, 3}, 1, 2, 4), nil), nil, "into 3 blocks"},
	})
}

// TestCoded holds that results which stay codes have the elements that are
// expanded otherwise.
func TestCoded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, d := range []tensor.DType{tensor.Int4, tensor.Uint4, tensor.Int8, tensor.Uint8} {
		for _, c := range []struct {
			shape, grid []int
			stays       bool
		}{
			{sh{64, 32}, sh{1, 1}, true},
			{sh{64, 32}, sh{64, 1}, true},
			{sh{64, 32}, sh{64, 4}, true},
			{sh{64, 32}, sh{1, 32}, true},
			{sh{16, 64, 3}, sh{16, 4, 1}, true},
			{sh{16, 64, 3}, sh{1, 64, 1}, true},
			{sh{16, 64, 3}, sh{1, 16, 1}, true},
			{sh{16, 64, 3}, sh{4, 64, 1}, false},
			{sh{16, 64, 3}, sh{16, 1, 3}, false},
			{sh{16, 4}, sh{16, 1}, false}, // few
		} {
			data, scale := sampleCodes(r, d, c.shape...), tensor.Floats(c.grid, sampleVector(r, tensor.Size(c.grid), 0))
			for _, offset := range []*tensor.Tensor{nil, sampleCodes(r, d, c.grid...)} {
				out, err := ConstexprBlockwiseShiftScale.Eval(&ConstexprBlockwiseShiftScaleArgs{data, scale, offset})
				if err != nil {
					t.Fatal(err)
				}
				if stays := out[0].Codes() != nil; stays != c.stays {
					t.Errorf("%s %v by %v: stays codes: %v", d, c.shape, c.grid, stays)
				}
				got, codes, zero := out[0].F32(), data.I32(), offsets(offset, scale.Len())
				blocks(c.shape, c.grid, func(first, n, i int) {
					for j := first; j < first+n; j++ {
						if want := scale.F32()[i] * (float32(codes[j]) - zero[i]); got[j] != want {
							t.Fatalf("%s %v by %v: element %d is %v, want %v", d, c.shape, c.grid, j, got[j], want)
						}
					}
				})
			}
		}
	}
}
