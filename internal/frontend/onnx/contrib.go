package onnx

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// microsoft is the domain of the operators that ONNX Runtime's optimizer
// writes.
const microsoft = "com.microsoft::"

var contribRules = table{
	"SimplifiedLayerNormalization":                 always(rmsNormalization), // written into ONNX's own domain
	microsoft + "Gelu":                             always(func(b *Builder, n *Node) []*mil.Value { return one(b.gelu(n.In[0], nil, "EXACT")) }),
	microsoft + "BiasGelu":                         always(func(b *Builder, n *Node) []*mil.Value { return one(b.gelu(n.In[0], n.input(1), "EXACT")) }),
	microsoft + "FastGelu":                         always(func(b *Builder, n *Node) []*mil.Value { return one(b.gelu(n.In[0], n.input(1), "TANH_APPROXIMATION")) }),
	microsoft + "QuickGelu":                        always(func(b *Builder, n *Node) []*mil.Value { return one(b.swish(n.In[0], n.Float("alpha", 1.702))) }),
	microsoft + "LayerNormalization":               always(layerNormalization),
	microsoft + "SimplifiedLayerNormalization":     always(rmsNormalization),
	microsoft + "SkipLayerNormalization":           always(skipNormalization(false)),
	microsoft + "SkipSimplifiedLayerNormalization": always(skipNormalization(true)),
	microsoft + "EmbedLayerNormalization":          always(embedNormalization),
	microsoft + "Attention":                        always(packedAttention),
	microsoft + "MultiHeadAttention":               always(multiHeadAttention),
	microsoft + "RotaryEmbedding":                  always(packedRotary),
	microsoft + "FusedMatMul":                      always(fusedMatMul),
	microsoft + "TransposeMatMul":                  always(fusedMatMul),
	microsoft + "FusedGemm":                        always(func(b *Builder, n *Node) []*mil.Value { return one(b.fused(n, gemm(b, n))) }),
	microsoft + "FusedConv":                        always(fusedConv),
	microsoft + "QuantizeLinear":                   always(quantizeLinear),
	microsoft + "DequantizeLinear":                 {{since: 1, lower: dequantizeLinear, narrow: true}},
	microsoft + "QLinearAdd":                       always(qLinear(op.Add)),
	microsoft + "QLinearMul":                       always(qLinear(op.Mul)),
	microsoft + "QLinearSigmoid":                   always(qLinearUnary(func(b *Builder, _ *Node, x *mil.Value) *mil.Value { return op.Sigmoid.Add(b.Builder, op.Unary{X: x}) })),
	microsoft + "QLinearLeakyRelu":                 always(qLinearUnary(func(b *Builder, n *Node, x *mil.Value) *mil.Value { return b.leaky(x, n.Float("alpha", 0.01)) })),
	microsoft + "QLinearGlobalAveragePool":         always(qLinearUnary(func(b *Builder, n *Node, x *mil.Value) *mil.Value { return b.globalAverage(n, x) })),
	microsoft + "QLinearConcat":                    always(qLinearConcat),
	microsoft + "DynamicQuantizeMatMul":            {{since: 1, lower: dynamicQuantizeMatMul, narrow: true}},
	microsoft + "MatMulIntegerToFloat":             {{since: 1, lower: matMulIntegerToFloat, narrow: true}},
	microsoft + "GroupQueryAttention":              always(groupQueryAttention),
	microsoft + "QGemm":                            {{since: 1, lower: qGemm, narrow: true}},
	microsoft + "MatMulNBits":                      {{since: 1, lower: matMulNBits, narrow: true}},
}

func (b *Builder) gelu(x, bias *mil.Value, mode string) *mil.Value {
	if bias != nil {
		x = b.add(x, bias)
	}
	return op.Gelu.Add(b.Builder, op.GeluArgs{X: x, Mode: mode})
}

// skipNormalization normalizes the sum of two inputs and a bias. The sum is the
// fourth output.
func skipNormalization(simple bool) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		if len(n.In) < 3 {
			return b.fail("want two inputs and a scale")
		}
		x := b.add(n.In[0], n.In[1])
		scale, beta, bias := n.In[2], n.input(3), n.input(4)
		if simple {
			beta, bias = nil, n.input(3)
		}
		if bias != nil {
			x = b.add(x, bias)
		}
		if b.rank(x) < 1 {
			return b.fail("want at least a vector, have %s", x.Type)
		}
		axes := []int{b.rank(x) - 1}
		var y *mil.Value
		if simple {
			y = b.rmsNorm(x, scale, axes, n.Float("epsilon", 1e-12))
		} else {
			y, _, _ = b.layerNorm(x, scale, beta, axes, n.Float("epsilon", 1e-12), false)
		}
		return []*mil.Value{y, nil, nil, x}
	}
}

// embedNormalization normalizes the sum of embeddings of words, positions and
// segments.
func embedNormalization(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 7 {
		return b.fail("want seven inputs")
	}
	for _, i := range []int{2, 3, 5, 6} {
		if n.In[i] == nil {
			return b.fail("input %d is missing", i)
		}
	}
	ids, segments, words, positions, segment := n.In[0], n.In[1], n.In[2], n.In[3], n.input(4)
	take := func(x, at *mil.Value) *mil.Value {
		g := op.GatherIOS17.Defaults()
		g.X, g.Indices = x, at
		return op.GatherIOS17.Add(b.Builder, g)
	}
	if b.rank(ids) != 2 {
		return b.fail("want [batch, sequence], have %s", ids.Type)
	}
	x := take(words, ids)
	at := n.input(8)
	if at == nil {
		length := ids.Type.Shape[1]
		if length < 0 {
			return b.refuse("a length that is only known when it is run")
		}
		if !b.room(length) {
			return nil
		}
		at = b.reshape(b.ints(iota(length)...), 1, length)
	}
	x = b.add(x, take(positions, at))
	if segments != nil && segment != nil {
		x = b.add(x, take(segment, segments))
	}
	y, _, _ := b.layerNorm(x, n.In[5], n.In[6], []int{2}, n.Float("epsilon", 1e-12), false)
	outs := []*mil.Value{y, nil, x}
	if n.wants(1) {
		mask := n.input(7)
		if mask == nil {
			mask = op.FillLike.Add(b.Builder, op.FillLikeArgs{RefTensor: ids, Value: scalarOf(0, tensor.Int32)})
		}
		outs[1] = b.SetDType(b.reduce(op.ReduceSum, mask, []int{1}, false), tensor.Int32)
	}
	return outs
}

// attend is softmax(Q·Kᵀ·scale + bias)·V of [B, H, S, D].
func (b *Builder) attend(q, k, v, bias *mil.Value, scale float64) *mil.Value {
	scores := op.Matmul.Add(b.Builder, op.MatmulArgs{X: q, Y: k, TransposeY: true})
	scores = b.mul(scores, b.number(scale, q))
	if bias != nil {
		scores = b.add(scores, bias)
	}
	return b.matmul(op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: scores, Axis: -1}), v)
}

// scaleOf is the factor of the scores of heads [B, H, S, D].
func (b *Builder) scaleOf(n *Node, q *mil.Value) float64 {
	if s := n.Float("scale", 0); s != 0 {
		return float64(s)
	}
	if b.rank(q) != 4 || q.Type.Shape[3] < 1 {
		b.refuse("the size of heads that is only known when it is run")
		return 1
	}
	return 1 / math.Sqrt(float64(q.Type.Shape[3]))
}

// keyMask is the bias of a mask of keys, [B, S] of 0 and 1, lengths [B] or
// [B, T, S].
func (b *Builder) keyMask(mask, like *mil.Value, keys int, filter float32) *mil.Value {
	if mask == nil {
		return nil
	}
	allowed := mask
	switch b.rank(mask) {
	case 1:
		if keys < 0 {
			b.refuse("lengths in a sequence whose own is only known when it is run")
			return nil
		}
		if !b.room(keys) {
			return nil
		}
		allowed = op.Less.Add(b.Builder, op.Binary{X: b.ints(iota(keys)...), Y: b.reshape(mask, -1, 1, 1, 1)})
	case 2:
		allowed = b.expandDims(mask, 1, 2)
	case 3:
		allowed = b.expandDims(mask, 1)
	}
	if allowed.Type.DType != tensor.Bool {
		allowed = op.NotEqual.Add(b.Builder, op.Binary{X: allowed, Y: b.number(0, allowed)})
	}
	return b.sel(allowed, b.number(0, like), b.number(float64(filter), like))
}

// packedAttention has one weight for queries, keys and values.
func packedAttention(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 {
		return b.fail("want an input and weights")
	}
	x, w, bias := n.In[0], n.In[1], n.input(2)
	if n.input(4) != nil || n.input(6) != nil {
		return b.refuse("an attention with a cache")
	}
	heads := n.Int("num_heads", 0)
	if b.rank(x) != 3 || b.rank(w) != 2 {
		return b.fail("want [batch, sequence, hidden] and a matrix, have %s and %s", x.Type, w.Type)
	}
	total := w.Type.Shape[1]
	sizes := n.Ints("qkv_hidden_sizes")
	if len(sizes) == 0 {
		sizes = repeat(total/3, 3)
	}
	if b.Err() != nil || len(sizes) != 3 || sizes[0]+sizes[1]+sizes[2] != total || total < 1 {
		return b.fail("weights for %v of %d", sizes, total)
	}
	var all *mil.Value
	if wt := b.swap(w); wt.Const != nil && x.Const == nil {
		all = b.linear(x, wt, bias)
	} else if all = b.matmul(x, w); bias != nil {
		all = b.add(all, bias)
	}
	parts := op.Split.AddN(b.Builder, op.SplitArgs{X: all, SplitSizes: sizes, Axis: 2})
	if len(parts) != 3 {
		return nil
	}
	q, k, v := b.heads(parts[0], heads), b.heads(parts[1], heads), b.heads(parts[2], heads)
	if b.Err() != nil {
		return nil
	}
	mask := b.keyMask(n.input(3), q, k.Type.Shape[2], n.Float("mask_filter_value", -10000))
	if n.input(5) != nil {
		mask = plus(b, mask, n.In[5])
	}
	if n.Bool("unidirectional") {
		mask = plus(b, mask, b.causal(q, k))
	}
	return one(b.joined(b.attend(q, k, v, mask, b.scaleOf(n, q))))
}

// plus adds biases, of which nil is none.
func plus(b *Builder, x, y *mil.Value) *mil.Value {
	if x == nil {
		return y
	}
	return b.add(x, y)
}

// causal lets the last query see every key, those before it one less each.
func (b *Builder) causal(q, k *mil.Value) *mil.Value {
	queries, keys := q.Type.Shape[2], k.Type.Shape[2]
	if queries < 0 || keys < 0 {
		b.refuse("a causal mask for lengths that are only known when it is run")
		return b.number(0, q)
	}
	if !b.room(queries + keys) {
		return b.number(0, q)
	}
	at := b.add(b.reshape(b.ints(iota(queries)...), -1, 1), b.int(keys-queries))
	return b.bias(op.LessEqual.Add(b.Builder, op.Binary{X: b.ints(iota(keys)...), Y: at}), q)
}

func multiHeadAttention(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 3 || n.In[1] == nil || n.In[2] == nil || b.rank(n.In[0]) != 3 || b.rank(n.In[1]) != 3 || b.rank(n.In[2]) != 3 {
		return b.refuse("packed queries, keys and values")
	}
	heads := n.Int("num_heads", 0)
	q, k, v := n.In[0], n.In[1], n.In[2]
	if bias := n.input(3); bias != nil {
		sizes := []int{q.Type.Shape[2], k.Type.Shape[2], v.Type.Shape[2]}
		at := 0
		for i, x := range []**mil.Value{&q, &k, &v} {
			*x = b.add(*x, b.slice(bias, 0, at, at+sizes[i]))
			at += sizes[i]
		}
	}
	q, k, v = b.heads(q, heads), b.heads(k, heads), b.heads(v, heads)
	if n.input(6) != nil && n.input(7) != nil {
		k, v = b.concat(2, n.In[6], k), b.concat(2, n.In[7], v)
	}
	if b.Err() != nil {
		return nil
	}
	mask := b.keyMask(n.input(4), q, k.Type.Shape[2], n.Float("mask_filter_value", -10000))
	if n.input(5) != nil {
		mask = plus(b, mask, n.In[5])
	}
	if n.Bool("unidirectional") {
		mask = plus(b, mask, b.causal(q, k))
	}
	return []*mil.Value{b.joined(b.attend(q, k, v, mask, b.scaleOf(n, q))), k, v}
}

// packedRotary has its positions before the angles: one number is that of the
// first element of the sequence.
func packedRotary(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 4 {
		return b.fail("want four inputs")
	}
	at := n.In[1]
	if r := b.rank(n.In[0]); b.rank(at) == 1 && b.Err() == nil {
		if r < 2 {
			return b.fail("want a sequence, have %s", n.In[0].Type)
		}
		length := n.In[0].Type.Shape[r-2]
		if length < 0 {
			return b.refuse("a length that is only known when it is run")
		}
		if !b.room(length) {
			return nil
		}
		at = b.add(b.reshape(at, -1, 1), b.ints(iota(length)...))
	}
	return one(b.rotary(n, n.In[0], n.In[2], n.In[3], at))
}

// fusedMatMul multiplies transposed factors, and the product by a number.
func fusedMatMul(b *Builder, n *Node) []*mil.Value {
	x, y := b.operands(n)
	if n.Bool("transBatchA") || n.Bool("transBatchB") {
		return b.refuse("factors with their batches in the middle")
	}
	v := op.Matmul.Add(b.Builder, op.MatmulArgs{X: x, Y: y, TransposeX: n.Bool("transA"), TransposeY: n.Bool("transB")})
	if alpha := n.Float("alpha", 1); alpha != 1 {
		v = b.mul(v, b.number(float64(alpha), v))
	}
	return one(v)
}

// fused applies the activation that a node names.
func (b *Builder) fused(n *Node, vs []*mil.Value) *mil.Value {
	if len(vs) != 1 || b.Err() != nil {
		return nil
	}
	v := vs[0]
	p := append(n.Floats("activation_params"), 0, 0)
	if len(n.Floats("activation_params")) == 0 {
		p[0] = n.Float("activation_alpha", 0.01)
	}
	switch a := n.Text("activation", ""); a {
	case "":
		return v
	case "Relu":
		return op.Relu.Add(b.Builder, op.Unary{X: v})
	case "Sigmoid":
		return op.Sigmoid.Add(b.Builder, op.Unary{X: v})
	case "Tanh":
		return op.Tanh.Add(b.Builder, op.Unary{X: v})
	case "LeakyRelu":
		return b.leaky(v, p[0])
	case "Clip":
		return op.ClipIOS17.Add(b.Builder, op.AlphaBeta{X: v, Alpha: p[0], Beta: p[1]})
	case "HardSigmoid":
		return op.SigmoidHardIOS17.Add(b.Builder, op.AlphaBetaIOS17{X: v, Alpha: p[0], Beta: p[1]})
	default:
		b.refuse("the activation %q", a)
		return v
	}
}

// fusedConv is a convolution, perhaps with something added before its
// activation.
func fusedConv(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 {
		return b.fail("want a weight")
	}
	v := b.conv(n, n.In[0], n.In[1], n.input(2))
	if n.input(3) != nil {
		v = b.add(v, n.In[3])
	}
	return one(b.fused(n, one(v)))
}

// real dequantizes an input of the QLinear operators.
func (b *Builder) real(x, scale, zero *mil.Value) *mil.Value {
	return b.dequantized(x, b.along(scale, x, 0, 0), b.along(zero, x, 0, 0))
}

func qLinear(o *op.Def[op.Binary]) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		if len(n.In) < 7 || n.In[0] == nil || n.In[1] == nil || n.In[3] == nil || n.In[4] == nil || n.In[6] == nil {
			return b.fail("want seven inputs")
		}
		x, y := b.real(n.In[0], n.In[1], n.In[2]), b.real(n.In[3], n.In[4], n.In[5])
		v := o.Add(b.Builder, op.Binary{X: x, Y: y})
		return one(b.quantized(v, b.along(n.In[6], v, 0, 0), b.along(n.input(7), v, 0, 0), b.DType(n.In[0])))
	}
}

func qLinearUnary(f func(b *Builder, n *Node, x *mil.Value) *mil.Value) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		if len(n.In) < 4 || n.In[1] == nil || n.In[3] == nil {
			return b.fail("want four inputs")
		}
		v := f(b, n, b.real(n.In[0], n.In[1], n.In[2]))
		return one(b.quantized(v, b.along(n.In[3], v, 0, 0), b.along(n.input(4), v, 0, 0), b.DType(n.In[0])))
	}
}

// globalAverage averages over the spatial axes, which come before the channels
// if the node says so.
func (b *Builder) globalAverage(n *Node, x *mil.Value) *mil.Value {
	r := b.rank(x)
	if b.Err() != nil || r < 3 {
		b.fail("want spatial axes, have %s", x.Type)
		return x
	}
	if n.Bool("channels_last") {
		return b.reduce(op.ReduceMean, x, iota(r - 1)[1:], true)
	}
	return b.reduce(op.ReduceMean, x, iota(r)[2:], true)
}

func qLinearConcat(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 5 || len(n.In)%3 != 2 || slices.Contains(n.In, nil) {
		return b.fail("%d inputs", len(n.In))
	}
	var parts []*mil.Value
	for i := 2; i < len(n.In); i += 3 {
		parts = append(parts, b.real(n.In[i], n.In[i+1], n.In[i+2]))
	}
	v := b.concat(b.axis(n.Int("axis", 0), b.rank(parts[0])), parts...)
	return one(b.quantized(v, b.along(n.In[0], v, 0, 0), b.along(n.In[1], v, 0, 0), b.DType(n.In[1])))
}

// dynamicQuantizeMatMul quantizes its left factor to multiply it: so do we, to
// give the same.
func dynamicQuantizeMatMul(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 3 {
		return b.fail("want three inputs")
	}
	b.widen(n, 1, 3)
	q := dynamicQuantize(b, &Node{In: n.In[:1]})
	if len(q) != 3 || b.Err() != nil {
		return nil
	}
	x := b.mul(b.cast(b.sub(q[0], q[2]), tensor.Float32), q[1])
	if b.rank(n.In[1]) < 2 {
		return b.fail("want a matrix, have %s", n.In[1].Type)
	}
	v := b.matmul(x, b.scaled(n.In[1], n.In[2], n.input(3), b.rank(n.In[1])-1))
	if n.input(4) != nil {
		v = b.add(v, n.In[4])
	}
	return one(v)
}

func matMulIntegerToFloat(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 4 {
		return b.fail("want four inputs")
	}
	b.widen(n, 1, 5)
	if b.rank(n.In[1]) < 2 {
		return b.fail("want a matrix, have %s", n.In[1].Type)
	}
	v := b.matmul(b.dequantized(n.In[0], n.In[2], n.input(4)), b.scaled(n.In[1], n.In[3], n.input(5), b.rank(n.In[1])-1))
	if n.input(6) != nil {
		v = b.add(v, n.In[6])
	}
	return one(v)
}
