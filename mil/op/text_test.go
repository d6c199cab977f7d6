package op

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// sampleText writes a node as a line of text, with its constants where they are
// arguments that must be known and with the other values by name.
func sampleText(o *Op, n *mil.Node) (*mil.Text, map[string]*mil.Value) {
	values := map[string]*mil.Value{}
	l := mil.Line{Pos: mil.Pos{Line: 1, Column: 1}, Op: o.Name}
	for _, in := range n.Inputs {
		var list mil.Sequence
		for i, v := range in.Values {
			p := o.Params[0]
			for _, q := range o.Params {
				if q.Name == in.Name {
					p = q
				}
			}
			if p.Const {
				list = append(list, literals(v))
				continue
			}
			name := fmt.Sprintf("%s.%d", in.Name, i)
			values[name] = v
			list = append(list, mil.Ref(name))
		}
		a := mil.Argument{Name: in.Name, Value: list}
		if len(list) == 1 {
			a.Value = list[0]
		}
		l.Args = append(l.Args, a)
	}
	return &mil.Text{Lines: []mil.Line{l}}, values
}

func literals(v *mil.Value) mil.Typed {
	t := mil.Typed{Type: v.Type, Elems: []mil.Literal{}}
	for _, x := range elementsOf(v.Const) {
		t.Elems = append(t.Elems, mil.Literal{Value: x})
	}
	return t
}

func elementsOf(t *tensor.Tensor) []any {
	var out []any
	switch d := t.DType(); {
	case d == tensor.String:
		for _, s := range t.Strings() {
			out = append(out, s)
		}
	case d == tensor.Bool:
		for _, b := range t.Bools() {
			out = append(out, b)
		}
	default:
		for _, x := range t.Float64s() {
			if d.IsInt() {
				out = append(out, int64(x))
			} else {
				out = append(out, x)
			}
		}
	}
	return out
}

// TestSamplesAsText writes a node of every operator that has Sample as text,
// reads it and builds it again: text says all that operators take.
func TestSamplesAsText(t *testing.T) {
	for _, o := range All() {
		for seed := range uint64(20) {
			args := o.Sample(rand.New(rand.NewPCG(seed, 2)))
			if args == nil || o.Internal || uncallable[o.Name] {
				break
			}
			n := o.Node("n", args)
			text, values := sampleText(o, n)
			read, err := mil.ParseText(text.String())
			if err != nil {
				t.Fatalf("%s/%s: seed %d: %v in\n%s", o.Name, o.Since, seed, err, text)
			}
			if read.String() != text.String() {
				t.Fatalf("%s/%s: seed %d: is\n%swas\n%s", o.Name, o.Since, seed, read, text)
			}
			b := mil.NewBuilder(o.Since)
			b.SetPlace("n")
			outs, err := Expand(b, read, values, nil)
			if err != nil {
				t.Fatalf("%s/%s: seed %d: %v in\n%s", o.Name, o.Since, seed, err, text)
			}
			made := b.Block.Nodes[0]
			have, err := o.Bind(made, nil)
			if err != nil {
				t.Fatal(err)
			}
			want, err := o.Bind(n, nil)
			if err != nil {
				t.Fatal(err)
			}
			types, err := o.Infer(want)
			if err != nil {
				t.Fatal(err)
			}
			if !sameArgs(have, want) || len(outs) != len(types) || made.Name != "n" {
				t.Fatalf("%s/%s: seed %d: arguments %+v, want %+v", o.Name, o.Since, seed, have, want)
			}
			p := &mil.Program{Funcs: []*mil.Func{{Name: "main", Opset: o.Since, Body: &mil.Block{Nodes: b.Block.Nodes, Outputs: outs}}}}
			var all strings.Builder
			if err := p.WriteText(&all); err != nil || !strings.Contains(all.String(), o.Name+"(") {
				t.Errorf("%s/%s: seed %d: %v\n%s", o.Name, o.Since, seed, err, &all)
			}
			for _, in := range n.Inputs {
				if !strings.Contains(all.String(), in.Name+"=") {
					t.Errorf("%s/%s: seed %d: no argument %q in\n%s", o.Name, o.Since, seed, in.Name, &all)
				}
			}
		}
	}
}

// sameArgs compares bound arguments, constants by their elements.
func sameArgs(a, b any) bool {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range x.NumField() {
		u, v := x.Field(i).Interface(), y.Field(i).Interface()
		if t, ok := u.(*tensor.Tensor); ok && t != nil {
			w := v.(*tensor.Tensor)
			same := reflect.DeepEqual(elementsOf(t), elementsOf(w))
			if t.DType().IsFloat() { // up to what the type can hold
				same = bytes.Equal(t.Packed(), w.Packed())
			}
			if t.DType() != w.DType() || !slices.Equal(t.Shape(), w.Shape()) || !same {
				return false
			}
			continue
		}
		if !reflect.DeepEqual(u, v) {
			return false
		}
	}
	return true
}

// What people get wrong is told with its place.
func TestExpand(t *testing.T) {
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 3, -2)}
	values := map[string]*mil.Value{"x": x, "i": {Name: "i", Type: mil.TensorType(tensor.Int32, 3)}}
	outer := func(name string) (any, error) {
		switch name {
		case "alpha":
			return 0.25, nil
		case "axes":
			return []int64{0, 2}, nil
		case "n":
			return int64(3), nil
		}
		return nil, fmt.Errorf("there is no attribute %q", name)
	}
	for _, c := range []struct{ text, want, err string }{
		{"%y = mul(x=%x, y=$alpha)", "mul(x=%x, y=fp32(0.25))", ""},
		{"%y = mul(x=%x, y=2)", "y=fp32(2.0)", ""},
		{"%y = mul(x=%i, y=2)", "y=int32(2)", ""},
		{"%y = reduce_sum(x=%x, axes=$axes, keep_dims=true)", "axes=tensor<int32, [2]>([0, 2])", ""},
		{"%y = reduce_sum(x=%x, axes=1)", "axes=tensor<int32, [1]>([1])", ""},
		{"%y = reshape(x=%x, shape=[1, $n, -1])", "shape=tensor<int32, [3]>([1, 3, -1])", ""},
		{"%y = relu(x=%x)\n%z: tensor<fp32, [1, ?, s2]> = abs(x=%y)", "", ""},
		{"%y = concat(values=(%x, %x), axis=0)", "values=(%x, %x)", ""},
		{"%a, %b = split(x=%i, num_splits=3, axis=0)\n-> (%b, %a, 0.5)", "", ""},
		{
			"%scaled = mul(x=%x, y=$alpha)\n%top, %at = topk(x=%scaled, k=2, axis=1)\n%all = concat(values=(%top, %x), axis=1)\n" +
				"%y: tensor<fp32, [1, ?, ?]> = relu(x=%all)\n-> (%y, %at)", "k=int32(2)", "",
		},
		{"relu(x=%x)", "", ""},
		{"-> (%x)", "", ""},
		{"%y = mul(x=%x, z=1)", "", `1:1: mul: there is no argument "z": it takes x, y`},
		{"%y = mul(x=%x)", "", `1:1: mul: argument "y" is missing`},
		{"%y = mul(x=%x,\n y=%w)", "", `2:2: mul: argument "y": there is no value %w`},
		{"%y = mul(x=%x, y=$beta)", "", `1:16: mul: argument "y": there is no attribute "beta"`},
		{"%y = mul(x=%i, y=0.5)", "", `mul: argument "y": want int32, have fp32`},
		{"%y = mul(x=%x, y=\"a\")", "", `want fp32, have string`},
		{"%y = mul(x=%x, y=%i)", "", "int32"},
		{"\n%y = swish(x=%x)", "", `2:1: there is no operator "swish"`},
		{"%y, %z = relu(x=%x)", "", "relu gives 1 results, not 2"},
		{"%x = relu(x=%x)", "", "%x is defined twice"},
		{"%y: tensor<fp32, [1, 4, ?]> = relu(x=%x)", "", "%y is tensor<fp32, [1, 3, s2]>, not tensor<fp32, [1, 4, ?]>"},
		{"%y = concat(values=(%x, 1), axis=0)", "", "constant without a type"},
		{"%y = reshape(x=%x, shape=[1, \"a\"])", "", "different kinds"},
		{"%y = while_loop(loop_vars=%x)", "", "cannot be called by its name"},
		{"%y = custom_layer(inputs=%x)", "", "cannot be called by its name"},
		{"%y = reduce_sum(x=%x, axes=99999999999)", "", "is no int32"},
		{"-> (%q)", "", "result 0: there is no value %q"},
	} {
		read, err := mil.ParseText(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		b := mil.NewBuilder(mil.IOS18)
		b.SetPlace("it")
		outs, err := Expand(b, read, values, outer)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: have %v, want %s", c.text, err, c.err)
			}
			continue
		}
		if err != nil || b.Err() != nil || len(outs) == 0 {
			t.Errorf("%s: %v, %v, gives %d", c.text, err, b.Err(), len(outs))
			continue
		}
		var all strings.Builder
		f := &mil.Func{Name: "main", Opset: mil.IOS18, Body: &mil.Block{Nodes: b.Block.Nodes, Outputs: outs}}
		if err := (&mil.Program{Funcs: []*mil.Func{f}}).WriteText(&all); err != nil || !strings.Contains(all.String(), c.want) {
			t.Errorf("%s: %v\n%s", c.text, err, &all)
		}
	}
}

func TestCall(t *testing.T) {
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float16, 2, 3)}
	for _, c := range []struct {
		op   string
		args Args
		want string // "" where it works
	}{
		{"mul", Args{"x": x, "y": 2}, ""},
		{"mul", Args{"x": 2, "y": x}, ""},
		{"mul", Args{"x": x, "y": tensor.Scalar(tensor.Float16, float32(2))}, ""},
		{"mul", Args{"x": x, "y": tensor.Floats(nil, []float32{2})}, `argument "y": type fp32, other arguments have fp16`},
		{"concat", Args{"values": []*mil.Value{x, x}, "axis": 0, "interleave": nil}, ""},
		{"transpose", Args{"x": x, "perm": []int{1, 0}}, ""},
		{"transpose", Args{"x": x, "perm": []int32{1, 0}}, ""},
		{"transpose", Args{"x": x, "perm": []float32{1, 0}}, "want int32, have fp32"},
		{"clip", Args{"x": x, "alpha": float32(0), "beta": 6}, ""},
		{"gelu", Args{"x": x, "mode": "EXACT"}, ""},
		{"gelu", Args{"x": x, "mode": "ROUGH"}, "ROUGH"},
		{"gelu", Args{"x": x, "mode": 3}, "want string, have int32"},
		{"slice_by_index", Args{"x": x, "begin": []int64{0, 0}, "end": []int{1, 1}, "begin_mask": []bool{true, false}}, ""},
		{"mul", Args{"x": x, "y": struct{}{}}, "neither a value nor a constant"},
		{"mul", Args{"x": x, "y": (*mil.Value)(nil)}, "is no value"},
		{"mul", Args{"x": x, "y": []*mil.Value{x, nil}}, "no value"},
		{"mul", Args{"x": x, "y": (*tensor.Tensor)(nil)}, "is no tensor"},
		{"nothing", nil, "there is no operator"},
	} {
		b := mil.NewBuilder(mil.IOS18)
		out := Call(b, c.op, c.args)
		if c.want == "" && (b.Err() != nil || len(out) != 1 || out[0].Type.DType != tensor.Float16) {
			t.Errorf("%s(%v): %v, %v", c.op, c.args, out, b.Err())
		}
		if c.want != "" && (b.Err() == nil || !strings.Contains(b.Err().Error(), c.want) || Call(b, "relu", Args{"x": x}) != nil) {
			t.Errorf("%s(%v): have %v, want %s", c.op, c.args, b.Err(), c.want)
		}
	}
}
