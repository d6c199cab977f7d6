package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/conversion"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// openONNX reads an ONNX model.
func openONNX(path string, o Options) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	s, refused := fromGraph(m, path, o)
	switch {
	case s != nil:
		return s, nil
	case refused != nil && (o.To == Classical || fault.KindOf(refused) != fault.Unsupported):
		return nil, errors.Join(refused, m.Close())
	}
	wanted := onnx.Options{Shapes: map[string][]int{}, Rules: map[string]onnx.Rule{}}
	for name, s := range o.Shapes {
		wanted.Shapes[name] = s.Open()
	}
	used := map[string]bool{}
	for name, f := range o.Conversions {
		wanted.Rules[name] = onnxRule(f, func() { used[name] = true })
	}
	partial := 0
	if o.Partial != "" {
		wanted.Fallback = onnxRule(conversion.Partial, func() { partial++ })
	}
	p, err := m.Program(wanted)
	if err := errors.Join(err, m.Close()); err != nil {
		if refused != nil { // neither of both: what the model is made for
			return nil, refused
		}
		return nil, err
	}
	f := p.Func
	s = &source{
		kind: "onnx", size: info.Size(), float: tensor.Float16, notes: p.Notes,
		meta:    mlmodel.Metadata{ShortDescription: m.Doc(), UserDefined: m.Metadata()},
		program: &mlprogram.Program{Funcs: []*mil.Func{f}},
		close:   func() {},
	}
	for _, name := range slices.Sorted(maps.Keys(o.Conversions)) {
		if !used[name] {
			s.notes = append(s.notes, fmt.Sprintf("there is no %s: its conversion was not used", name))
		}
	}
	s.shapes = defaultShapes(p, o.Shapes)
	for _, v := range f.Inputs {
		if _, given := o.Shapes[v.Name]; !given && !v.Type.IsStatic() {
			usual := "1"
			if d, ok := s.shapes[v.Name]; ok {
				usual = tensor.FormatShape(d.Default)
			}
			s.notes = append(s.notes, fmt.Sprintf("input %q has open dimensions: %s, each from 1 to %d, usually %s; --shape says more", v.Name, mil.FormatDims(v.Type.Shape), mlprogram.MaxOpen, usual))
		}
	}
	s.declared(p)
	s.restore()
	if o.Verify != nil {
		kept := f.Clone()
		pass.WithoutCustom(kept)
		s.run = answering(kept, o.Verify.once())
	}
	return s, nil
}

// declared notes what the file says of inputs and outputs that the program does
// not: types of integers other than int32, and the names of dimensions.
func (s *source) declared(p *onnx.Program) {
	s.types, s.dims = map[string]tensor.DType{}, map[int]string{}
	for i, v := range p.Func.Inputs {
		if d := p.Inputs[i].DType; d != v.Type.DType {
			s.types[v.Name] = d
		}
		for j, d := range p.Inputs[i].Dims {
			if j < len(v.Type.Shape) && v.Type.Shape[j] < 0 && d.Name != "" {
				s.dims[v.Type.Shape[j]] = d.Name
			}
		}
	}
	for i, v := range p.Func.Body.Outputs {
		if d := p.Outputs[i].DType; d != v.Type.DType && d != tensor.Invalid {
			s.types[v.Name] = d
		}
	}
}

// answering makes a function answer; inputs are arrays. It is compiled anew
// where their shapes change.
func answering(f *mil.Func, once bool) func(context.Context, predict.Features) (predict.Features, error) {
	var plan *engine.Plan
	var compiled []mil.Type
	return func(ctx context.Context, in predict.Features) (predict.Features, error) {
		args := make([]*tensor.Tensor, len(f.Inputs))
		types := make([]mil.Type, len(f.Inputs))
		for i, v := range f.Inputs {
			t, ok := in[v.Name].(*tensor.Tensor)
			if !ok {
				return nil, fmt.Errorf("input %q: want an array, have a %T", v.Name, in[v.Name])
			}
			if len(v.Type.Shape) == 0 && !v.Type.AnyRank && t.Len() == 1 {
				t = t.Reshape(nil)
			}
			t, err := t.ConvertTo(v.Type.DType)
			if err != nil {
				return nil, err
			}
			args[i], types[i] = t, mil.TypeOf(t)
		}
		if plan == nil || !slices.EqualFunc(types, compiled, mil.Type.Equal) {
			level, err := cpu.Active()
			if err != nil {
				return nil, err
			}
			if plan, err = engine.Compile(f, types, engine.Options{Level: level, Frugal: once}); err != nil {
				return nil, err
			}
			compiled = types
		}
		pool := par.New(0)
		defer pool.Close()
		outs, err := plan.NewRun(pool).Do(ctx, args, nil)
		if err != nil {
			return nil, err
		}
		result := predict.Features{}
		for i, v := range f.Body.Outputs {
			result[v.Name] = outs[i]
		}
		return result, nil
	}
}

// onnxRule lets a conversion of the user lower ONNX nodes.
func onnxRule(f conversion.Func, used func()) onnx.Rule {
	return func(n *onnx.Node, b *onnx.Builder) ([]*mil.Value, error) {
		used()
		attributes, err := n.Attributes()
		if err != nil {
			return nil, err
		}
		node := &conversion.Node{Op: n.Op, Domain: n.Domain, Name: n.Name, Inputs: n.In, Attributes: attributes}
		for i, name := range n.Out {
			out := conversion.Output{Name: name}
			if t, ok := n.Type(i); ok {
				out.Type = &t
			}
			node.Outputs = append(node.Outputs, out)
		}
		return f.Apply(node, b.Builder, func(as string) ([]*mil.Value, error) { return b.Builtin(n, as) })
	}
}

// unread lists the nodes that the frontend cannot lower.
func unread(err error) []mlprogram.Problem {
	var u *onnx.Unsupported
	if !errors.As(err, &u) {
		return nil
	}
	var out []mlprogram.Problem
	for _, p := range u.Problems {
		out = append(out, mlprogram.Problem{
			Op: p.Op, Domain: p.Domain, Count: len(p.Names), Where: p.Names[0], Names: p.Names, Reason: p.Reason, WayOut: wayOutOfONNX(p),
		})
	}
	return out
}
