package classic

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

func TestFFT(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 64; n *= 2 {
		x := make([]complex128, n)
		want := make([]complex128, n)
		for i := range x {
			x[i] = complex(r.NormFloat64(), r.NormFloat64())
		}
		for k := range want {
			for i, v := range x {
				want[k] += v * cmplx.Rect(1, -2*math.Pi*float64(k*i%n)/float64(n))
			}
		}
		fft(x)
		for k := range want {
			if cmplx.Abs(x[k]-want[k]) > 1e-12*float64(n) {
				t.Errorf("%d values: value %d is %v, want %v", n, k, x[k], want[k])
			}
		}
	}
}

// TestSound: silence gives the logarithm of the offset everywhere, and a tone
// sounds loudest in the band around it.
func TestSound(t *testing.T) {
	f, err := New(parse(t, described("soundAnalysisPreprocessing { vggish {} }", "in sound "+array(soundSamples), "out mel "+array(1, 96, 64))))
	if err != nil {
		t.Fatal(err)
	}
	bands := func(x []float64) []float64 {
		out, err := f(Features{"sound": vector(x)})
		if err != nil {
			t.Fatal(err)
		}
		v, ok := out["mel"].(*tensor.Tensor)
		if !ok || !slices.Equal(v.Shape(), []int{1, 96, 64}) {
			t.Fatalf("want an array 1×96×64, have %v", out["mel"])
		}
		return v.Float64s()
	}
	for i, v := range bands(make([]float64, soundSamples)) {
		if !near(v, math.Log(0.01)) {
			t.Fatalf("value %d of silence is %v", i, v)
		}
	}
	for _, hz := range []float64{440, 1000, 4000} {
		tone := make([]float64, soundSamples)
		for i := range tone {
			tone[i] = math.Sin(2 * math.Pi * hz * float64(i) / 16000)
		}
		got := bands(tone)
		first, last := got[:64], got[95*64:]
		// Band b spans the mels from its lower to its upper edge, two steps on.
		step := (mel(7500) - mel(125)) / 65
		if at := (mel(hz)-mel(125))/step - 1; math.Abs(float64(largest(first))-at) > 1 || math.Abs(float64(largest(last))-at) > 1 {
			t.Errorf("%v Hz is loudest in bands %d and %d, want %.1f", hz, largest(first), largest(last), at)
		}
	}
	if _, err := f(Features{"sound": vec(1, 2)}); err == nil {
		t.Error("two samples: no error")
	}
}
