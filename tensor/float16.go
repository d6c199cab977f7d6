package tensor

import (
	"math"
	"sync"
)

// float16Values holds the value of every binary16 pattern. It is filled when
// first asked for: most runs of a program never decode enough to pay for it.
var float16Values = sync.OnceValue(func() *[1 << 16]float32 {
	t := new([1 << 16]float32)
	for i := range t {
		t[i] = Float16ToFloat32(uint16(i))
	}
	return t
})

// The values of every float8 pattern.
var float8E4M3FNValues, float8E5M2Values = func() (e4, e5 [256]float32) {
	for i := range 256 {
		e4[i] = float8E4M3FNToFloat32(byte(i))
		e5[i] = Float16ToFloat32(uint16(i) << 8) // a binary16 cut short
	}
	return
}()

// Float16ToFloat32 widens an IEEE 754 binary16 value; every value is exact.
func Float16ToFloat32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h & 0x3ff)
	switch exp {
	case 0:
		// A subnormal: frac * 2^-24, exact in float32.
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// Float16FromFloat32 rounds to the nearest binary16 value, ties to even;
// magnitudes of 65520 and more become infinity, a NaN stays a (quiet) NaN.
func Float16FromFloat32(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x477ff000: // 65520: halfway to 2^16
		return sign | 0x7c00
	case b >= 0x38800000: // 2^-14: the result is normal
		b += 0xfff + (b>>13)&1
		return sign | uint16((b-0x38000000)>>13)
	}
	// Adding 0.5 leaves the subnormal's bits at the end of the float32, and
	// rounds them to nearest even on the way.
	sub := math.Float32bits(math.Float32frombits(b)+0.5) - math.Float32bits(0.5)
	return sign | uint16(sub)
}

func bfloat16FromFloat32(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + (b>>16)&1) >> 16)
}

// float8E5M2FromFloat32 rounds to the nearest value, ties to even. Rounding
// goes from float32 at once: by way of float16 it would happen twice.
func float8E5M2FromFloat32(f float32) byte {
	b := math.Float32bits(f)
	sign := byte(b>>24) & 0x80
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e
	case b >= 0x47700000: // 61440: halfway from 57344 to 65536
		return sign | 0x7c
	case b >= 0x38800000:
		b += 0xfffff + (b>>21)&1
		return sign | byte((b-0x38000000)>>21)
	}
	// Subnormals are multiples of 2^-16.
	return sign | byte(math.RoundToEven(float64(math.Float32frombits(b))*(1<<16)))
}

func float8E4M3FNToFloat32(v byte) float32 {
	sign := float32(1)
	if v&0x80 != 0 {
		sign = -1
	}
	exp, frac := int(v>>3)&15, float32(v&7)
	switch {
	case exp == 15 && v&7 == 7:
		return math.Float32frombits(uint32(v&0x80)<<24 | 0x7fc00000)
	case exp == 0:
		return sign * frac * (1.0 / 512)
	}
	return sign * float32(math.Ldexp(float64(1+frac/8), exp-7))
}

// float8E4M3FNFromFloat32 rounds to the nearest value, ties to even. The
// format has no infinity: what rounds past 448 becomes NaN.
func float8E4M3FNFromFloat32(f float32) byte {
	b := math.Float32bits(f)
	sign := byte(b>>24) & 0x80
	b &= 0x7fffffff
	switch {
	case b > 0x43e80000: // above 464, halfway from 448 to 480
		return sign | 0x7f
	case b >= 0x3c800000: // 2^-6
		b += 0x7ffff + (b>>20)&1
		return sign | byte((b-0x3c000000)>>20)
	}
	return sign | byte(math.RoundToEven(float64(math.Float32frombits(b))*512))
}

// RoundTo rounds each value to the nearest one of float type d, ties to even,
// in place. Values past the range become infinity, in Float8E4M3FN NaN.
func RoundTo(d DType, v []float32) {
	switch d {
	case Float16:
		for i, x := range v {
			v[i] = Float16ToFloat32(Float16FromFloat32(x))
		}
	case BFloat16:
		for i, x := range v {
			v[i] = math.Float32frombits(uint32(bfloat16FromFloat32(x)) << 16)
		}
	case Float8E4M3FN:
		for i, x := range v {
			v[i] = float8E4M3FNValues[float8E4M3FNFromFloat32(x)]
		}
	case Float8E5M2:
		for i, x := range v {
			v[i] = float8E5M2Values[float8E5M2FromFloat32(x)]
		}
	}
}
