package onnx

import (
	"fmt"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Node is an ONNX node as a rule sees it.
type Node struct {
	Domain, Op, Name string
	// Version is that of the operator set the node belongs to.
	Version int
	// In are the inputs; one that is absent is nil.
	In []*mil.Value
	// Out are the names of the outputs, "" where nobody wants one.
	Out []string

	attrs map[string]*onnxpb.AttributeProto
	model *Model
	types func(i int) (mil.Type, bool)
	raw   []*mil.Value // the inputs with small integers as the file has them
}

// Type returns the type that the file declares of an output, as a program holds
// it.
func (n *Node) Type(i int) (mil.Type, bool) { return n.types(i) }

// Attributes returns all attributes by name: int64, float32, string, a slice of
// one of these, or a *tensor.Tensor. Those that are graphs, or of types that no
// constant has, are errors.
func (n *Node) Attributes() (map[string]any, error) {
	out := map[string]any{}
	for name, a := range n.attrs {
		switch kindOf(a) {
		case onnxpb.AttributeProto_INT:
			out[name] = a.GetI()
		case onnxpb.AttributeProto_FLOAT:
			out[name] = a.GetF()
		case onnxpb.AttributeProto_STRING:
			out[name] = string(a.GetS())
		case onnxpb.AttributeProto_INTS:
			out[name] = a.GetInts()
		case onnxpb.AttributeProto_FLOATS:
			out[name] = a.GetFloats()
		case onnxpb.AttributeProto_STRINGS:
			out[name] = n.Texts(name)
		case onnxpb.AttributeProto_TENSOR:
			t, err := n.Tensor(name)
			if err != nil {
				return nil, err
			}
			out[name] = t
		default:
			return nil, fault.New(fault.Unsupported, "", "attribute %q is a %s", name, strings.ToLower(kindOf(a).String()))
		}
	}
	return out, nil
}

// kindOf returns the type of an attribute, which old files do not say.
func kindOf(a *onnxpb.AttributeProto) onnxpb.AttributeProto_AttributeType {
	switch {
	case a.GetType() != onnxpb.AttributeProto_UNDEFINED:
		return a.GetType()
	case a.HasT():
		return onnxpb.AttributeProto_TENSOR
	case a.HasG():
		return onnxpb.AttributeProto_GRAPH
	case len(a.GetInts()) > 0:
		return onnxpb.AttributeProto_INTS
	case len(a.GetFloats()) > 0:
		return onnxpb.AttributeProto_FLOATS
	case len(a.GetStrings()) > 0:
		return onnxpb.AttributeProto_STRINGS
	case a.HasF():
		return onnxpb.AttributeProto_FLOAT
	case a.HasS():
		return onnxpb.AttributeProto_STRING
	}
	return onnxpb.AttributeProto_INT
}

// input returns an input, nil where it is absent.
func (n *Node) input(i int) *mil.Value {
	if i < len(n.In) {
		return n.In[i]
	}
	return nil
}

// wants tells whether an output is used.
func (n *Node) wants(i int) bool { return i < len(n.Out) && n.Out[i] != "" }

// Has tells whether an attribute is given.
func (n *Node) Has(name string) bool { return n.attrs[name] != nil }

// Int returns an integer attribute.
func (n *Node) Int(name string, otherwise int) int {
	if a := n.attrs[name]; a != nil {
		return clampInt(a.GetI())
	}
	return otherwise
}

// clampInt brings a number into a range in which sums cannot overflow.
func clampInt(v int64) int { return int(min(max(v, -1<<40), 1<<40)) }

// Bool returns an integer attribute as a truth value.
func (n *Node) Bool(name string) bool { return n.Int(name, 0) != 0 }

// Ints returns a list of integers, nil where it is absent.
func (n *Node) Ints(name string) []int {
	a := n.attrs[name]
	if a == nil {
		return nil
	}
	out := make([]int, len(a.GetInts()))
	for i, v := range a.GetInts() {
		out[i] = clampInt(v)
	}
	return out
}

// Int64s returns a list of integers as the file has it, nil where it is absent.
func (n *Node) Int64s(name string) []int64 { return n.attrs[name].GetInts() }

// Float returns a number.
func (n *Node) Float(name string, otherwise float32) float32 {
	if a := n.attrs[name]; a != nil {
		return a.GetF()
	}
	return otherwise
}

// Floats returns a list of numbers.
func (n *Node) Floats(name string) []float32 { return n.attrs[name].GetFloats() }

// Text returns a string attribute.
func (n *Node) Text(name, otherwise string) string {
	if a := n.attrs[name]; a != nil {
		return string(a.GetS())
	}
	return otherwise
}

// Texts returns a list of strings.
func (n *Node) Texts(name string) []string {
	var out []string
	for _, s := range n.attrs[name].GetStrings() {
		out = append(out, string(s))
	}
	return out
}

// Tensor returns a tensor attribute in its own element type, nil where it is
// absent.
func (n *Node) Tensor(name string) (*tensor.Tensor, error) {
	a := n.attrs[name]
	if a == nil {
		return nil, nil
	}
	if !a.HasT() {
		return nil, fault.New(fault.Corrupt, "", "attribute %q is no tensor", name)
	}
	t, err := n.model.tensorOf(a.GetT())
	if err != nil {
		return nil, fmt.Errorf("attribute %q: %w", name, err)
	}
	return t, nil
}

// graph returns a graph attribute.
func (n *Node) graph(name string) *onnxpb.GraphProto { return n.attrs[name].GetG() }
