package classic

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactExp is exp(x) rounded to nearest, by a series with digits to spare.
func exactExp(x float64) float64 {
	const halvings = 16
	number := func(v float64) *big.Float { return new(big.Float).SetPrec(400).SetFloat64(v) }
	v := number(x)
	v.SetMantExp(v, -halvings)
	sum, term := number(1), number(1)
	for i := 1; i < 50; i++ {
		term.Mul(term, v)
		term.Quo(term, number(float64(i)))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	y, _ := sum.Float64()
	return y
}

func TestExp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	off := 0
	const n = 5000
	for range n {
		x := (r.Float64()*2 - 1) * math.Exp2(r.Float64()*19-10) // up to 512
		got, want := exp(x), exactExp(x)
		if got == want {
			continue
		}
		off++
		if got != math.Nextafter(want, got) {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
	}
	if off > n/50 {
		t.Errorf("%d of %d values are not the nearest", off, n)
	}
	for _, c := range []struct{ x, want float64 }{
		{0, 1},
		{math.Copysign(0, -1), 1},
		{1, math.E},
		{math.Inf(1), math.Inf(1)},
		{math.Inf(-1), 0},
		{710, math.Inf(1)},
		{-746, 0},
		{-740, math.Exp(-740)},
		{1e-320, 1},
	} {
		if got := exp(c.x); got != c.want {
			t.Errorf("exp(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	if got := exp(math.NaN()); got == got {
		t.Errorf("exp(NaN) = %v", got)
	}
}
