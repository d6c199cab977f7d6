package mil

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

func TestBroadcast(t *testing.T) {
	for _, c := range []struct {
		a, b, want []int // nil: an error
	}{
		{[]int{2, 3}, []int{2, 3}, []int{2, 3}},
		{[]int{2, 3}, []int{3}, []int{2, 3}},
		{[]int{3}, []int{2, 1}, []int{2, 3}},
		{[]int{}, []int{4}, []int{4}},
		{[]int{0}, []int{1}, []int{0}},
		{[]int{Unknown, 3}, []int{5, 1}, []int{5, 3}},
		{[]int{Unknown}, []int{1}, []int{Unknown}},
		{[]int{-2}, []int{-2}, []int{-2}},
		{[]int{-2}, []int{-3}, []int{Unknown}},
		{[]int{2}, []int{3}, nil},
		{[]int{2, 3}, []int{2}, nil},
	} {
		for range 2 {
			got, err := Broadcast(c.a, c.b)
			if (err != nil) != (c.want == nil) || (err == nil && !slices.Equal(got, c.want)) {
				t.Errorf("Broadcast(%v, %v) = %v, %v; want %v", c.a, c.b, got, err, c.want)
			}
			c.a, c.b = c.b, c.a
		}
	}
}

func TestOpsets(t *testing.T) {
	for o := IOS13; o <= IOS26; o++ {
		if got, err := ParseOpset(o.String()); err != nil || got != o {
			t.Errorf("ParseOpset(%q) = %v, %v", o, got, err)
		}
	}
	if o, err := ParseOpset("CoreML2"); err == nil {
		t.Errorf("CoreML2 is %v", o)
	}
}

func TestTypes(t *testing.T) {
	elem, key := TensorType(tensor.Float16, 2, Unknown), TensorType(tensor.String)
	for want, typ := range map[string]Type{
		"fp32":                               TensorType(tensor.Float32),
		"tensor<int32, [1, ?, s7]>":          TensorType(tensor.Int32, 1, Unknown, -7),
		"tensor<bool, ...>":                  {DType: tensor.Bool, AnyRank: true},
		"list<tensor<fp16, [2, ?]>, ?>":      {Kind: List, Elem: &elem, Len: Unknown},
		"list<tensor<fp16, [2, ?]>, 3>":      {Kind: List, Elem: &elem, Len: 3},
		"dict<string, tensor<fp16, [2, ?]>>": {Kind: Dict, Key: &key, Elem: &elem},
		"state<tensor<fp16, [2, ?]>>":        {Kind: State, Elem: &elem},
	} {
		if typ.String() != want {
			t.Errorf("have %s, want %s", typ, want)
		}
		if !typ.Equal(typ) || typ.Equal(TensorType(tensor.Float64, 9)) {
			t.Errorf("%s: equality", want)
		}
		if got, want := typ.IsStatic(), want == "fp32"; got != want {
			t.Errorf("%s: static %v", typ, got)
		}
	}
}

// twoBlocks is a function with a node that has a nested block which reads a
// value from outside.
func twoBlocks() (*Func, *Value) {
	x := &Value{Name: "x", Type: TensorType(tensor.Float32, 2)}
	b := NewBuilder(IOS15)
	node := func(b *Builder, op string, in *Value) *Value {
		out := &Value{Name: b.Unique(op), Type: in.Type}
		b.Append(&Node{Op: op, Name: out.Name, Inputs: []Input{{Name: "x", Values: []*Value{in}}}, Outputs: []*Value{out}})
		return out
	}
	y := node(b, "relu", x)
	inner := b.Nested()
	z := node(inner, "relu", y)
	inner.Block.Outputs = []*Value{z}
	pred := NewConst("pred", tensor.Scalar(tensor.Bool, true))
	out := &Value{Name: "out", Type: x.Type}
	b.Append(&Node{
		Op: "cond", Name: "cond", Inputs: []Input{{Name: "pred", Values: []*Value{pred}}}, Outputs: []*Value{out},
		Blocks: []*Block{inner.Block, {Outputs: []*Value{y}}},
	})
	b.Block.Outputs = []*Value{out, y}
	return &Func{Name: "main", Opset: IOS15, Inputs: []*Value{x}, Body: b.Block}, y
}

func text(t *testing.T, f *Func) string {
	t.Helper()
	var b strings.Builder
	if err := (&Program{Funcs: []*Func{f}}).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUses(t *testing.T) {
	f, y := twoBlocks()
	if got := f.Body.Uses()[y]; got != 3 { // nested, the other branch's output, the function's output
		t.Errorf("%d uses, want 3", got)
	}
	var ops []string
	f.Body.Walk(func(n *Node) { ops = append(ops, n.Name) })
	if want := []string{"relu", "cond", "relu_1"}; !slices.Equal(ops, want) {
		t.Errorf("walked %v, want %v", ops, want)
	}
}

func TestClone(t *testing.T) {
	f, _ := twoBlocks()
	before := text(t, f)
	g := f.Clone()
	if text(t, g) != before {
		t.Errorf("the copy reads\n%s\nnot\n%s", text(t, g), before)
	}
	g.Body.Walk(func(n *Node) {
		n.Op = "changed"
		for _, v := range append(n.Values(), n.Outputs...) {
			v.Name, v.Type.Shape = "changed", append(v.Type.Shape, 1)
		}
		for _, v := range n.Outputs {
			if v.Node != n {
				t.Errorf("%s is made by another node", v.Name)
			}
		}
	})
	if after := text(t, f); after != before {
		t.Errorf("changing the copy changed the original:\n%s", after)
	}
}

func TestBuilderKeepsTheFirstError(t *testing.T) {
	b := NewBuilder(IOS15)
	b.SetPlace("conv1")
	b.Fail(nil)
	first := errors.New("first")
	b.Fail(first)
	b.Fail(errors.New("second"))
	b.Append(&Node{Op: "relu"})
	if !errors.Is(b.Err(), first) || !strings.Contains(b.Err().Error(), `layer "conv1"`) {
		t.Errorf("have %v", b.Err())
	}
	if len(b.Block.Nodes) != 0 {
		t.Error("a node was added after an error")
	}
	if n := b.Nested(); n.Err() == nil {
		t.Error("a nested builder forgot the error")
	}
}

func TestUnique(t *testing.T) {
	b := NewBuilder(IOS15)
	seen := map[string]bool{}
	for _, name := range []string{"a", "a", "a_1", "a", "a_1_1", "b"} {
		u := b.Unique(name)
		if seen[u] {
			t.Errorf("%q came twice", u)
		}
		seen[u] = true
	}
}
