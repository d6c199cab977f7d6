package quant

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

// golden is testdata/golden.json: results of coremltools, see make_golden.py.
// Codes are ints there, since JSON shows bytes otherwise.
type golden struct {
	Linear, Symmetric []struct {
		Layout      []int
		W           []float32
		Bits        int
		Codes, Raw  []int
		Scale, Bias []float32
	}
	LUT, Uniform []struct {
		W     []float32
		Bits  int
		Codes []int
		Table []float32
	}
	Affine []struct {
		Shape, Sizes []int
		DType        string
		Symmetric    bool
		W            []float32
		Codes        []int32
		Scale        []float32
		Offset       []int32
		Out          []float32
	}
	Grouped []struct {
		Shape, Counts []int
		Vector, Axis  int
		Codes         []int
		Table, Out    []float32
	}
}

func readGolden(t *testing.T) (g golden) {
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func bytesOf(v []int) []uint8 {
	out := make([]uint8, len(v))
	for i, x := range v {
		out[i] = uint8(x)
	}
	return out
}

func TestGoldenLinear(t *testing.T) {
	g := readGolden(t)
	for i, c := range append(g.Linear, g.Symmetric...) {
		quantize := Linear
		if i >= len(g.Linear) {
			quantize = LinearSymmetric
		}
		l := Layout{c.Layout[0], c.Layout[1], c.Layout[2]}
		got, err := quantize(c.W, l, c.Bits)
		if err != nil {
			t.Errorf("case %d: %v", i, err)
			continue
		}
		if !slices.Equal(got.Codes, bytesOf(c.Codes)) || !slices.Equal(got.Scale, c.Scale) || !slices.Equal(got.Bias, c.Bias) {
			t.Errorf("case %d, %v, %d bits: got %v, want %v %v %v", i, l, c.Bits, got, c.Codes, c.Scale, c.Bias)
		}
		if c.Raw != nil && !slices.Equal(PackMSB(got.Codes, c.Bits), bytesOf(c.Raw)) {
			t.Errorf("case %d, %d bits: packed %x, want %x", i, c.Bits, PackMSB(got.Codes, c.Bits), bytesOf(c.Raw))
		}
	}
}

func TestGoldenEvenTables(t *testing.T) {
	g := readGolden(t)
	for i, c := range append(g.LUT, g.Uniform...) {
		palettize := LinearLUT
		if i >= len(g.LUT) {
			palettize = Uniform
		}
		got, err := palettize(c.W, c.Bits)
		if err != nil || !slices.Equal(got.Codes, bytesOf(c.Codes)) || !slices.Equal(got.Table, c.Table) {
			t.Errorf("case %d, %d bits: got %v, %v, want %v %v", i, c.Bits, got, err, c.Codes, c.Table)
		}
	}
}

func TestGoldenAffine(t *testing.T) {
	for i, c := range readGolden(t).Affine {
		g, err := NewGrid(c.Shape, c.Sizes)
		if err != nil {
			t.Fatal(err)
		}
		dtype, err := tensor.ParseDType(c.DType)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Affine(c.W, g, AffineSpec{DType: dtype, Symmetric: c.Symmetric})
		if err != nil {
			t.Errorf("case %d: %v", i, err)
			continue
		}
		if !slices.Equal(got.Codes, c.Codes) || !slices.Equal(got.Scale, c.Scale) || !slices.Equal(got.Offset, c.Offset) {
			t.Errorf("case %d, %v %v %s: got %v, want %v %v %v", i, c.Shape, c.Sizes, c.DType, got, c.Codes, c.Scale, c.Offset)
		}
		if back, err := Dequantize(got.Codes, g, got.Scale, got.Offset); err != nil || !slices.Equal(back, c.Out) {
			t.Errorf("case %d: dequantized %v, %v, want %v", i, back, err, c.Out)
		}
	}
}

func TestGoldenGroupedLUT(t *testing.T) {
	for i, c := range readGolden(t).Grouped {
		g, err := GridOf(c.Shape, c.Counts)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DequantizeGroupedLUT(bytesOf(c.Codes), c.Table, g, c.Vector, c.Axis)
		if err != nil || !slices.Equal(got, c.Out) {
			t.Errorf("case %d, %v: got %v, %v, want %v", i, c.Shape, got, err, c.Out)
		}
	}
}

// A layer of SqueezeNet and what coremltools made of it.
func TestGoldenLayer(t *testing.T) {
	b, err := os.ReadFile("testdata/fire2_expand3x3.bin")
	if err != nil {
		t.Fatal(err)
	}
	floats := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		b = b[4*n:]
		return out
	}
	l, err := Along([]int{64, 16, 3, 3}, 0)
	if err != nil {
		t.Fatal(err)
	}
	const n = 64 * 16 * 3 * 3
	w := floats(n)
	for _, bits := range []int{8, 4} {
		raw := b[:n*bits/8]
		b = b[len(raw):]
		scale, bias := floats(64), floats(64)
		got, err := Linear(w, l, bits)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(PackMSB(got.Codes, bits), raw) || !slices.Equal(got.Scale, scale) || !slices.Equal(got.Bias, bias) {
			t.Errorf("%d bits: not what coremltools wrote", bits)
		}
	}
	if len(b) != 0 {
		t.Errorf("%d bytes left in the golden file", len(b))
	}
}
