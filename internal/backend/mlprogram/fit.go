package mlprogram

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Problem is why operations of one kind cannot be read or written.
type Problem struct {
	Op     string   `json:"op"`
	Domain string   `json:"domain"` // of a source's operators; "" for its own ones and those of MIL
	Count  int      `json:"count"`
	Where  string   `json:"where"` // the name of the first of them
	Names  []string `json:"names"`
	Reason string   `json:"reason"`
	WayOut string   `json:"way_out"` // the nearest
}

// UnsupportedError lists everything that keeps a program from being written.
type UnsupportedError struct {
	Opset    mil.Opset
	Problems []Problem
}

// Error puts all problems on one line.
func (e *UnsupportedError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = fmt.Sprintf("%d × %s (first %q): %s", p.Count, p.Op, p.Where, p.Reason)
	}
	return fmt.Sprintf("cannot be written as an ML Program for %s: %s", TargetName(e.Opset), strings.Join(parts, "; "))
}

// Unwrap makes it an error of the project's kind.
func (e *UnsupportedError) Unwrap() error { return &fault.Error{Kind: fault.Unsupported} }

// TargetName is what people call an opset: "iOS 16" for mil.IOS16.
func TargetName(o mil.Opset) string {
	if o == mil.IOS26 {
		return "iOS 26"
	}
	return fmt.Sprintf("iOS %d", int(o-mil.IOS15)+15)
}

// fitter rewrites a program to the operators that an opset has.
type fitter struct {
	source, target mil.Opset
	fixed          bool
	partial        bool // make custom layers of what the opset has not
	problems       []Problem
	expanded       int // operators whose constants are written whole
}

// fit rewrites f for the opset and returns what cannot be said in it.
// Where the target is not to be another one, constants that it cannot hold
// compressed are expanded; their number is returned, too.
func fit(f *mil.Func, target mil.Opset, fixed, partial bool) ([]Problem, int) {
	t := &fitter{source: f.Opset, target: target, fixed: fixed, partial: partial}
	t.block(f.Body)
	f.Opset = target
	return t.problems, t.expanded
}

func (t *fitter) report(n *mil.Node, reason string) {
	t.problems = gather(t.problems, Problem{Op: n.Op, Count: 1, Where: n.Name, Names: []string{n.Name}, Reason: reason})
}

// gather adds problems to a list, those of one kind as one.
func gather(list []Problem, more ...Problem) []Problem {
	for _, p := range more {
		i := slices.IndexFunc(list, func(q Problem) bool { return q.Op == p.Op && q.Reason == p.Reason })
		if i < 0 {
			list = append(list, p)
			continue
		}
		list[i].Count += p.Count
		list[i].Names = append(list[i].Names, p.Names...)
	}
	return list
}

func (t *fitter) block(b *mil.Block) {
	var out []*mil.Node
	for _, n := range b.Nodes {
		as := *n
		as.Inputs = slices.Clone(n.Inputs)
		parts, err := t.parts(n)
		if err != nil && t.partial {
			if custom, e := Customized(&as); e == nil {
				parts, err = []*mil.Node{custom}, nil
			}
		}
		if err != nil {
			t.report(n, err.Error())
		}
		out = append(out, parts...)
	}
	b.Nodes = out
}

// parts are the nodes that say n.
func (t *fitter) parts(n *mil.Node) ([]*mil.Node, error) {
	made := []*mil.Node{n}
	if rule := compositions[n.Op]; rule != nil {
		var err error
		if made, err = composed(n, rule); err != nil {
			return nil, err
		}
	}
	var parts []*mil.Node
	for _, p := range made {
		if err := t.node(p); err == nil {
			parts = append(parts, p)
		} else if !t.expand(p) {
			return parts, err
		}
	}
	return parts, nil
}

// expand makes constants of what an operator that the target lacks expands.
func (t *fitter) expand(n *mil.Node) bool {
	if !t.fixed || !strings.HasPrefix(n.Op, "constexpr_") {
		return false
	}
	def, err := op.For(n.Op, t.source)
	if err != nil {
		return false
	}
	args, err := def.Bind(n, nil)
	if err != nil {
		return false
	}
	outs, err := def.Eval(args)
	if err != nil || len(outs) != len(n.Outputs) {
		return false
	}
	for i, v := range n.Outputs {
		v.Const, v.Node = outs[i], nil
	}
	t.expanded++
	return true
}

// node brings the arguments of n to the form that the target's version of the
// operator has, and checks them.
func (t *fitter) node(n *mil.Node) error {
	for _, nested := range n.Blocks {
		t.block(nested)
	}
	def, err := op.For(n.Op, t.target)
	if err != nil {
		if later, e := op.For(n.Op, mil.IOS26); e == nil {
			return fmt.Errorf("exists since %s", TargetName(later.Since))
		}
		return err
	}
	if def.Internal && n.Op != op.CustomLayer.Name {
		return fmt.Errorf("no operator of ML Programs says this")
	}
	if now, err := op.For(n.Op, t.source); err == nil && now.Since != def.Since {
		if err := restate(n, now, def); err != nil {
			return err
		}
	}
	if rule := adjustments[n.Op]; rule != nil {
		if err := rule(n, t.target); err != nil {
			return err
		}
	}
	return typed(n, def)
}

// typed checks arguments and results against the declaration.
func typed(n *mil.Node, def *op.Op) error {
	if slices.ContainsFunc(n.Values(), expanded) {
		return nil // its constants are only known when they are expanded
	}
	args, err := def.Bind(n, nil)
	if err != nil {
		return err
	}
	if a, ok := args.(*op.CustomLayerArgs); ok {
		if err := a.Check(); err != nil {
			return err
		}
		return outputs(n)
	}
	types, err := def.Infer(args)
	if err != nil || len(types) != len(n.Outputs) {
		if slices.ContainsFunc(n.Values(), func(v *mil.Value) bool { return v.Type.AnyRank }) {
			return nil // nothing can be said before it is run
		}
		if err == nil && n.Op != "cond" {
			err = fmt.Errorf("gives %d results, not %d", len(types), len(n.Outputs))
		}
		return err
	}
	for i, v := range n.Outputs {
		if v.Type.Kind == mil.Tensor && types[i].Kind == mil.Tensor && v.Type.DType != types[i].DType {
			return fmt.Errorf("gives %s, not %s", types[i].DType, v.Type.DType)
		}
	}
	return nil
}

// expanded tells the result of an operator that expands compressed constants.
func expanded(v *mil.Value) bool {
	return v.Node != nil && strings.HasPrefix(v.Node.Op, "constexpr_")
}

// restate says in one version of an operator what was said in another: an
// argument that only one of them has must have its default value, and a
// default that differs is spelt out.
func restate(n *mil.Node, from, to *op.Op) error {
	if rule := restatements[n.Op]; rule != nil && to.Since >= mil.IOS18 && from.Since < mil.IOS18 {
		return rule(n)
	}
	if rule := earlier[n.Op]; rule != nil && from.Since >= mil.IOS18 && to.Since < mil.IOS18 {
		return rule(n)
	}
	kept := make([]mil.Input, 0, len(n.Inputs))
	for _, in := range n.Inputs {
		if param(to, in.Name) != nil {
			kept = append(kept, in)
			continue
		}
		p := param(from, in.Name)
		if p == nil || !p.Optional || len(in.Values) != 1 || !isDefault(p, in.Values[0]) {
			if first := since(n.Op, in.Name); first > to.Since {
				return fmt.Errorf("its argument %s exists since %s", in.Name, TargetName(first))
			}
			return fmt.Errorf("its argument %s is gone since %s", in.Name, TargetName(to.Since))
		}
	}
	n.Inputs = kept
	for i := range from.Params {
		p := &from.Params[i]
		q := param(to, p.Name)
		if q == nil || !p.Optional || n.Input(p.Name) != nil || reflect.DeepEqual(p.Default, q.Default) || absent(p) && absent(q) {
			continue
		}
		t := constant(p.Default, tensor.Float32)
		if t == nil {
			return fmt.Errorf("its argument %s has another default", p.Name)
		}
		n.Inputs = append(n.Inputs, mil.Input{Name: p.Name, Values: []*mil.Value{mil.NewConst("", t)}})
	}
	return nil
}

// absent tells a parameter that has no default value.
func absent(p *op.Param) bool { return constant(p.Default, tensor.Float32) == nil }

func param(o *op.Op, name string) *op.Param {
	for i := range o.Params {
		if o.Params[i].Name == name {
			return &o.Params[i]
		}
	}
	return nil
}

// since returns the first opset whose version of an operator has an argument.
func since(name, arg string) mil.Opset {
	for o := mil.IOS15; o < mil.IOS26; o++ {
		if def, err := op.For(name, o); err == nil && param(def, arg) != nil {
			return o
		}
	}
	return mil.IOS26
}

// isDefault tells a constant that is a parameter's default value.
func isDefault(p *op.Param, v *mil.Value) bool {
	if v.Const == nil {
		return false
	}
	want := constant(p.Default, v.Const.DType())
	if want == nil || want.Len() != v.Const.Len() || want.DType() != v.Const.DType() {
		return false
	}
	if want.DType() == tensor.String {
		return slices.Equal(want.Strings(), v.Const.Strings())
	}
	return slices.Equal(want.Float64s(), v.Const.Float64s())
}

// constant returns a parameter's Go value as a tensor, its floats of type d
// if that is a float type; nil for an absent one.
func constant(v any, d tensor.DType) *tensor.Tensor {
	if !d.IsFloat() {
		d = tensor.Float32
	}
	switch v := v.(type) {
	case string:
		if v != "" {
			return tensor.Scalar(tensor.String, v)
		}
	case bool:
		return tensor.Scalar(tensor.Bool, v)
	case int:
		return tensor.Scalar(tensor.Int32, int32(v))
	case float32:
		return tensor.Scalar(d, v)
	case []int:
		if v != nil {
			return ints(v...).Const
		}
	}
	return nil
}

// ints returns a constant vector.
func ints(v ...int) *mil.Value {
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return mil.NewConst("", tensor.Ints([]int{len(v)}, out))
}
