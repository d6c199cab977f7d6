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
	if err != nil {
		o, err = op.For(n.Op, composed)
	}
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
		v.Const, v.Type = inFull(outs[i]), mil.TypeOf(inFull(outs[i]))
		if expand {
			w.expanded[v] = n
		}
	}
	return true
}

// inFull returns float16 numbers as float32.
func inFull(t *tensor.Tensor) *tensor.Tensor {
	if t.DType() != tensor.Float16 {
		return t
	}
	return tensor.New(tensor.Float32, t.Shape(), t.F32())
}

// hasHalf tells whether some constant is float16.
func hasHalf(b *mil.Block) bool {
	found := false
	b.Walk(func(n *mil.Node) {
		for _, v := range n.Values() {
			found = found || v.Const != nil && v.Const.DType() == tensor.Float16
		}
	})
	return found
}

// widen makes float32 of all that is float16: networks do not tell them apart.
// The operators that expand constants keep what they are given.
func widen(b *mil.Block, done map[*tensor.Tensor]*tensor.Tensor) {
	values := func(vs []*mil.Value) {
		for _, v := range vs {
			if v.Type.Elem != nil && v.Type.Elem.DType == tensor.Float16 {
				e := *v.Type.Elem
				e.DType = tensor.Float32
				v.Type.Elem = &e
			}
			if v.Type.DType == tensor.Float16 && v.Type.Kind == mil.Tensor {
				v.Type.DType = tensor.Float32
			}
			if t := v.Const; t != nil && t.DType() == tensor.Float16 {
				if done[t] == nil {
					done[t] = inFull(t)
				}
				v.Const = done[t]
			}
		}
	}
	values(b.Inputs)
	for _, n := range b.Nodes {
		values(n.Outputs)
		for _, nested := range n.Blocks {
			widen(nested, done)
		}
		if strings.HasPrefix(n.Op, "constexpr_") {
			continue
		}
		for i, in := range n.Inputs {
			values(in.Values)
			for j, v := range in.Values {
				if t := v.Const; strings.HasSuffix(in.Name, "dtype") && t != nil && t.DType() == tensor.String && t.Len() == 1 && t.Strings()[0] == "fp16" {
					n.Inputs[i].Values[j] = mil.NewConst(v.Name, tensor.Scalar(tensor.String, "fp32"))
				}
			}
		}
	}
}
