package op

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// EinsumArgs are the arguments of Einsum: two values of rank 4 or 3.
type EinsumArgs struct {
	Values   []*mil.Value `mil:"values,any"`
	Equation string       `mil:"equation,string,const"`
}

// Einsum is the one product that Core ML has in this notation: of [B, C, H, V]
// and [B, V, H, W] to [B, C, H, W], written "nchw,nwhu->nchu" with any letters,
// or the same without B. B and H broadcast.
var Einsum = Define(Spec[EinsumArgs]{
	Name: "einsum", Since: mil.IOS15,
	Infer: inferEinsum, Eval: evalEinsum, Sample: sampleEinsum,
})

// letters replaces each letter of an equation by its rank of first appearance.
func letters(equation string) string {
	var seen []rune
	var out strings.Builder
	for _, r := range equation {
		if strings.ContainsRune(",->", r) {
			out.WriteRune(r)
			continue
		}
		i := slices.Index(seen, r)
		if i < 0 {
			if i = len(seen); i == 26 {
				return ""
			}
			seen = append(seen, r)
		}
		out.WriteByte(byte('a' + i))
	}
	return out.String()
}

// factors checks the arguments and returns the shapes of the two values with a
// leading B.
func (a *EinsumArgs) factors() (x, y []int, err error) {
	if len(a.Values) != 2 {
		return nil, nil, fmt.Errorf("want 2 values, have %d", len(a.Values))
	}
	d, err := oneType(a.Values)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(Float, d) {
		return nil, nil, fmt.Errorf("values of type %s", d)
	}
	rank := 0
	switch letters(a.Equation) {
	case "abcd,adce->abce":
		rank = 4
	case "abc,cbd->abd":
		rank = 3
	default:
		return nil, nil, fmt.Errorf("the equation %q is not one of nchw,nwhu->nchu and chw,whr->chr", a.Equation)
	}
	x, y = dims(a.Values[0]), dims(a.Values[1])
	if len(x) != rank || len(y) != rank {
		return nil, nil, fmt.Errorf("values: want rank %d, have %s and %s", rank, a.Values[0].Type, a.Values[1].Type)
	}
	if rank == 3 {
		x, y = append([]int{1}, x...), append([]int{1}, y...)
	}
	return x, y, nil
}

func inferEinsum(a *EinsumArgs) ([]mil.Type, error) {
	x, y, err := a.factors()
	if err != nil {
		return nil, err
	}
	if _, ok := merge(x[3], y[1]); !ok {
		return nil, fmt.Errorf("values %s and %s: %d is not %d", a.Values[0].Type, a.Values[1].Type, x[3], y[1])
	}
	batch, err := mil.Broadcast([]int{x[0], x[2]}, []int{y[0], y[2]})
	if err != nil {
		return nil, err
	}
	shape := []int{batch[0], x[1], batch[1], y[3]}
	return result(a.Values[0].Type.DType, shape[4-len(dims(a.Values[0])):]...)
}

func evalEinsum(a *EinsumArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferEinsum, a)
	if err != nil {
		return nil, err
	}
	x, y, err := a.factors()
	if err != nil {
		return nil, err
	}
	out := make([]float32, tensor.Size(shape))
	if len(out) == 0 {
		return one(tensor.New(a.Values[0].Type.DType, shape, out))
	}
	xs, ys := a.Values[0].Const.F32(), a.Values[1].Const.F32()
	h, w := shape[len(shape)-2], shape[len(shape)-1]
	// at returns where the matrix of a B and an H begins; dimensions of 1 repeat.
	at := func(shape []int, b, h int) int { return (b%shape[0]*shape[1]*shape[2] + h%shape[2]) * shape[3] }
	for b := range len(out) / (x[1] * h * w) {
		for j := range h {
			p := matrix[float32]{xs[at(x, b, j):], x[1], x[3], x[2] * x[3], 1}
			q := matrix[float32]{ys[at(y, b, j):], y[1], y[3], y[2] * y[3], 1}
			multiply[float32, float64](out[(b*x[1]*h+j)*w:], h*w, p, q, nil)
		}
	}
	return one(tensor.New(a.Values[0].Type.DType, shape, out))
}

func sampleEinsum(r *rand.Rand) EinsumArgs {
	dim := func() int { return 1 + r.IntN(4) }
	repeated := func(n int) int {
		if r.IntN(3) == 0 {
			return 1
		}
		return n
	}
	b, h, v := dim(), dim(), dim()
	x, y := []int{repeated(b), dim(), repeated(h), v}, []int{repeated(b), v, repeated(h), dim()}
	if r.IntN(2) == 0 {
		return EinsumArgs{[]*mil.Value{sampleFloats(r, x[1:]...), sampleFloats(r, y[1:]...)}, "chw,whr->chr"}
	}
	return EinsumArgs{[]*mil.Value{sampleFloats(r, x...), sampleFloats(r, y...)}, "nchw,nwhu->nchu"}
}
