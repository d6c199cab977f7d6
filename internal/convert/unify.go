package convert

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// A layer of a neural network means something else for each shape of its inputs,
// so a network is lowered for given shapes. One that takes several is lowered at
// many of them, and if the programs only differ in sizes, and these in a way that
// is found again in the shapes of values, one program says it all.

// unify makes one function of several that are lowered from the same source for
// different inputs. A dimension that differs is unknown in it. A constant vector of
// sizes that differs is computed from the shapes of the operation's operands: each
// element is a constant, or a dimension plus a constant. It takes the first one
// over; an error names what else differs.
func unify(fs []*mil.Func) (*mil.Func, error) {
	u := &unifier{fs: fs, twins: make([]map[*mil.Value]*mil.Value, len(fs)), b: mil.NewBuilder(fs[0].Opset)}
	f := fs[0]
	for i, g := range fs {
		u.twins[i] = map[*mil.Value]*mil.Value{}
		if len(g.Inputs) != len(f.Inputs) || len(g.Body.Outputs) != len(f.Body.Outputs) {
			return nil, fault.New(fault.Unsupported, "", "inputs and outputs differ")
		}
		for j, v := range f.Inputs {
			u.twins[i][v] = g.Inputs[j]
		}
	}
	if err := u.block(u.bodies()); err != nil {
		return nil, err
	}
	// Only now are types free to change: sizes were looked for in them.
	for _, s := range u.sizes {
		if err := u.compute(s); err != nil {
			return nil, err
		}
	}
	for v := range u.twins[0] {
		u.widen(v)
	}
	return f, nil
}

type unifier struct {
	fs    []*mil.Func
	twins []map[*mil.Value]*mil.Value // of a value of the first function, those of each
	sizes []sizes
	b     *mil.Builder
	depth int
}

// sizes is a constant of a node that differs: its elements in each function.
type sizes struct {
	n     *mil.Node
	input int
	value int
	at    [][]int
}

func (u *unifier) bodies() []*mil.Block {
	out := make([]*mil.Block, len(u.fs))
	for i, f := range u.fs {
		out[i] = f.Body
	}
	return out
}

// block pairs the nodes and values of blocks that stand for each other.
func (u *unifier) block(bs []*mil.Block) error {
	first := bs[0]
	for i, b := range bs {
		if len(b.Nodes) != len(first.Nodes) || len(b.Outputs) != len(first.Outputs) || len(b.Inputs) != len(first.Inputs) {
			return fault.New(fault.Unsupported, "", "there are other operations at another size: %d, not %d", len(b.Nodes), len(first.Nodes))
		}
		for j, v := range first.Inputs {
			u.twins[i][v] = b.Inputs[j]
		}
	}
	for j, n := range first.Nodes {
		ns := make([]*mil.Node, len(bs))
		for i, b := range bs {
			ns[i] = b.Nodes[j]
		}
		if err := u.node(n, ns); err != nil {
			return fault.New(fault.Unsupported, n.String(), "%w", err)
		}
	}
	for j, v := range first.Outputs {
		for i, b := range bs {
			if !u.pairs(i, v, b.Outputs[j]) {
				return fault.New(fault.Unsupported, fmt.Sprintf("output %q", v.Name), "is another value at another size")
			}
		}
	}
	return nil
}

// pairs tells whether two values stand for each other, or are one constant.
func (u *unifier) pairs(i int, v, w *mil.Value) bool {
	if v.Const == nil || w.Const == nil {
		return v.Const == nil && w.Const == nil && u.twins[i][v] == w
	}
	return equalTensors(v.Const, w.Const)
}

func equalTensors(a, b *tensor.Tensor) bool {
	return a == b || a.DType() == b.DType() && slices.Equal(a.Shape(), b.Shape()) && bytes.Equal(a.Packed(), b.Packed())
}

func (u *unifier) node(n *mil.Node, ns []*mil.Node) error {
	for i, m := range ns {
		if m.Op != n.Op || len(m.Inputs) != len(n.Inputs) || len(m.Outputs) != len(n.Outputs) || len(m.Blocks) != len(n.Blocks) {
			return fmt.Errorf("is %s at another size", m)
		}
		for j, in := range n.Inputs {
			if m.Inputs[j].Name != in.Name || len(m.Inputs[j].Values) != len(in.Values) {
				return fmt.Errorf("has other arguments at another size")
			}
		}
		for j, v := range n.Outputs {
			u.twins[i][v] = m.Outputs[j]
		}
	}
	for j, in := range n.Inputs {
		for k, v := range in.Values {
			same := true
			for i, m := range ns {
				same = same && u.pairs(i, v, m.Inputs[j].Values[k])
			}
			if same {
				continue
			}
			s := sizes{n: n, input: j, value: k}
			for _, m := range ns {
				c := m.Inputs[j].Values[k].Const
				if c == nil || v.Const == nil || c.DType() != tensor.Int32 || c.Rank() != 1 || c.Len() != v.Const.Len() {
					return fmt.Errorf("argument %q depends on the size", in.Name)
				}
				var elements []int
				for _, x := range c.I32() {
					elements = append(elements, int(x))
				}
				s.at = append(s.at, elements)
			}
			if u.depth > 0 {
				return fmt.Errorf("argument %q depends on the size, in a nested block", in.Name)
			}
			u.sizes = append(u.sizes, s)
		}
	}
	for j := range n.Blocks {
		nested := make([]*mil.Block, len(ns))
		for i, m := range ns {
			nested[i] = m.Blocks[j]
		}
		u.depth++
		err := u.block(nested)
		u.depth--
		if err != nil {
			return err
		}
	}
	return nil
}

// compute puts what computes a vector of sizes before the node that takes it.
func (u *unifier) compute(s sizes) error {
	name := s.n.Inputs[s.input].Name
	def, err := op.For(s.n.Op, u.fs[0].Opset)
	if err != nil {
		return err
	}
	for _, p := range def.Params {
		if p.Name == name && p.Const {
			return fault.New(fault.Unsupported, s.n.String(), "argument %q depends on the size, and must be a constant", name)
		}
	}
	at := &s.n.Inputs[s.input].Values[s.value]
	var open []int
	for j := range s.at[0] {
		if slices.ContainsFunc(s.at, func(v []int) bool { return v[j] != s.at[0][j] }) {
			open = append(open, j)
		}
	}
	if s.n.Op == "reshape" && len(open) == 1 && !slices.Contains(s.at[0], -1) {
		left := slices.Clone(s.at[0]) // the others tell the rest
		left[open[0]] = -1
		*at = mil.NewConst((*at).Name, vector(left...))
		return nil
	}
	u.b.Block = &mil.Block{}
	u.b.SetPlace(s.n.Name)
	var parts []*mil.Value
	shapes := map[*mil.Value]*mil.Value{}
	for j, size := range s.at[0] {
		if !slices.Contains(open, j) {
			parts = append(parts, mil.NewConst("", vector(size)))
			continue
		}
		x, axis, more, ok := u.dimension(s, j)
		if !ok {
			return fault.New(fault.Unsupported, s.n.String(), "argument %q depends on the size, and no dimension of an operand tells how", name)
		}
		if shapes[x] == nil {
			shapes[x] = op.Shape.Add(u.b, op.Unary{X: x})
		}
		d := op.Gather.Add(u.b, op.GatherArgs{X: shapes[x], Indices: mil.NewConst("", vector(axis)), Axis: 0})
		if more != 0 {
			d = op.Add.Add(u.b, op.Binary{X: d, Y: mil.NewConst("", vector(more))})
		}
		parts = append(parts, d)
	}
	*at = parts[0]
	if len(parts) > 1 {
		*at = op.Concat.Add(u.b, op.ConcatArgs{Values: parts, Axis: 0})
	}
	body := u.fs[0].Body
	place := slices.Index(body.Nodes, s.n)
	body.Nodes = slices.Insert(body.Nodes, place, u.b.Block.Nodes...)
	return u.b.Err()
}

func vector(v ...int) *tensor.Tensor {
	data := make([]int32, len(v))
	for i, x := range v {
		data[i] = int32(x)
	}
	return tensor.Ints([]int{len(v)}, data)
}

// dimension finds the dimension of an operand that an element is at every size,
// or else is always so much more than.
func (u *unifier) dimension(s sizes, element int) (x *mil.Value, axis, more int, ok bool) {
	for _, exact := range []bool{true, false} {
		for _, v := range append(s.n.Values(), u.fs[0].Inputs...) {
			if v.Const != nil || v.Type.Kind != mil.Tensor || v.Type.AnyRank {
				continue
			}
			for axis := range v.Type.Shape {
				more, ok := 0, true
				for i := range u.fs {
					t := u.twins[i][v].Type
					if t.AnyRank || t.Rank() != v.Type.Rank() || t.Shape[axis] < 0 {
						ok = false
						break
					}
					d := s.at[i][element] - t.Shape[axis]
					if i == 0 {
						more = d
					}
					ok = ok && d == more
				}
				if ok && (more == 0 || !exact) {
					return v, axis, more, true
				}
			}
		}
	}
	return nil, 0, 0, false
}

// widen gives a value a type that holds at every size.
func (u *unifier) widen(v *mil.Value) {
	t := v.Type
	if t.Kind != mil.Tensor || t.AnyRank {
		return
	}
	shape := slices.Clone(t.Shape)
	for i := range u.fs {
		w := u.twins[i][v].Type
		if i == 0 {
			continue // the value itself
		}
		if w.AnyRank || w.Rank() != len(shape) {
			v.Type = mil.Type{DType: t.DType, AnyRank: true}
			return
		}
		for j, n := range w.Shape {
			if n != shape[j] {
				shape[j] = mil.Unknown
			}
		}
	}
	v.Type.Shape = shape
}
