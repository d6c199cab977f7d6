package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Bounds of what is computed while a graph is lowered. What is made of large
// constants may be as large as these, which the file has bytes for.
const (
	maxFold  = 1 << 16 // elements of a result that has nothing to do with the size of its arguments
	maxFolds = 1 << 30 // the sum over all nodes of the work
)

// maxMade bounds the elements of constants that are made while a graph is
// lowered, beyond those that its file has bytes for.
const maxMade = 1 << 26

// spend counts elements of constants and tells whether there may be so many.
func (l *lowering) spend(n int) bool {
	l.made += min(max(n, 0), tensor.MaxElements)
	return l.made <= maxMade+l.allowed
}

// room tells whether a constant of so many elements may be made. It fails where
// a small file asks for too much.
func (b *Builder) room(n int) bool {
	if b.Err() != nil {
		return false
	}
	if n < 0 || !b.l.spend(n) {
		b.Fail(fault.New(fault.Limit, "", "constants of more than %d elements that the file does not have", maxMade))
		return false
	}
	return true
}

// moving are the operators whose work is that of touching each element.
var moving = map[string]bool{
	"reshape": true, "transpose": true, "cast": true, "concat": true, "expand_dims": true, "squeeze": true, "slice_by_index": true,
	"gather": true, "add": true, "sub": true, "mul": true, "real_div": true, "split": true, "identity": true, "pad": true,
	"sqrt": true, "rsqrt": true, "exp": true, "select": true, "stack": true, "reverse": true, "tile": true,
}

// fold computes a node whose arguments are known. A node that fails is left for
// the run, which may never come to it.
func (l *lowering) fold(n *mil.Node) bool {
	o, err := op.For(n.Op, mil.IOS18)
	if err != nil || !o.HasEval || o.Random || len(n.Blocks) > 0 {
		return false
	}
	read, made := 1, 1
	for _, in := range n.Inputs {
		for _, v := range in.Values {
			switch typed := n.Op == "shape" || n.Op == "fill_like" && in.Name == "ref_tensor"; {
			case typed && v.Type.IsStatic() && !v.Type.AnyRank:
			case typed || v.Const == nil:
				return false
			default:
				read += v.Const.Len()
			}
		}
	}
	for _, v := range n.Outputs {
		if n.Op == "non_zero" && read <= maxFold { // what it gives is no larger than what it reads
			made += read
			continue
		}
		if v.Type.AnyRank || !v.Type.IsStatic() {
			return false
		}
		size, err := tensor.CheckShape(v.Type.Shape)
		if err != nil || size > maxFold && size > 2*read {
			return false
		}
		made += size
	}
	work := read + made
	if !moving[n.Op] {
		work = read * made
	}
	if l.folds+work > maxFolds {
		return false
	}
	if l.made+made > maxMade+l.allowed {
		return false
	}
	l.folds += work
	args, err := o.Bind(n, nil)
	if err != nil {
		return false
	}
	outs, err := o.Eval(args)
	if err != nil || len(outs) != len(n.Outputs) {
		return false
	}
	l.spend(made)
	for i, v := range n.Outputs {
		v.Const, v.Type = outs[i], mil.TypeOf(outs[i])
	}
	return true
}

// part is one element of an integer vector that is known in part: a number, or
// where sym is negative the dimension of that symbol, mil.Unknown being any
// number.
type part struct{ n, sym int }

var anything = part{sym: mil.Unknown}

func partsOf(shape []int) []part {
	out := make([]part, len(shape))
	for i, d := range shape {
		if d >= 0 {
			out[i].n = d
		} else {
			out[i].sym = d
		}
	}
	return out
}

// maxParts bounds the vectors that are followed.
const maxParts = 64

// partly returns what is known of an integer scalar or vector, nil for nothing.
func (l *lowering) partly(v *mil.Value) []part {
	if v == nil || v.Type.DType != tensor.Int32 {
		return nil
	}
	if v.Const == nil {
		return l.parts[v]
	}
	if v.Const.Rank() > 1 || v.Const.Len() > maxParts {
		return nil
	}
	out := make([]part, v.Const.Len())
	for i, x := range v.Const.I32() {
		out[i].n = int(x)
	}
	return out
}

// follow notes what is known of the result of a node on vectors of integers,
// and makes it a constant where that is everything.
func (l *lowering) follow(n *Node, outs []*mil.Value) {
	if len(outs) != 1 || outs[0] == nil || outs[0].Const != nil || domainName(n.Domain) != "" {
		return
	}
	v := outs[0]
	if v.Type.AnyRank || v.Type.Rank() > 1 || v.Type.DType != tensor.Int32 {
		return
	}
	ps := l.parts[v]
	if ps == nil {
		ps = l.followed(n, v)
	}
	size := 1
	if v.Type.Rank() == 1 {
		size = v.Type.Shape[0]
	}
	if len(ps) > maxParts || len(ps) != size || slices.Index(ps, anything) >= 0 && !slices.ContainsFunc(ps, func(p part) bool { return p != anything }) {
		return
	}
	l.parts[v] = ps
	if slices.ContainsFunc(ps, func(p part) bool { return p.sym < 0 }) {
		return
	}
	out := make([]int32, len(ps))
	for i, p := range ps {
		out[i] = int32(min(max(p.n, -1<<31), 1<<31-1))
	}
	d := l.dtypes[v]
	c := mil.NewConst(v.Name, tensor.Ints(v.Type.Shape, out))
	if l.dtypes[c] = d; d == tensor.Invalid {
		delete(l.dtypes, c)
	}
	outs[0] = c
}

func (l *lowering) followed(n *Node, v *mil.Value) []part {
	var in [][]part
	for _, x := range n.In {
		in = append(in, l.partly(x))
	}
	if len(in) == 0 || in[0] == nil && n.Op != "Concat" {
		return nil
	}
	switch n.Op {
	case "Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten":
		return in[0]
	case "Concat":
		var out []part
		for i, ps := range in {
			if t := n.In[i].Type; ps == nil && !t.AnyRank && t.IsStatic() && t.Rank() <= 1 && tensor.Size(t.Shape) <= maxParts {
				ps = slices.Repeat([]part{anything}, tensor.Size(t.Shape))
			}
			if ps == nil {
				return nil
			}
			out = append(out, ps...)
		}
		return out
	case "Gather":
		at, ok := (&Builder{l: l}).known(n.input(1))
		if !ok || n.In[0].Type.Rank() != 1 {
			return nil
		}
		var out []part
		for _, a := range at {
			if a < 0 {
				a += len(in[0])
			}
			if a < 0 || a >= len(in[0]) {
				return nil
			}
			out = append(out, in[0][a])
		}
		return out
	case "Slice":
		b := &Builder{l: l, Builder: mil.NewBuilder(mil.IOS18)}
		starts, ends, _, steps, ok := sliceArgs(b, n)
		if !ok || len(starts) != 1 || steps[0] == 0 {
			return nil
		}
		return slicePart(in[0], starts[0], ends[0], steps[0])
	case "Add", "Sub", "Mul", "Div":
		if len(in) != 2 || in[1] == nil {
			return nil
		}
		return zipParts(n.Op, in[0], in[1])
	}
	return nil
}

func slicePart(ps []part, start, end, step int) []part {
	n := len(ps)
	place := func(p, lo, hi int) int {
		if p < 0 {
			p += n
		}
		return min(max(p, lo), hi)
	}
	out := []part{}
	if step > 0 {
		for i := place(start, 0, n); i < place(end, 0, n); i += step {
			out = append(out, ps[i])
		}
		return out
	}
	for i := place(start, -1, n-1); i > place(end, -1, n-1); i += step {
		out = append(out, ps[i])
	}
	return out
}

func zipParts(op string, x, y []part) []part {
	n := max(len(x), len(y))
	if len(x) == 0 || len(y) == 0 || len(x) != n && len(x) != 1 || len(y) != n && len(y) != 1 {
		return nil
	}
	out := make([]part, n)
	for i := range out {
		a, b := x[i%len(x)], y[i%len(y)]
		known := a.sym == 0 && b.sym == 0
		out[i] = anything
		switch {
		case op == "Add" && known:
			out[i] = part{n: a.n + b.n}
		case op == "Sub" && known:
			out[i] = part{n: a.n - b.n}
		case op == "Mul" && known:
			out[i] = part{n: a.n * b.n}
		case op == "Div" && known && b.n != 0:
			out[i] = part{n: a.n / b.n}
		case b == part{} && (op == "Add" || op == "Sub"), b == part{n: 1} && (op == "Mul" || op == "Div"):
			out[i] = a
		case a == part{} && op == "Add", a == part{n: 1} && op == "Mul":
			out[i] = b
		}
		if out[i].n < -1<<31 || out[i].n >= 1<<31 {
			return nil
		}
	}
	return out
}
