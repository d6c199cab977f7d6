package quant

import (
	"fmt"
	"math"
)

// Stats says how far reconstructed values are from the original ones.
type Stats struct {
	MSE      float64 // mean of (got-want)²
	MaxError float64 // greatest |got-want|
	SNR      float64 // 10 log10(Σ want² / Σ (got-want)²) in dB; +Inf without any error, -Inf without signal
}

// Measure compares values one by one, with sums in float64. A NaN on either
// side makes every figure NaN.
func Measure(want, got []float32) (Stats, error) {
	if len(want) != len(got) {
		return Stats{}, fmt.Errorf("want %d values to compare with, have %d", len(want), len(got))
	}
	if len(want) == 0 {
		return Stats{}, errEmpty
	}
	var signal, noise, most float64
	for i, x := range want {
		x := float64(x)
		d := math.Abs(x - float64(got[i]))
		signal += float64(x * x)
		noise += float64(d * d)
		most = max(most, d)
	}
	s := Stats{MSE: noise / float64(len(want)), MaxError: most, SNR: math.Inf(1)}
	if noise != 0 {
		s.SNR = 10 * math.Log10(signal/noise)
	}
	return s, nil
}
