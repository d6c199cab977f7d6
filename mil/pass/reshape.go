package pass

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// reshapes moves reshapes behind the operations that do not care for the shape,
// where they meet their opposites and vanish. Networks of the old array mapping
// give every value five dimensions, and their convolutions take four.
func reshapes(f *mil.Func) {
	g := newGraph(f)
	s := sinker{graph: g, bases: map[*mil.Value]*mil.Value{}}
	nodes := f.Body.Nodes
	f.Body.Nodes = make([]*mil.Node, 0, len(nodes))
	for _, n := range nodes {
		f.Body.Nodes = append(f.Body.Nodes, n)
		s.node(n)
	}
}

type sinker struct {
	*graph
	bases map[*mil.Value]*mil.Value // of a reshape's result, what was reshaped
}

// base returns what v is a reshape of, or v.
func (s *sinker) base(v *mil.Value) *mil.Value {
	if b := s.bases[v]; b != nil {
		return b
	}
	return v
}

func (s *sinker) node(n *mil.Node) {
	// Whoever reads a value of the same shape as its base reads the base.
	for i := range n.Inputs {
		for j := range n.Inputs[i].Values {
			at := &n.Inputs[i].Values[j]
			if b := s.base(*at); b != *at && b.Type.Equal((*at).Type) {
				s.swap(n, at, b)
			}
		}
	}
	if len(n.Outputs) != 1 || !isFloat(n.Outputs[0]) || !n.Outputs[0].Type.IsStatic() || slices.Contains(n.Outputs[0].Type.Shape, 0) {
		return
	}
	out := n.Outputs[0]
	switch {
	case n.Op == "reshape" || n.Op == "expand_dims" || n.Op == "squeeze":
		x := n.Input("x")
		if !isFloat(x) || !x.Type.IsStatic() || x.Const != nil {
			return
		}
		if b := s.base(x); b != x {
			s.become(n, "reshape", input("x", b), input("shape", shapeOf(out)))
		}
		s.bases[out] = s.base(x)
	case n.Op == "concat":
		s.concat(n)
	case indifferent[n.Op]:
		s.elementwise(n)
	}
}

// indifferent are operations on elements: the shape of their operands is that
// of the result, or they are constants.
var indifferent = map[string]bool{
	"relu": true, "relu6": true, "clip": true, "leaky_relu": true, "sigmoid": true, "tanh": true, "silu": true, "gelu": true, "elu": true,
	"threshold": true, "sigmoid_hard": true, "linear_activation": true, "softplus": true, "softsign": true, "scaled_tanh": true, "abs": true,
	"square": true, "sqrt": true, "exp": true, "erf": true,
	"add": true, "sub": true, "mul": true, "real_div": true, "maximum": true, "minimum": true,
}

// elementwise lets an operation work on the bases of its operands.
func (s *sinker) elementwise(n *mil.Node) {
	out := n.Outputs[0]
	var base *mil.Value
	for _, v := range n.Values() {
		if b := s.base(v); v.Const == nil {
			if base == nil {
				base = b
			}
			if b == v || !v.Type.Equal(out.Type) || !slices.Equal(b.Type.Shape, base.Type.Shape) {
				return
			}
		}
	}
	if base == nil {
		return
	}
	// Constants keep their places if the shapes only differ in leading ones.
	led, leads := leading(base.Type.Shape, out.Type.Shape)
	for _, v := range n.Values() {
		if v.Const != nil && v.Const.Len() != 1 && !leads {
			return
		}
	}
	for i := range n.Inputs {
		at := &n.Inputs[i].Values[0]
		v := *at
		switch {
		case v.Const == nil:
			s.swap(n, at, s.base(v))
		case v.Const.Len() == 1 && v.Const.Rank() > len(base.Type.Shape):
			s.swap(n, at, reshaped(v, nil))
		case v.Const.Len() != 1 && v.Const.Rank() > len(base.Type.Shape):
			s.swap(n, at, reshaped(v, v.Const.Shape()[v.Const.Rank()-len(out.Type.Shape)+led:]))
		}
	}
	s.after(n, base.Type.Shape)
}

// concat joins the bases of its operands, if they lack the same leading ones.
func (s *sinker) concat(n *mil.Node) {
	out := n.Outputs[0]
	axis := n.Input("axis")
	if axis == nil || axis.Const == nil || axis.Const.DType() != tensor.Int32 {
		return
	}
	at, rank := int(axis.Const.I32()[0]), len(out.Type.Shape)
	if at < 0 {
		at += rank
	}
	most := -1
	for i := range n.Inputs {
		if n.Inputs[i].Name != "values" {
			continue
		}
		for _, v := range n.Inputs[i].Values {
			led, ok := leading(s.base(v).Type.Shape, v.Type.Shape)
			if v.Const != nil || s.base(v) == v || !ok || (most >= 0 && led != most) {
				return
			}
			most = led
		}
	}
	if most < 1 || at < most {
		return
	}
	for i := range n.Inputs {
		if n.Inputs[i].Name != "values" {
			continue
		}
		for j := range n.Inputs[i].Values {
			v := &n.Inputs[i].Values[j]
			s.swap(n, v, s.base(*v))
		}
	}
	s.set(n, "axis", mil.NewConst("", tensor.Scalar(tensor.Int32, int32(at-most))))
	s.after(n, out.Type.Shape[most:])
}

// after gives n, which now works on bases, a result of this shape, and makes the
// old result by a reshape of that.
func (s *sinker) after(n *mil.Node, shape []int) {
	out := n.Outputs[0]
	inner := &mil.Value{Name: out.Name + "_base", Type: mil.TensorType(out.Type.DType, shape...), Node: n}
	n.Outputs[0] = inner
	back := &mil.Node{Op: "reshape", Name: n.Name, Outputs: []*mil.Value{out}}
	out.Node = back
	s.become(back, "reshape", input("x", inner), input("shape", shapeOf(out)))
	s.f.Body.Nodes = append(s.f.Body.Nodes, back)
	s.bases[out] = inner
}

// leading tells how many dimensions of 1 long has before those of short.
func leading(short, long []int) (int, bool) {
	k := len(long) - len(short)
	if k < 0 || !slices.Equal(short, long[k:]) {
		return 0, false
	}
	return k, !slices.ContainsFunc(long[:k], func(d int) bool { return d != 1 })
}

func reshaped(v *mil.Value, shape []int) *mil.Value {
	return mil.NewConst(v.Name, tensor.New(v.Const.DType(), shape, v.Const.F32()))
}

func shapeOf(v *mil.Value) *mil.Value {
	dims := make([]int32, len(v.Type.Shape))
	for i, d := range v.Type.Shape {
		dims[i] = int32(d)
	}
	return mil.NewConst("", tensor.Ints([]int{len(dims)}, dims))
}
