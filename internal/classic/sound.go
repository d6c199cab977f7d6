package classic

import (
	"math"
	"math/bits"
	"math/cmplx"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// The measures of VGGish's front end (Hershey et al., "CNN architectures for
// large-scale audio classification", 2017): 975 ms of sound at 16 kHz.
const (
	soundSamples = 15600
	soundRate    = 16000
	frameLength  = 400 // 25 ms
	frameHop     = 160 // 10 ms
	soundFrames  = (soundSamples-frameLength)/frameHop + 1
	fftLength    = 512
	melBands     = 64
	melLeast     = 125.0 // Hz
	melMost      = 7500.0
	logOffset    = 0.01
)

// soundAnalysisPreprocessing gives the logarithms of 64 mel bands for each of
// 96 frames, [1, 96, 64].
func soundAnalysisPreprocessing(s *spec.Model) (Func, error) {
	if !s.GetSoundAnalysisPreprocessing().HasVggish() {
		return nil, fault.New(fault.Unsupported, "soundAnalysisPreprocessingType", "is missing or of a kind not known")
	}
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	window := make([]float64, frameLength)
	for i := range window {
		window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/frameLength)
	}
	bands := melBandsOf()
	return func(f Features) (Features, error) {
		x, err := takeVector(f, in.GetName())
		if err != nil {
			return nil, err
		}
		if len(x) != soundSamples {
			return nil, badSize(in.GetName(), soundSamples, len(x))
		}
		y := make([]float64, 0, soundFrames*melBands)
		spectrum := make([]complex128, fftLength)
		magnitude := make([]float64, fftLength/2+1)
		for frame := range soundFrames {
			clear(spectrum)
			for i, w := range window {
				spectrum[i] = complex(w*x[frame*frameHop+i], 0)
			}
			fft(spectrum)
			for i := range magnitude {
				magnitude[i] = cmplx.Abs(spectrum[i])
			}
			for _, band := range bands {
				y = append(y, math.Log(dot(band, magnitude)+logOffset))
			}
		}
		return Features{out.GetName(): tensor.New(tensor.Float64, []int{1, soundFrames, melBands}, y)}, nil
	}, nil
}

// mel is the pitch that a frequency in Hz is heard at.
func mel(hz float64) float64 { return 1127 * math.Log1p(hz/700) }

// melBandsOf returns the weight of each spectrum bin in each band: triangles
// whose edges and centres lie evenly on the mel scale. Bin 0 counts nowhere.
func melBandsOf() [][]float64 {
	step := (mel(melMost) - mel(melLeast)) / (melBands + 1)
	bands := make([][]float64, melBands)
	for b := range bands {
		lower := mel(melLeast) + float64(b)*step
		bands[b] = make([]float64, fftLength/2+1)
		for i := 1; i < len(bands[b]); i++ {
			at := (mel(float64(i)*soundRate/fftLength) - lower) / step // 0 at the lower edge, 1 at the centre, 2 at the upper edge
			bands[b][i] = max(0, min(at, 2-at))
		}
	}
	return bands
}

// fft is the discrete Fourier transform in place; the length is a power of two.
func fft(v []complex128) {
	n := len(v)
	shift := bits.UintSize - bits.TrailingZeros(uint(n))
	for i := range v {
		if j := int(bits.Reverse(uint(i)) >> shift); i < j {
			v[i], v[j] = v[j], v[i]
		}
	}
	for half := 1; half < n; half *= 2 {
		for k := range half {
			turn := cmplx.Rect(1, -math.Pi*float64(k)/float64(half))
			for i := k; i < n; i += 2 * half {
				a, b := v[i], turn*v[i+half]
				v[i], v[i+half] = a+b, a-b
			}
		}
	}
}
