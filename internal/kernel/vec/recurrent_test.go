package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestLSTM(t *testing.T) {
	sigmoid := func(x float32) float64 { return 1 / (1 + math.Exp(-float64(x))) }
	levels(t, func(t *testing.T, v *Funcs) {
		r := rand.New(rand.NewPCG(5, 6))
		l := v.Lanes()
		for n := range 4*l + 3 {
			const guard = 12345
			h, c := random(r, n+1), random(r, n+1)
			h[n], c[n] = guard, guard
			sums := random(r, (n+l-1)/l*4*l)
			for i := range sums {
				if r.IntN(10) == 0 {
					sums[i] *= 1000
				}
			}
			before := append([]float32(nil), c...)
			v.LSTM(h[:n], c[:n], sums)
			for i := range n {
				sum := func(gate int) float32 { return sums[(i/l*4+gate)*l+i%l] }
				memory := sigmoid(sum(1))*float64(before[i]) + sigmoid(sum(0))*math.Tanh(float64(sum(3)))
				state := sigmoid(sum(2)) * math.Tanh(memory)
				bound := 1e-6 * (1 + math.Abs(float64(before[i])))
				if d := math.Abs(float64(c[i]) - memory); !(d <= bound) {
					t.Errorf("%d of %d units: memory %v, want %v", i, n, c[i], memory)
				}
				if d := math.Abs(float64(h[i]) - state); !(d <= bound) {
					t.Errorf("%d of %d units: state %v, want %v", i, n, h[i], state)
				}
			}
			if h[n] != guard || c[n] != guard {
				t.Errorf("%d units: wrote beyond", n)
			}
		}
		c := []float32{1}
		h := []float32{0}
		sums := make([]float32, 4*l)
		sums[0] = nan
		if v.LSTM(h, c, sums); c[0] == c[0] || h[0] == h[0] {
			t.Errorf("NaN became %v and %v", c[0], h[0])
		}
	})
}
