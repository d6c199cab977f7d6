package op

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Expand appends the operations of a text. values are those that it may refer
// to, and outer returns what $name stands for: a value of Args. It returns what
// the text gives.
func Expand(b *mil.Builder, t *mil.Text, values map[string]*mil.Value, outer func(name string) (any, error)) ([]*mil.Value, error) {
	e := &expansion{b: b, values: map[string]*mil.Value{}, outer: outer}
	for name, v := range values {
		e.values[name] = v
	}
	var last []*mil.Value
	for i := range t.Lines {
		outs, err := e.line(&t.Lines[i])
		if err != nil {
			return nil, err
		}
		last = outs
	}
	if t.Results == nil {
		return last, nil
	}
	out := make([]*mil.Value, len(t.Results))
	for i, r := range t.Results {
		given, err := e.operand(r)
		if err != nil {
			return nil, fmt.Errorf("result %d: %w", i, err)
		}
		if v, ok := given.(*mil.Value); ok {
			out[i] = v
			continue
		}
		c, err := constantOf(given, false)
		if err != nil {
			return nil, fmt.Errorf("result %d: %w", i, err)
		}
		out[i] = mil.NewConst(b.Place(), c)
	}
	return out, nil
}

type expansion struct {
	b      *mil.Builder
	values map[string]*mil.Value
	outer  func(name string) (any, error)
}

func (e *expansion) line(l *mil.Line) ([]*mil.Value, error) {
	args := Args{}
	for _, a := range l.Args {
		given, err := e.operand(a.Value)
		if err != nil {
			return nil, &mil.TextError{Pos: a.Pos, Err: fmt.Errorf("%s: argument %q: %w", l.Op, a.Name, err)}
		}
		args[a.Name] = given
	}
	if err := e.b.Err(); err != nil {
		return nil, err
	}
	o, err := For(l.Op, e.b.Opset)
	var outs []*mil.Value
	if err == nil {
		if outs, err = o.call(e.b, args); err != nil {
			err = fmt.Errorf("%s: %w", l.Op, err)
		}
	}
	if err == nil && len(l.Results) > len(outs) {
		err = fmt.Errorf("%s gives %d results, not %d", l.Op, len(outs), len(l.Results))
	}
	for i, r := range l.Results {
		if err != nil {
			break
		}
		if _, taken := e.values[r.Name]; taken {
			err = fmt.Errorf("%%%s is defined twice", r.Name)
		} else if r.Type != nil && !holds(*r.Type, outs[i].Type) {
			err = fmt.Errorf("%%%s is %s, not %s", r.Name, outs[i].Type, r.Type)
		}
		e.values[r.Name] = outs[i]
	}
	if err != nil {
		return nil, &mil.TextError{Pos: l.Pos, Err: err}
	}
	return outs, nil
}

// holds tells whether a value of type u may be said to be of type t, which may
// leave dimensions open.
func holds(t, u mil.Type) bool {
	if t.Kind != u.Kind || t.Kind != mil.Tensor || t.DType != u.DType || t.AnyRank || u.AnyRank {
		return t.Equal(u) || t.Kind == mil.Tensor && t.Kind == u.Kind && t.DType == u.DType && t.AnyRank
	}
	return slices.EqualFunc(t.Shape, u.Shape, func(a, b int) bool { return a < 0 || a == b })
}

// operand returns an operand as one of Args.
func (e *expansion) operand(o mil.Operand) (any, error) {
	switch o := o.(type) {
	case mil.Ref:
		v := e.values[string(o)]
		if v == nil {
			return nil, fmt.Errorf("there is no value %%%s", string(o))
		}
		return v, nil
	case mil.Outer:
		return e.outer(string(o))
	case mil.Literal:
		return o.Value, nil
	case mil.Typed:
		return o.Tensor()
	case mil.Sequence:
		return e.sequence(o)
	}
	return nil, fmt.Errorf("a %T is no operand", o)
}

// sequence returns a list of values, or one constant of literals.
func (e *expansion) sequence(s mil.Sequence) (any, error) {
	parts := make([]any, len(s))
	computed := false
	for i, o := range s {
		part, err := e.operand(o)
		if err != nil {
			return nil, err
		}
		switch part.(type) {
		case *mil.Value, *tensor.Tensor:
			computed = true
		}
		parts[i] = part
	}
	if !computed {
		return joined(parts)
	}
	vs := make([]*mil.Value, len(parts))
	for i, part := range parts {
		switch v := part.(type) {
		case *mil.Value:
			vs[i] = v
		case *tensor.Tensor:
			vs[i] = mil.NewConst("", v)
		default:
			return nil, fmt.Errorf("element %d of a list of values is a constant without a type", i)
		}
	}
	return vs, nil
}

// joined makes one slice of scalars: of floats where some are.
func joined(parts []any) (any, error) {
	ints, floats, texts, bools := []int64{}, []float64{}, []string{}, []bool{}
	for i, part := range parts {
		switch v := part.(type) {
		case int64:
			ints, floats = append(ints, v), append(floats, float64(v))
		case float64:
			floats = append(floats, v)
		case string:
			texts = append(texts, v)
		case bool:
			bools = append(bools, v)
		default:
			return nil, fmt.Errorf("element %d of a list is a %T", i, part)
		}
	}
	switch len(parts) {
	case len(ints):
		return ints, nil
	case len(floats):
		return floats, nil
	case len(texts):
		return texts, nil
	case len(bools):
		return bools, nil
	}
	return nil, fmt.Errorf("the elements of a list are of different kinds")
}
