package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var attentionRules = table{
	"Attention":           always(attention),
	"LinearAttention":     always(linearAttention),
	"CausalConvWithState": always(causalConv),
	"RotaryEmbedding":     always(rotaryEmbedding),
}

// heads brings [B, S, H·D] to [B, H, S, D].
func (b *Builder) heads(x *mil.Value, heads int) *mil.Value {
	if b.rank(x) != 3 || heads < 1 {
		b.fail("want [batch, sequence, hidden] in %d heads, have %s", heads, x.Type)
		return x
	}
	hidden := x.Type.Shape[2]
	if hidden < 0 {
		b.refuse("the size of heads that is only known when it is run")
		return x
	}
	if hidden < 1 || hidden%heads != 0 {
		b.fail("%d elements in %d heads", hidden, heads)
		return x
	}
	v := b.reshapeTo(x, []part{{}, {}, {n: heads}, {n: hidden / heads}}, b.ints(0, 0, heads, hidden/heads), false)
	return b.transpose(v, 0, 2, 1, 3)
}

// joined is the inverse of heads.
func (b *Builder) joined(x *mil.Value) *mil.Value {
	if b.rank(x) != 4 {
		return x
	}
	hidden := known([]int{x.Type.Shape[1], x.Type.Shape[3]})
	v := b.transpose(x, 0, 2, 1, 3)
	return b.reshapeTo(v, []part{{}, {}, {n: hidden}}, b.ints(0, 0, hidden), false)
}

// repeated repeats each head of keys or values for a group of queries.
func (b *Builder) repeated(x *mil.Value, heads int) *mil.Value {
	have := x.Type.Shape[1]
	if b.Err() != nil || have == heads {
		return x
	}
	if have < 0 || heads < 0 {
		b.refuse("a number of heads that is only known when it is run")
		return x
	}
	if have < 1 || heads < 1 || heads%have != 0 {
		b.fail("%d heads of queries for %d of keys", heads, have)
		return x
	}
	if !b.room(heads) {
		return x
	}
	at := make([]int, heads)
	for i := range at {
		at[i] = i / (heads / have)
	}
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices, g.Axis = x, b.ints(at...), 1
	return b.gather(g)
}

// bias is an additive mask: 0 where a condition holds and -∞ elsewhere.
func (b *Builder) bias(allowed, like *mil.Value) *mil.Value {
	return b.sel(allowed, b.number(0, like), b.number(math.Inf(-1), like))
}

// attention is softmax(Q·Kᵀ·scale + bias)·V of ONNX's own operator.
func attention(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 3 {
		return b.fail("want queries, keys and values")
	}
	q, k, v := n.In[0], n.In[1], n.In[2]
	mask, pastK, pastV, lengths := n.input(3), n.input(4), n.input(5), n.input(6)
	flat := b.rank(q) == 3
	if flat {
		q, k, v = b.heads(q, n.Int("q_num_heads", 0)), b.heads(k, n.Int("kv_num_heads", 0)), b.heads(v, n.Int("kv_num_heads", 0))
	}
	if b.rank(q) != 4 || b.rank(k) != 4 || b.rank(v) != 4 {
		return b.fail("want rank 4, have %s, %s and %s", q.Type, k.Type, v.Type)
	}
	past := 0
	if pastK != nil && pastV != nil {
		if b.rank(pastK) != 4 || b.rank(pastV) != 4 {
			return b.fail("want a cache of rank 4, have %s and %s", pastK.Type, pastV.Type)
		}
		if past = pastK.Type.Shape[2]; past < 0 {
			return b.refuse("a cache whose length is only known when it is run")
		}
		k, v = b.concat(2, pastK, k), b.concat(2, pastV, v)
	}
	presentK, presentV := k, v
	if b.Err() != nil {
		return nil
	}
	scale := b.scaleOf(n, q)
	k, v = b.repeated(k, q.Type.Shape[1]), b.repeated(v, q.Type.Shape[1])
	queries, keys := q.Type.Shape[2], k.Type.Shape[2]

	var bias *mil.Value
	guard := false
	plus := func(m *mil.Value) {
		if bias == nil {
			bias = m
		} else {
			bias = b.add(bias, m)
		}
	}
	left, right := n.Int("left_window_size", -1), n.Int("right_window_size", -1)
	if mask != nil {
		if mask.Type.DType == tensor.Bool {
			mask, guard = b.bias(mask, q), true
		}
		mask = b.cast(mask, q.Type.DType)
		if r := b.rank(mask); r > 0 && b.Err() == nil && mask.Type.Shape[r-1] >= 0 && mask.Type.Shape[r-1] < keys {
			after := make([]int, r)
			after[r-1] = keys - mask.Type.Shape[r-1]
			mask, guard = b.pad(mask, make([]int, r), after, "constant", math.Inf(-1)), true
		}
		plus(mask)
	}
	if n.Bool("is_causal") || left >= 0 || right >= 0 || lengths != nil {
		if queries < 0 || keys < 0 {
			return b.refuse("a causal mask for lengths that are only known when it is run")
		}
	}
	if !b.room(max(queries, 0) + max(keys, 0)) {
		return nil
	}
	rows, cols := b.reshape(b.ints(iota(max(queries, 0))...), -1, 1), b.ints(iota(max(keys, 0))...)
	at := b.add(rows, b.int(past)) // where a query stands among the keys
	if lengths != nil && pastK == nil {
		at = b.add(rows, b.reshape(b.sub(lengths, b.int(queries)), -1, 1, 1, 1))
	}
	atMost := func(x, y *mil.Value) *mil.Value { return op.LessEqual.Add(b.Builder, op.Binary{X: x, Y: y}) }
	if n.Bool("is_causal") {
		plus(b.bias(atMost(cols, at), q))
	}
	if left >= 0 {
		plus(b.bias(atMost(b.sub(at, b.int(left)), cols), q))
	}
	if right >= 0 {
		plus(b.bias(atMost(cols, b.add(at, b.int(right))), q))
	}
	if lengths != nil {
		plus(b.bias(op.Less.Add(b.Builder, op.Binary{X: cols, Y: b.reshape(lengths, -1, 1, 1, 1)}), q))
	}
	// A query without any key gives zeros.
	guard = guard || left >= 0 || right >= 0 || lengths != nil || mask != nil
	root := b.number(math.Sqrt(scale), q)
	scores := op.Matmul.Add(b.Builder, op.MatmulArgs{X: b.mul(q, root), Y: b.mul(k, root), TransposeY: true})
	shown := scores
	mode := n.Int("qk_matmul_output_mode", 0)
	if c := float64(n.Float("softcap", 0)); c > 0 {
		scores = b.mul(op.Tanh.Add(b.Builder, op.Unary{X: b.div(scores, b.number(c, q))}), b.number(c, q))
	}
	if mode == 1 {
		shown = scores
	}
	if bias != nil {
		scores = b.add(scores, bias)
	}
	if mode == 2 {
		shown = scores
	}
	weights := op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: scores, Axis: -1})
	if guard && bias != nil {
		r := b.rank(bias)
		if r == 0 {
			return b.fail("a mask of rank 0")
		}
		best := b.reduce(op.ReduceMax, bias, []int{r - 1}, true)
		none := op.Equal.Add(b.Builder, op.Binary{X: best, Y: b.number(math.Inf(-1), q)})
		weights = b.sel(none, b.number(0, q), weights)
	}
	if mode == 3 {
		shown = weights
	}
	y := b.matmul(weights, v)
	if flat {
		y = b.joined(y)
	}
	return []*mil.Value{b.as(y, n.In[0]), presentK, presentV, b.as(shown, n.In[0])}
}

// rotaryEmbedding turns pairs of elements by angles that depend on the
// position.
func rotaryEmbedding(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 3 {
		return b.fail("want an input, cosines and sines")
	}
	cos, sin, at := n.In[1], n.In[2], n.input(3)
	return one(b.as(b.rotary(n, n.In[0], cos, sin, at), n.In[0]))
}

func (b *Builder) rotary(n *Node, in, cos, sin, at *mil.Value) *mil.Value {
	x := in
	flat := b.rank(x) == 3
	if b.rank(cos) < 2 || b.rank(sin) < 2 {
		b.fail("want cosines and sines of rank 2 or 3, have %s and %s", cos.Type, sin.Type)
		return in
	}
	dim := n.Int("rotary_embedding_dim", 0)
	if flat {
		heads := n.Int("num_heads", 0)
		if heads == 0 && dim == 0 && b.Err() == nil { // each head has twice the angles
			heads = x.Type.Shape[2] / max(1, 2*cos.Type.Shape[cos.Type.Rank()-1])
		}
		x = b.heads(x, heads)
	}
	if b.rank(x) != 4 {
		b.fail("want rank 3 or 4, have %s", in.Type)
	}
	if b.Err() != nil {
		return in
	}
	size := x.Type.Shape[3]
	if dim == 0 {
		dim = size
	}
	if size < 0 || dim < 2 || dim%2 != 0 || dim > size {
		b.fail("%d of %d elements turn", dim, size)
		return in
	}
	if !b.room(dim) {
		return in
	}
	if at != nil {
		take := func(v *mil.Value) *mil.Value {
			g := op.GatherIOS17.Defaults()
			g.X, g.Indices = v, at
			return op.GatherIOS17.Add(b.Builder, g)
		}
		cos, sin = take(cos), take(sin)
	}
	if r := b.rank(cos); r == 2 { // the same for the whole batch
		cos, sin = b.expandDims(cos, 0), b.expandDims(sin, 0)
	}
	cos, sin = b.expandDims(cos, 1), b.expandDims(sin, 1) // [B, 1, S, D/2]
	var x1, x2 *mil.Value
	turn, rest := x, (*mil.Value)(nil)
	if dim < size {
		turn, rest = b.slice(x, 3, 0, dim), b.slice(x, 3, dim, size)
	}
	every := func(from int) *mil.Value {
		places := make([]int, dim/2)
		for i := range places {
			places[i] = 2*i + from
		}
		g := op.GatherIOS17.Defaults()
		g.X, g.Indices, g.Axis = turn, b.ints(places...), 3
		return b.gather(g)
	}
	if n.Bool("interleaved") {
		x1, x2 = every(0), every(1)
	} else {
		x1, x2 = b.slice(turn, 3, 0, dim/2), b.slice(turn, 3, dim/2, dim)
	}
	re := b.sub(b.mul(cos, x1), b.mul(sin, x2))
	im := b.add(b.mul(sin, x1), b.mul(cos, x2))
	var y *mil.Value
	if n.Bool("interleaved") {
		y = b.concat(4, b.expandDims(re, 4), b.expandDims(im, 4))
		y = b.reshapeTo(y, append(partsOf(y.Type.Shape[:3]), part{n: dim}), b.concat(0, b.dims(y, 0, 1, 2), b.ints(dim)), true)
	} else {
		y = b.concat(3, re, im)
	}
	if rest != nil {
		y = b.concat(3, y, rest)
	}
	if flat {
		y = b.joined(y)
	}
	return y
}

// causalConv is a depthwise convolution over a sequence that only looks back.
func causalConv(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 {
		return b.fail("want a weight")
	}
	x, w, bias, past := n.In[0], n.In[1], n.input(2), n.input(3)
	if b.rank(x) != 3 || b.rank(w) != 3 || b.Err() != nil || w.Type.Shape[2] < 1 || w.Type.Shape[0] < 1 {
		return b.fail("want [batch, channels, length] and [channels, 1, k], have %s and %s", x.Type, w.Type)
	}
	k := w.Type.Shape[2]
	if past != nil {
		x = b.concat(2, past, x)
	} else {
		x = b.pad(x, []int{0, 0, k - 1}, []int{0, 0, 0}, "constant", 0)
	}
	a := op.ConvIOS17.Defaults()
	a.X, a.Weight, a.Bias, a.Groups = x, w, bias, w.Type.Shape[0]
	y := op.ConvIOS17.Add(b.Builder, a)
	switch n.Text("activation", "none") {
	case "silu", "swish":
		y = op.Silu.Add(b.Builder, op.Unary{X: y})
	}
	if k == 1 {
		return []*mil.Value{b.as(y, n.In[0]), b.slice(x, 2, 0, 0)}
	}
	return []*mil.Value{b.as(y, n.In[0]), b.slice(x, 2, -(k - 1), 1<<31-1)}
}

// linearAttention runs its recurrence step by step.
func linearAttention(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 3 {
		return b.fail("want queries, keys and values")
	}
	qh, kh := n.Int("q_num_heads", 0), n.Int("kv_num_heads", 0)
	rule := n.Text("update_rule", "gated_delta")
	gated, delta := rule == "gated" || rule == "gated_delta", rule == "delta" || rule == "gated_delta"
	f := func(v *mil.Value) *mil.Value {
		if v == nil {
			return nil
		}
		return b.cast(v, tensor.Float32)
	}
	q, k, v := b.heads(f(n.In[0]), qh), b.heads(f(n.In[1]), kh), b.heads(f(n.In[2]), kh)
	state, decay, beta := f(n.input(3)), f(n.input(4)), f(n.input(5))
	shape := b.static(q)
	if b.Err() != nil || gated != (decay != nil) || delta != (beta != nil) {
		return b.fail("the rule %q with decay %v and beta %v", rule, decay != nil, beta != nil)
	}
	steps, dk := shape[2], shape[3]
	if steps < 1 || steps > maxSteps {
		return b.refuse("a linear attention over %d steps", steps)
	}
	if state == nil {
		state = op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(shape[0], kh, dk, v.Type.Shape[3]), Value: scalarOf(0, tensor.Float32)})
	}
	if decay != nil {
		decay = b.heads(decay, kh) // [B, H, T, 1 or D]
	}
	if beta != nil && b.rank(beta) == 3 {
		beta = b.heads(beta, beta.Type.Shape[2])
	}
	scale := 1 / math.Sqrt(float64(dk))
	if s := n.Float("scale", 0); s != 0 {
		scale = float64(s)
	}
	at := func(v *mil.Value, t int) *mil.Value { return b.slice(v, 2, t, t+1) } // [B, H, 1, D]
	var ys []*mil.Value
	for t := range steps {
		kt, vt := b.swap(at(k, t)), at(v, t) // [B, H, D, 1], [B, H, 1, V]
		if gated {
			state = b.mul(state, op.Exp.Add(b.Builder, op.Unary{X: b.swap(at(decay, t))}))
		}
		if delta {
			vt = b.mul(at(beta, t), b.sub(vt, b.matmul(at(k, t), state)))
		}
		state = b.add(state, b.mul(kt, vt))
		ys = append(ys, b.matmul(b.mul(at(q, t), b.number(scale, q)), b.repeated(state, qh)))
	}
	y := b.joined(b.concat(2, ys...))
	like := n.In[0]
	if n.input(3) != nil {
		like = n.In[3]
	}
	return []*mil.Value{b.as(b.cast(y, n.In[0].Type.DType), n.In[0]), b.as(b.cast(state, like.Type.DType), like)}
}
