// Package mil is the one intermediate language: a typed program in static
// single assignment form whose operators are those of Core ML's ML Programs.
// Every frontend makes one, every pass rewrites one, the engine runs one and
// every backend writes one out. The package knows the shape of programs, not
// what an operator means (that is mil/op), and no file format.
package mil

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// Program is a set of functions; a model with one function calls it "main".
type Program struct {
	Funcs []*Func
}

// Func returns the function of that name, or nil.
func (p *Program) Func(name string) *Func {
	for _, f := range p.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Func is one entry point: named inputs, a body and its named outputs
// (the outputs of the body).
type Func struct {
	Name   string
	Opset  Opset
	Inputs []*Value
	Body   *Block
}

// Block is a sequence of nodes. Inputs are the loop variables of a nested
// block; the body of a function has none (its inputs are the function's).
type Block struct {
	Inputs  []*Value
	Nodes   []*Node
	Outputs []*Value
}

// Value is the result of a node, an input, or a constant.
type Value struct {
	Name string
	Type Type
	// Const is the value itself where it is known before the program runs.
	Const *tensor.Tensor
	// Node made the value; nil for inputs and constants.
	Node *Node
}

// Node is one operation.
type Node struct {
	Op      string
	Name    string
	Inputs  []Input
	Outputs []*Value
	Blocks  []*Block
}

// Input binds a parameter of the operator to a value, or to several where
// the parameter is a list (concat's values).
type Input struct {
	Name   string
	Values []*Value
}

// NewConst returns a constant.
func NewConst(name string, t *tensor.Tensor) *Value {
	return &Value{Name: name, Type: TypeOf(t), Const: t}
}

// Input returns the value bound to a parameter, nil where there is none.
func (n *Node) Input(name string) *Value {
	for _, in := range n.Inputs {
		if in.Name == name && len(in.Values) > 0 {
			return in.Values[0]
		}
	}
	return nil
}

// Values returns every input value in order.
func (n *Node) Values() []*Value {
	var out []*Value
	for _, in := range n.Inputs {
		out = append(out, in.Values...)
	}
	return out
}

// String names the node for people: relu "conv1_relu".
func (n *Node) String() string { return fmt.Sprintf("%s %q", n.Op, n.Name) }

// Walk calls f for each node of the block and its nested blocks, in order.
func (b *Block) Walk(f func(*Node)) {
	for _, n := range b.Nodes {
		f(n)
		for _, nested := range n.Blocks {
			nested.Walk(f)
		}
	}
}

// Uses returns how often each value is used as an input or an output, nested
// blocks included.
func (b *Block) Uses() map[*Value]int {
	uses := map[*Value]int{}
	b.countUses(uses)
	return uses
}

func (b *Block) countUses(uses map[*Value]int) {
	for _, n := range b.Nodes {
		for _, in := range n.Inputs {
			for _, v := range in.Values {
				uses[v]++
			}
		}
		for _, nested := range n.Blocks {
			nested.countUses(uses)
		}
	}
	for _, v := range b.Outputs {
		uses[v]++
	}
}

// Clone returns a copy that can be rewritten without changing f. Constant
// tensors are shared.
func (f *Func) Clone() *Func {
	c := cloner{}
	return &Func{Name: f.Name, Opset: f.Opset, Inputs: c.values(f.Inputs), Body: c.block(f.Body)}
}

type cloner map[*Value]*Value

func (c cloner) values(vs []*Value) []*Value {
	out := make([]*Value, len(vs))
	for i, v := range vs {
		out[i] = c.value(v)
	}
	return out
}

func (c cloner) value(v *Value) *Value {
	if v == nil {
		return nil
	}
	if w, ok := c[v]; ok {
		return w
	}
	w := &Value{Name: v.Name, Type: v.Type, Const: v.Const}
	w.Type.Shape = slices.Clone(v.Type.Shape)
	c[v] = w
	return w
}

func (c cloner) block(b *Block) *Block {
	out := &Block{Inputs: c.values(b.Inputs), Nodes: make([]*Node, len(b.Nodes))}
	for i, n := range b.Nodes {
		m := &Node{Op: n.Op, Name: n.Name, Inputs: make([]Input, len(n.Inputs))}
		for j, in := range n.Inputs {
			m.Inputs[j] = Input{in.Name, c.values(in.Values)}
		}
		for _, nested := range n.Blocks {
			m.Blocks = append(m.Blocks, c.block(nested))
		}
		m.Outputs = c.values(n.Outputs)
		for _, v := range m.Outputs {
			v.Node = m
		}
		out.Nodes[i] = m
	}
	out.Outputs = c.values(b.Outputs)
	return out
}
