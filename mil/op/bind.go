package op

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

var (
	valueType  = reflect.TypeFor[*mil.Value]()
	valuesType = reflect.TypeFor[[]*mil.Value]()
	tensorType = reflect.TypeFor[*tensor.Tensor]()
)

// params reads the tags of an argument struct.
func params(op string, t reflect.Type, defaults reflect.Value, types Types) []Param {
	var out []Param
	for i := range t.NumField() {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("mil"), ",")
		if len(tag) < 2 {
			panic(fmt.Sprintf("op.Define(%q): field %s: want a tag `mil:\"name,type,…\"`", op, f.Name))
		}
		p := Param{Name: tag[0], Type: tag[1], index: i, List: f.Type == valuesType}
		p.Vector = f.Type.Kind() == reflect.Slice && !p.List
		for _, flag := range tag[2:] {
			switch flag {
			case "const":
				p.Const = true
			case "optional":
				p.Optional = true
			case "omitzero":
				p.OmitZero = true
			default:
				panic(fmt.Sprintf("op.Define(%q): field %s: unknown flag %q", op, f.Name, flag))
			}
		}
		if isValue := f.Type == valueType || f.Type == valuesType; isValue == p.Const {
			panic(fmt.Sprintf("op.Define(%q): field %s: a const argument is a Go value, any other a *mil.Value", op, f.Name))
		}
		if _, ok := types[p.Type]; !ok {
			if _, err := tensor.ParseDType(p.Type); err != nil && p.Type != "any" {
				panic(fmt.Sprintf("op.Define(%q): field %s: type %q is neither a letter of Types nor an element type", op, f.Name, p.Type))
			}
		}
		if v := f.Tag.Get("values"); v != "" {
			p.Values = strings.Split(v, "|")
		}
		if p.Optional {
			p.Default = defaults.Field(i).Interface()
		}
		out = append(out, p)
	}
	return out
}

// fill reads the inputs of n into the argument struct a.
func (o *Op) fill(a reflect.Value, n *mil.Node, known func(*mil.Value) *mil.Value) error {
	bound := map[string]tensor.DType{}
	given := 0
	for i := range o.Params {
		p := &o.Params[i]
		var vals []*mil.Value
		found := false
		for _, in := range n.Inputs {
			if in.Name == p.Name {
				vals, found = in.Values, true
				break
			}
		}
		if found {
			given++
		}
		if !found || (!p.List && len(vals) == 0) {
			if p.Optional {
				continue
			}
			return fmt.Errorf("argument %q is missing", p.Name)
		}
		if !p.List && len(vals) > 1 && !p.Const {
			return fmt.Errorf("argument %q: want one value, have %d", p.Name, len(vals))
		}
		if known != nil {
			vals = slices.Clone(vals)
			for j, v := range vals {
				vals[j] = known(v)
			}
		}
		for _, v := range vals {
			if err := o.check(p, v, bound); err != nil {
				return fmt.Errorf("argument %q: %w", p.Name, err)
			}
		}
		field := a.Field(p.index)
		switch {
		case p.List:
			field.Set(reflect.ValueOf(vals))
		case !p.Const:
			field.Set(reflect.ValueOf(vals[0]))
		default:
			if vals[0].Const == nil {
				return fmt.Errorf("argument %q must be a constant", p.Name)
			}
			if err := setConst(field, vals[0].Const); err != nil {
				return fmt.Errorf("argument %q: %w", p.Name, err)
			}
			if p.Values != nil && !slices.Contains(p.Values, field.String()) {
				return fmt.Errorf("argument %q: %q is not one of %s", p.Name, field.String(), strings.Join(p.Values, ", "))
			}
		}
	}
	if given != len(n.Inputs) {
		for _, in := range n.Inputs {
			if !slices.ContainsFunc(o.Params, func(p Param) bool { return p.Name == in.Name }) {
				return fmt.Errorf("there is no argument %q", in.Name)
			}
		}
		return errors.New("an argument is given twice")
	}
	return nil
}

// check holds the element type of a value against the declaration.
func (o *Op) check(p *Param, v *mil.Value, bound map[string]tensor.DType) error {
	if p.Type == "any" {
		return nil
	}
	if v.Type.Kind != mil.Tensor {
		return fmt.Errorf("want a tensor, have %s", v.Type)
	}
	d := v.Type.DType
	allowed, isLetter := o.Types[p.Type]
	if !isLetter {
		if want, _ := tensor.ParseDType(p.Type); d != want && !(want == tensor.Int32 && d.IsInt()) {
			return fmt.Errorf("want %s, have %s", want, d)
		}
		return nil
	}
	if !slices.Contains(allowed, d) {
		return fmt.Errorf("type %s is not one of %v", d, allowed)
	}
	have, ok := bound[p.Type]
	if !ok {
		bound[p.Type] = d
		return nil
	}
	// Files mix float types among parameters: coremltools writes an epsilon
	// that it has a default for as fp32 beside fp16 ones.
	if have != d && !(p.Const && have.IsFloat() && d.IsFloat()) {
		return fmt.Errorf("type %s, other arguments have %s", d, have)
	}
	return nil
}

// setConst stores a constant in a field of the argument struct.
func setConst(field reflect.Value, t *tensor.Tensor) error {
	if field.Type() == tensorType {
		field.Set(reflect.ValueOf(t))
		return nil
	}
	kind, slice := field.Kind(), false
	if kind == reflect.Slice {
		kind, slice = field.Type().Elem().Kind(), true
	}
	if !slice && t.Len() != 1 {
		return fmt.Errorf("want a scalar, have %s", t)
	}
	d := t.DType()
	var elems reflect.Value
	switch {
	case kind == reflect.String && d == tensor.String:
		elems = reflect.ValueOf(slices.Clone(t.Strings()))
	case kind == reflect.Bool && d == tensor.Bool:
		elems = reflect.ValueOf(slices.Clone(t.Bools()))
	case kind == reflect.Int && d.IsInt():
		out := make([]int, t.Len())
		for i, v := range t.Float64s() {
			out[i] = int(v)
		}
		elems = reflect.ValueOf(out)
	case kind == reflect.Float32 && (d.IsFloat() || d.IsInt()):
		out := make([]float32, t.Len())
		for i, v := range t.Float64s() {
			out[i] = float32(v)
		}
		elems = reflect.ValueOf(out)
	default:
		return fmt.Errorf("want %s, have %s", field.Type(), t)
	}
	if slice {
		field.Set(elems)
	} else {
		field.Set(elems.Index(0))
	}
	return nil
}

// Node builds an unattached node from arguments (a pointer to the struct):
// the inverse of Bind.
func (o *Op) Node(name string, args any) *mil.Node {
	n := &mil.Node{Op: o.Name, Name: name}
	a := reflect.ValueOf(args).Elem()
	dtypes := map[string]tensor.DType{}
	for _, p := range o.Params {
		if v, ok := a.Field(p.index).Interface().(*mil.Value); ok && v != nil {
			dtypes[p.Type] = v.Type.DType
		} else if vs, ok := a.Field(p.index).Interface().([]*mil.Value); ok && len(vs) > 0 {
			dtypes[p.Type] = vs[0].Type.DType
		}
	}
	for _, p := range o.Params {
		field := a.Field(p.index)
		switch v := field.Interface().(type) {
		case *mil.Value:
			if v != nil {
				n.Inputs = append(n.Inputs, mil.Input{Name: p.Name, Values: []*mil.Value{v}})
			}
			continue
		case []*mil.Value:
			if v != nil || !p.Optional {
				n.Inputs = append(n.Inputs, mil.Input{Name: p.Name, Values: v})
			}
			continue
		}
		omit := p.OmitZero || field.Kind() == reflect.Slice || field.Kind() == reflect.String || field.Kind() == reflect.Pointer
		if p.Optional && omit && field.IsZero() {
			continue
		}
		d, isLetter := dtypes[p.Type]
		if !isLetter {
			d, _ = tensor.ParseDType(p.Type)
			if d == tensor.Invalid {
				d = tensor.Float32
			}
		}
		c := mil.NewConst(name+"."+p.Name, constant(field, d))
		n.Inputs = append(n.Inputs, mil.Input{Name: p.Name, Values: []*mil.Value{c}})
	}
	return n
}

// constant is the inverse of setConst.
func constant(field reflect.Value, d tensor.DType) *tensor.Tensor {
	switch v := field.Interface().(type) {
	case *tensor.Tensor:
		return v
	case string:
		return tensor.Scalar(tensor.String, v)
	case bool:
		return tensor.Scalar(tensor.Bool, v)
	case int:
		return integers(nil, d, v)
	case float32:
		if d.IsInt() {
			return tensor.Scalar(tensor.Int32, int32(v))
		}
		return tensor.Scalar(d, v)
	case []string:
		return tensor.New(tensor.String, []int{len(v)}, v)
	case []bool:
		return tensor.New(tensor.Bool, []int{len(v)}, v)
	case []int:
		return integers([]int{len(v)}, d, v...)
	case []float32:
		return tensor.New(d, []int{len(v)}, v)
	}
	panic(fmt.Sprintf("op: a const argument cannot be a %s", field.Type()))
}

// integers returns a tensor of an integer type, int32 in place of any other.
func integers(shape []int, d tensor.DType, v ...int) *tensor.Tensor {
	switch {
	case !d.IsInt():
		d = tensor.Int32
	case d == tensor.Uint32 || d.Bits() == 64:
		out := make([]int64, len(v))
		for i, x := range v {
			out[i] = int64(x)
		}
		return tensor.New(d, shape, out)
	}
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return tensor.New(d, shape, out)
}
