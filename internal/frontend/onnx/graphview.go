package onnx

import (
	"fmt"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Graph is a model's graph as its file has it, for those who make no program of
// it. Initializers are read when they are asked for.
type Graph struct {
	Nodes           []GraphNode
	Inputs, Outputs []GraphValue

	model   *Model
	initial map[string]*onnxpb.TensorProto
}

// GraphNode is a node with the names of what it takes, "" where that is absent.
type GraphNode struct {
	*Node
	Args []string
}

// GraphValue is a declared input or output.
type GraphValue struct {
	Port
	// Map says that it is a dictionary from keys of type Key to numbers, and
	// Sequence that it is a sequence of that; else it is a tensor.
	Map, Sequence bool
	Key           tensor.DType
}

// Graph returns the model's graph, without its functions and without the graphs in
// its nodes.
func (m *Model) Graph() (*Graph, error) {
	versions, err := opsets(m.proto.GetOpsetImport())
	if err != nil {
		return nil, fault.InFile(err, m.file)
	}
	p := m.proto.GetGraph()
	g := &Graph{model: m, initial: map[string]*onnxpb.TensorProto{}}
	for _, t := range p.GetInitializer() {
		g.initial[t.GetName()] = t
	}
	if n := len(p.GetSparseInitializer()); n > 0 {
		return nil, fault.InFile(fault.New(fault.Unsupported, "", "%d sparse initializers", n), m.file)
	}
	for _, n := range p.GetNode() {
		node := GraphNode{Args: n.GetInput(), Node: &Node{
			Domain: domainName(n.GetDomain()), Op: n.GetOpType(), Name: n.GetName(), Out: n.GetOutput(),
			Version: versions[domainName(n.GetDomain())], attrs: map[string]*onnxpb.AttributeProto{}, model: m,
		}}
		for _, a := range n.GetAttribute() {
			node.attrs[a.GetName()] = a
		}
		g.Nodes = append(g.Nodes, node)
	}
	for _, v := range p.GetInput() {
		if g.initial[v.GetName()] != nil {
			continue
		}
		in, err := graphValue("input", v)
		if err != nil {
			return nil, fault.InFile(err, m.file)
		}
		g.Inputs = append(g.Inputs, in)
	}
	for _, v := range p.GetOutput() {
		out, err := graphValue("output", v)
		if err != nil {
			return nil, fault.InFile(err, m.file)
		}
		g.Outputs = append(g.Outputs, out)
	}
	return g, nil
}

func graphValue(what string, v *onnxpb.ValueInfoProto) (GraphValue, error) {
	t := v.GetType()
	out := GraphValue{Port: Port{Name: v.GetName()}}
	if t.HasSequenceType() {
		out.Sequence, t = true, t.GetSequenceType().GetElemType()
	}
	if !t.HasMapType() {
		if out.Sequence {
			return out, fault.New(fault.Unsupported, fmt.Sprintf("%s %q", what, out.Name), "is a sequence")
		}
		p, err := port(what, v)
		return GraphValue{Port: p}, err
	}
	out.Map = true
	var err error
	if out.Key, err = dtype(t.GetMapType().GetKeyType()); err == nil && out.Key != tensor.String && out.Key != tensor.Int64 {
		err = fmt.Errorf("keys of type %s", out.Key)
	}
	if err == nil {
		out.DType, err = dtype(t.GetMapType().GetValueType().GetTensorType().GetElemType())
	}
	if err != nil {
		return out, fault.New(fault.Unsupported, fmt.Sprintf("%s %q", what, out.Name), "%w", err)
	}
	return out, nil
}

// Constant returns an initializer, nil where there is none of that name.
func (g *Graph) Constant(name string) (*tensor.Tensor, error) {
	p := g.initial[name]
	if p == nil {
		return nil, nil
	}
	t, err := g.model.tensorOf(p)
	if err != nil {
		return nil, fmt.Errorf("initializer %q: %w", name, err)
	}
	return t, nil
}

// Evaluate computes a node for known arguments, nil where one is absent: what
// lowering does with constants. It fails where that leaves something for a run.
func (n *Node) Evaluate(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	l := n.model.lowering(Options{})
	node := *n
	node.In = nil
	for _, t := range in {
		if t == nil {
			node.In = append(node.In, nil)
			continue
		}
		l.allowed += 4 * t.Len()
		v, err := l.constant(t)
		if err != nil {
			return nil, err
		}
		node.In = append(node.In, v)
	}
	versions, err := opsets(n.model.proto.GetOpsetImport())
	if err != nil {
		return nil, err
	}
	s := &scope{values: map[string]*mil.Value{}, versions: versions}
	values, err := l.lowerNode(s, &node, "")
	if err != nil {
		return nil, fault.New(fault.KindOf(err), describe(n), "%w", err)
	}
	var out []*tensor.Tensor
	for i, v := range values {
		if v == nil || v.Const == nil {
			if n.wants(i) {
				return nil, fault.New(fault.Unsupported, describe(n), "cannot be computed on its own")
			}
			out = append(out, nil)
			continue
		}
		t := v.Const
		if d, ok := l.dtypes[v]; ok && d != t.DType() {
			if t, err = t.ConvertTo(d); err != nil {
				return nil, err
			}
		}
		out = append(out, t)
	}
	return out, nil
}
