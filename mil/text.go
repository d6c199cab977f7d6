package mil

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes the program in MIL's text form, constants by their type
// and, where they are short, by their values. It is for people and golden files.
func (p *Program) WriteText(w io.Writer) error {
	t := &textWriter{w: w}
	for _, f := range p.Funcs {
		t.printf("func %s<%s>(", f.Name, f.Opset)
		for i, v := range f.Inputs {
			if i > 0 {
				t.printf(", ")
			}
			t.printf("%s %s", v.Type, v.Name)
		}
		t.printf(") {\n")
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

func (t *textWriter) block(b *Block, depth int) {
	indent := strings.Repeat("    ", depth)
	for _, n := range b.Nodes {
		t.printf("%s", indent)
		for i, v := range n.Outputs {
			if i > 0 {
				t.printf(", ")
			}
			t.printf("%s %s", v.Type, v.Name)
		}
		t.printf(" = %s(", n.Op)
		for i, in := range n.Inputs {
			if i > 0 {
				t.printf(", ")
			}
			t.printf("%s = ", in.Name)
			if len(in.Values) == 1 {
				t.printf("%s", operand(in.Values[0]))
				continue
			}
			parts := make([]string, len(in.Values))
			for j, v := range in.Values {
				parts[j] = operand(v)
			}
			t.printf("(%s)", strings.Join(parts, ", "))
		}
		t.printf(")[name = %q];\n", n.Name)
		for _, nested := range n.Blocks {
			parts := make([]string, len(nested.Inputs))
			for j, v := range nested.Inputs {
				parts[j] = fmt.Sprintf("%s %s", v.Type, v.Name)
			}
			t.printf("%s(%s) {\n", indent, strings.Join(parts, ", "))
			t.block(nested, depth+1)
			t.printf("%s}\n", indent)
		}
	}
	parts := make([]string, len(b.Outputs))
	for j, v := range b.Outputs {
		parts[j] = operand(v)
	}
	t.printf("%s-> (%s)\n", indent, strings.Join(parts, ", "))
}

// operand writes a short constant by value, a long one by type.
func operand(v *Value) string {
	c := v.Const
	if c == nil {
		return v.Name
	}
	if c.Len() > 16 {
		return fmt.Sprintf("%s(...)", v.Type)
	}
	var elems []string
	switch {
	case c.DType().String() == "string":
		for _, s := range c.Strings() {
			elems = append(elems, fmt.Sprintf("%q", s))
		}
	case c.DType().String() == "bool":
		for _, x := range c.Bools() {
			elems = append(elems, fmt.Sprint(x))
		}
	default:
		for _, x := range c.Float64s() {
			elems = append(elems, fmt.Sprint(x))
		}
	}
	if c.Rank() == 0 {
		return fmt.Sprintf("%s(%s)", v.Type, elems[0])
	}
	return fmt.Sprintf("%s([%s])", v.Type, strings.Join(elems, ", "))
}
