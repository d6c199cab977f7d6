package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Specialize returns a copy of f for the given input types: every value's type
// is inferred anew, and what is constant is computed. A dimension that depends
// on data stays unknown.
func Specialize(f *mil.Func, inputs []mil.Type, o Options) (*mil.Func, error) {
	if len(inputs) != len(f.Inputs) {
		return nil, fmt.Errorf("the program has %d inputs, not %d", len(f.Inputs), len(inputs))
	}
	g := f.Clone()
	for i, v := range g.Inputs {
		if !accepts(v.Type, inputs[i]) {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("input %q", v.Name), "want %s, have %s", v.Type, inputs[i])
		}
		v.Type = inputs[i]
	}
	s := &specializer{opset: f.Opset, opts: o}
	for _, v := range g.Inputs {
		if err := s.limit(v.Type); err != nil {
			return nil, fault.New(fault.Limit, fmt.Sprintf("input %q", v.Name), "%w", err)
		}
	}
	return g, s.block(g.Body)
}

// Expand returns a copy of f in which the values that depend on constants only,
// compressed weights above all, are known. Every node stays.
func Expand(f *mil.Func) (*mil.Func, error) {
	g := f.Clone()
	for _, v := range g.Inputs {
		if v.Type.Kind == mil.Tensor {
			v.Type = mil.Type{DType: v.Type.DType, AnyRank: true}
		}
	}
	s := &specializer{opset: f.Opset, keep: true}
	err := s.block(g.Body)
	for i, v := range g.Inputs {
		v.Type = f.Inputs[i].Type
	}
	return g, err
}

// InferTypes returns a copy of an expanded function with the types that its
// values have for the given inputs, whose dimensions may be unknown. Every node
// stays, and nothing large is computed. What cannot be told of a node's results
// is unknown; an error names the node that does not work on such inputs.
func InferTypes(f *mil.Func, inputs []mil.Type) (*mil.Func, error) {
	if len(inputs) != len(f.Inputs) {
		return nil, fmt.Errorf("the program has %d inputs, not %d", len(f.Inputs), len(inputs))
	}
	g := f.Clone()
	for i, v := range g.Inputs {
		v.Type = inputs[i]
	}
	s := &specializer{opset: f.Opset, opts: Options{MaxBytes: 4 * maxSizes}, keep: true, endless: true}
	return g, s.block(g.Body)
}

// accepts tells whether a declared input type allows a given one.
func accepts(want, have mil.Type) bool {
	if want.Kind != have.Kind || want.Kind != mil.Tensor {
		return want.Kind == have.Kind
	}
	if want.DType != have.DType || want.AnyRank {
		return want.DType == have.DType
	}
	return slices.EqualFunc(want.Shape, have.Shape, func(w, h int) bool { return w < 0 || w == h })
}

type specializer struct {
	opset mil.Opset
	opts  Options
	nodes int  // seen so far
	folds int  // bytes computed ahead of time
	keep  bool // every node
	// endless values may be of any size: nothing is going to run.
	endless bool
}

// Bounds of what a file can ask for before its program runs, that is, before
// anybody can cancel it. Loops in loops are looked at several times each.
const (
	maxNodes    = 1 << 18
	maxProducts = 1 << 30 // of a node computed ahead of time
	maxSizes    = 1 << 12 // elements that InferTypes computes, all in all
)

func (s *specializer) block(b *mil.Block) error {
	kept := b.Nodes[:0]
	for _, n := range b.Nodes {
		if err := s.node(n); err != nil {
			return wrap(n, err)
		}
		folded := !slices.ContainsFunc(n.Outputs, func(v *mil.Value) bool { return v.Const == nil }) && len(n.Outputs) > 0
		if folded && !s.keep {
			continue
		}
		kept = append(kept, n)
	}
	b.Nodes = kept
	return nil
}

func (s *specializer) node(n *mil.Node) error {
	if s.nodes++; s.nodes > maxNodes {
		return fault.New(fault.Limit, "", "more than %d nodes, those of loops in loops counting each time", maxNodes)
	}
	switch n.Op {
	case "cond":
		return s.cond(n)
	case "while_loop":
		return s.while(n)
	}
	if len(n.Blocks) > 0 {
		return errors.New("has blocks")
	}
	if len(n.Outputs) > 0 && !slices.ContainsFunc(n.Outputs, func(v *mil.Value) bool { return v.Const == nil }) {
		return nil // expanded before
	}
	o, err := op.For(n.Op, s.opset)
	if err != nil {
		return fault.New(fault.Unsupported, "", "%w", err)
	}
	args, err := o.Bind(n, nil)
	if err != nil {
		return err
	}
	if custom, ok := args.(*op.CustomLayerArgs); ok {
		return fault.New(fault.Unsupported, "", "a custom layer is computed by code that is not in the model: %s", custom.Describe())
	}
	types, err := o.Infer(args)
	static := !slices.ContainsFunc(n.Values(), func(v *mil.Value) bool { return v.Type.Kind == mil.Tensor && !v.Type.IsStatic() })
	if err != nil && static {
		return err
	}
	if err == nil {
		if len(types) != len(n.Outputs) {
			return fmt.Errorf("gives %d outputs, the program takes %d", len(types), len(n.Outputs))
		}
		for i, v := range n.Outputs {
			v.Type = types[i]
			if err := s.limit(v.Type); err != nil {
				return err
			}
		}
	} else if s.keep {
		for _, v := range n.Outputs {
			v.Type = loose(v.Type)
		}
	}
	if !o.HasEval || o.Random || !static || !foldable(n) || products(n) > maxProducts {
		return nil
	}
	size := 0
	for _, v := range n.Outputs {
		size += bytesOf(v.Type)
	}
	if s.folds+size > s.opts.maxBytes() {
		return nil // in each run, which frees it again
	}
	s.folds += size
	outs, err := o.Eval(args)
	if err != nil {
		return err
	}
	for i, v := range n.Outputs {
		v.Const, v.Type = outs[i], mil.TypeOf(outs[i])
	}
	return nil
}

// loose is a type of which only the rank is known.
func loose(t mil.Type) mil.Type {
	if t.Kind == mil.Tensor {
		t.Shape = slices.Repeat([]int{mil.Unknown}, len(t.Shape))
	}
	return t
}

// foldable tells whether a node's result is known: that of shape and fill_like
// from the type of their tensor alone.
func foldable(n *mil.Node) bool {
	typed := map[string]string{"shape": "x", "fill_like": "ref_tensor"}[n.Op]
	for _, in := range n.Inputs {
		if in.Name != typed && slices.ContainsFunc(in.Values, func(v *mil.Value) bool { return v.Const == nil }) {
			return false
		}
	}
	return true
}

// limit refuses a value too large for the memory that a prediction may use.
func (s *specializer) limit(t mil.Type) error {
	if !t.IsStatic() || s.endless {
		return nil
	}
	n, err := tensor.CheckShape(t.Shape)
	if err != nil {
		return fault.New(fault.Limit, "", "%w", err)
	}
	if n > s.opts.maxElements() {
		return fault.New(fault.Limit, "", "a value of type %s takes more than %d bytes", t, s.opts.maxBytes())
	}
	return nil
}

// cond gives each output the type that both branches agree on.
func (s *specializer) cond(n *mil.Node) error {
	if len(n.Blocks) != 2 || n.Input("pred") == nil {
		return errors.New("want a predicate and two blocks")
	}
	for _, b := range n.Blocks {
		if len(b.Inputs) > 0 {
			return errors.New("a branch has inputs")
		}
		if len(b.Outputs) != len(n.Outputs) {
			return fmt.Errorf("a branch gives %d values, the operator %d", len(b.Outputs), len(n.Outputs))
		}
		if err := s.block(b); err != nil {
			return err
		}
	}
	for i, v := range n.Outputs {
		t, err := join(n.Blocks[0].Outputs[i].Type, n.Blocks[1].Outputs[i].Type)
		if err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
		v.Type = t
	}
	return nil
}

// while gives each loop variable a type that holds before and after every
// round: dimensions that change become unknown.
func (s *specializer) while(n *mil.Node) error {
	var vars []*mil.Value
	for _, in := range n.Inputs {
		if in.Name == "loop_vars" {
			vars = in.Values
		}
	}
	if len(n.Inputs) > 1 {
		return errors.New("want no arguments but loop_vars")
	}
	if len(n.Blocks) != 2 || len(vars) != len(n.Outputs) {
		return fmt.Errorf("want two blocks and as many outputs as loop variables (%d), have %d and %d", len(vars), len(n.Blocks), len(n.Outputs))
	}
	cond, body := n.Blocks[0], n.Blocks[1]
	if len(cond.Inputs) != len(vars) || len(body.Inputs) != len(vars) || len(body.Outputs) != len(vars) || len(cond.Outputs) != 1 {
		return errors.New("the blocks do not fit the loop variables")
	}
	types := make([]mil.Type, len(vars))
	for i, v := range vars {
		types[i] = v.Type
	}
	// A dimension that becomes unknown stays so: this ends after at most one
	// round for each dimension, in practice after two.
	for {
		trial := (&mil.Func{Body: body}).Clone().Body
		changed := false
		for i, v := range trial.Inputs {
			v.Type, v.Const = types[i], nil
		}
		if err := s.block(trial); err != nil {
			return err
		}
		for i, v := range trial.Outputs {
			t, err := join(types[i], v.Type)
			if err != nil {
				return fmt.Errorf("loop variable %d: %w", i, err)
			}
			if !t.Equal(types[i]) {
				types[i], changed = t, true
			}
		}
		if !changed {
			break
		}
	}
	for _, b := range n.Blocks {
		for i, v := range b.Inputs {
			v.Type = types[i]
		}
		if err := s.block(b); err != nil {
			return err
		}
	}
	for i, v := range n.Outputs {
		v.Type = types[i]
	}
	return nil
}

// join returns the narrowest type that holds the values of both.
func join(a, b mil.Type) (mil.Type, error) {
	if a.Kind != b.Kind || a.DType != b.DType {
		return a, fmt.Errorf("types %s and %s differ", a, b)
	}
	if a.Kind != mil.Tensor || a.Equal(b) {
		return a, nil
	}
	if a.AnyRank || b.AnyRank || len(a.Shape) != len(b.Shape) {
		return mil.Type{DType: a.DType, AnyRank: true}, nil
	}
	out := mil.TensorType(a.DType, slices.Clone(a.Shape)...)
	for i, d := range b.Shape {
		if out.Shape[i] != d {
			out.Shape[i] = mil.Unknown
		}
	}
	return out, nil
}
