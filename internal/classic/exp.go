package classic

import (
	"math"
	"math/big"
)

// expTable is 2^(j/128) as the sum of two floats.
var expTable = makeExpTable()

const expSteps = 128

func makeExpTable() (table [expSteps]struct{ high, low float64 }) {
	step := big.NewFloat(2).SetPrec(160)
	for n := 1; n < expSteps; n *= 2 {
		step.Sqrt(step)
	}
	power := big.NewFloat(1).SetPrec(160)
	for j := range table {
		table[j].high, _ = power.Float64()
		rest := new(big.Float).SetPrec(160).SetFloat64(table[j].high)
		table[j].low, _ = rest.Sub(power, rest).Float64()
		power.Mul(power, step)
	}
	return table
}

// exp is the exponential function, off by no more than 0.51 units in the last
// place: in practice the same as that of the C libraries by which models are
// made, on every processor. A sum over hundreds of support vectors shows what
// math.Exp leaves to be desired there.
//
// exp(x) = 2^(k/128)·exp(r) with |r| ≤ ln 2 / 256, where six terms are enough.
// Products are converted where nothing else keeps a compiler from fusing them
// with the sum that they go into.
func exp(x float64) float64 {
	const (
		perStep = math.Ln2 / expSteps
		// perStep in two parts, the first with so few bits that k·high is exact.
		high = 0x162E42FEFp-40
		low  = perStep - high
	)
	if !(x > -700 && x < 700) {
		return math.Exp(x)
	}
	k := math.Round(x / perStep)
	r := x - float64(k*high) - float64(k*low)
	square := r * r
	p := r + float64(square*(1./2+float64(r*(1./6+float64(r*(1./24+float64(r*(1./120+float64(r*(1./720))))))))))
	n := int(k)
	t := &expTable[n&(expSteps-1)]
	return math.Ldexp(t.high+(t.low+float64(t.high*p)), n>>7)
}
