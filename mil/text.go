package mil

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/smelt-ml/smelt/tensor"
)

// Text is a part of a program as people write it: operations, one a line, with
// values marked by %.
//
//	%scaled = mul(x=%x, y=$alpha)
//	%best: tensor<fp32, [1, 4]>, %at: tensor<int32, [1, 4]> = topk(x=%scaled, k=4, axis=-1)
//	%y = concat(values=(%best, %x), axis=1, interleave=false)
//	-> (%y, %at)
//
// What stands behind the arrow is what the text gives; without it that is what
// the last line gives. $alpha is given from outside: an attribute of the node
// that the text stands for. A constant is a number, true or false, a string in
// Go's form, a list of these in brackets, or one with its type: fp16(0.5),
// tensor<int32, [2, 2]>([1, 2, 3, 4]). A list of values stands in parentheses. A
// name with other signs than letters, digits, _ and . is quoted: %"conv/1". A
// comment begins with #.
//
// A Text is not held against the operators: that is done where it is built.
type Text struct {
	Lines   []Line
	Results []Operand // behind the arrow; nil where there is none
}

// Pos is a place in a text, both numbers counted from 1.
type Pos struct{ Line, Column int }

func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// Line is one operation.
type Line struct {
	Pos     Pos
	Results []Result
	Op      string
	Args    []Argument
}

// Result is a value that a line defines, with its type where that is said.
type Result struct {
	Name string
	Type *Type
}

// Argument binds a parameter.
type Argument struct {
	Pos   Pos
	Name  string
	Value Operand
}

// Operand is a Ref, an Outer, a Literal, a Typed, or a Sequence of these.
type Operand interface{ write(w *strings.Builder) }

type (
	// Ref is the value of a name: %x.
	Ref string
	// Outer is what a name stands for outside of the text: $alpha.
	Outer string
	// Literal is a constant without a type: a bool, int64, float64 or string.
	Literal struct{ Value any }
	// Typed is a constant with its type, its elements in order. Those of a long
	// one may be left out for readers: then Elems is nil.
	Typed struct {
		Type  Type
		Elems []Literal
	}
	// Sequence is a list: of values, or of parts of one constant.
	Sequence []Operand
)

// String writes the text in the form that ParseText reads.
func (t *Text) String() string {
	var w strings.Builder
	for _, l := range t.Lines {
		w.WriteString(l.String() + "\n")
	}
	if t.Results != nil {
		w.WriteString("-> ")
		writeList(&w, t.Results, "()")
		w.WriteByte('\n')
	}
	return w.String()
}

// String writes the line without its end.
func (l Line) String() string {
	var w strings.Builder
	for i, r := range l.Results {
		if i > 0 {
			w.WriteString(", ")
		}
		w.WriteString(r.String())
	}
	if len(l.Results) > 0 {
		w.WriteString(" = ")
	}
	w.WriteString(l.Op + "(")
	for i, a := range l.Args {
		if i > 0 {
			w.WriteString(", ")
		}
		w.WriteString(a.Name + "=")
		a.Value.write(&w)
	}
	w.WriteByte(')')
	return w.String()
}

func (r Result) String() string {
	if r.Type == nil {
		return "%" + textName(r.Name)
	}
	return "%" + textName(r.Name) + ": " + r.Type.String()
}

func (r Ref) write(w *strings.Builder)   { w.WriteString("%" + textName(string(r))) }
func (o Outer) write(w *strings.Builder) { w.WriteString("$" + textName(string(o))) }

func (l Literal) write(w *strings.Builder) {
	switch v := l.Value.(type) {
	case string:
		w.WriteString(strconv.Quote(v))
	case float64:
		s := strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"))
		if !strings.ContainsAny(s, ".en") { // a whole number would be an integer
			s += ".0"
		}
		w.WriteString(s)
	default:
		fmt.Fprint(w, v)
	}
}

func (t Typed) write(w *strings.Builder) {
	w.WriteString(t.Type.String() + "(")
	switch {
	case t.Elems == nil:
		w.WriteString("...")
	case t.Type.Rank() == 0 && len(t.Elems) == 1:
		t.Elems[0].write(w)
	default:
		elems := make([]Operand, len(t.Elems))
		for i, e := range t.Elems {
			elems[i] = e
		}
		writeList(w, elems, "[]")
	}
	w.WriteByte(')')
}

func (s Sequence) write(w *strings.Builder) {
	if slices.ContainsFunc(s, func(o Operand) bool { _, ok := o.(Ref); return ok }) {
		writeList(w, s, "()")
	} else {
		writeList(w, s, "[]")
	}
}

func writeList(w *strings.Builder, list []Operand, brackets string) {
	w.WriteByte(brackets[0])
	for i, o := range list {
		if i > 0 {
			w.WriteString(", ")
		}
		o.write(w)
	}
	w.WriteByte(brackets[1])
}

// isNameByte tells what a name that is not quoted is made of.
func isNameByte(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func textName(name string) string {
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return strconv.Quote(name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}

// Tensor returns the constant.
func (t Typed) Tensor() (*tensor.Tensor, error) {
	if t.Type.Kind != Tensor || !t.Type.IsStatic() {
		return nil, fmt.Errorf("a constant of type %s", t.Type)
	}
	if t.Elems == nil {
		return nil, fmt.Errorf("the elements of a constant of type %s are left out", t.Type)
	}
	n, err := tensor.CheckShape(t.Type.Shape)
	if err != nil {
		return nil, err
	}
	if n != len(t.Elems) {
		return nil, fmt.Errorf("%d elements of a constant of type %s", len(t.Elems), t.Type)
	}
	d, shape := t.Type.DType, t.Type.Shape
	switch {
	case d == tensor.String:
		elems, err := valuesOf[string](t)
		if err != nil {
			return nil, err
		}
		return tensor.New(d, shape, elems), nil
	case d == tensor.Bool:
		elems, err := valuesOf[bool](t)
		if err != nil {
			return nil, err
		}
		return tensor.New(d, shape, elems), nil
	case d.IsInt():
		elems, err := valuesOf[int64](t)
		if err != nil {
			return nil, err
		}
		lo, hi := d.IntRange()
		for _, v := range elems {
			if v < lo || v > hi {
				return nil, fmt.Errorf("%d is beyond %s", v, d)
			}
		}
		return tensor.New(tensor.Int64, shape, elems).ConvertTo(d)
	}
	elems := make([]float64, n)
	for i, e := range t.Elems {
		switch v := e.Value.(type) {
		case float64:
			elems[i] = v
		case int64:
			elems[i] = float64(v)
		default:
			return nil, fmt.Errorf("%v is no %s", e.Value, d)
		}
	}
	return tensor.New(tensor.Float64, shape, elems).ConvertTo(d)
}

func valuesOf[T any](t Typed) ([]T, error) {
	out := make([]T, len(t.Elems))
	for i, e := range t.Elems {
		v, ok := e.Value.(T)
		if !ok {
			return nil, fmt.Errorf("%v is no %s", e.Value, t.Type.DType)
		}
		out[i] = v
	}
	return out, nil
}

// most is the number of elements up to which constants are written for people.
const most = 16

// textOf is a constant as text.
func textOf(v *Value) Typed {
	t := Typed{Type: v.Type}
	c := v.Const
	if c.Len() > most {
		return t
	}
	t.Elems = []Literal{}
	switch d := c.DType(); {
	case d == tensor.String:
		for _, s := range c.Strings() {
			t.Elems = append(t.Elems, Literal{s})
		}
	case d == tensor.Bool:
		for _, b := range c.Bools() {
			t.Elems = append(t.Elems, Literal{b})
		}
	default:
		for _, x := range c.Float64s() {
			if d.IsInt() && math.Abs(x) < 1<<53 {
				t.Elems = append(t.Elems, Literal{int64(x)})
			} else {
				t.Elems = append(t.Elems, Literal{x})
			}
		}
	}
	return t
}

// WriteText writes the program in the text form: functions and nested blocks in
// braces, constants by their values where they are short. It is for people and
// golden files; lines without blocks are what ParseText reads.
func (p *Program) WriteText(w io.Writer) error {
	t := &textWriter{w: w}
	for _, f := range p.Funcs {
		t.printf("func %s<%s>(%s) {\n", f.Name, f.Opset, declared(f.Inputs))
		t.block(f.Body, 1)
		t.printf("}\n")
	}
	return t.err
}

type textWriter struct {
	w   io.Writer
	err error
}

func (t *textWriter) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func results(vs []*Value) []Result {
	out := make([]Result, len(vs))
	for i, v := range vs {
		out[i] = Result{v.Name, &v.Type}
	}
	return out
}

func declared(vs []*Value) string {
	parts := make([]string, len(vs))
	for i, r := range results(vs) {
		parts[i] = r.String()
	}
	return strings.Join(parts, ", ")
}

func operands(vs []*Value) []Operand {
	out := make([]Operand, len(vs))
	for i, v := range vs {
		if out[i] = Ref(v.Name); v.Const != nil {
			out[i] = textOf(v)
		}
	}
	return out
}

func (t *textWriter) block(b *Block, depth int) {
	indent := strings.Repeat("    ", depth)
	for _, n := range b.Nodes {
		l := Line{Op: n.Op, Results: results(n.Outputs)}
		for _, in := range n.Inputs {
			vs := operands(in.Values)
			a := Argument{Name: in.Name, Value: Sequence(vs)}
			if len(vs) == 1 {
				a.Value = vs[0]
			}
			l.Args = append(l.Args, a)
		}
		t.printf("%s%s", indent, l)
		if len(n.Outputs) == 0 || n.Outputs[0].Name != n.Name {
			t.printf("  # %q", n.Name)
		}
		t.printf("\n")
		for _, nested := range n.Blocks {
			t.printf("%s(%s) {\n", indent, declared(nested.Inputs))
			t.block(nested, depth+1)
			t.printf("%s}\n", indent)
		}
	}
	var w strings.Builder
	writeList(&w, operands(b.Outputs), "()")
	t.printf("%s-> %s\n", indent, w.String())
}
