package onnx

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

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

	proto *onnxpb.NodeProto
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
		node := GraphNode{Args: n.GetInput(), proto: n, Node: &Node{
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

// Part lowers some nodes, in their order, as a model of its own. It takes vectors,
// each a row [1, size] where the nodes use it, and gives one value as a vector.
func (g *Graph) Part(nodes []GraphNode, inputs map[string]int, output string) (*mil.Func, error) {
	float := int32(onnxpb.TensorProto_FLOAT)
	b := onnxpb.GraphProto_builder{Name: proto.String("part")}
	known := map[string]bool{}
	reshape := func(from, to string, shape ...int64) *onnxpb.NodeProto {
		known[to] = true
		s := onnxpb.TensorProto_builder{
			Name: proto.String(to + "/shape"), DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), Dims: []int64{int64(len(shape))}, Int64Data: shape,
		}.Build()
		b.Initializer = append(b.Initializer, s)
		return onnxpb.NodeProto_builder{OpType: proto.String("Reshape"), Input: []string{from, to + "/shape"}, Output: []string{to}}.Build()
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		size := int64(inputs[name])
		b.Input = append(b.Input, onnxpb.ValueInfoProto_builder{Name: proto.String(name + "/row"), Type: onnxpb.TypeProto_builder{
			TensorType: onnxpb.TypeProto_Tensor_builder{ElemType: &float, Shape: onnxpb.TensorShapeProto_builder{
				Dim: []*onnxpb.TensorShapeProto_Dimension{onnxpb.TensorShapeProto_Dimension_builder{DimValue: &size}.Build()},
			}.Build()}.Build(),
		}.Build()}.Build())
		b.Node = append(b.Node, reshape(name+"/row", name, 1, size))
	}
	for _, n := range nodes {
		for _, arg := range n.Args {
			if t := g.initial[arg]; t != nil && !known[arg] {
				known[arg] = true
				b.Initializer = append(b.Initializer, t)
			}
		}
		b.Node = append(b.Node, n.proto)
	}
	b.Node = append(b.Node, reshape(output, output+"/row", -1))
	b.Output = []*onnxpb.ValueInfoProto{onnxpb.ValueInfoProto_builder{Name: proto.String(output + "/row")}.Build()}
	whole := g.model
	part := onnxpb.ModelProto_builder{OpsetImport: whole.proto.GetOpsetImport(), Functions: whole.proto.GetFunctions(), Graph: b.Build()}
	m := &Model{proto: part.Build(), size: whole.size, blobs: whole.blobs, dir: whole.dir}
	p, err := m.Program(Options{})
	if err != nil {
		return nil, err
	}
	return p.Func, nil
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
