package tensor

import (
	"math"
	"math/rand/v2"
	"testing"
)

// format describes a small float type by its parts, from which the tests
// enumerate every value without the code under test.
type format struct {
	dtype    DType
	exp, man int // bits
	bias     int
	finite   bool // Float8E4M3FN: no infinity, NaN only where all bits are set
}

var formats = []format{
	{Float16, 5, 10, 15, false},
	{BFloat16, 8, 7, 127, false},
	{Float8E4M3FN, 4, 3, 7, true},
	{Float8E5M2, 5, 2, 15, false},
}

func (f format) bits() int { return 1 + f.exp + f.man }

// value is the meaning of a pattern, by the definition of IEEE 754.
func (f format) value(p int) float64 {
	sign := 1.0
	if p>>(f.exp+f.man)&1 == 1 {
		sign = -1
	}
	e, m := p>>f.man&(1<<f.exp-1), p&(1<<f.man-1)
	switch top := 1<<f.exp - 1; {
	case f.finite && e == top && m == 1<<f.man-1:
		return math.NaN()
	case !f.finite && e == top && m != 0:
		return math.NaN()
	case !f.finite && e == top:
		return sign * math.Inf(1)
	case e == 0:
		return sign * math.Ldexp(float64(m), 1-f.bias-f.man)
	}
	return sign * math.Ldexp(float64(m+1<<f.man), e-f.bias-f.man)
}

// positive returns the finite values from 0 up, in order of pattern and size,
// followed by the value that would come next were the range longer.
func (f format) positive() []float64 {
	var v []float64
	p := 0
	for ; p < 1<<(f.bits()-1); p++ {
		x := f.value(p)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			break
		}
		v = append(v, x)
	}
	return append(v, math.Ldexp(float64(p&(1<<f.man-1)+1<<f.man), p>>f.man-f.bias-f.man))
}

func (f format) packed(p int) []byte {
	if f.bits() == 8 {
		return []byte{byte(p)}
	}
	return []byte{byte(p), byte(p >> 8)}
}

func (f format) pattern(b []byte) int {
	if len(b) == 1 {
		return int(b[0])
	}
	return int(b[0]) | int(b[1])<<8
}

// TestNarrowFloatValues decodes every pattern, alone and among many (the
// lookup table), and encodes the value again.
func TestNarrowFloatValues(t *testing.T) {
	for _, f := range formats {
		n := 1 << f.bits()
		var all []byte
		for p := range n {
			all = append(all, f.packed(p)...)
		}
		many, err := FromPacked(f.dtype, []int{n}, all)
		if err != nil {
			t.Fatal(err)
		}
		table := many.F32()
		for p := range n {
			want := f.value(p)
			one, err := FromPacked(f.dtype, nil, f.packed(p))
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []float32{one.F32()[0], table[p]} {
				if math.IsNaN(want) {
					if got == got {
						t.Fatalf("%s %#x: have %v, want NaN", f.dtype, p, got)
					}
				} else if float64(got) != want || math.Signbit(float64(got)) != math.Signbit(want) {
					t.Fatalf("%s %#x: have %v, want %v", f.dtype, p, got, want)
				}
			}
			back := f.pattern(Scalar(f.dtype, table[p]).Packed())
			if math.IsNaN(want) {
				if !math.IsNaN(f.value(back)) {
					t.Fatalf("%s NaN %#x comes back as %#x", f.dtype, p, back)
				}
			} else if back != p {
				t.Fatalf("%s %#x comes back as %#x", f.dtype, p, back)
			}
		}
	}
}

// nearest rounds by search among the values: to the nearest, ties to the even
// pattern.
func (f format) nearest(values []float64, x float64) float64 {
	a := math.Abs(x)
	lo, hi := 0, len(values)-1
	if a >= values[hi] {
		lo = hi
	}
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; values[mid] <= a {
			lo = mid
		} else {
			hi = mid
		}
	}
	best := lo
	if lo < hi {
		if below, above := a-values[lo], values[hi]-a; above < below || above == below && hi%2 == 0 {
			best = hi
		}
	}
	if best == len(values)-1 { // past the range
		if f.finite {
			return math.NaN()
		}
		return math.Copysign(math.Inf(1), x)
	}
	return math.Copysign(values[best], x)
}

// TestNarrowFloatRounding rounds, for every two neighbours, their middle and
// the float32 values beside it and beside them, and random patterns.
func TestNarrowFloatRounding(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range formats {
		values := f.positive()
		check := func(x float32) {
			for _, x := range []float32{x, -x} {
				want := f.nearest(values, float64(x))
				v := []float32{x}
				RoundTo(f.dtype, v)
				got := float64(v[0])
				if got != want && !(got != got && want != want) || math.Signbit(got) != math.Signbit(want) && want == want {
					t.Fatalf("%s from %v (%#x): have %v, want %v", f.dtype, x, math.Float32bits(x), got, want)
				}
				if p := f.value(f.pattern(Scalar(f.dtype, x).Packed())); p != got && p == p {
					t.Fatalf("%s from %v: RoundTo gives %v, packing %v", f.dtype, x, got, p)
				}
			}
		}
		for i := range len(values) - 1 {
			middle := float32((values[i] + values[i+1]) / 2)
			for _, x := range []float32{float32(values[i]), middle} {
				check(x)
				check(math.Nextafter32(x, 0))
				if x < math.MaxFloat32 {
					check(math.Nextafter32(x, math.MaxFloat32))
				}
			}
		}
		for range 200000 {
			if x := math.Float32frombits(r.Uint32()); x == x && !math.IsInf(float64(x), 0) {
				check(x)
			}
		}
		for _, x := range []float32{float32(math.Inf(1)), float32(math.NaN())} {
			v := []float32{x, -x}
			RoundTo(f.dtype, v)
			for _, got := range v {
				if f.finite || x != x {
					if got == got {
						t.Errorf("%s from %v: have %v, want NaN", f.dtype, x, got)
					}
				} else if !math.IsInf(float64(got), 0) {
					t.Errorf("%s from %v: have %v", f.dtype, x, got)
				}
			}
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	const n = 1 << 20
	r := rand.New(rand.NewPCG(1, 2))
	for d := Bool; d < String; d++ {
		bytes := make([]byte, d.PackedSize(n))
		for i := range bytes {
			bytes[i] = byte(r.Uint32())
		}
		t, err := FromPacked(d, []int{n}, bytes)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(d.String(), func(b *testing.B) {
			b.SetBytes(int64(max(4, d.Bits()/8)) * n)
			for b.Loop() {
				t.Decoded()
			}
		})
	}
}
