package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestMulBand holds bands against products in float64, with guards around
// what they may write.
func TestMulBand(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		rapid.Check(t, func(t *rapid.T) {
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
			vecs := rapid.IntRange(1, maxBandVecs).Draw(t, "vecs")
			width := vecs * kn.Lanes()
			m, k := rapid.IntRange(0, 9).Draw(t, "m"), rapid.IntRange(0, 70).Draw(t, "k")
			n := rapid.IntRange(1, 3*width).Draw(t, "n")
			ldx, ldc := k+rapid.IntRange(0, 5).Draw(t, "x gap"), width+rapid.IntRange(0, 5).Draw(t, "c gap")
			x, w, add := random(r, m*ldx), random(r, k*n), random(r, m*ldc)
			kind := rapid.SampledFrom([]string{"none", "own", "in place", "one row"}).Draw(t, "add")
			p := kn.PackBands(k, n, vecs, RowMajor(w, n))
			for band := range ceilDiv(n, width) {
				const guard = 12345
				c := make([]float32, m*ldc)
				for i := range c {
					c[i] = guard
				}
				lda, from := ldc, add
				switch kind {
				case "none":
					from = nil
				case "in place":
					copy(c, add)
					from = c
				case "one row":
					lda = 0
				}
				kn.MulBand(p, band, m, x, ldx, c, ldc, from, lda)
				for i := range m {
					for j := range ldc {
						at := i*ldc + j
						if j >= width {
							if want := float32(guard); kind != "in place" && c[at] != want || kind == "in place" && c[at] != add[at] {
								t.Fatalf("wrote beyond row %d: %v", i, c[at])
							}
							continue
						}
						var want, abs float64
						if kind != "none" {
							want = float64(add[i*lda+j])
							abs = math.Abs(want)
						}
						for l := range k {
							if col := band*width + j; col < n {
								v := float64(x[i*ldx+l]) * float64(w[l*n+col])
								want += v
								abs += math.Abs(v)
							}
						}
						if d := math.Abs(float64(c[at]) - want); d > float64(k+4)*eps*abs {
							t.Fatalf("band %d, row %d, column %d: %v, want %v", band, i, j, c[at], want)
						}
					}
				}
			}
		})
	})
}
