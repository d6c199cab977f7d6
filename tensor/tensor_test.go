package tensor

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPackedBytes holds the layout of weight files: little endian, sub-byte
// types dense from the least significant bit up.
func TestPackedBytes(t *testing.T) {
	for _, c := range []struct {
		dtype  DType
		values []int32
		want   []byte
	}{
		{Int4, []int32{-8, -1, 0, 1, 7}, []byte{0xf8, 0x10, 0x07}},
		{Uint1, []int32{1, 0, 1, 1, 0, 0, 0, 0, 1}, []byte{0x0d, 0x01}},
		{Uint2, []int32{1, 2, 3, 0, 1}, []byte{0x39, 0x01}},
		{Uint3, []int32{1, 2, 3, 4, 5}, []byte{0xd1, 0x58}},
		{Uint4, []int32{1, 2, 15}, []byte{0x21, 0x0f}},
		{Uint6, []int32{1, 2, 33}, []byte{0x81, 0x10, 0x02}},
		{Int16, []int32{-2}, []byte{0xfe, 0xff}},
		{Uint16, []int32{513}, []byte{0x01, 0x02}},
		{Int32, []int32{-3}, []byte{0xfd, 0xff, 0xff, 0xff}},
		{Int8, []int32{-1, 127}, []byte{0xff, 0x7f}},
		{Uint8, []int32{255, 1}, []byte{0xff, 0x01}},
	} {
		shape := []int{len(c.values)}
		if got := New(c.dtype, shape, c.values).Packed(); !bytes.Equal(got, c.want) {
			t.Errorf("%s %v: have % x, want % x", c.dtype, c.values, got, c.want)
		}
		p, err := FromPacked(c.dtype, shape, c.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.I32(); !slices.Equal(got, c.values) {
			t.Errorf("%s % x: have %v, want %v", c.dtype, c.want, got, c.values)
		}
	}
	if got, want := New(Float16, []int{3}, []float32{1, 2, 3}).Packed(), []byte{0, 0x3c, 0, 0x40, 0, 0x42}; !bytes.Equal(got, want) {
		t.Errorf("fp16: have % x, want % x", got, want)
	}
	if got, want := Floats([]int{1}, []float32{1}).Packed(), []byte{0, 0, 0x80, 0x3f}; !bytes.Equal(got, want) {
		t.Errorf("fp32: have % x, want % x", got, want)
	}
	if got, want := Scalar(Float64, 1.0).Packed(), []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}; !bytes.Equal(got, want) {
		t.Errorf("fp64: have % x, want % x", got, want)
	}
	if got, want := Scalar(Uint32, int64(math.MaxUint32-1)).Packed(), []byte{0xfe, 0xff, 0xff, 0xff}; !bytes.Equal(got, want) {
		t.Errorf("uint32: have % x, want % x", got, want)
	}
	if got, want := Scalar(Int64, int64(-2)).Packed(), []byte{0xfe, 255, 255, 255, 255, 255, 255, 255}; !bytes.Equal(got, want) {
		t.Errorf("int64: have % x, want % x", got, want)
	}
}

// repack decodes t and packs what came out.
func repack(t *Tensor) []byte { return pack(t.dtype, t.Decoded().data) }

// TestPackUnpack: bytes decoded and packed again are the same bytes, for
// every type, length and content but what cannot stay: the spare bits of the
// last byte (zero), truth written as something other than 1, signaling NaNs.
func TestPackUnpack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := DType(rapid.IntRange(int(Bool), int(String)-1).Draw(t, "type"))
		n := rapid.IntRange(0, 100).Draw(t, "elements")
		if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
			n += 5000 // past the point where float16 takes the table
		}
		size := d.PackedSize(n)
		b := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "bytes")
		switch d {
		case Bool:
			for i := range b {
				b[i] &= 1
			}
		case Float16, BFloat16:
			quiet := byte(2)
			if d == BFloat16 {
				quiet = 0x40
			}
			for i := 0; i < len(b); i += 2 {
				if v, _ := FromPacked(d, nil, b[i:i+2]); v.F32()[0] != v.F32()[0] {
					if d == BFloat16 {
						b[i] |= quiet
					} else {
						b[i+1] |= quiet
					}
				}
			}
		case Float8E5M2:
			for i := range b {
				if b[i]&0x7f > 0x7c {
					b[i] = b[i]&0x80 | 0x7e
				}
			}
		}
		if spare := 8*size - n*d.Bits(); spare > 0 {
			b[size-1] &= 0xff >> spare
		}
		p, err := FromPacked(d, []int{n}, b)
		if err != nil {
			t.Fatal(err)
		}
		if got := repack(p); !bytes.Equal(got, b) {
			t.Fatalf("%s: % x comes back as % x", d, b, got)
		}
		if !p.IsPacked() || p.Decoded().IsPacked() || !bytes.Equal(p.Packed(), b) {
			t.Fatalf("%s: a packed tensor must stay so", d)
		}
	})
}

func TestReverseBytes(t *testing.T) {
	for size, want := range map[int]string{1: "abcdefghi", 2: "badcfehgi", 3: "cbafedihg", 4: "dcbahgfei", 8: "hgfedcbai"} {
		b := []byte("abcdefghi")
		if reverseBytes(b, size); string(b) != want {
			t.Errorf("size %d: have %s, want %s", size, b, want)
		}
	}
}

func TestFromPackedRefuses(t *testing.T) {
	for _, c := range []struct {
		dtype DType
		shape []int
		n     int
		want  string
	}{
		{Float32, []int{2, 3}, 23, "want 2×3 fp32 = 24 bytes, have 23"},
		{Uint3, []int{5}, 3, "want 5 uint3 = 2 bytes, have 3"},
		{String, []int{1}, 0, "string elements have no packed form"},
		{Invalid, []int{1}, 0, "invalid elements have no packed form"},
		{DType(99), []int{1}, 0, "DType(99) elements have no packed form"},
		{Uint8, []int{-1}, 0, "negative dimension"},
		{Uint8, []int{1 << 16, 1 << 16}, 0, "more than 2147483647 elements"},
	} {
		if _, err := FromPacked(c.dtype, c.shape, make([]byte, c.n)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: have %v, want %q", c.dtype, c.shape, err, c.want)
		}
	}
}

func TestCheckShape(t *testing.T) {
	const big = math.MaxInt
	for _, c := range []struct {
		shape []int
		want  int // -1: refused
	}{
		{nil, 1},
		{[]int{2, 3, 4}, 24},
		{[]int{0}, 0},
		{[]int{3, 0, 5}, 0},
		{[]int{MaxElements}, MaxElements},
		{[]int{MaxElements, 1}, MaxElements},
		{[]int{MaxElements, 2}, -1},
		{[]int{1 << 16, 1 << 15}, -1},
		{[]int{1 << 16, 1<<15 - 1}, 1<<31 - 1<<16},
		{[]int{big}, -1},
		{[]int{big, big}, -1},
		{[]int{1 << 16, 1 << 16, 1 << 16, 1 << 16}, -1}, // 2^64 wraps to 0
		{[]int{0, big, big}, -1},
		{[]int{big, 0}, -1},
		{[]int{-1, 0}, -1},
		{[]int{0, -1}, -1},
		{[]int{-2, -3}, -1},
		{[]int{math.MinInt, 2}, -1},
	} {
		n, err := CheckShape(c.shape)
		if c.want < 0 && err == nil {
			t.Errorf("%v: have %d, want an error", c.shape, n)
		}
		if c.want >= 0 && (err != nil || n != c.want) {
			t.Errorf("%v: have %d, %v, want %d", c.shape, n, err, c.want)
		}
	}
}

func TestDTypes(t *testing.T) {
	for d := Bool; d <= String; d++ {
		if got, err := ParseDType(d.String()); err != nil || got != d {
			t.Errorf("%s parses as %v, %v", d, got, err)
		}
	}
	for _, name := range []string{"", "invalid", "float", "FP16"} {
		if d, err := ParseDType(name); err == nil {
			t.Errorf("%q parses as %s", name, d)
		}
	}
	for d, want := range map[DType][2]int64{
		Int4: {-8, 7}, Uint1: {0, 1}, Uint3: {0, 7}, Uint6: {0, 63}, Int8: {-128, 127}, Uint16: {0, 65535},
		Uint32: {0, math.MaxUint32}, Int64: {math.MinInt64, math.MaxInt64}, Uint64: {0, math.MaxInt64}, Float32: {}, Bool: {},
	} {
		if lo, hi := d.IntRange(); lo != want[0] || hi != want[1] {
			t.Errorf("%s: range %d to %d, want %v", d, lo, hi, want)
		}
	}
	for _, c := range []struct {
		dtype   DType
		n, want int
	}{
		{Uint3, 5, 2},
		{Uint1, 0, 0},
		{Float64, 3, 24},
		{String, 1, -1},
		{Invalid, 1, -1},
		{Float32, -1, -1},
		{Uint8, math.MaxInt, -1},
		{Float64, math.MaxInt / 8, -1},
		{DType(200), 1, -1},
	} {
		if got := c.dtype.PackedSize(c.n); got != c.want {
			t.Errorf("%s × %d: %d bytes, want %d", c.dtype, c.n, got, c.want)
		}
	}
}

func TestMisusePanics(t *testing.T) {
	for name, f := range map[string]func(){
		"New class":   func() { New(Float32, []int{1}, []int32{1}) },
		"New size":    func() { New(Float32, []int{2}, []float32{1}) },
		"New invalid": func() { New(Invalid, nil, []float32{1}) },
		"Data class":  func() { Scalar(Int32, int32(1)).F32() },
		"Reshape":     func() { Zeros(Float32, []int{2, 3}).Reshape([]int{5}) },
		"Zeros":       func() { Zeros(Invalid, nil) },
		"Float64s":    func() { Zeros(String, nil).Float64s() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestTensor(t *testing.T) {
	x := Ints([]int{2, 3}, []int32{1, 2, 3, 4, 5, 6})
	if got := x.String(); got != "2×3 int32" {
		t.Error(got)
	}
	if y := x.Reshape([]int{3, 1, 2}); y.Rank() != 3 || y.Len() != 6 || !slices.Equal(y.I32(), x.I32()) || x.Rank() != 2 {
		t.Errorf("reshaped: %v", y)
	}
	for d := Bool; d <= String; d++ {
		z := Zeros(d, []int{2, 2})
		if z.DType() != d || z.Len() != 4 || z.IsPacked() {
			t.Errorf("zeros: %v", z)
		}
		if p := z.Packed(); d != String && (len(p) != d.PackedSize(4) || slices.ContainsFunc(p, func(b byte) bool { return b != 0 })) {
			t.Errorf("%s zeros pack to % x", d, p)
		}
	}
	s := New(String, []int{2}, []string{"a", "b"})
	if s.Packed() != nil || !slices.Equal(s.Strings(), []string{"a", "b"}) {
		t.Error("strings have no packed form")
	}
	shape := []int{2}
	n := Floats(shape, []float32{1, 2})
	if shape[0] = 3; n.Len() != 2 {
		t.Error("the caller's shape is shared")
	}
}
