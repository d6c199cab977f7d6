package quant

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
	"pgregory.net/rapid"
)

// moderate draws weights whose ranges are not tiny, in a shape of rank 4.
func moderate(t *rapid.T) (w []float32, shape []int) {
	shape = make([]int, 4)
	for i := range shape {
		shape[i] = rapid.IntRange(1, 5).Draw(t, "dim")
	}
	n := tensor.Size(shape)
	return rapid.SliceOfN(rapid.Map(rapid.IntRange(-1<<16, 1<<16), func(i int) float32 {
		return float32(i) / 1000
	}), n, n).Draw(t, "w"), shape
}

func TestLinearErrorIsHalfAScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, shape := moderate(t)
		axis := rapid.IntRange(0, 3).Draw(t, "axis")
		bits := rapid.IntRange(1, 8).Draw(t, "bits")
		quantize := Linear
		if bits > 1 && rapid.Bool().Draw(t, "symmetric") {
			quantize = LinearSymmetric
		}
		l, err := Along(shape, axis)
		if err != nil {
			t.Fatal(err)
		}
		q, err := quantize(w, l, bits)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DequantizeLinear(q.Codes, l, q.Scale, q.Bias)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range w {
			c := i / tensor.Size(shape[axis+1:]) % shape[axis]
			// Half a step, and the rounding of scale, bias and sum to float32.
			if e := math.Abs(float64(x - back[i])); int(q.Codes[i]) >= 1<<bits || e > float64(q.Scale[c])/2+4e-7*131 {
				t.Fatalf("value %d, %g: code %d, back %g, scale %g", i, x, q.Codes[i], back[i], q.Scale[c])
			}
		}
	})
}

func TestAffineErrorIsHalfAScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, shape := moderate(t)
		sizes := make([]int, 4)
		for i, d := range shape {
			sizes[i] = rapid.SampledFrom([]int{0, 1, d}).Draw(t, "size")
		}
		spec := AffineSpec{
			DType:     rapid.SampledFrom([]tensor.DType{tensor.Int4, tensor.Uint4, tensor.Int8, tensor.Uint8}).Draw(t, "dtype"),
			Symmetric: rapid.Bool().Draw(t, "symmetric"),
			Scale:     rapid.SampledFrom([]tensor.DType{tensor.Float32, tensor.Float16}).Draw(t, "scale"),
		}
		g, err := NewGrid(shape, sizes)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Affine(w, g, spec)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Dequantize(q.Codes, g, q.Scale, q.Offset)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := spec.DType.IntRange()
		block := blockNumbers(shape, g.Counts())
		for i, x := range w {
			scale := float64(q.Scale[block[i]])
			slack := 1e-4
			if spec.Scale == tensor.Float16 { // the top code may fall short by the scale's rounding
				slack = 256 * scale / (1 << 11)
			}
			if e := math.Abs(float64(x - back[i])); int64(q.Codes[i]) < lo || int64(q.Codes[i]) > hi || e > scale/2+slack {
				t.Fatalf("value %d, %g: code %d, back %g, scale %g", i, x, q.Codes[i], back[i], scale)
			}
			if x == 0 && back[i] != 0 {
				t.Fatalf("value %d: zero became %g", i, back[i])
			}
		}
	})
}

// blockNumbers finds the block of each index by its coordinates.
func blockNumbers(shape, counts []int) []int {
	out := make([]int, tensor.Size(shape))
	for i := range out {
		rest, block, stride := i, 0, 1
		for a := len(shape) - 1; a >= 0; a-- {
			block += rest % shape[a] / (shape[a] / counts[a]) * stride
			rest /= shape[a]
			stride *= counts[a]
		}
		out[i] = block
	}
	return out
}

func TestGridRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rank := rapid.IntRange(0, 5).Draw(t, "rank")
		shape, counts := make([]int, rank), make([]int, rank)
		for i := range shape {
			counts[i] = rapid.IntRange(1, 3).Draw(t, "count")
			shape[i] = counts[i] * rapid.IntRange(1, 3).Draw(t, "size")
		}
		g, err := GridOf(shape, counts)
		if err != nil {
			t.Fatal(err)
		}
		got := []int{}
		g.runs(func(start, end, block int) {
			if start != len(got) {
				t.Fatalf("a run begins at %d after %d values", start, len(got))
			}
			for range end - start {
				got = append(got, block)
			}
		})
		if want := blockNumbers(shape, counts); !slices.Equal(got, want) {
			t.Fatalf("%v in %v blocks: got %v, want %v", shape, counts, got, want)
		}
	})
}

func TestPackUnpack(t *testing.T) {
	uints := map[int]tensor.DType{1: tensor.Uint1, 2: tensor.Uint2, 3: tensor.Uint3, 4: tensor.Uint4, 6: tensor.Uint6, 8: tensor.Uint8}
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(1, 8).Draw(t, "bits")
		n := rapid.IntRange(0, 50).Draw(t, "n")
		codes := rapid.SliceOfN(rapid.Uint8Max(uint8(1<<bits-1)), n, n).Draw(t, "codes")

		// The definition, bit by bit.
		msb, lsb := make([]byte, (n*bits+7)/8), make([]byte, (n*bits+7)/8)
		wide := make([]int32, n)
		for i, q := range codes {
			wide[i] = int32(q)
			for k := range bits {
				at := i*bits + k
				msb[at/8] |= q >> (bits - 1 - k) & 1 << (7 - at%8)
				lsb[at/8] |= q >> k & 1 << (at % 8)
			}
		}
		if got := PackMSB(codes, bits); !bytes.Equal(got, msb) {
			t.Fatalf("PackMSB: %x, want %x", got, msb)
		}
		if got := PackLSB(codes, bits); !bytes.Equal(got, lsb) {
			t.Fatalf("PackLSB: %x, want %x", got, lsb)
		}
		if dtype, ok := uints[bits]; ok {
			if got := tensor.New(dtype, []int{n}, wide).Packed(); !bytes.Equal(got, lsb) {
				t.Fatalf("a tensor packs %x, want %x", got, lsb)
			}
		}
		for _, extra := range []int{0, 1, 20} {
			if got, err := UnpackMSB(append(msb, make([]byte, extra)...), n, bits); err != nil || !bytes.Equal(got, codes) {
				t.Fatalf("UnpackMSB: %v, %v, want %v", got, err, codes)
			}
			if got, err := UnpackLSB(append(lsb, make([]byte, extra)...), n, bits); err != nil || !bytes.Equal(got, codes) {
				t.Fatalf("UnpackLSB: %v, %v, want %v", got, err, codes)
			}
		}
		if n > 0 {
			if _, err := UnpackMSB(msb[1:], n, bits); err == nil {
				t.Fatal("UnpackMSB takes too few bytes")
			}
		}
	})
}

func TestPackExample(t *testing.T) {
	codes := []uint8{0, 3, 5, 7, 10, 12, 15, 0, 2, 5, 8, 10, 12, 15, 0, 2, 5, 7, 10, 12, 15}
	want := []byte{0x03, 0x57, 0xac, 0xf0, 0x25, 0x8a, 0xcf, 0x02, 0x57, 0xac, 0xf0}
	if got := PackMSB(codes, 4); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if got := PackMSB([]uint8{0xff, 0x12}, 4); !bytes.Equal(got, []byte{0xf2}) {
		t.Errorf("codes with high bits pack to %x", got)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte{0x03, 0x57}, 4, 4)
	f.Add([]byte{}, 1<<40, 3)
	f.Add([]byte{1}, -1, 8)
	f.Add([]byte{1}, 1, -3)
	f.Fuzz(func(t *testing.T, b []byte, n, bits int) {
		codes, err := UnpackMSB(b, n, bits)
		if err != nil {
			return
		}
		if again, err := UnpackMSB(PackMSB(codes, bits), n, bits); err != nil || !bytes.Equal(again, codes) {
			t.Errorf("MSB: %v became %v, %v", codes, again, err)
		}
		if codes, err = UnpackLSB(b, n, bits); err != nil {
			t.Fatalf("LSB: %v, but not MSB", err)
		}
		if again, err := UnpackLSB(PackLSB(codes, bits), n, bits); err != nil || !bytes.Equal(again, codes) {
			t.Errorf("LSB: %v became %v, %v", codes, again, err)
		}
	})
}

func TestLinearEdges(t *testing.T) {
	const huge = math.MaxFloat32
	inf := float32(math.Inf(1))
	tests := []struct {
		name  string
		fn    func() error
		error string
	}{
		{"NaN", func() error { _, err := Linear([]float32{1, inf - inf}, Whole(2), 8); return err }, "value 1 is NaN"},
		{"bits", func() error { _, err := Linear([]float32{1}, Whole(1), 9); return err }, "1 to 8 bits, have 9"},
		{"layout", func() error { _, err := Linear([]float32{1}, Layout{2, 3, 4}, 8); return err }, "2×3×4 = 24 values, have 1"},
		{"negative layout", func() error { _, err := Linear([]float32{1}, Layout{-1, -1, 1}, 8); return err }, "negative"},
		{"empty", func() error { _, err := Linear(nil, Layout{1, 0, 1}, 8); return err }, "no values"},
		{"range", func() error { _, err := Linear([]float32{-huge, huge}, Whole(2), 1); return err }, "beyond float32"},
		{"symmetric range", func() error { _, err := LinearSymmetric([]float32{huge}, Whole(1), 8); return err }, "beyond float32"},
		{"symmetric bit", func() error { _, err := LinearSymmetric([]float32{1}, Whole(1), 1); return err }, "2 to 8 bits"},
		{"axis", func() error { _, err := Along([]int{2}, 1); return err }, "no axis 1"},
		{"scales", func() error { _, err := DequantizeLinear([]uint8{1, 2}, Whole(2), []float32{1, 2}, nil); return err }, "want 1 or 1 scales, have 2"},
		{"biases", func() error {
			_, err := DequantizeLinear([]uint8{1, 2}, Whole(2), []float32{1}, []float32{1, 2})
			return err
		}, "have 2"},
		{"int8", func() error { _, _, err := Int8Dynamic([]float32{inf}); return err }, "value 0 is +Inf"},
	}
	for _, tt := range tests {
		if err := tt.fn(); err == nil || !strings.Contains(err.Error(), tt.error) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.error)
		}
	}
	if q, err := Linear([]float32{-huge, 0, huge}, Whole(3), 8); err != nil || !slices.Equal(q.Codes, []uint8{0, 128, 255}) {
		t.Errorf("the whole range of float32: %v, %v", q, err)
	}
	q, err := LinearSymmetric([]float32{0, 1e-6, 1, -1}, Layout{1, 2, 2}, 8)
	if want := []uint8{128, 128, 255, 1}; err != nil || !slices.Equal(q.Codes, want) {
		t.Errorf("symmetric: %v, %v, want %v", q, err, want)
	}
	got, err := DequantizeLinear([]uint8{0, 1, 2, 3}, Layout{1, 2, 2}, []float32{0.5}, nil)
	if want := []float32{0, 0.5, 1, 1.5}; err != nil || !slices.Equal(got, want) {
		t.Errorf("one scale, no bias: %v, %v", got, err)
	}
}

func TestInt8Dynamic(t *testing.T) {
	codes, scale, err := Int8Dynamic([]float32{-2, 1.999, 0.5, -0.5, 0})
	if want := []int8{-127, 126, 31, -31, 0}; err != nil || !slices.Equal(codes, want) || scale != float32(2.0/127) {
		t.Errorf("got %v, %g, %v, want %v", codes, scale, err, want)
	}
	if got := DequantizeInt8Dynamic(codes, 0.5); !slices.Equal(got, []float32{-63.5, 63, 15.5, -15.5, 0}) {
		t.Errorf("dequantized: %v", got)
	}
	if codes, scale, err := Int8Dynamic([]float32{0, 0}); err != nil || scale != 0 || !slices.Equal(codes, []int8{0, 0}) {
		t.Errorf("zeros: %v, %g, %v", codes, scale, err)
	}
}

func TestAffineEdges(t *testing.T) {
	const huge = math.MaxFloat32
	one := func(n int) Grid {
		g, err := OneBlock(n)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	tests := []struct {
		name string
		w    []float32
		spec AffineSpec
		want Quantized
	}{
		{"zeros, signed symmetric", []float32{0, 0}, AffineSpec{tensor.Int8, true, 0}, Quantized{[]int32{0, 0}, []float32{0}, nil}},
		{"zeros, unsigned symmetric", []float32{0, 0}, AffineSpec{tensor.Uint4, true, 0}, Quantized{[]int32{7, 7}, []float32{0}, []int32{7}}},
		{"zeros, signed", []float32{0, 0}, AffineSpec{tensor.Int4, false, 0}, Quantized{[]int32{0, 0}, []float32{0}, []int32{0}}},
		{"zeros, unsigned", []float32{0, 0}, AffineSpec{tensor.Uint8, false, 0}, Quantized{[]int32{0, 0}, []float32{0}, []int32{0}}},
		{
			"all of float32",
			[]float32{-huge, 0, huge},
			AffineSpec{tensor.Uint8, false, 0},
			Quantized{[]int32{0, 128, 255}, []float32{huge / 127.5}, []int32{128}},
		},
		{
			"all of float32, symmetric",
			[]float32{-huge, 0, huge},
			AffineSpec{tensor.Int8, true, 0},
			Quantized{[]int32{-127, 0, 127}, []float32{float32(huge) / 127}, nil},
		},
		{"scale below fp16", []float32{1e-9, -1e-9}, AffineSpec{tensor.Int8, true, tensor.Float16}, Quantized{[]int32{0, 0}, []float32{0}, nil}},
	}
	for _, tt := range tests {
		got, err := Affine(tt.w, one(len(tt.w)), tt.spec)
		if err != nil || !slices.Equal(got.Codes, tt.want.Codes) || !slices.Equal(got.Scale, tt.want.Scale) || !slices.Equal(got.Offset, tt.want.Offset) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	for name, fn := range map[string]func() error{
		"not int16": func() error { _, err := Affine([]float32{1}, one(1), AffineSpec{DType: tensor.Int16}); return err },
		"not bf16": func() error {
			_, err := Affine([]float32{1}, one(1), AffineSpec{tensor.Int8, true, tensor.BFloat16})
			return err
		},
		"want 2 = 2 values":   func() error { _, err := Affine([]float32{1}, one(2), AffineSpec{DType: tensor.Int8}); return err },
		"there are no values": func() error { _, err := Affine(nil, Grid{}, AffineSpec{DType: tensor.Int8}); return err },
		"value 0 is NaN": func() error {
			_, err := Affine([]float32{float32(math.NaN())}, one(1), AffineSpec{DType: tensor.Int8})
			return err
		},
		"scales as fp16": func() error {
			_, err := Affine([]float32{1e9}, one(1), AffineSpec{tensor.Int8, true, tensor.Float16})
			return err
		},
		"want 1 scales":       func() error { _, err := Dequantize([]int32{1}, one(1), nil, nil); return err },
		"want no offset or 1": func() error { _, err := Dequantize([]int32{1}, one(1), []float32{1}, []int32{1, 2}); return err },
		"into blocks of 2":    func() error { _, err := NewGrid([]int{3}, []int{2}); return err },
		"into blocks of -1":   func() error { _, err := NewGrid([]int{3}, []int{-1}); return err },
		"into 0 blocks":       func() error { _, err := GridOf([]int{3}, []int{0}); return err },
		"each axis of 3":      func() error { _, err := GridOf([]int{3}, nil); return err },
		"block size for each": func() error { _, err := NewGrid([]int{3}, nil); return err },
		"negative dimension":  func() error { _, err := NewGrid([]int{-3}, []int{1}); return err },
		"has no axis -1":      func() error { _, err := PerChannel([]int{3}, -1); return err },
		"has more than":       func() error { _, err := GridOf([]int{1 << 40, 1 << 40}, []int{1, 1}); return err },
	} {
		if err := fn(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %q", err, name)
		}
	}
	// Float data and offsets: what scales of tables are made of.
	got, err := Dequantize([]float32{1, 2.5}, one(2), []float32{2}, []float32{0.5})
	if err != nil || !slices.Equal(got, []float32{1, 4}) {
		t.Errorf("float data: %v, %v", got, err)
	}
}

func TestUnique(t *testing.T) {
	zero := float32(math.Copysign(0, -1))
	p, err := Unique([]float32{3, zero, -1, 0, 3}, 2)
	if err != nil || !slices.Equal(p.Table, []float32{-1, 0, 3, 3}) || !slices.Equal(p.Codes, []uint8{2, 1, 0, 1, 2}) || math.Signbit(float64(p.Table[1])) {
		t.Errorf("got %v, %v", p, err)
	}
	if _, err := Unique([]float32{1, 2, 3}, 1); err == nil || !strings.Contains(err.Error(), "more than 2 distinct") {
		t.Errorf("three values for one bit: %v", err)
	}
}

func TestGroupedPalette(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, shape := moderate(t)
		axis := rapid.IntRange(0, 3).Draw(t, "axis")
		bits := rapid.IntRange(1, 4).Draw(t, "bits")
		g, err := PerChannel(shape, axis)
		if err != nil {
			t.Fatal(err)
		}
		p, err := GroupedPalette(w, g, func(w []float32) (Palette, error) {
			return KMeans(context.Background(), w, bits, KMeansOptions{})
		})
		if err != nil {
			t.Fatal(err)
		}
		back, err := DequantizeGroupedLUT(p.Codes, p.Table, g, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		// Channel by channel the same as the channel alone.
		block := blockNumbers(shape, g.Counts())
		for c := range shape[axis] {
			var own, got []float32
			for i, x := range w {
				if block[i] == c {
					own, got = append(own, x), append(got, back[i])
				}
			}
			alone, err := KMeans(context.Background(), own, bits, KMeansOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if want, err := DequantizeLUT(alone.Codes, alone.Table); err != nil || !slices.Equal(got, want) {
				t.Fatalf("channel %d: %v, %v, want %v", c, got, err, want)
			}
		}
	})
}

func TestLUTErrors(t *testing.T) {
	g, err := GridOf([]int{2, 2}, []int{2, 1})
	if err != nil {
		t.Fatal(err)
	}
	four, codes := []float32{1, 2, 3, 4}, []uint8{0, 1, 1, 0}
	decode := func(codes []uint8, table []float32, vector, axis int) func() error {
		return func() error { _, err := DequantizeGroupedLUT(codes, table, g, vector, axis); return err }
	}
	tests := []struct {
		fn    func() error
		error string
	}{
		{func() error { return CheckLUT(four, codes, 0) }, "1 to 8 bits"},
		{func() error { return CheckLUT(four, codes, 3) }, "a table for 3 bits has 8 values, this one 4"},
		{func() error { return CheckLUT([]float32{1, float32(math.Inf(1))}, codes, 1) }, "table: value 1 is +Inf"},
		{func() error { return CheckLUT([]float32{1, 2}, []uint8{1, 0, 2}, 1) }, "code 2 is 2, beyond a table of 2"},
		{func() error { _, err := DequantizeLUT([]uint8{4}, four); return err }, "beyond a table of 4"},
		{func() error { _, err := DequantizeLUT([]uint8{0}, nil); return err }, "beyond a table of 0"},
		{decode(codes[:3], four, 1, 0), "have 3"},
		{decode(codes, four, 0, 0), "no vectors of 0"},
		{decode(codes, four, 5, 0), "no vectors of 5"},
		{decode(codes, four[:3], 1, 0), "does not divide"},
		{decode(codes, nil, 1, 0), "does not divide"},
		{decode([]uint8{0, 1, 2, 0}, four, 1, 0), "code 2 is 2"},
		{decode(make([]uint8, 4), four, 2, 2), "vector axis"},
		{func() error { _, err := Uniform(nil, 4); return err }, "no values"},
		{func() error { _, err := Unique([]float32{float32(math.NaN())}, 4); return err }, "value 0 is NaN"},
		{func() error {
			_, err := GroupedPalette(four, g, func(w []float32) (Palette, error) { return Unique(w, 0) })
			return err
		}, "block 0: want 1 to 8 bits"},
		{func() error {
			_, err := GroupedPalette(four, g, func(w []float32) (Palette, error) { return Palette{}, nil })
			return err
		}, "block 0: the palette does not have the right size"},
	}
	for _, tt := range tests {
		if err := tt.fn(); err == nil || !strings.Contains(err.Error(), tt.error) {
			t.Errorf("error %v, want %q", err, tt.error)
		}
	}
	if err := CheckLUT(four, codes, 2); err != nil {
		t.Error(err)
	}
	p, err := Uniform([]float32{-math.MaxFloat32, 0, math.MaxFloat32}, 8)
	if err != nil || !slices.Equal(p.Codes, []uint8{0, 128, 255}) {
		t.Errorf("all of float32, uniform: %v, %v", p.Codes, err)
	}
}

func TestFloat16(t *testing.T) {
	inf := float32(math.Inf(1))
	b, overflowed := Float16([]float32{1, -65520, 65519, inf, float32(math.NaN()), 1.00048828125, 1e-8})
	if overflowed != 1 {
		t.Errorf("%d overflowed", overflowed)
	}
	w, err := DequantizeFloat16(b)
	if err != nil || !slices.Equal(w[:4], []float32{1, -inf, 65504, inf}) || w[4] == w[4] || w[5] != 1 || w[6] != 0 {
		t.Errorf("got %v, %v", w, err)
	}
	if _, err := DequantizeFloat16(b[1:]); err == nil {
		t.Error("an odd number of bytes is taken")
	}
}

func TestMeasure(t *testing.T) {
	s, err := Measure([]float32{3, 4, 0, 0}, []float32{3, 4, 0.5, 0})
	if err != nil || s.MSE != 0.0625 || s.MaxError != 0.5 || math.Abs(s.SNR-20) > 1e-12 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err = Measure([]float32{1}, []float32{1}); err != nil || s.MSE != 0 || !math.IsInf(s.SNR, 1) {
		t.Errorf("equal: %+v, %v", s, err)
	}
	nan := float32(math.NaN())
	if s, err = Measure([]float32{1, 2}, []float32{nan, 2}); err != nil || s.MSE == s.MSE || s.MaxError == s.MaxError || s.SNR == s.SNR {
		t.Errorf("NaN: %+v, %v", s, err)
	}
	if _, err = Measure([]float32{1}, nil); err == nil {
		t.Error("different lengths are taken")
	}
	if _, err = Measure(nil, nil); err == nil {
		t.Error("nothing is taken")
	}
}

func BenchmarkLinear(b *testing.B) {
	w := normal(1_000_000)
	for b.Loop() {
		if _, err := Linear(w, Layout{1, 1000, 1000}, 8); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(4_000_000)
}

func BenchmarkPack(b *testing.B) {
	codes := make([]uint8, 1_000_000)
	b.SetBytes(1_000_000)
	for b.Loop() {
		if _, err := UnpackMSB(PackMSB(codes, 3), len(codes), 3); err != nil {
			b.Fatal(err)
		}
	}
}
