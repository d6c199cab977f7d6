package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// AttentionArgs are ScaledDotProductAttentionArgs with a scale of their own.
// Where a flag says so, dimensions 1 and 2 of a tensor of rank 4 are swapped:
// it is [B, L, H, E], as products with all heads' weights leave it.
type AttentionArgs struct {
	Query    *mil.Value `mil:"query,T"`
	Key      *mil.Value `mil:"key,T"`
	Value    *mil.Value `mil:"value,T"`
	AttnMask *mil.Value `mil:"attn_mask,M,optional"`
	Scale    float32    `mil:"scale,fp32,const"`

	QuerySwapped  bool `mil:"query_swapped,bool,const,optional"`
	KeySwapped    bool `mil:"key_swapped,bool,const,optional"`
	ValueSwapped  bool `mil:"value_swapped,bool,const,optional"`
	OutputSwapped bool `mil:"output_swapped,bool,const,optional"`
}

// Attention is softmax(query·keyᵀ·scale + mask)·value, which programs write in
// several operations.
var Attention = Define(Spec[AttentionArgs]{
	Name: "attention", Since: mil.IOS13, Internal: true,
	Types: Types{"T": Float, "M": {tensor.Bool, tensor.Float16, tensor.Float32}},
	Infer: func(a *AttentionArgs) ([]mil.Type, error) {
		plain, err := a.plain(nil)
		if err != nil {
			return nil, err
		}
		types, err := inferAttention(plain)
		if err != nil || !a.OutputSwapped {
			return types, err
		}
		t, err := headsSwapped(types[0])
		return []mil.Type{t}, err
	},
	Eval: func(a *AttentionArgs) ([]*tensor.Tensor, error) {
		plain, err := a.plain(swapTensor)
		if err != nil {
			return nil, err
		}
		out, err := evalScaled(plain, float64(a.Scale))
		if err != nil || !a.OutputSwapped {
			return out, err
		}
		t, err := swapTensor(out[0])
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) AttentionArgs {
		s := sampleAttention(r)
		a := AttentionArgs{Query: s.Query, Key: s.Key, Value: s.Value, AttnMask: s.AttnMask, Scale: r.Float32()}
		if s.Query.Type.Rank() == 4 {
			swap := func(v *mil.Value) (*mil.Value, bool) {
				if r.IntN(2) == 0 {
					return v, false
				}
				t, err := swapTensor(v.Const)
				return mil.NewConst(v.Name, t), err == nil
			}
			a.Query, a.QuerySwapped = swap(a.Query)
			a.Key, a.KeySwapped = swap(a.Key)
			a.Value, a.ValueSwapped = swap(a.Value)
			a.OutputSwapped = r.IntN(2) == 0
		}
		return a
	},
})

// plain returns the arguments with nothing swapped; the values only if asked to.
func (a *AttentionArgs) plain(values func(*tensor.Tensor) (*tensor.Tensor, error)) (*ScaledDotProductAttentionArgs, error) {
	p := &ScaledDotProductAttentionArgs{AttnMask: a.AttnMask}
	if a.OutputSwapped && a.Query.Type.Rank() != 4 {
		return nil, fmt.Errorf("the dimensions of %s cannot be swapped", a.Query.Type)
	}
	for _, o := range []struct {
		to   **mil.Value
		v    *mil.Value
		swap bool
	}{{&p.Query, a.Query, a.QuerySwapped}, {&p.Key, a.Key, a.KeySwapped}, {&p.Value, a.Value, a.ValueSwapped}} {
		*o.to = o.v
		if !o.swap {
			continue
		}
		t, err := headsSwapped(o.v.Type)
		if err != nil {
			return nil, err
		}
		*o.to = &mil.Value{Name: o.v.Name, Type: t}
		if values != nil {
			if (*o.to).Const, err = values(o.v.Const); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// headsSwapped is t with dimensions 1 and 2 in each other's place.
func headsSwapped(t mil.Type) (mil.Type, error) {
	if t.Rank() != 4 {
		return t, fmt.Errorf("the dimensions of %s cannot be swapped", t)
	}
	return mil.TensorType(t.DType, t.Shape[0], t.Shape[2], t.Shape[1], t.Shape[3]), nil
}

func swapTensor(t *tensor.Tensor) (*tensor.Tensor, error) {
	out, err := evalTranspose(&TransposeArgs{X: mil.NewConst("x", t), Perm: []int{0, 2, 1, 3}})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}
