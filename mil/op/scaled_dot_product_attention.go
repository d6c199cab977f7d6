package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ScaledDotProductAttentionArgs are the arguments of
// ScaledDotProductAttention: query is [*B, L, E], key [*B, S, E], value [*B, S,
// F], and the mask broadcasts to [*B, L, S]: numbers to add to the scores, or
// false where a key takes no part.
type ScaledDotProductAttentionArgs struct {
	Query    *mil.Value `mil:"query,T"`
	Key      *mil.Value `mil:"key,T"`
	Value    *mil.Value `mil:"value,T"`
	AttnMask *mil.Value `mil:"attn_mask,M,optional"`
}

// ScaledDotProductAttention is softmax(query·keyᵀ/√E + mask)·value, the softmax
// over keys. A query all of whose scores are -Inf gives NaN.
var ScaledDotProductAttention = Define(Spec[ScaledDotProductAttentionArgs]{
	Name: "scaled_dot_product_attention", Since: mil.IOS18,
	Types:  Types{"T": Float, "M": {tensor.Bool, tensor.Float16, tensor.Float32}},
	Infer:  inferAttention,
	Eval:   evalAttention,
	Sample: sampleAttention,
})

func inferAttention(a *ScaledDotProductAttentionArgs) ([]mil.Type, error) {
	q, k, v := dims(a.Query), dims(a.Key), dims(a.Value)
	n := len(q)
	if n < 3 || len(k) != n || len(v) != n {
		return nil, fmt.Errorf("query, key and value: want one rank of 3 or more, have %s, %s and %s", a.Query.Type, a.Key.Type, a.Value.Type)
	}
	shape := slices.Clone(q)
	for i := range shape[:n-2] {
		d, ok := merge(q[i], k[i])
		if shape[i] = d; ok {
			d, ok = merge(d, v[i])
		}
		if !ok {
			return nil, fmt.Errorf("query, key and value: dimension %d is %d, %d and %d", i, q[i], k[i], v[i])
		}
		if shape[i] < 0 {
			shape[i] = d
		}
	}
	if _, ok := merge(q[n-1], k[n-1]); !ok {
		return nil, fmt.Errorf("query and key: vectors of %d and %d numbers", q[n-1], k[n-1])
	}
	keys, ok := merge(k[n-2], v[n-2])
	if !ok {
		return nil, fmt.Errorf("%d keys and %d values", k[n-2], v[n-2])
	}
	if a.AttnMask != nil {
		m, scores := dims(a.AttnMask), append(slices.Clone(shape[:n-1]), keys)
		all, err := mil.Broadcast(m, scores)
		if err != nil || len(m) > n || !compatible(all, scores) {
			return nil, fmt.Errorf("attn_mask: want %s, have %s", mil.FormatDims(scores), a.AttnMask.Type)
		}
	}
	shape[n-1] = v[n-1]
	return result(a.Query.Type.DType, shape...)
}

// additive returns a mask as numbers to add.
func additive(mask *tensor.Tensor) []float32 {
	if mask.DType() != tensor.Bool {
		return mask.F32()
	}
	out := make([]float32, mask.Len())
	for i, part := range mask.Bools() {
		if !part {
			out[i] = float32(math.Inf(-1))
		}
	}
	return out
}

func evalAttention(a *ScaledDotProductAttentionArgs) ([]*tensor.Tensor, error) {
	e := dims(a.Query)
	return evalScaled(a, 1/math.Sqrt(float64(e[len(e)-1])))
}

// evalScaled is evalAttention with another scale of the scores.
func evalScaled(a *ScaledDotProductAttentionArgs, scale float64) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferAttention, a)
	if err != nil {
		return nil, err
	}
	n := len(shape)
	l, e := shape[n-2], dims(a.Query)[n-1]
	s, f := dims(a.Value)[n-2], shape[n-1]
	q, k, v := a.Query.Const.F32(), a.Key.Const.F32(), a.Value.Const.F32()
	mask, rowAt, keyAt := []float32{0}, make([]int, n-1), 0
	if a.AttnMask != nil {
		mask = additive(a.AttnMask.Const)
		strides := broadcastStrides(a.AttnMask.Const.Shape(), append(slices.Clone(shape[:n-1]), s))
		rowAt, keyAt = strides[:n-1], strides[n-1]
	}
	out := make([]float32, tensor.Size(shape))
	weights, sums := make([]float64, s), make(accumulator, f)
	each(shape[:n-1], func(i int, at []int) {
		b := i / l
		top := math.Inf(-1)
		for j := range weights {
			var score float64
			for c, x := range q[i*e:][:e] {
				score += float64(x) * float64(k[(b*s+j)*e+c])
			}
			weights[j] = score*scale + float64(mask[dot(at, rowAt)+j*keyAt])
			top = math.Max(top, weights[j]) // NaN stays
		}
		var total float64
		for j, w := range weights {
			weights[j] = math.Exp(w - top)
			total += weights[j]
		}
		sums.fill(0)
		for j, w := range weights {
			for c := range sums {
				sums[c] += w / total * float64(v[(b*s+j)*f+c])
			}
		}
		sums.round(out[i*f:])
	})
	return one(tensor.New(a.Query.Type.DType, shape, out))
}

func sampleAttention(r *rand.Rand) ScaledDotProductAttentionArgs {
	lead := []int{1 + r.IntN(3)}
	if r.IntN(2) == 0 {
		lead = append(lead, 1+r.IntN(3))
	}
	l, s, e, f := 1+r.IntN(4), 1+r.IntN(4), 1+r.IntN(4), 1+r.IntN(4)
	with := func(m, n int) []int { return append(slices.Clone(lead), m, n) }
	a := ScaledDotProductAttentionArgs{
		Query: sampleFloats(r, with(l, e)...), Key: sampleFloats(r, with(s, e)...), Value: sampleFloats(r, with(s, f)...),
	}
	mask := with(l, s)
	for i := range mask[:len(mask)-1] {
		if r.IntN(3) == 0 {
			mask[i] = 1
		}
	}
	mask = mask[r.IntN(len(mask)):]
	switch r.IntN(3) {
	case 0:
		a.AttnMask = sampleFloats(r, mask...)
	case 1:
		a.AttnMask = sampleBools(r, mask)
		a.AttnMask.Const.Bools()[0] = true
	}
	return a
}
