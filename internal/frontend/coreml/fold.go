package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Bounds of what is computed while a network is lowered: shapes and the
// numbers that they are made of, not data.
const (
	maxFold  = 1 << 10 // elements of a value
	maxFolds = 1 << 28 // the sum over all nodes of the elements read times those made
)

// fold computes a node whose arguments are known. Networks put shapes together
// from the sizes of blobs by layers for arithmetic; what follows such a layer
// has a known shape only if it is computed here. A node that fails is left for
// the run, which may never come to it.
func (l *lowering) fold(n *mil.Node) bool {
	o, err := op.For(n.Op, l.Opset)
	if err != nil || !o.HasEval || o.Random {
		return false
	}
	read, made := 1, 1
	for _, in := range n.Inputs {
		for _, v := range in.Values {
			switch typed := n.Op == "shape" || n.Op == "fill_like" && in.Name == "ref_tensor"; {
			case typed && v.Type.IsStatic():
			case typed || v.Const == nil || v.Const.Len() > maxFold:
				return false
			default:
				read += v.Const.Len()
			}
		}
	}
	for _, v := range n.Outputs {
		size, err := tensor.CheckShape(v.Type.Shape)
		if !v.Type.IsStatic() || err != nil || size > maxFold {
			return false
		}
		made += size
	}
	if l.folds += read * made; l.folds > maxFolds {
		return false
	}
	args, err := o.Bind(n, nil)
	if err != nil {
		return false
	}
	outs, err := o.Eval(args)
	if err != nil || len(outs) != len(n.Outputs) {
		return false
	}
	for i, v := range n.Outputs {
		v.Const, v.Type = outs[i], mil.TypeOf(outs[i])
	}
	return true
}

// known returns the elements of a value as integers, and whether they are
// known.
func known(v *mil.Value) ([]int, bool) {
	if v.Const == nil {
		return nil, false
	}
	out := make([]int, v.Const.Len())
	for i, x := range v.Const.Float64s() {
		if x != x {
			return nil, false
		}
		out[i] = int(min(max(x, -1<<31), 1<<31-1))
	}
	return out, true
}

// size is one dimension: its number, or where v is set, which is a vector of
// one integer, the one that the program finds.
type size struct {
	n int
	v *mil.Value
}

// sizes returns the dimensions of a value.
func (l *lowering) sizes(v *mil.Value) []size {
	out := make([]size, v.Type.Rank())
	var all *mil.Value
	for i, n := range v.Type.Shape {
		if out[i].n = n; n >= 0 {
			continue
		}
		if all == nil {
			all = op.Shape.Add(l.Builder, op.Unary{X: v})
		}
		out[i].v = op.SliceBySizeIOS17.Add(l.Builder, op.SliceBySizeArgs{X: all, Begin: l.ints(i), Size: l.ints(1)})
	}
	return out
}

// fixed returns dimensions that are known.
func fixed(n ...int) []size {
	out := make([]size, len(n))
	for i, d := range n {
		out[i].n = d
	}
	return out
}

// product multiplies dimensions.
func (l *lowering) product(sizes []size) size {
	known := 1
	var v *mil.Value
	for _, s := range sizes {
		switch {
		case s.n >= 0:
			known = min(known*min(s.n, 1<<31-1), 1<<31-1)
		case v == nil:
			v = s.v
		default:
			v = op.Mul.Add(l.Builder, op.Binary{X: v, Y: s.v})
		}
	}
	if v == nil || known == 0 {
		return size{n: known}
	}
	if known != 1 {
		v = op.Mul.Add(l.Builder, op.Binary{X: v, Y: l.ints(known)})
	}
	return size{mil.Unknown, v}
}

// shapeOf returns dimensions as one vector of integers.
func (l *lowering) shapeOf(sizes []size) *mil.Value {
	var parts []*mil.Value
	for len(sizes) > 0 {
		if sizes[0].v != nil {
			parts = append(parts, sizes[0].v)
			sizes = sizes[1:]
			continue
		}
		run := slices.IndexFunc(sizes, func(s size) bool { return s.v != nil })
		if run < 0 {
			run = len(sizes)
		}
		ns := make([]int, run)
		for i := range ns {
			ns[i] = sizes[i].n
		}
		parts, sizes = append(parts, l.ints(ns...)), sizes[run:]
	}
	switch len(parts) {
	case 0:
		return l.ints()
	case 1:
		return parts[0]
	}
	return op.Concat.Add(l.Builder, op.ConcatArgs{Values: parts})
}

// reshapeTo gives a value a shape of the same size. A single dimension that is
// not known is whatever is left over.
func (l *lowering) reshapeTo(v *mil.Value, to []size) *mil.Value {
	if l.Err() != nil {
		return v
	}
	var shape []int
	unknown, left := 0, 0
	for i, s := range to {
		if shape = append(shape, s.n); s.v != nil {
			unknown, left = unknown+1, i
		}
	}
	switch {
	case unknown == 0:
		return l.reshape(v, shape...)
	case unknown == 1 && !slices.ContainsFunc(slices.Delete(slices.Clone(shape), left, left+1), func(n int) bool { return n <= 0 }):
		shape[left] = -1
		return op.ReshapeIOS17.Add(l.Builder, op.ReshapeArgs{X: v, Shape: l.ints(shape...)})
	}
	return op.ReshapeIOS17.Add(l.Builder, op.ReshapeArgs{X: v, Shape: l.shapeOf(to)})
}

// indices returns a blob, whose elements are whole numbers, as integers.
func (l *lowering) indices(v *mil.Value) *mil.Value {
	if v.Type.DType.IsInt() {
		return v
	}
	return op.CastIOS17.Add(l.Builder, op.CastIOS17Args{X: v, DType: "int32"})
}

// list returns a blob of rank 1 as integers; a lone number is a list too.
func (l *lowering) list(v *mil.Value) *mil.Value {
	if v = l.indices(v); l.Err() == nil && !v.Type.AnyRank && v.Type.Rank() == 0 {
		return l.reshape(v, 1)
	}
	return v
}

// floats returns a value as a blob: networks know no other element type.
func (l *lowering) floats(v *mil.Value) *mil.Value {
	if v.Type.DType.IsFloat() {
		return v
	}
	return op.CastIOS17.Add(l.Builder, op.CastIOS17Args{X: v, DType: "fp32"})
}
