package tensor

import (
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestConvertTo(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	const maxI, minI, max64, min64 = math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64
	edges := Floats([]int{9}, []float32{nan, inf, -inf, 1e30, -1e30, 2.9, -2.9, 0.4, -0.0})
	longs := New(Int64, []int{5}, []int64{min64, max64, -1, 300, 1<<53 + 1})
	unsigned := New(Uint64, []int{3}, []int64{-1, min64, 5}) // 2^64-1, 2^63, 5
	for _, c := range []struct {
		from *Tensor
		to   DType
		want any
	}{
		{edges, Int32, []int32{0, maxI, minI, maxI, minI, 2, -2, 0, 0}},
		{edges, Int8, []int32{0, 127, -128, 127, -128, 2, -2, 0, 0}},
		{edges, Uint8, []int32{0, 255, 0, 255, 0, 2, 0, 0, 0}},
		{edges, Int4, []int32{0, 7, -8, 7, -8, 2, -2, 0, 0}},
		{edges, Uint1, []int32{0, 1, 0, 1, 0, 1, 0, 0, 0}},
		{edges, Uint32, []int64{0, math.MaxUint32, 0, math.MaxUint32, 0, 2, 0, 0, 0}},
		{edges, Int64, []int64{0, max64, min64, max64, min64, 2, -2, 0, 0}},
		{edges, Uint64, []int64{0, -1, 0, -1, 0, 2, 0, 0, 0}},
		{edges, Bool, []bool{true, true, true, true, true, true, true, true, false}},
		{Floats([]int{3}, []float32{1 << 64, 1 << 63, 1 << 62}), Uint64, []int64{-1, min64, 1 << 62}},
		{Floats([]int{4}, []float32{65519, 65520, -65520, 1e-8}), Float16, []float32{65504, inf, -inf, 0}},
		{New(Float64, []int{2}, []float64{1e300, -1e300}), Float32, []float32{inf, -inf}},
		{New(Float64, []int{2}, []float64{math.MaxInt64, -1e300}), Int64, []int64{max64, min64}},
		{longs, Int32, []int32{minI, maxI, -1, 300, maxI}},
		{longs, Uint8, []int32{0, 255, 0, 255, 255}},
		{longs, Uint64, []int64{0, max64, 0, 300, 1<<53 + 1}},
		{longs, Float64, []float64{-1 << 63, 1 << 63, -1, 300, 1 << 53}},
		{longs, Float32, []float32{-1 << 63, 1 << 63, -1, 300, 1 << 53}},
		{longs, Bool, []bool{true, true, true, true, true}},
		{unsigned, Int8, []int32{127, 127, 5}},
		{unsigned, Int64, []int64{max64, max64, 5}},
		{unsigned, Float32, []float32{1 << 64, 1 << 63, 5}},
		{unsigned, Float64, []float64{1 << 64, 1 << 63, 5}},
		{Scalar(Uint32, int64(math.MaxUint32)), Int32, []int32{maxI}},
		{Scalar(Int32, int32(minI)), Uint32, []int64{0}},
		{Scalar(Int32, int32(minI)), Float16, []float32{-inf}},
		{New(Bool, []int{2}, []bool{true, false}), Int32, []int32{1, 0}},
		{New(Bool, []int{2}, []bool{true, false}), Float16, []float32{1, 0}},
		{New(Bool, []int{2}, []bool{true, false}), Float64, []float64{1, 0}},
		{New(Bool, []int{2}, []bool{true, false}), Int64, []int64{1, 0}},
		// Rounding once, where float32 in between would round to a tie first.
		{Scalar(Float64, 1+1.0/2048+1e-12), Float16, []float32{1 + 1.0/1024}},
		{Scalar(Float64, 1+3.0/2048-1e-12), Float16, []float32{1 + 1.0/1024}},
		{Scalar(Float64, 1+1.0/256+1e-12), BFloat16, []float32{1 + 1.0/128}},
		{Scalar(Int32, int32(1<<30+1<<22+1)), BFloat16, []float32{1<<30 + 1<<23}},
		{Scalar(Int64, int64(1<<62+1<<38+1)), Float32, []float32{1<<62 + 1<<39}},
		{Scalar(Int64, -int64(1<<62+1<<38+1)), Float32, []float32{-(1<<62 + 1<<39)}},
		{Scalar(Float64, 1e-300), Float16, []float32{0}},
		{Scalar(Float64, 1e-300), BFloat16, []float32{0}},
		{New(Float32, []int{0}, []float32{}), Int8, []int32{}},
	} {
		got, err := c.from.ConvertTo(c.to)
		if err != nil {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
			continue
		}
		if got.DType() != c.to || !slices.Equal(got.Shape(), c.from.Shape()) || !reflect.DeepEqual(got.data, c.want) {
			t.Errorf("%s %v to %s: have %s %v, want %v", c.from, c.from.data, c.to, got, got.data, c.want)
		}
	}
	if same, err := edges.ConvertTo(Float32); err != nil || same != edges {
		t.Error("the same type must give the tensor itself")
	}
	if h, err := edges.ConvertTo(Float16); err != nil || h.F32()[0] == h.F32()[0] {
		t.Error("NaN must stay NaN")
	}
	for _, c := range []struct {
		from *Tensor
		to   DType
	}{
		{Zeros(String, nil), Float32}, {edges, String}, {edges, Invalid}, {edges, DType(77)},
	} {
		if _, err := c.from.ConvertTo(c.to); err == nil || !strings.Contains(err.Error(), "cannot convert") {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
}

// TestConvertRounds holds narrowing from 64 bits against arithmetic of
// unlimited precision.
func TestConvertRounds(t *testing.T) {
	round := func(x *big.Float, prec uint) float64 {
		f, _ := new(big.Float).SetPrec(prec).SetMode(big.ToNearestEven).Set(x).Float64()
		return f
	}
	precision := map[DType]uint{Float32: 24, BFloat16: 8, Float16: 11}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64().Draw(t, "integer")
		scale := rapid.IntRange(0, 60).Draw(t, "shift")
		v >>= scale
		for d, prec := range precision {
			if d == Float16 && (v > 65000 || v < -65000) {
				continue
			}
			got, err := Scalar(Int64, v).ConvertTo(d)
			if err != nil {
				t.Fatal(err)
			}
			if want := round(new(big.Float).SetInt64(v), prec); float64(got.F32()[0]) != want {
				t.Fatalf("%d to %s: have %v, want %v", v, d, got.F32()[0], want)
			}
		}
		f := rapid.Float64Range(-60000, 60000).Draw(t, "float")
		if math.Abs(f) < 1e-3 {
			f += 1 // stay normal in float16
		}
		// Put it next to a tie of some type.
		prec := rapid.SampledFrom([]uint{9, 12, 25}).Draw(t, "tie")
		f = round(new(big.Float).SetFloat64(f), prec) * (1 + 0x1p-52*float64(rapid.IntRange(-2, 2).Draw(t, "off")))
		for d, prec := range precision {
			got, err := Scalar(Float64, f).ConvertTo(d)
			if err != nil {
				t.Fatal(err)
			}
			if want := round(new(big.Float).SetFloat64(f), prec); float64(got.F32()[0]) != want {
				t.Fatalf("%v to %s: have %v, want %v", f, d, got.F32()[0], want)
			}
		}
	})
}

func TestFloat64s(t *testing.T) {
	for _, c := range []struct {
		from *Tensor
		want []float64
	}{
		{Floats([]int{2}, []float32{1.5, -2}), []float64{1.5, -2}},
		{New(Float64, []int{1}, []float64{math.Pi}), []float64{math.Pi}},
		{Ints([]int{2}, []int32{-7, 7}), []float64{-7, 7}},
		{New(Int64, []int{1}, []int64{-1 << 60}), []float64{-1 << 60}},
		{New(Uint64, []int{1}, []int64{-1}), []float64{1 << 64}},
		{New(Bool, []int{2}, []bool{true, false}), []float64{1, 0}},
	} {
		if got := c.from.Float64s(); !slices.Equal(got, c.want) {
			t.Errorf("%s: have %v, want %v", c.from, got, c.want)
		}
	}
}
