package pass

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// Attend makes one operation of softmax(query·keyᵀ·scale + mask)·value where the
// opset has it: scaled_dot_product_attention, which scales by 1/√E, so that any
// other scale becomes a factor of the query.
func Attend(f *mil.Func, opset mil.Opset) {
	if opset < mil.IOS18 {
		return
	}
	g := newGraph(f)
	before := map[*mil.Node][]*mil.Node{}
	for _, n := range f.Body.Nodes {
		if n.Op != "matmul" {
			continue
		}
		a := g.attention(n)
		if a == nil || a.Query.Type.AnyRank || a.Query.Type.Rank() < 3 || a.AttnMask != nil && a.AttnMask.Type.DType != a.Query.Type.DType {
			continue
		}
		size := a.Query.Type.Shape[a.Query.Type.Rank()-1]
		if size < 1 {
			continue
		}
		var made []*mil.Node
		add := func(n *mil.Node, t mil.Type) *mil.Value {
			v := &mil.Value{Name: n.Name, Type: t, Node: n}
			n.Outputs = []*mil.Value{v}
			made = append(made, n)
			return v
		}
		args := &op.ScaledDotProductAttentionArgs{Query: a.Query, Key: a.Key, Value: a.Value, AttnMask: a.AttnMask}
		if factor := a.Scale * float32(math.Sqrt(float64(size))); math.Abs(float64(factor)-1) > 1e-6 {
			args.Query = add(op.Mul.Node(n.Name+"_query", &op.Binary{X: a.Query, Y: number(a.Query.Type.DType, factor)}), a.Query.Type)
		}
		if a.KeySwapped {
			t := a.Key.Type
			t.Shape = slices.Clone(t.Shape)
			t.Shape[1], t.Shape[2] = t.Shape[2], t.Shape[1]
			args.Key = add(op.Transpose.Node(n.Name+"_key", &op.TransposeArgs{X: a.Key, Perm: []int{0, 2, 1, 3}}), t)
		}
		types, err := op.ScaledDotProductAttention.Infer(args)
		if err != nil || len(types) != 1 || types[0].Rank() != n.Outputs[0].Type.Rank() {
			continue
		}
		g.become(n, op.ScaledDotProductAttention.Name, op.ScaledDotProductAttention.Node(n.Name, args).Inputs...)
		before[n] = made
	}
	if len(before) == 0 {
		return
	}
	var nodes []*mil.Node
	for _, n := range f.Body.Nodes {
		nodes = append(append(nodes, before[n]...), n)
	}
	f.Body.Nodes = nodes
	deadCode(f)
}
