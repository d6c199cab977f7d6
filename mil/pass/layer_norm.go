package pass

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// layerNorms makes one operation of (x - mean)/√(variance + epsilon) along the
// last axis, and of the scale and the shift that follow.
func layerNorms(f *mil.Func) {
	g := newGraph(f)
	for _, n := range f.Body.Nodes {
		x, epsilon := g.normalized(n)
		if x == nil || x.Type.AnyRank || x.Type.Rank() == 0 || !alike(x.Type, n.Outputs[0].Type) {
			continue
		}
		size := x.Type.Shape[x.Type.Rank()-1] // all others may be open: the mean has their sizes
		if size < 0 {
			continue
		}
		a := &op.LayerNormArgs{X: x, Axes: []int{-1}, Epsilon: epsilon}
		end := n
		if m := g.only(end.Outputs[0]); m != nil && m.Op == "mul" {
			if a.Gamma = row(operand(m, end.Outputs[0]), size); a.Gamma != nil {
				end = m
			}
		}
		if m := g.only(end.Outputs[0]); m != nil && m.Op == "add" {
			if a.Beta = row(operand(m, end.Outputs[0]), size); a.Beta != nil {
				end = m
			}
		}
		if alike(x.Type, end.Outputs[0].Type) {
			g.become(end, "layer_norm", op.LayerNorm.Node(end.Name, a).Inputs...)
		}
	}
}

// alike tells types that differ in no size that is known.
func alike(a, b mil.Type) bool {
	return a.DType == b.DType && !b.AnyRank && slices.EqualFunc(a.Shape, b.Shape, func(x, y int) bool { return x == y || x < 0 && y < 0 })
}

// normalized returns what n is the normalization of, or nil.
func (g *graph) normalized(n *mil.Node) (x *mil.Value, epsilon float32) {
	if n.Op != "mul" && n.Op != "real_div" {
		return nil, 0
	}
	for _, name := range []string{"x", "y"} {
		centered := n.Input(name)
		root := operand(n, centered)
		if centered.Node == nil || centered.Node.Op != "sub" || root == nil || root.Node == nil || n.Op == "real_div" && name == "y" {
			continue
		}
		own := float32(0)
		switch r := root.Node; {
		case n.Op == "mul" && r.Op == "rsqrt":
			own = 1e-12
			if e := r.Input("epsilon"); e != nil {
				own, _ = scalar(e)
			}
		case n.Op == "real_div" && r.Op == "sqrt":
		default:
			continue
		}
		variance := root.Node.Input("x").Node
		if variance != nil && variance.Op == "add" {
			for _, name := range []string{"x", "y"} {
				if e, ok := scalar(variance.Input(name)); ok {
					epsilon = e
					variance = operand(variance, variance.Input(name)).Node
					break
				}
			}
		}
		x, mean := centered.Node.Input("x"), centered.Node.Input("y")
		squares := averaged(variance)
		if averaged(mean.Node) != x || squares == nil || !isSquare(squares.Node, centered) {
			continue
		}
		return x, epsilon + own
	}
	return nil, 0
}

// averaged returns what a node takes the mean of along the last axis, which it
// keeps; nil if it does something else.
func averaged(n *mil.Node) *mil.Value {
	if n == nil || n.Op != "reduce_mean" || !flag(n, "keep_dims") {
		return nil
	}
	x, axes := n.Input("x"), n.Input("axes")
	if axes == nil || axes.Const == nil || axes.Const.Len() != 1 {
		return nil
	}
	if at := int(axes.Const.I32()[0]); at != -1 && at != x.Type.Rank()-1 {
		return nil
	}
	return x
}

// row returns a constant of so many numbers along the last axis as a vector,
// or nil.
func row(v *mil.Value, size int) *tensor.Tensor {
	if !isFloat(v) || v.Const == nil || v.Const.Len() != size || v.Type.Rank() == 0 || v.Type.Shape[v.Type.Rank()-1] != size {
		return nil
	}
	return v.Const.Reshape([]int{size})
}
