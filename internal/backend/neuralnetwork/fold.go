package neuralnetwork

import (
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Bounds of what is computed while a network is written: shapes and the
// numbers that they are made of, and what stands for an operator.
const (
	maxFold  = 1 << 20 // elements of a value
	maxFolds = 1 << 28 // the sum over all nodes of the elements read times those made, or of all that are expanded
)

// fold computes a node whose arguments are known; its results are constants
// then. Compressed constants are always expanded: layers may still take them
// as they are, see quantized.
func (w *writer) fold(n *mil.Node) bool {
	o, err := op.For(n.Op, w.opset)
	if err != nil || !o.HasEval || o.Random || len(n.Outputs) == 0 {
		return false
	}
	expand := strings.HasPrefix(n.Op, "constexpr_")
	read, made := 1, 1
	for _, in := range n.Inputs {
		for _, v := range in.Values {
			switch typed := n.Op == "shape" || n.Op == "fill_like" && in.Name == "ref_tensor"; {
			case typed && v.Type.IsStatic():
			case typed || v.Const == nil || v.Const.Len() > maxFold && !expand:
				return false
			default:
				read += v.Const.Len()
			}
		}
	}
	args, err := o.Bind(n, nil)
	if err != nil {
		return false
	}
	types, err := o.Infer(args)
	if err != nil || len(types) != len(n.Outputs) {
		return false
	}
	for _, t := range types {
		if !t.IsStatic() {
			return false
		}
		size, err := tensor.CheckShape(t.Shape)
		if err != nil || size > maxFold && !expand {
			return false
		}
		made += size
	}
	if expand {
		read = 1
	}
	cost := min(read, maxFolds) * min(made, maxFolds)
	if w.folded+cost > maxFolds {
		return false
	}
	w.folded += cost
	outs, err := o.Eval(args)
	if err != nil || len(outs) != len(n.Outputs) {
		return false
	}
	for i, v := range n.Outputs {
		v.Const, v.Type = outs[i], mil.TypeOf(outs[i])
		if expand {
			w.expanded[v] = n
		}
	}
	return true
}
