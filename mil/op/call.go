package op

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Args are the arguments of an operator by name. An argument is a *mil.Value, a
// []*mil.Value, a *tensor.Tensor, or what a constant is made of: a bool, string,
// int, int32, int64, float32 or float64, or a slice of one of these. Constants
// take the element type that the operator wants.
type Args map[string]any

// Call appends an operator that is known by its name only, in the version that
// the builder's opset has, and returns its outputs, none after an error. It is
// the form of Def.AddN for what people write.
func Call(b *mil.Builder, name string, args Args) []*mil.Value {
	if b.Err() != nil {
		return nil
	}
	o, err := For(name, b.Opset)
	if err != nil {
		b.Fail(err)
		return nil
	}
	out, err := o.call(b, args)
	if err != nil {
		b.Fail(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	return out
}

// uncallable are the operators that hold programs of their own, or are no operation.
var uncallable = map[string]bool{"cond": true, "while_loop": true, "const": true, "classify": true, "make_list": true}

func (o *Op) call(b *mil.Builder, args Args) ([]*mil.Value, error) {
	if o.Internal || uncallable[o.Name] {
		return nil, errors.New("cannot be called by its name")
	}
	var names []string
	for _, p := range o.Params {
		names = append(names, p.Name)
	}
	for _, given := range slices.Sorted(maps.Keys(args)) {
		if !slices.Contains(names, given) {
			return nil, fmt.Errorf("there is no argument %q: it takes %s", given, strings.Join(names, ", "))
		}
	}
	name := b.Place()
	if name == "" {
		name = o.Name
	}
	n := &mil.Node{Op: o.Name}
	bound := o.bound(args)
	for i := range o.Params {
		p := &o.Params[i]
		given, ok := args[p.Name]
		if !ok || given == nil {
			if !p.Optional {
				return nil, fmt.Errorf("argument %q is missing", p.Name)
			}
			continue
		}
		values, err := o.values(p, given, bound)
		if err != nil {
			return nil, fmt.Errorf("argument %q: %w", p.Name, err)
		}
		n.Inputs = append(n.Inputs, mil.Input{Name: p.Name, Values: values})
	}
	a, err := o.Bind(n, nil)
	if err != nil {
		return nil, err
	}
	types, err := o.Infer(a)
	if err != nil {
		return nil, err
	}
	n.Name = b.Unique(name)
	for _, in := range n.Inputs {
		for _, v := range in.Values {
			if v.Name == "" {
				v.Name = n.Name + "." + in.Name
			}
		}
	}
	for i, t := range types {
		v := &mil.Value{Name: n.Name, Type: t}
		if i > 0 {
			v.Name = fmt.Sprintf("%s.%d", n.Name, i)
		}
		n.Outputs = append(n.Outputs, v)
	}
	b.Append(n)
	return n.Outputs, b.Err()
}

// bound returns the element types that the letters have by the values given:
// computed ones first, since constants of people adapt.
func (o *Op) bound(args Args) map[string]tensor.DType {
	bound := map[string]tensor.DType{}
	for _, computed := range []bool{true, false} {
		for _, p := range o.Params {
			var vs []*mil.Value
			switch v := args[p.Name].(type) {
			case *mil.Value:
				vs = []*mil.Value{v}
			case []*mil.Value:
				vs = v
			}
			for _, v := range vs {
				if _, ok := bound[p.Type]; !ok && v != nil && v.Type.Kind == mil.Tensor && (v.Const == nil) == computed {
					bound[p.Type] = v.Type.DType
				}
			}
		}
	}
	return bound
}

// values returns what a parameter is bound to.
func (o *Op) values(p *Param, given any, bound map[string]tensor.DType) ([]*mil.Value, error) {
	switch v := given.(type) {
	case *mil.Value:
		if v == nil {
			return nil, errors.New("is no value")
		}
		return []*mil.Value{v}, nil
	case []*mil.Value:
		if slices.Contains(v, nil) {
			return nil, errors.New("has something that is no value")
		}
		return slices.Clone(v), nil
	}
	t, err := constantOf(given, p.Vector)
	if err != nil {
		return nil, err
	}
	if _, typed := given.(*tensor.Tensor); !typed {
		if t, err = adapted(t, o.want(p, t.DType(), bound)); err != nil {
			return nil, err
		}
	}
	if _, known := bound[p.Type]; !known {
		bound[p.Type] = t.DType()
	}
	return []*mil.Value{{Type: mil.TypeOf(t), Const: t}}, nil
}

// want is the element type of a constant: that of the letter's other arguments,
// or else the one nearest to what was written.
func (o *Op) want(p *Param, d tensor.DType, bound map[string]tensor.DType) tensor.DType {
	if b, ok := bound[p.Type]; ok && p.Type != "any" {
		return b
	}
	allowed, isLetter := o.Types[p.Type]
	if !isLetter {
		if named, err := tensor.ParseDType(p.Type); err == nil {
			return named
		}
		return d
	}
	switch {
	case slices.Contains(allowed, d):
		return d
	case d.IsInt() && slices.Contains(allowed, tensor.Float32):
		return tensor.Float32
	}
	return d
}

// Constant returns the tensor of what Args take for a constant: whole numbers are
// int32, or int64 where they do not fit, others fp32.
func Constant(v any) (*tensor.Tensor, error) {
	if t, err := constantOf(v, false); err == nil {
		return t, nil
	}
	switch v := v.(type) {
	case int:
		return tensor.Scalar(tensor.Int64, int64(v)), nil
	case int64:
		return tensor.Scalar(tensor.Int64, v), nil
	case []int:
		return tensor.New(tensor.Int64, []int{len(v)}, widen(v)), nil
	case []int64:
		return tensor.New(tensor.Int64, []int{len(v)}, v), nil
	}
	return constantOf(v, false)
}

// constantOf makes a tensor of a Go value, a scalar as a vector of one if a vector
// is wanted.
func constantOf(given any, vector bool) (*tensor.Tensor, error) {
	var shape []int
	if vector {
		shape = []int{1}
	}
	switch v := given.(type) {
	case *tensor.Tensor:
		if v == nil {
			return nil, errors.New("is no tensor")
		}
		return v, nil
	case bool:
		return tensor.New(tensor.Bool, shape, []bool{v}), nil
	case string:
		return tensor.New(tensor.String, shape, []string{v}), nil
	case int:
		return wholes(shape, int64(v))
	case int32:
		return wholes(shape, int64(v))
	case int64:
		return wholes(shape, v)
	case float32:
		return tensor.Floats(shape, []float32{v}), nil
	case float64:
		return tensor.Floats(shape, []float32{float32(v)}), nil
	case []bool:
		return tensor.New(tensor.Bool, []int{len(v)}, v), nil
	case []string:
		return tensor.New(tensor.String, []int{len(v)}, v), nil
	case []int:
		return wholes([]int{len(v)}, widen(v)...)
	case []int32:
		return wholes([]int{len(v)}, widen(v)...)
	case []int64:
		return wholes([]int{len(v)}, v...)
	case []float32:
		return tensor.Floats([]int{len(v)}, v), nil
	case []float64:
		out := make([]float32, len(v))
		for i, x := range v {
			out[i] = float32(x)
		}
		return tensor.Floats([]int{len(v)}, out), nil
	}
	return nil, fmt.Errorf("a %T is neither a value nor a constant", given)
}

func widen[T int | int32](v []T) []int64 {
	out := make([]int64, len(v))
	for i, x := range v {
		out[i] = int64(x)
	}
	return out
}

func wholes(shape []int, v ...int64) (*tensor.Tensor, error) {
	out := make([]int32, len(v))
	for i, x := range v {
		if x < math.MinInt32 || x > math.MaxInt32 {
			return nil, fmt.Errorf("%d is no int32", x)
		}
		out[i] = int32(x)
	}
	return tensor.Ints(shape, out), nil
}

// adapted gives what somebody wrote the element type that is wanted: 1 may be a
// float, 0.5 is no integer, and a number is neither a string nor a truth value.
func adapted(t *tensor.Tensor, d tensor.DType) (*tensor.Tensor, error) {
	have := t.DType()
	switch {
	case have == d:
		return t, nil
	case have.IsInt() && (d.IsInt() || d.IsFloat()), have.IsFloat() && d.IsFloat():
		u, err := t.ConvertTo(d)
		if err == nil && d.IsInt() && !slices.Equal(u.Float64s(), t.Float64s()) {
			err = fmt.Errorf("a number is beyond %s", d)
		}
		return u, err
	}
	return nil, fmt.Errorf("want %s, have %s", d, have)
}
