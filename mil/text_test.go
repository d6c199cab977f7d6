package mil

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/tensor"
)

func TestParseText(t *testing.T) {
	const src = `
# scales and joins
%scaled = mul(x=%x, y=$alpha)   # by an attribute
%best: tensor<fp32, [1, ?, s3]>, %"at/0" = topk(
    x=%scaled, k=4, axis=-1)
%y = concat(values=(%best, %x), axis=1, interleave=false)
%z = odd(a=fp16(0.5), b=tensor<int32, [2, 1]>([1, -2]), c=[1, 2.5, 1e-3], d="a\"b\n", e=[], f=inf, g=-inf, h=nan, i=tensor<fp32, ...>)
-> (%y, %"at/0", 1)`
	_, err := ParseText(src)
	if err == nil || err.Error() != `7:134: want "(" behind the type of a constant, have ")"` {
		t.Fatal(err)
	}
	text, err := ParseText(strings.Replace(src, ", i=tensor<fp32, ...>", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	const want = `%scaled = mul(x=%x, y=$alpha)
%best: tensor<fp32, [1, ?, s3]>, %"at/0" = topk(x=%scaled, k=4, axis=-1)
%y = concat(values=(%best, %x), axis=1, interleave=false)
%z = odd(a=fp16(0.5), b=tensor<int32, [2, 1]>([1, -2]), c=[1, 2.5, 0.001], d="a\"b\n", e=[], f=inf, g=-inf, h=nan)
-> (%y, %"at/0", 1)
`
	if text.String() != want {
		t.Errorf("is\n%swant\n%s", text, want)
	}
	if p := text.Lines[1].Args[2].Pos; p != (Pos{5, 21}) {
		t.Errorf("the axis is at %s", p)
	}
	if text.Lines[0].Results[0].Type != nil || text.Lines[1].Results[0].Type.Shape[2] != -3 {
		t.Errorf("types %v, %v", text.Lines[0].Results[0], text.Lines[1].Results[0])
	}
}

func TestParseTextErrors(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"%", "1:2: want a name behind %, have the end"},
		{"%x", `1:3: want "=" behind the results, have the end`},
		{"%x = ", "1:6: want the name of an operator, have the end"},
		{"%x, y = relu()", `1:5: want a result, %name, have "y"`},
		{"%x = relu", `1:10: want "(" behind the operator relu, have the end`},
		{"%x = relu(%y)", `1:11: want the name of an argument, have "%y)"`},
		{"%x = relu(x %y)", `1:13: want "=" behind the argument x, have "%y)"`},
		{"%x = relu(x=%y", `1:15: want "," between arguments, have the end`},
		{"%x = relu(x=%y, x=%z)", "1:17: the argument x is given twice"},
		{"%x = relu(x=)", `1:13: want a value or a constant, have ")"`},
		{"%x = relu(x=y)", `1:13: "y" is no type of a tensor`},
		{"%x = relu(x=1.2.3)", "1:13: 1.2.3 is neither"},
		{"%x = relu(x=1_0)", "1:13: 1_0 is neither"},
		{"%x = relu(x=99999999999999999999x)", "is neither"},
		{"%x = relu(x=[[1]])", `1:14: want a value or a constant, have "[1]])"`},
		{"%x = relu(x=(%y %z))", `1:17: want "," in a list, have "%z))"`},
		{"%x = relu(x=\"a)", "1:13: the string has no end"},
		{"%x = relu(x=\"a\n\")", "1:13: the string has no end"},
		{`%x = relu(x="\q")`, `1:13: "\q" is no string`},
		{"%x = relu(x=fp32(...))", "1:13: the elements of a constant are left out"},
		{"%x = relu(x=fp32([1, 2]))", "1:13: 2 elements of a constant of type fp32"},
		{"%x = relu(x=int32(0.5))", "1:13: 0.5 is no int32"},
		{"%x = relu(x=int8(300))", "1:13: 300 is beyond int8"},
		{"%x = relu(x=bool(1))", "1:13: 1 is no bool"},
		{"%x = relu(x=string(1))", "1:13: 1 is no string"},
		{"%x = relu(x=fp32(true))", "1:13: true is no fp32"},
		{"%x = relu(x=tensor<fp32, [?]>([1]))", "a constant of type tensor<fp32, [?]>"},
		{"%x = relu(x=tensor<fp32, [99999, 99999, 99999]>([1]))", "1:13: "},
		{"%x: list = relu()", `1:5: "list" is no type of a tensor`},
		{"%x: tensor<fp32, [s1]> = relu()", `1:19: "s1" is no dimension`},
		{"%x: tensor<fp32, [-1]> = relu()", `1:19: "" is no dimension`},
		{"%x: tensor<fp32 [1]> = relu()", `1:17: want "," behind the element type`},
		{"%x: tensor<fp32, ...) = relu()", `1:21: want ">" at the end of a type`},
		{"-> %x", `1:4: want "(" behind the arrow, have "%x"`},
		{"-> ((%x))", "1:5: a list is no result"},
		{"-> (%x) relu(x=%y)", `1:9: want the end behind the results, have "relu(x=%y)"`},
		{"\x00", "1:1: want the name of an operator"},
	} {
		text, err := ParseText(c.src)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: have %v, %v; want %s", c.src, text, err, c.want)
		}
	}
}

// texts draws texts.
func texts() *rapid.Generator[*Text] {
	name := rapid.OneOf(rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_.]{0,6}`), rapid.String())
	word := rapid.StringMatching(`[a-z_][a-z0-9_]{0,6}`)
	dtypes := rapid.SampledFrom([]tensor.DType{tensor.Float16, tensor.Float32, tensor.Int32, tensor.Int8, tensor.Bool, tensor.String})
	literal := func(t *rapid.T, d tensor.DType) Literal {
		switch {
		case d == tensor.Bool:
			return Literal{rapid.Bool().Draw(t, "bool")}
		case d == tensor.String:
			return Literal{rapid.String().Draw(t, "string")}
		case d == tensor.Int8:
			return Literal{rapid.Int64Range(-128, 127).Draw(t, "int")}
		case d.IsInt():
			return Literal{rapid.Int64Range(math.MinInt32, math.MaxInt32).Draw(t, "int")}
		}
		return Literal{rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, 1, -1e30, math.Inf(1), math.Inf(-1), 1e300})).Draw(t, "float")}
	}
	typ := func(t *rapid.T) Type {
		d := dtypes.Draw(t, "type")
		if rapid.Bool().Draw(t, "any rank") {
			return Type{DType: d, AnyRank: true}
		}
		var shape []int
		for range rapid.IntRange(0, 3).Draw(t, "rank") {
			shape = append(shape, rapid.IntRange(-4, 9).Draw(t, "dim"))
		}
		return Type{DType: d, Shape: shape}
	}
	single := func(t *rapid.T) Operand {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return Ref(name.Draw(t, "ref"))
		case 1:
			return Outer(name.Draw(t, "outer"))
		case 2:
			d := dtypes.Draw(t, "type")
			var shape []int
			n := 1
			for range rapid.IntRange(0, 2).Draw(t, "rank") {
				shape = append(shape, rapid.IntRange(0, 3).Draw(t, "dim"))
				n *= shape[len(shape)-1]
			}
			c := Typed{Type: TensorType(d, shape...), Elems: []Literal{}}
			for range n {
				c.Elems = append(c.Elems, literal(t, d))
			}
			return c
		}
		return literal(t, dtypes.Draw(t, "type"))
	}
	operand := func(t *rapid.T) Operand {
		if rapid.IntRange(0, 2).Draw(t, "list") > 0 {
			return single(t)
		}
		s := Sequence{}
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			s = append(s, single(t))
		}
		return s
	}
	return rapid.Custom(func(t *rapid.T) *Text {
		text := &Text{}
		for range rapid.IntRange(0, 4).Draw(t, "lines") {
			l := Line{Op: word.Draw(t, "op")}
			for range rapid.IntRange(0, 2).Draw(t, "results") {
				r := Result{Name: name.Draw(t, "result")}
				if rapid.Bool().Draw(t, "typed") {
					u := typ(t)
					r.Type = &u
				}
				l.Results = append(l.Results, r)
			}
			for _, arg := range rapid.SliceOfNDistinct(word, 0, 3, rapid.ID).Draw(t, "arguments") {
				l.Args = append(l.Args, Argument{Name: arg, Value: operand(t)})
			}
			text.Lines = append(text.Lines, l)
		}
		if rapid.Bool().Draw(t, "arrow") {
			text.Results = []Operand{}
			for range rapid.IntRange(0, 3).Draw(t, "outputs") {
				text.Results = append(text.Results, single(t))
			}
		}
		return text
	})
}

// placeless forgets where things stood.
func placeless(t *Text) *Text {
	for i := range t.Lines {
		t.Lines[i].Pos = Pos{}
		for j := range t.Lines[i].Args {
			t.Lines[i].Args[j].Pos = Pos{}
		}
	}
	return t
}

// What is written is read as it was.
func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := texts().Draw(t, "text")
		have, err := ParseText(want.String())
		if err != nil {
			t.Fatalf("%v in\n%s", err, want)
		}
		if !reflect.DeepEqual(placeless(have), want) {
			t.Fatalf("is\n%swas\n%s", have, want)
		}
	})
}

// FuzzParseText reads anything: an error, or a text that is read again from what
// it writes.
func FuzzParseText(f *testing.F) {
	for _, src := range []string{
		"%y = mul(x=%x, y=$alpha)\n-> (%y)", "%a: tensor<fp32, [1, ?, s3]>, %\"b/c\" = topk(x=%x, k=4, axis=-1) # best",
		"%z = odd(a=fp16(0.5), b=tensor<int32, [2, 1]>([1, -2]), c=[1, 2.5, 1e-3], d=\"a\\\"b\\n\", e=[], f=inf, g=-inf, h=nan)",
		"write(a=(%b, %c), d=tensor<bool, [0]>([]))", "-> ()", "%x: tensor<string, ...> = a()", "%", "a(b=\"\xff\")",
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		text, err := ParseText(src)
		if err != nil {
			return
		}
		once := text.String()
		again, err := ParseText(once)
		if err != nil {
			t.Fatalf("%v in\n%s", err, once)
		}
		if twice := again.String(); twice != once {
			t.Fatalf("is\n%swas\n%s", twice, once)
		}
	})
}
