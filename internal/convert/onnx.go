package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
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
	wanted := onnx.Options{Shapes: map[string][]int{}}
	for name, s := range o.Shapes {
		wanted.Shapes[name] = s.Open()
	}
	p, err := m.Program(wanted)
	if err := errors.Join(err, m.Close()); err != nil {
		return nil, err
	}
	f := p.Func
	s := &source{
		kind: "onnx", size: info.Size(), float: tensor.Float16, notes: p.Notes,
		meta:    mlmodel.Metadata{ShortDescription: m.Doc(), UserDefined: m.Metadata()},
		program: &mlprogram.Program{Funcs: []*mil.Func{f}},
		close:   func() {},
	}
	for _, v := range f.Inputs {
		if _, given := o.Shapes[v.Name]; !given && !v.Type.IsStatic() {
			s.notes = append(s.notes, fmt.Sprintf("input %q has open dimensions: %s, each from 1 to %d; --shape says more", v.Name, mil.FormatDims(v.Type.Shape), mlprogram.MaxOpen))
		}
	}
	if o.Verify != nil {
		s.run = answering(f.Clone(), o.Verify.once())
	}
	return s, nil
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

// unread lists the operators that the frontend has no rule for.
func unread(err error) []mlprogram.Problem {
	var u *onnx.Unsupported
	if !errors.As(err, &u) {
		return nil
	}
	var out []mlprogram.Problem
	for _, op := range slices.Sorted(maps.Keys(u.Nodes)) {
		p := mlprogram.Problem{Op: op, Count: len(u.Nodes[op]), Reason: "is not known"}
		if p.Count > 0 {
			p.Where = u.Nodes[op][0]
		}
		out = append(out, p)
	}
	return out
}
