package vec

import "fmt"

// Lanes is the number of floats in a vector.
func (f *Funcs) Lanes() int { return f.lanes }

// LSTM computes a step of long short-term memory for as many units as h has:
//
//	c = sigmoid(forget)·c + sigmoid(in)·tanh(cell)
//	h = sigmoid(out)·tanh(c)
//
// The sums of in, forget, out and cell are those of Lanes units each, one after
// another, and then those of the next units; the last ones fill up whole vectors.
func (f *Funcs) LSTM(h, c, sums []float32) {
	if want := (len(h) + f.lanes - 1) / f.lanes * 4 * f.lanes; len(sums) < want {
		panic(fmt.Sprintf("vec: %d sums of gates for %d units, want %d", len(sums), len(h), want))
	}
	f.lstm(h, same(h, c), sums)
}

const genericLanes = 4

func lstmGeneric(h, c, sums []float32) {
	c = c[:len(h)]
	for i := range h {
		at := sums[i/genericLanes*4*genericLanes+i%genericLanes:][:3*genericLanes+1]
		c[i] = sigmoid(at[genericLanes])*c[i] + sigmoid(at[0])*tanh(at[3*genericLanes])
		h[i] = sigmoid(at[2*genericLanes]) * tanh(c[i])
	}
}
