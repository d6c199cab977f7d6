package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Operators that make values out of little.
var constantRules = table{
	"Constant":        always(constant),
	"ConstantOfShape": always(constantOfShape),
	"Range":           always(rangeOf),
	"EyeLike":         always(eyeLike),
	"OneHot":          always(oneHot),
	"HannWindow":      always(window(0.5, 0.5, 0)),
	"HammingWindow":   always(window(25./46, 21./46, 0)),
	"BlackmanWindow":  always(window(0.42, 0.5, 0.08)),
	"MelWeightMatrix": always(melWeights),
}

func constant(b *Builder, n *Node) []*mil.Value {
	switch {
	case n.Has("value"):
		t, err := n.Tensor("value")
		if err != nil {
			b.Fail(err)
			return nil
		}
		v, err := b.l.constant(t)
		b.Fail(err)
		return one(v)
	case n.Has("value_float"):
		return one(mil.NewConst(b.Place(), tensor.Scalar(tensor.Float32, n.Float("value_float", 0))))
	case n.Has("value_floats"):
		f := n.Floats("value_floats")
		return one(b.floats(f, len(f)))
	case n.Has("value_int"):
		return one(b.Constant(tensor.Scalar(tensor.Int64, n.attrs["value_int"].GetI())))
	case n.Has("value_ints"):
		ints := n.attrs["value_ints"].GetInts()
		return one(b.Constant(tensor.New(tensor.Int64, []int{len(ints)}, ints)))
	case n.Has("value_string"):
		return one(b.Constant(tensor.Scalar(tensor.String, n.Text("value_string", ""))))
	case n.Has("value_strings"):
		s := n.Texts("value_strings")
		return one(b.Constant(tensor.New(tensor.String, []int{len(s)}, s)))
	case n.Has("sparse_value"):
		t, err := b.l.sparse(n.attrs["sparse_value"].GetSparseTensor())
		if err != nil {
			b.Fail(err)
			return nil
		}
		return one(b.Constant(t))
	}
	return b.fail("no value")
}

func constantOfShape(b *Builder, n *Node) []*mil.Value {
	d, value := tensor.Float32, tensor.Scalar[float32](tensor.Float32, 0)
	t, err := n.Tensor("value")
	b.Fail(err)
	if t != nil && err == nil {
		if t.Len() != 1 || t.DType() == tensor.String {
			return b.fail("a value of %s", t)
		}
		d = t.DType()
		value = scalarOf(t.Float64s()[0], held(d))
	}
	if b.Err() != nil || len(n.In) != 1 {
		return b.fail("want a shape")
	}
	if s, ok := b.known(n.In[0]); ok && len(s) == 0 {
		return one(b.SetDType(mil.NewConst(b.Place(), value), d))
	}
	v := op.Fill.Add(b.Builder, op.FillArgs{Shape: n.In[0], Value: value})
	if ps := b.l.partly(n.In[0]); ps != nil {
		dims := make([]int, len(ps))
		for i, p := range ps {
			if dims[i] = p.n; p.sym < 0 {
				dims[i] = p.sym
			}
		}
		b.refine(v, dims)
	}
	return one(b.SetDType(v, d))
}

func rangeOf(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 3 {
		return b.fail("want three inputs")
	}
	scalar := func(v *mil.Value) *mil.Value {
		if b.rank(v) == 1 {
			return b.squeeze(v, 0)
		}
		return v
	}
	return one(b.as(op.Range1d.Add(b.Builder, op.Range1dArgs{Start: scalar(n.In[0]), End: scalar(n.In[1]), Step: scalar(n.In[2])}), n.In[0]))
}

func eyeLike(b *Builder, n *Node) []*mil.Value {
	s := b.static(n.In[0])
	d := b.DType(n.In[0])
	if n.Has("dtype") {
		var err error
		if d, err = dtype(int32(n.Int("dtype", 0))); err != nil {
			return b.refuse("%v", err)
		}
	}
	if b.Err() != nil || len(s) != 2 || !b.room(known(s)) {
		return b.fail("want a matrix, have %s", n.In[0].Type)
	}
	out := make([]float32, s[0]*s[1])
	for i := range s[0] {
		if j := i + n.Int("k", 0); j >= 0 && j < s[1] {
			out[i*s[1]+j] = 1
		}
	}
	t, err := tensor.Floats(s, out).ConvertTo(held(d))
	b.Fail(err)
	if err != nil {
		return nil
	}
	return one(b.SetDType(mil.NewConst(b.Place(), t), d))
}

// oneHot counts negative indices from the end; what lies outside is off
// everywhere.
func oneHot(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 3 {
		return b.fail("want three inputs")
	}
	depth := b.knownFloats("depth", n.In[1])
	if b.Err() != nil || len(depth) != 1 || depth[0] < 0 || depth[0] > tensor.MaxElements {
		return b.fail("a depth of %v", depth)
	}
	size := int(depth[0])
	at, values := b.cast(n.In[0], tensor.Int32), n.In[2]
	neg := op.Less.Add(b.Builder, op.Binary{X: at, Y: b.int(0)})
	at = b.sel(neg, b.add(at, b.int(size)), at)
	a := op.OneHot.Defaults()
	a.Indices, a.OneHotVectorSize, a.Axis = at, b.int(size), n.Int("axis", -1)
	if values.Const != nil && values.Const.Len() == 2 {
		v := values.Const.Float64s()
		a.OffValue, a.OnValue = scalarOf(v[0], values.Type.DType), scalarOf(v[1], values.Type.DType)
		return one(b.as(op.OneHot.Add(b.Builder, a), values))
	}
	a.OnValue, a.OffValue = scalarOf(1, tensor.Int32), scalarOf(0, tensor.Int32)
	hot := op.Equal.Add(b.Builder, op.Binary{X: op.OneHot.Add(b.Builder, a), Y: b.int(1)})
	off, on := b.squeeze(b.slice(values, 0, 0, 1), 0), b.squeeze(b.slice(values, 0, 1, 2), 0)
	return one(b.as(b.sel(hot, on, off), values))
}

// window is a - b cos(2πi/N) + c cos(4πi/N), N being the size of a periodic
// window and one less of a symmetric one.
func window(a, c1, c2 float64) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		size := b.knownInts("size", n.input(0))
		d, err := dtype(int32(n.Int("output_datatype", 1)))
		if b.Err() != nil || err != nil || len(size) != 1 || !b.room(size[0]) {
			return b.fail("a window of %v", size)
		}
		period := float64(size[0])
		if n.Int("periodic", 1) == 0 {
			period--
		}
		out := make([]float32, size[0])
		for i := range out {
			x := 2 * math.Pi * float64(i) / period
			out[i] = float32(a - c1*math.Cos(x) + c2*math.Cos(2*x))
		}
		return one(b.SetDType(b.cast(b.floats(out, len(out)), held(d)), d))
	}
}

// melWeights is a bank of triangular filters, evenly spaced on the mel scale.
func melWeights(b *Builder, n *Node) []*mil.Value {
	var p []float64
	for i := range 5 {
		v := b.knownFloats("an input", n.input(i))
		if len(v) != 1 {
			return b.fail("want five numbers")
		}
		p = append(p, v[0])
	}
	bins, spectrum, rate, lo, hi := int(p[0]), int(p[1])/2+1, p[2], p[3], p[4]
	d, err := dtype(int32(n.Int("output_datatype", 1)))
	if err != nil || bins < 0 || spectrum < 0 || bins > 1<<16 || spectrum > 1<<16 || !b.room(bins*spectrum) {
		return b.fail("%d mel bins of %d", bins, spectrum)
	}
	mel := func(f float64) float64 { return 2595 * math.Log10(1+f/700) }
	low, high := mel(lo), mel(hi)
	edges := make([]int, bins+2)
	for i := range edges {
		f := float64(i)*(high-low)/float64(len(edges)) + low
		f = 700 * (math.Pow(10, f/2595) - 1)
		edges[i] = int((p[1] + 1) * f / rate)
	}
	out := make([]float32, spectrum*bins)
	set := func(i, j int, v float64) {
		if i >= 0 && i < spectrum {
			out[i*bins+j] = float32(v)
		}
	}
	for j := range bins {
		l, c, h := edges[j], edges[j+1], edges[j+2]
		if c-l == 0 {
			set(c, j, 1)
		} else {
			for i := max(l, 0); i <= c && i < spectrum; i++ {
				set(i, j, float64(i-l)/float64(c-l))
			}
		}
		if h-c > 0 {
			for i := max(c, 0); i < h && i < spectrum; i++ {
				set(i, j, float64(h-i)/float64(h-c))
			}
		}
	}
	return one(b.SetDType(b.cast(b.floats(out, spectrum, bins), held(d)), d))
}
