package onnxml

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// The operator sets that are written.
const (
	irVersion = 8
	opset     = 13
	mlOpset   = 3
)

// OpsetText names them: "opset 13, ai.onnx.ml 3".
var OpsetText = fmt.Sprintf("opset %d, ai.onnx.ml %d", opset, mlOpset)

// Written is an ONNX model made of a Core ML model.
type Written struct {
	Bytes []byte
	Ops   map[string]int // the nodes, by operator
	Notes []string       // where it differs from the source

	graph           *evaluator
	inputs, outputs []*wire
}

// wire is a feature on its way through a graph: an array [N, size] of numbers or
// texts, a dictionary that is given, or the label [N] of a classifier.
type wire struct {
	name  string // of the value
	kind  kind
	size  int
	elem  onnxpb.TensorProto_DataType // FLOAT, DOUBLE, INT64 or STRING
	flat  bool                        // [N]
	shape []int                       // of one row, where that is not [size]
	// labels are the keys of a dictionary that is made of an array; indices says
	// that they are its places.
	labels  *classical.Labels
	indices bool

	feature string // the source's name of an input or output
	key     tensor.DType
}

// writer collects nodes.
type writer struct {
	nodes  []*onnxpb.NodeProto
	consts []*onnxpb.TensorProto
	names  map[string]bool
	wires  map[string]*wire // by feature
	lost   Unsupported
	out    *Written
	depth  int
}

// FromCoreML makes an ONNX model of a Core ML model that is no network: of one
// model, or of a pipeline. What cannot be expressed is an *Unsupported that lists
// all of it.
func FromCoreML(m *spec.Model, meta mlmodel.Metadata) (*Written, error) {
	w := &writer{
		names: map[string]bool{}, wires: map[string]*wire{}, lost: Unsupported{what: "ai.onnx.ml"},
		out: &Written{Ops: map[string]int{}},
	}
	d := m.GetDescription()
	for _, f := range slices.Concat(d.GetInput(), d.GetOutput()) { // these names are taken
		w.names[f.GetName()] = true
	}
	var inputs, outputs []*onnxpb.ValueInfoProto
	for _, f := range d.GetInput() {
		if err := w.input(f); err != nil {
			return nil, fault.New(fault.KindOf(err), fmt.Sprintf("input %q", f.GetName()), "%w", err)
		}
	}
	if err := w.model(m, ""); err != nil {
		return nil, err
	}
	for _, in := range w.out.inputs {
		inputs = append(inputs, in.declared())
	}
	if len(w.lost.Problems) > 0 {
		return nil, &w.lost
	}
	for _, f := range d.GetOutput() {
		o, err := w.output(f)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), fmt.Sprintf("output %q", f.GetName()), "%w", err)
		}
		outputs = append(outputs, o.declared())
	}
	domain := func(name string, v int64) *onnxpb.OperatorSetIdProto {
		return onnxpb.OperatorSetIdProto_builder{Domain: &name, Version: &v}.Build()
	}
	model := onnxpb.ModelProto_builder{
		IrVersion: proto.Int64(irVersion), ProducerName: proto.String("smelt"), DocString: &meta.ShortDescription,
		OpsetImport: []*onnxpb.OperatorSetIdProto{domain("", opset), domain(classical.Domain, mlOpset)},
		Graph: onnxpb.GraphProto_builder{
			Name: proto.String("main"), Node: w.nodes, Initializer: w.consts, Input: inputs, Output: outputs,
		}.Build(),
	}
	for _, e := range []struct{ key, value string }{{"author", meta.Author}, {"license", meta.License}, {"version", meta.Version}} {
		if e.value != "" {
			model.MetadataProps = append(model.MetadataProps, onnxpb.StringStringEntryProto_builder{Key: &e.key, Value: &e.value}.Build())
		}
	}
	var err error
	if w.out.Bytes, err = (proto.MarshalOptions{Deterministic: true}).Marshal(model.Build()); err != nil {
		return nil, err
	}
	parsed, err := onnx.Parse(w.out.Bytes, nil)
	if err != nil {
		return nil, err
	}
	g, err := parsed.Graph()
	if err != nil {
		return nil, err
	}
	w.out.graph = evaluatorOf(g)
	return w.out, nil
}

// fresh makes a name of its own.
func (w *writer) fresh(base string) string {
	name := base
	for i := 2; w.names[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	w.names[name] = true
	return name
}

// precise are numbers that stay doubles, as a tensor.
type precise []float64

// attrs are attributes: int, []int64, float64, []float64, string, []string or
// precise.
type attrs map[string]any

// add appends a node and returns the names of its outputs.
func (w *writer) add(op string, in []string, outs int, a attrs) []string {
	domain := ""
	if i := strings.LastIndex(op, "::"); i >= 0 {
		domain, op = op[:i], op[i+2:]
	}
	b := onnxpb.NodeProto_builder{Input: in, OpType: &op, Name: proto.String(w.fresh(op))}
	if domain != "" {
		b.Domain = &domain
		op = domain + "::" + op
		b.OpType = proto.String(strings.TrimPrefix(op, domain+"::"))
	}
	w.out.Ops[op]++
	for range outs {
		b.Output = append(b.Output, w.fresh("v"))
	}
	for _, name := range sortedKeys(a) {
		b.Attribute = append(b.Attribute, attribute(name, a[name]))
	}
	w.nodes = append(w.nodes, b.Build())
	return b.Output
}

// one appends a node with one output.
func (w *writer) one(op string, a attrs, in ...string) string { return w.add(op, in, 1, a)[0] }

const ml = classical.Domain + "::"

func attribute(name string, v any) *onnxpb.AttributeProto {
	b := onnxpb.AttributeProto_builder{Name: &name}
	kind := onnxpb.AttributeProto_INT
	switch v := v.(type) {
	case int:
		b.I = proto.Int64(int64(v))
	case []int64:
		b.Ints, kind = v, onnxpb.AttributeProto_INTS
	case float64:
		b.F, kind = proto.Float32(float32(v)), onnxpb.AttributeProto_FLOAT
	case []float64:
		b.Floats, kind = narrow(v), onnxpb.AttributeProto_FLOATS
	case precise:
		kind = onnxpb.AttributeProto_TENSOR
		b.T = onnxpb.TensorProto_builder{
			Name: &name, DataType: proto.Int32(int32(onnxpb.TensorProto_DOUBLE)), Dims: []int64{int64(len(v))}, DoubleData: v,
		}.Build()
	case string:
		b.S, kind = []byte(v), onnxpb.AttributeProto_STRING
	case []string:
		kind = onnxpb.AttributeProto_STRINGS
		for _, s := range v {
			b.Strings = append(b.Strings, []byte(s))
		}
	default:
		panic(fmt.Sprintf("onnxml: the attribute %s is a %T", name, v))
	}
	b.Type = &kind
	return b.Build()
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// numbers is a constant array of floats.
func (w *writer) numbers(v []float64, shape ...int) string {
	b := onnxpb.TensorProto_builder{DataType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)), FloatData: narrow(v)}
	return w.constant(b, shape)
}

// doubles is a constant array of doubles.
func (w *writer) doubles(v []float64, shape ...int) string {
	b := onnxpb.TensorProto_builder{DataType: proto.Int32(int32(onnxpb.TensorProto_DOUBLE)), DoubleData: v}
	return w.constant(b, shape)
}

func (w *writer) integers(v []int64, shape ...int) string {
	b := onnxpb.TensorProto_builder{DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), Int64Data: v}
	return w.constant(b, shape)
}

func (w *writer) constant(b onnxpb.TensorProto_builder, shape []int) string {
	for _, d := range shape {
		b.Dims = append(b.Dims, int64(d))
	}
	b.Name = proto.String(w.fresh("c"))
	w.consts = append(w.consts, b.Build())
	return *b.Name
}

func (w *writer) labels(l classical.Labels) string {
	if l.Texts == nil {
		return w.integers(l.Ints, len(l.Ints))
	}
	b := onnxpb.TensorProto_builder{DataType: proto.Int32(int32(onnxpb.TensorProto_STRING))}
	for _, s := range l.Texts {
		b.StringData = append(b.StringData, []byte(s))
	}
	return w.constant(b, []int{len(l.Texts)})
}

// input declares an input.
func (w *writer) input(f *spec.FeatureDescription) error {
	in := &wire{name: f.GetName(), feature: f.GetName(), size: 1, elem: onnxpb.TensorProto_DOUBLE}
	t := f.GetType()
	switch t.WhichType() {
	case spec.FeatureType_DoubleType_case:
		in.kind = number
	case spec.FeatureType_Int64Type_case:
		in.kind, in.elem = integer, onnxpb.TensorProto_INT64
	case spec.FeatureType_StringType_case:
		in.kind, in.elem = text, onnxpb.TensorProto_STRING
	case spec.FeatureType_DictionaryType_case:
		in.kind, in.key = dictionary, tensor.String
		if t.GetDictionaryType().HasInt64KeyType() {
			in.key = tensor.Int64
		}
	case spec.FeatureType_MultiArrayType_case:
		in.kind = array
		var err error
		if in.shape, in.size, err = arrayShape(t.GetMultiArrayType()); err != nil {
			return err
		}
		switch t.GetMultiArrayType().GetDataType() {
		case spec.ArrayFeatureType_INT32:
			in.elem = onnxpb.TensorProto_INT64
		case spec.ArrayFeatureType_FLOAT32, spec.ArrayFeatureType_FLOAT16:
			in.elem = onnxpb.TensorProto_FLOAT
		}
	default:
		return unsupported("is of type %s", t.WhichType())
	}
	w.out.inputs = append(w.out.inputs, in)
	flat := *in
	if len(in.shape) > 1 { // models see the elements in their order
		flat.name, flat.shape = w.one("Flatten", attrs{"axis": 1}, in.name), nil
	}
	w.wires[f.GetName()] = &flat
	return nil
}

// arrayShape is the shape of an array that must be known.
func arrayShape(a *spec.ArrayFeatureType) ([]int, int, error) {
	if a.WhichShapeFlexibility() != 0 || len(a.GetShape()) == 0 {
		return nil, 0, unsupported("an array whose shape is open")
	}
	var shape []int
	for _, d := range a.GetShape() {
		shape = append(shape, int(min(max(d, -1), math.MaxInt32)))
	}
	n, err := tensor.CheckShape(shape)
	if err != nil || n < 1 || n > maxWidth {
		return nil, 0, unsupported("an array of shape %v", shape)
	}
	return shape, n, nil
}

// declared is a wire as an input or output of the model.
func (x *wire) declared() *onnxpb.ValueInfoProto {
	number := int32(x.elem)
	var t onnxpb.TypeProto_builder
	if x.kind == dictionary {
		key := int32(onnxpb.TensorProto_INT64)
		if x.key == tensor.String {
			key = int32(onnxpb.TensorProto_STRING)
		}
		float := int32(onnxpb.TensorProto_FLOAT)
		t.MapType = onnxpb.TypeProto_Map_builder{KeyType: &key, ValueType: onnxpb.TypeProto_builder{
			TensorType: onnxpb.TypeProto_Tensor_builder{ElemType: &float, Shape: onnxpb.TensorShapeProto_builder{}.Build()}.Build(),
		}.Build()}.Build()
		if x.labels != nil {
			t = onnxpb.TypeProto_builder{SequenceType: onnxpb.TypeProto_Sequence_builder{ElemType: t.Build()}.Build()}
		}
	} else {
		dims := []*onnxpb.TensorShapeProto_Dimension{onnxpb.TensorShapeProto_Dimension_builder{DimParam: proto.String("N")}.Build()}
		shape := x.shape
		if len(shape) < 2 {
			shape = []int{x.size}
		}
		if x.flat {
			shape = nil
		}
		for _, d := range shape {
			dims = append(dims, onnxpb.TensorShapeProto_Dimension_builder{DimValue: proto.Int64(int64(d))}.Build())
		}
		t.TensorType = onnxpb.TypeProto_Tensor_builder{ElemType: &number, Shape: onnxpb.TensorShapeProto_builder{Dim: dims}.Build()}.Build()
	}
	return onnxpb.ValueInfoProto_builder{Name: &x.name, Type: t.Build()}.Build()
}

// output gives a feature its name.
func (w *writer) output(f *spec.FeatureDescription) (*wire, error) {
	x := w.wires[f.GetName()]
	if x == nil {
		return nil, corrupt("is described, but no model makes it")
	}
	out := *x
	out.name, out.feature = f.GetName(), f.GetName()
	rename := func(op string, a attrs, in ...string) {
		made := w.one(op, a, in...)
		w.nodes[len(w.nodes)-1].GetOutput()[0] = out.name
		delete(w.names, made)
	}
	switch t := f.GetType(); {
	case x.name == out.name && x.feature != "": // an input that is an output, too
		return nil, unsupported("an output with the name of an input")
	case x.indices && t.HasDictionaryType():
		return nil, unsupported("a dictionary from places to values")
	case x.labels != nil:
		out.kind, out.key = dictionary, tensor.Int64
		a := attrs{}
		if x.labels.Texts != nil {
			a["classlabels_strings"], out.key = x.labels.Texts, tensor.String
		} else {
			a["classlabels_int64s"] = x.labels.Ints
		}
		rename(ml+"ZipMap", a, x.name)
	case t.HasInt64Type() && x.kind == number:
		out.elem = onnxpb.TensorProto_INT64
		rename("Cast", attrs{"to": int(onnxpb.TensorProto_INT64)}, x.name)
	case t.HasMultiArrayType() && len(t.GetMultiArrayType().GetShape()) > 1:
		shape, n, err := arrayShape(t.GetMultiArrayType())
		if err != nil || n != x.size {
			rename("Identity", nil, x.name)
			break
		}
		to := []int64{-1}
		for _, d := range shape {
			to = append(to, int64(d))
		}
		out.shape = shape
		rename("Reshape", nil, x.name, w.integers(to, len(to)))
	default:
		rename("Identity", nil, x.name)
	}
	w.out.outputs = append(w.out.outputs, &out)
	return &out, nil
}

// model writes one model, or those of a pipeline.
func (w *writer) model(m *spec.Model, at string) error {
	if w.depth++; w.depth > 16 {
		return fault.New(fault.Limit, at, "pipelines in pipelines in pipelines")
	}
	defer func() { w.depth-- }()
	if list := stagesOf(m); len(list) > 0 {
		for i, inner := range list {
			if err := w.model(inner, fmt.Sprintf("models[%d]", i)); err != nil {
				return err
			}
		}
		return nil
	}
	what := m.WhichType().String()
	for _, f := range m.GetDescription().GetInput() {
		if x := w.wires[f.GetName()]; x != nil && x.kind != lostKind {
			continue
		} else if x != nil {
			w.lose(m)
			return nil
		}
		if f.GetType().GetIsOptional() {
			w.lost.add(what, at, unsupported("the input %q is optional and not given", f.GetName()))
		} else {
			return corrupt("%s: the input %q is made nowhere before", at, f.GetName())
		}
		w.lose(m)
		return nil
	}
	f := writers[m.WhichType()]
	err := unsupported("there are no operators for that")
	if f != nil {
		err = f(w, m)
	}
	if err != nil {
		if fault.KindOf(err) != fault.Unsupported {
			return fault.New(fault.KindOf(err), strings.TrimSpace(at+" "+what), "%w", err)
		}
		w.lost.add(what, at, err)
		w.lose(m)
	}
	return nil
}

// lostKind is that of a wire which cannot be made.
const lostKind kind = 255

func (w *writer) lose(m *spec.Model) {
	for _, f := range m.GetDescription().GetOutput() {
		w.wires[f.GetName()] = &wire{kind: lostKind}
	}
}

// Answer asks the ONNX model what the source is asked: inputs and outputs are
// those of the source.
func (m *Written) Answer(in Features) (Features, error) {
	given := Features{}
	for _, x := range m.inputs {
		shape := []int{1, x.size}
		if len(x.shape) > 1 {
			shape = append([]int{1}, x.shape...)
		}
		switch v := in[x.feature].(type) {
		case float64:
			given[x.name] = tensor.New(tensor.Float64, shape, []float64{v})
		case int64:
			given[x.name] = tensor.New(tensor.Int64, shape, []int64{v})
		case string:
			given[x.name] = tensor.New(tensor.String, shape, []string{v})
		case *tensor.Tensor:
			if v.Len() != x.size {
				return nil, fault.New(fault.BadShape, fmt.Sprintf("input %q", x.feature), "want %d values, have %d", x.size, v.Len())
			}
			given[x.name] = v.Reshape(shape)
		case nil:
			return nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", x.feature), "is missing")
		default:
			given[x.name] = v
		}
	}
	made, err := m.graph.run(given)
	if err != nil {
		return nil, err
	}
	out := Features{}
	for _, x := range m.outputs {
		v := made[x.name]
		t, ok := v.(*tensor.Tensor)
		switch {
		case !ok:
		case x.kind == text && t.Len() == 1:
			v = t.Strings()[0]
		case t.Len() == 1 && (x.kind == integer || x.kind == number && x.elem == onnxpb.TensorProto_INT64):
			v = int64(t.Float64s()[0])
		case x.kind == number && t.Len() == 1:
			v = t.Float64s()[0]
		default:
			shape := []int{t.Len()}
			if len(x.shape) > 1 {
				shape = x.shape
			}
			v = t.Reshape(shape)
		}
		out[x.feature] = v
	}
	return out, nil
}

func sortedKeys(a attrs) []string {
	var keys []string
	for k := range a {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
