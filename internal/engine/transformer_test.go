package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/tensor"
)

// spelling is how a program writes the parts of a transformer.
type spelling struct {
	gelu, norm, attention string
}

// transformer is one block with 10 tokens of 24 elements in 3 heads, masked.
type transformer struct {
	*mil.Builder
	r *rand.Rand
}

func (b *transformer) scalar(v float64) *mil.Value {
	return mil.NewConst("n", tensor.Scalar(tensor.Float32, float32(v)))
}

func (b *transformer) mul(x, y *mil.Value) *mil.Value {
	return op.Mul.Add(b.Builder, op.Binary{X: x, Y: y})
}

func (b *transformer) add(x, y *mil.Value) *mil.Value {
	return op.Add.Add(b.Builder, op.Binary{X: x, Y: y})
}

func (b *transformer) linear(x *mil.Value, outer int) *mil.Value {
	inner := x.Type.Shape[x.Type.Rank()-1]
	w := floatsOf(b.r, outer, inner)
	for i := range w.F32() {
		w.F32()[i] /= float32(math.Sqrt(float64(inner)))
	}
	return op.Linear.Add(b.Builder, op.LinearArgs{X: x, Weight: w, Bias: floatsOf(b.r, outer)})
}

func (b *transformer) gelu(x *mil.Value, how string) *mil.Value {
	half, one := b.scalar(0.5), b.scalar(1)
	erf := func() *mil.Value {
		return b.add(op.Erf.Add(b.Builder, op.Unary{X: b.mul(x, b.scalar(math.Sqrt2/2))}), one)
	}
	switch how {
	case "erf, half last":
		return b.mul(b.mul(erf(), x), half)
	case "erf, half first":
		return b.mul(b.mul(half, x), erf())
	case "erf, half in between":
		return b.mul(b.mul(half, erf()), x)
	case "tanh":
		cube := op.Pow.Add(b.Builder, op.Binary{X: x, Y: b.scalar(3)})
		t := b.mul(b.scalar(math.Sqrt(2/math.Pi)), b.add(x, b.mul(cube, b.scalar(0.044715))))
		return b.mul(b.mul(x, half), b.add(one, op.Tanh.Add(b.Builder, op.Unary{X: t})))
	}
	return op.Gelu.Add(b.Builder, op.GeluArgs{X: x, Mode: "EXACT"})
}

func (b *transformer) norm(x *mil.Value, how string) *mil.Value {
	n := x.Type.Shape[x.Type.Rank()-1]
	gamma, beta := mil.NewConst("g", floatsOf(b.r, n)), mil.NewConst("b", floatsOf(b.r, n))
	mean := func(v *mil.Value) *mil.Value {
		return op.ReduceMean.Add(b.Builder, op.Reduction{X: v, Axes: []int{-1}, KeepDims: true})
	}
	if how == "" {
		return op.LayerNorm.Add(b.Builder, op.LayerNormArgs{X: x, Axes: []int{-1}, Gamma: gamma.Const, Beta: beta.Const, Epsilon: 1e-5})
	}
	d := op.Sub.Add(b.Builder, op.Binary{X: x, Y: mean(x)})
	variance := b.add(mean(b.mul(d, d)), b.scalar(1e-5))
	if how == "rsqrt" {
		d = b.mul(d, op.Rsqrt.Add(b.Builder, op.Epsilon{X: variance, Epsilon: 1e-12}))
	} else {
		d = op.RealDiv.Add(b.Builder, op.Binary{X: d, Y: op.Sqrt.Add(b.Builder, op.Unary{X: variance})})
	}
	return b.add(b.mul(gamma, d), beta)
}

func (b *transformer) reshape(x *mil.Value, shape ...int32) *mil.Value {
	return op.Reshape.Add(b.Builder, op.ReshapeArgs{X: x, Shape: mil.NewConst("s", tensor.Ints([]int{len(shape)}, shape))})
}

func (b *transformer) transpose(x *mil.Value, perm ...int) *mil.Value {
	return op.Transpose.Add(b.Builder, op.TransposeArgs{X: x, Perm: perm})
}

func (b *transformer) attention(x, mask *mil.Value, how string) *mil.Value {
	heads := func() *mil.Value { return b.reshape(b.linear(x, 24), 1, 10, 3, 8) }
	swap := func(v *mil.Value) *mil.Value { return b.transpose(v, 0, 2, 1, 3) }
	scale := b.scalar(1 / math.Sqrt(8))
	matmul := func(x, y *mil.Value, transposed bool) *mil.Value {
		return op.Matmul.Add(b.Builder, op.MatmulArgs{X: x, Y: y, TransposeY: transposed})
	}
	q, k, v := swap(heads()), heads(), swap(heads())
	var y *mil.Value
	switch how {
	case "one operation":
		y = op.ScaledDotProductAttention.Add(b.Builder, op.ScaledDotProductAttentionArgs{Query: q, Key: swap(k), Value: v, AttnMask: mask})
	case "scaled query and key":
		root := b.scalar(math.Pow(8, -0.25))
		s := b.add(matmul(b.mul(q, root), b.mul(b.transpose(k, 0, 2, 3, 1), root), false), mask)
		y = matmul(op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: s, Axis: 3}), v, false)
	case "scaled key, turned":
		s := b.add(matmul(q, b.transpose(b.mul(swap(k), scale), 0, 1, 3, 2), false), mask)
		y = matmul(op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: s, Axis: 3}), v, false)
	case "unscaled":
		s := b.add(matmul(q, swap(k), true), mask)
		y = matmul(op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: s, Axis: 3}), v, false)
	case "scaled query":
		s := b.add(mask, matmul(b.mul(q, scale), swap(k), true))
		y = matmul(op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: s, Axis: 3}), v, false)
	default:
		s := b.add(b.mul(matmul(q, b.transpose(k, 0, 2, -1, -3), false), scale), mask)
		y = matmul(op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: s, Axis: -1}), v, false)
	}
	return b.reshape(swap(y), 1, 10, 24)
}

// encoder is a block that looks up its words and masks some of them.
func encoder(s spelling) (*mil.Func, []*tensor.Tensor, error) {
	b := &transformer{mil.NewBuilder(mil.IOS18), rand.New(rand.NewPCG(8, 9))}
	b.Opset = mil.IOS18
	ids := &mil.Value{Name: "ids", Type: mil.TensorType(tensor.Int32, 1, 10)}
	mask := &mil.Value{Name: "mask", Type: mil.TensorType(tensor.Int32, 1, 10)}
	words := op.GatherIOS17.Add(b.Builder, op.GatherIOS17Args{X: mil.NewConst("words", floatsOf(b.r, 50, 24)), Indices: ids})
	part := op.Cast.Add(b.Builder, op.CastArgs{X: op.ExpandDims.Add(b.Builder, op.ExpandDimsArgs{X: mask, Axes: []int{1, 2}}), DType: "fp32"})
	scores := b.mul(op.Sub.Add(b.Builder, op.Binary{X: b.scalar(1), Y: part}), b.scalar(-1e4))
	x := b.norm(words, s.norm)
	x = b.norm(b.add(b.linear(b.attention(x, scores, s.attention), 24), x), s.norm)
	x = b.norm(b.add(x, b.linear(b.gelu(b.linear(x, 40), s.gelu), 24)), s.norm)
	b.Block.Outputs = []*mil.Value{x}
	in := []*tensor.Tensor{
		tensor.Ints([]int{1, 10}, []int32{3, 1, 4, 1, 5, 9, 2, 6, 49, 0}), tensor.Ints([]int{1, 10}, []int32{1, 1, 1, 1, 1, 1, 1, 1, 0, 0}),
	}
	return &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{ids, mask}, Body: b.Block}, in, b.Err()
}

// TestAttend writes every spelling of attention as the operator that files have,
// with the scale that it does not have as a factor.
func TestAttend(t *testing.T) {
	for _, how := range []string{"", "scaled query", "scaled query and key", "scaled key, turned", "unscaled"} {
		f, in, err := encoder(spelling{attention: how})
		if err != nil {
			t.Fatal(err)
		}
		count := func(f *mil.Func, name string) (n int) {
			for _, m := range f.Body.Nodes {
				if m.Op == name {
					n++
				}
			}
			return n
		}
		g := f.Clone()
		pass.Attend(g, mil.IOS17)
		if count(g, "scaled_dot_product_attention") != 0 {
			t.Errorf("%q: an operator that iOS 17 does not have", how)
		}
		before := count(g, "mul")
		pass.Attend(g, mil.IOS18)
		if count(g, "scaled_dot_product_attention") != 1 || count(g, "softmax") != 0 {
			t.Errorf("%q: %d operators", how, count(g, "scaled_dot_product_attention"))
		}
		if how == "unscaled" && count(g, "mul") != before+1 {
			t.Errorf("%q: %d products, were %d", how, count(g, "mul"), before)
		}
		near(t, how, compileAndRun(t, f, in, Options{Reference: true}, 1)[0], compileAndRun(t, g, in, Options{Reference: true}, 1)[0], 2e-5)
	}
}

// TestTransformer holds every spelling of a block against its reference, and
// wants the same steps of all.
func TestTransformer(t *testing.T) {
	steps := []string{
		"gather", "cast", "sub", "mul", "layer_norm", "linear", "linear", "linear", "attention", "linear", "layer_norm", "linear", "linear", "layer_norm",
	}
	for _, s := range []spelling{
		{"", "", ""},
		{"erf, half last", "rsqrt", "scaled query"},
		{"erf, half first", "sqrt", "one operation"},
		{"erf, half in between", "rsqrt", ""},
		{"tanh", "sqrt", "one operation"},
		{"", "", "scaled query and key"},
		{"", "", "scaled key, turned"},
	} {
		f, in, err := encoder(s)
		if err != nil {
			t.Fatal(err)
		}
		want := compileAndRun(t, f, in, Options{Reference: true}, 1)[0]
		for _, level := range cpu.Available() {
			near(t, level.String(), want, compileAndRun(t, f, in, Options{Level: level}, 2)[0], 2e-5)
		}
		p, err := Compile(f, []mil.Type{f.Inputs[0].Type, f.Inputs[1].Type}, Options{Level: cpu.Best()})
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for i := range p.steps {
			have = append(have, p.steps[i].node.Op)
		}
		slices.Sort(have)
		if want := slices.Sorted(slices.Values(steps)); !slices.Equal(have, want) {
			t.Errorf("%+v: steps %v, want %v", s, have, want)
		}
	}
}
