package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// groupQueryAttention lets groups of queries share keys and values, which follow
// those of a cache. Where a query stands is told by the number of keys that its
// row of the batch has; it attends to no later key.
func groupQueryAttention(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 7 || n.In[5] == nil {
		return b.fail("want queries and the number of keys")
	}
	for i := 9; i < len(n.In); i++ {
		if n.In[i] != nil && i != 10 {
			return b.refuse("input %d", i)
		}
	}
	if n.Bool("smooth_softmax") || n.Int("qk_output", 0) != 0 {
		return b.refuse("a smooth softmax or scores as an output")
	}
	heads, groups := n.Int("num_heads", 0), n.Int("kv_num_heads", 0)
	q, k, v := n.In[0], n.In[1], n.In[2]
	if heads < 1 || groups < 1 || heads > 1<<12 || groups > 1<<12 || b.rank(q) != 3 {
		return b.fail("%d heads of queries, %d of keys in %s", heads, groups, n.In[0].Type)
	}
	if k == nil || v == nil { // all in one
		hidden := q.Type.Shape[2]
		if k != nil || v != nil || hidden < 0 || hidden%(heads+2*groups) != 0 {
			return b.fail("%d and twice %d heads in %s", heads, groups, q.Type)
		}
		size := hidden / (heads + 2*groups)
		q, k, v = b.slice(q, 2, 0, heads*size), b.slice(q, 2, heads*size, (heads+groups)*size), b.slice(q, 2, (heads+groups)*size, hidden)
	}
	q, k, v = b.heads(q, heads), b.heads(k, groups), b.heads(v, groups)
	if b.Err() != nil {
		return nil
	}
	length := b.squeeze(b.dims(q, 2), 0)
	last := b.reshape(b.cast(n.In[5], tensor.Int32), -1, 1) // of each row's keys
	each := op.Range1d.Add(b.Builder, op.Range1dArgs{Start: b.int(0), End: length, Step: b.int(1)})
	at := b.add(b.sub(last, b.sub(length, b.int(1))), each) // [B, S]
	if n.Bool("do_rotary") {
		cos, sin := n.input(7), n.input(8)
		if cos == nil || sin == nil {
			return b.fail("want cosines and sines")
		}
		turn := &Node{attrs: map[string]*onnxpb.AttributeProto{}, model: n.model}
		if a := n.attrs["rotary_interleaved"]; a != nil {
			turn.attrs["interleaved"] = a
		}
		q, k = b.rotary(turn, q, cos, sin, at), b.rotary(turn, k, cos, sin, at)
	}
	if n.input(3) != nil && n.input(4) != nil {
		if b.rank(n.In[3]) != 4 || b.rank(n.In[4]) != 4 {
			return b.fail("want a cache of rank 4, have %s and %s", n.In[3].Type, n.In[4].Type)
		}
		k, v = b.concat(2, n.In[3], k), b.concat(2, n.In[4], v)
	}
	keys := b.squeeze(b.dims(k, 2), 0)
	place := op.Range1d.Add(b.Builder, op.Range1dArgs{Start: b.int(0), End: keys, Step: b.int(1)})
	at = b.expandDims(at, 1, 3) // [B, 1, S, 1]
	allowed := op.LessEqual.Add(b.Builder, op.Binary{X: place, Y: at})
	if w := n.Int("local_window_size", -1); w > 0 {
		allowed = op.LogicalAnd.Add(b.Builder, op.Binary{X: allowed, Y: op.Greater.Add(b.Builder, op.Binary{X: place, Y: b.sub(at, b.int(w))})})
	}
	bias := b.sel(allowed, b.number(0, q), b.number(-math.MaxFloat32/2, q))
	if n.input(10) != nil {
		bias = b.add(bias, b.cast(n.In[10], q.Type.DType))
	}
	scores := op.Matmul.Add(b.Builder, op.MatmulArgs{X: b.mul(q, b.number(b.scaleOf(n, q), q)), Y: b.repeated(k, heads), TransposeY: true})
	if c := float64(n.Float("softcap", 0)); c > 0 {
		scores = b.mul(op.Tanh.Add(b.Builder, op.Unary{X: b.div(scores, b.number(c, q))}), b.number(c, q))
	}
	weights := op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: b.add(scores, bias), Axis: -1})
	return []*mil.Value{b.as(b.joined(b.matmul(weights, b.repeated(v, heads))), n.In[0]), k, v}
}

// qGemm is a product of quantized matrices, whose scale and bias come with it.
// The result is quantized if there is a scale for it.
func qGemm(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 6 || n.In[3] == nil || n.In[4] == nil {
		return b.fail("want two matrices and their scales")
	}
	if b.rank(n.In[0]) != 2 || b.rank(n.In[3]) != 2 {
		return b.fail("want matrices, have %s and %s", n.In[0].Type, n.In[3].Type)
	}
	b.widen(n, 3, 5)
	scale := func(i int) *mil.Value { return b.cast(n.In[i], tensor.Float32) }
	along := 1
	if n.Bool("transB") {
		along = 0
	}
	x := b.cast(b.minus(n.In[0], b.reshape(n.In[2])), tensor.Float32)
	v := op.Matmul.Add(b.Builder, op.MatmulArgs{X: x, Y: b.integers(n.In[3], n.input(5), along), TransposeX: n.Bool("transA"), TransposeY: n.Bool("transB")})
	by := b.mul(b.reshape(scale(1)), scale(4))
	if bias := n.input(6); bias != nil { // in the scale of the product
		v = b.add(v, b.cast(bias, tensor.Float32))
	}
	v = b.mul(v, by)
	if alpha := n.Float("alpha", 1); alpha != 1 {
		v = b.mul(v, b.number(float64(alpha), v))
	}
	if n.input(7) == nil {
		return one(b.SetDType(v, tensor.Float32))
	}
	d := b.DType(n.In[0])
	if n.input(8) != nil {
		d = b.DType(n.In[8])
	}
	return one(b.quantized(v, b.reshape(scale(7)), n.input(8), d))
}
