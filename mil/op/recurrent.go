package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// activations are the functions that the gates of recurrent operators take by
// name, with fixed constants. For rnn, hard_sigmoid is called sigmoid_hard;
// lecun_tanh is one that only layers of neural networks have.
var activations = map[string]func(float64) float64{
	"tanh":         math.Tanh,
	"scaled_tanh":  math.Tanh,
	"sigmoid":      func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	"hard_sigmoid": hardSigmoid,
	"sigmoid_hard": hardSigmoid,
	"relu":         func(x float64) float64 { return max(x, 0) },
	"linear":       func(x float64) float64 { return x },
	"lecun_tanh":   func(x float64) float64 { return 1.7159 * math.Tanh(2*x/3) },
}

func hardSigmoid(x float64) float64 { return min(max(0.2*x+0.5, 0), 1) }

// networkLimit bounds what the recurrent layers of neural networks give to
// their activations.
const networkLimit = 50

// limited returns an activation as those layers apply it.
func limited(name string) func(float64) float64 {
	f := activations[name]
	return func(x float64) float64 { return f(min(max(x, -networkLimit), networkLimit)) }
}

// sequences is the geometry of a recurrent operator: x is [steps, batch, in],
// states are [batch, hidden].
type sequences struct {
	steps, batch, in, hidden int
	reverse                  bool // x is read from its end
}

// unrolled reads the geometry of x and the state size of a matrix [.., hidden].
func unrolled(x *mil.Value, recursion *tensor.Tensor, direction string) (s sequences, err error) {
	if err := rank("x", x, 3); err != nil {
		return s, err
	}
	if recursion.Rank() != 2 {
		return s, fmt.Errorf("weight_hh: want a matrix, have %s", recursion)
	}
	d := dims(x)
	return sequences{d[0], d[1], d[2], recursion.Shape()[1], direction == "reverse"}, nil
}

// fits checks the weights of one direction with that many gates: [gates·hidden,
// in], [gates·hidden, hidden] and, if given, biases [gates·hidden].
func (s *sequences) fits(gates int, weight, recursion *tensor.Tensor, biases ...*tensor.Tensor) error {
	n := product([]int{gates, s.hidden})
	if err := shaped("weight_ih", weight, n, s.in); err != nil {
		return err
	}
	if err := shaped("weight_hh", recursion, n, s.hidden); err != nil {
		return err
	}
	for _, b := range biases {
		if err := shaped("bias", b, n); b != nil && err != nil {
			return err
		}
	}
	return nil
}

// shaped checks the shape of a tensor, of which negative sizes may be any.
func shaped(name string, t *tensor.Tensor, want ...int) error {
	if t == nil || len(t.Shape()) != len(want) || !compatible(t.Shape(), want) {
		return fmt.Errorf("%s: want %s, have %v", name, mil.FormatDims(want), t)
	}
	return nil
}

// state checks the shape of an initial state. Converters have written states
// for a larger batch than x's; those that are too many do not matter.
func (s *sequences) state(name string, v *mil.Value, size int) error {
	shape := dims(v)
	if len(shape) != 2 || shape[0] >= 0 && shape[0] < s.batch || !compatible(shape[1:], []int{size}) {
		return fmt.Errorf("%s: want %s, have %s", name, mil.FormatDims([]int{s.batch, size}), v.Type)
	}
	return nil
}

// results returns the types of the outputs: states of that size after each
// step, or only after the last one, and then n times the last one.
func (s *sequences) results(d tensor.DType, size int, all bool, n int) ([]mil.Type, error) {
	steps := 1
	if all {
		steps = s.steps
	}
	types, err := result(d, steps, s.batch, size)
	for range n {
		types = append(types, mil.TensorType(d, s.batch, size))
	}
	return types, err
}

// each calls f for the steps in their order, i being where that of x is.
func (s *sequences) each(f func(t, i int)) {
	for t := range s.steps {
		if s.reverse {
			f(t, s.steps-1-t)
		} else {
			f(t, t)
		}
	}
}

// gates adds to each sum the products of a row of w with x.
func gates[T float32 | float64](sums []float64, w []float32, x []T) {
	for i := range sums {
		var s float64
		for j, v := range x {
			s += float64(w[i*len(x)+j]) * float64(v)
		}
		sums[i] += s
	}
}

// start sets each sum to its biases.
func start(sums []float64, biases ...[]float32) {
	clear(sums)
	for _, b := range biases {
		for i, v := range b {
			sums[i] += float64(v)
		}
	}
}

// floatsOf returns the elements of a float tensor, nil for none.
func floatsOf(t *tensor.Tensor) []float32 {
	if t == nil {
		return nil
	}
	return t.F32()
}

// record collects the states of one recurrent operator: those of a sequence
// are kept step by step, or the last one alone.
type record struct {
	s    *sequences
	size int // of a state, all directions together
	all  bool
	out  []float32
	last []float32
}

func newRecord(s *sequences, size int, all bool) *record {
	steps := 1
	if all {
		steps = s.steps
	}
	return &record{s, size, all, make([]float32, steps*s.batch*size), make([]float32, s.batch*size)}
}

// step notes a state as that of step t, of one member of the batch, at an
// offset within the states of all directions.
func (r *record) step(t, n, offset int, h []float64) {
	if r.all {
		put(r.out[(t*r.s.batch+n)*r.size+offset:], h)
	}
}

// end notes a state after the last step.
func (r *record) end(n, offset int, h []float64) {
	put(r.last[n*r.size+offset:], h)
	if !r.all {
		put(r.out[n*r.size+offset:], h)
	}
}

func put(dst []float32, h []float64) {
	for i, v := range h {
		dst[i] = float32(v)
	}
}

// tensors returns the two outputs.
func (r *record) tensors(d tensor.DType) []*tensor.Tensor {
	steps := 1
	if r.all {
		steps = r.s.steps
	}
	return []*tensor.Tensor{
		tensor.New(d, []int{steps, r.s.batch, r.size}, r.out),
		tensor.New(d, []int{r.s.batch, r.size}, r.last),
	}
}

// sampleSequences makes a geometry.
func sampleSequences(r *rand.Rand) sequences {
	return sequences{steps: r.IntN(5), batch: 1 + r.IntN(3), in: 1 + r.IntN(4), hidden: 1 + r.IntN(4)}
}

// weights makes weights of a shape in which sums stay small.
func sampleWeights(r *rand.Rand, shape ...int) *tensor.Tensor {
	return mapFloats(sampleFloats(r, shape...).Const, func(v float64) float64 { return v / 2 })
}

// perhaps makes weights, or none.
func perhaps(r *rand.Rand, n int) *tensor.Tensor {
	if r.IntN(2) == 0 {
		return nil
	}
	return sampleWeights(r, n)
}

// oneOf returns one of the strings.
func oneOf(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// gateNames are the activations that lstm and gru know.
var gateNames = slices.Sorted(func(yield func(string) bool) {
	for name := range activations {
		if name != "sigmoid_hard" && name != "lecun_tanh" && !yield(name) {
			return
		}
	}
})
