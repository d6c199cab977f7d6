package onnx

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// elemTypes are ONNX's numbers of the element types.
var elemTypes = map[tensor.DType]onnxpb.TensorProto_DataType{
	tensor.Float32: onnxpb.TensorProto_FLOAT, tensor.Float16: onnxpb.TensorProto_FLOAT16, tensor.Float64: onnxpb.TensorProto_DOUBLE,
	tensor.BFloat16: onnxpb.TensorProto_BFLOAT16, tensor.Int8: onnxpb.TensorProto_INT8, tensor.Uint8: onnxpb.TensorProto_UINT8,
	tensor.Int16: onnxpb.TensorProto_INT16, tensor.Uint16: onnxpb.TensorProto_UINT16, tensor.Int32: onnxpb.TensorProto_INT32,
	tensor.Uint32: onnxpb.TensorProto_UINT32, tensor.Int64: onnxpb.TensorProto_INT64, tensor.Uint64: onnxpb.TensorProto_UINT64,
	tensor.Bool: onnxpb.TensorProto_BOOL, tensor.String: onnxpb.TensorProto_STRING, tensor.Int4: onnxpb.TensorProto_INT4,
	tensor.Uint4: onnxpb.TensorProto_UINT4,
}

// irVersions are the versions of the file format that came with the opsets.
var irVersions = map[int]int64{17: 8, 18: 8, 19: 9, 20: 9, 21: 10}

// The fields of the file that are written around the generated code: the
// graph, so that constants go from memory to the file one by one.
const (
	fieldGraph       = 7 // of ModelProto
	fieldInitializer = 5 // of GraphProto
	fieldRaw         = 9 // of TensorProto
)

const (
	maxEmbedded = 1 << 30 // bytes of constants in the model's own file
	alignment   = 4096    // of constants in another file, so that it can be mapped
	minExternal = 1024    // bytes of a constant that goes there
)

// payload is the number of bytes that a constant's elements take.
func payload(t *tensor.Tensor) int { return t.DType().PackedSize(t.Len()) }

// external tells whether constants go into a file of their own.
func (m *Model) external() bool {
	total := 0
	for _, v := range m.inits {
		total += payload(v.data)
	}
	return m.o.External || total > maxEmbedded
}

// File is a model that was written beside the place where it is going to be.
type File struct {
	dir   string // a temporary folder
	names []string
	path  string // where the model is going to be
}

// Create writes the model into a temporary folder beside path.
func (m *Model) Create(path string) (_ *File, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, err
	}
	f := &File{dir: dir, path: path, names: []string{filepath.Base(path)}}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	var places map[*val]int64
	if m.external() {
		data := filepath.Base(path) + ".data"
		f.names = []string{data, f.names[0]} // the model comes last into its place
		err = create(filepath.Join(dir, data), func(w *bufio.Writer) (err error) {
			places, err = m.writeData(w)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(places) == 0 {
			f.names = f.names[1:]
		}
	}
	err = create(f.Path(), func(w *bufio.Writer) error { return m.write(w, filepath.Base(path)+".data", places) })
	return f, err
}

// create writes a file and syncs it.
func create(path string, write func(*bufio.Writer) error) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}

// Path is where the model lies now.
func (f *File) Path() string { return filepath.Join(f.dir, filepath.Base(f.path)) }

// Commit puts the model in its place and returns its size in bytes.
func (f *File) Commit() (size int64, err error) {
	for _, name := range f.names {
		info, err := os.Stat(filepath.Join(f.dir, name))
		if err != nil {
			return 0, err
		}
		size += info.Size()
		if err := os.Rename(filepath.Join(f.dir, name), filepath.Join(filepath.Dir(f.path), name)); err != nil {
			return 0, err
		}
	}
	return size, f.Discard()
}

// Discard removes what was written.
func (f *File) Discard() error { return os.RemoveAll(f.dir) }

// WriteTo writes the model with its constants as one file.
func (m *Model) WriteTo(out io.Writer) (int64, error) {
	c := &counter{w: out}
	w := bufio.NewWriter(c)
	err := m.write(w, "", nil)
	if err == nil {
		err = w.Flush()
	}
	return c.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// writeData writes large constants, and returns where they begin.
func (m *Model) writeData(w *bufio.Writer) (map[*val]int64, error) {
	places, at := map[*val]int64{}, int64(0)
	for _, v := range m.inits {
		if payload(v.data) < minExternal || v.dtype == tensor.String {
			continue
		}
		for at%alignment != 0 {
			n := min(alignment-at%alignment, int64(len(zeros)))
			if _, err := w.Write(zeros[:n]); err != nil {
				return nil, err
			}
			at += n
		}
		places[v] = at
		n, err := w.Write(v.data.Packed())
		if err != nil {
			return nil, err
		}
		at += int64(n)
	}
	return places, nil
}

var zeros [alignment]byte

// write writes the model. Constants that have a place in a file of their own
// are named by it.
func (m *Model) write(w *bufio.Writer, data string, places map[*val]int64) error {
	model := onnxpb.ModelProto_builder{
		IrVersion: proto.Int64(irVersions[m.opset]), ProducerName: proto.String("smelt"),
		OpsetImport: []*onnxpb.OperatorSetIdProto{onnxpb.OperatorSetIdProto_builder{Domain: proto.String(""), Version: proto.Int64(int64(m.opset))}.Build()},
	}
	if m.o.Doc != "" {
		model.DocString = &m.o.Doc
	}
	for _, key := range slices.Sorted(maps.Keys(m.o.Metadata)) {
		model.MetadataProps = append(model.MetadataProps, onnxpb.StringStringEntryProto_builder{Key: proto.String(key), Value: proto.String(m.o.Metadata[key])}.Build())
	}
	head, err := proto.MarshalOptions{Deterministic: true}.Marshal(model.Build())
	if err != nil {
		return err
	}
	g, err := m.graph(m.main)
	if err != nil {
		return err
	}
	graph, err := proto.MarshalOptions{Deterministic: true}.Marshal(g)
	if err != nil {
		return err
	}
	heads := make([][]byte, len(m.inits)) // of constants, without their elements
	size := len(graph)
	for i, v := range m.inits {
		if heads[i], err = m.initializer(v, data, places); err != nil {
			return err
		}
		size += protowire.SizeTag(fieldInitializer) + protowire.SizeBytes(v.size(heads[i], places))
	}
	if size > math.MaxInt32 {
		return fault.New(fault.Limit, "", "the model takes %d bytes beside its weight file", size)
	}
	head = protowire.AppendTag(head, fieldGraph, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	if _, err := w.Write(append(head, graph...)); err != nil {
		return err
	}
	for i, v := range m.inits {
		b := protowire.AppendTag(nil, fieldInitializer, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(v.size(heads[i], places)))
		b = append(b, heads[i]...)
		if v.raw(places) {
			b = protowire.AppendTag(b, fieldRaw, protowire.BytesType)
			b = protowire.AppendVarint(b, uint64(payload(v.data)))
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		if v.raw(places) {
			if _, err := w.Write(v.data.Packed()); err != nil {
				return err
			}
		}
	}
	return nil
}

// raw tells whether a constant's elements follow what describes it.
func (v *val) raw(places map[*val]int64) bool {
	_, elsewhere := places[v]
	return !elsewhere && v.dtype != tensor.String
}

// size is the number of bytes of a constant that is described by so much.
func (v *val) size(head []byte, places map[*val]int64) int {
	n := len(head)
	if v.raw(places) {
		n += protowire.SizeTag(fieldRaw) + protowire.SizeBytes(payload(v.data))
	}
	return n
}

// initializer describes a constant; strings are in it.
func (m *Model) initializer(v *val, data string, places map[*val]int64) ([]byte, error) {
	b := onnxpb.TensorProto_builder{Name: &v.name, DataType: proto.Int32(int32(elemTypes[v.dtype])), Dims: int64s(v.data.Shape())}
	if v.dtype == tensor.String {
		for _, s := range v.data.Strings() {
			b.StringData = append(b.StringData, []byte(s))
		}
	}
	if at, ok := places[v]; ok {
		b.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
		for _, e := range [][2]string{{"location", data}, {"offset", strconv.FormatInt(at, 10)}, {"length", strconv.Itoa(payload(v.data))}} {
			b.ExternalData = append(b.ExternalData, onnxpb.StringStringEntryProto_builder{Key: &e[0], Value: &e[1]}.Build())
		}
	}
	return proto.Marshal(b.Build())
}

func int64s(v []int) []int64 {
	out := make([]int64, len(v))
	for i, x := range v {
		out[i] = int64(x)
	}
	return out
}

// graph encodes a graph without constants.
func (m *Model) graph(g *graph) (*onnxpb.GraphProto, error) {
	b := onnxpb.GraphProto_builder{Name: &g.name}
	for _, p := range g.inputs {
		b.Input = append(b.Input, m.port(p))
	}
	for _, p := range g.outputs {
		b.Output = append(b.Output, m.port(p))
	}
	for _, n := range g.nodes {
		encoded, err := m.node(n)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", n.op, n.out[0].name, err)
		}
		b.Node = append(b.Node, encoded)
	}
	return b.Build(), nil
}

func (m *Model) port(p port) *onnxpb.ValueInfoProto {
	t := onnxpb.TypeProto_Tensor_builder{ElemType: proto.Int32(int32(elemTypes[p.val.dtype]))}
	if !p.typ.AnyRank {
		shape := onnxpb.TensorShapeProto_builder{}
		for i, d := range p.typ.Shape {
			dim := onnxpb.TensorShapeProto_Dimension_builder{}
			switch {
			case d >= 0:
				dim.DimValue = proto.Int64(int64(d))
			case m.o.Dims[d] != "":
				dim.DimParam = proto.String(m.o.Dims[d])
			case d == mil.Unknown:
				dim.DimParam = proto.String(fmt.Sprintf("%s_%d", p.val.name, i))
			default:
				dim.DimParam = proto.String(fmt.Sprintf("s%d", -d))
			}
			shape.Dim = append(shape.Dim, dim.Build())
		}
		t.Shape = shape.Build()
	}
	b := onnxpb.ValueInfoProto_builder{Name: &p.val.name, Type: onnxpb.TypeProto_builder{TensorType: t.Build()}.Build()}
	if doc := m.o.Docs[p.val.name]; doc != "" {
		b.DocString = &doc
	}
	return b.Build()
}

func (m *Model) node(n *node) (*onnxpb.NodeProto, error) {
	b := onnxpb.NodeProto_builder{OpType: &n.op, Name: &n.out[0].name} // names of values are unique
	for _, v := range n.in {
		if v == nil {
			b.Input = append(b.Input, "")
		} else {
			b.Input = append(b.Input, v.name)
		}
	}
	for len(b.Input) > 0 && b.Input[len(b.Input)-1] == "" {
		b.Input = b.Input[:len(b.Input)-1]
	}
	for _, v := range n.out {
		b.Output = append(b.Output, v.name)
	}
	for _, a := range n.attr {
		encoded, err := m.attribute(a)
		if err != nil {
			return nil, err
		}
		b.Attribute = append(b.Attribute, encoded)
	}
	return b.Build(), nil
}

func (m *Model) attribute(a attr) (*onnxpb.AttributeProto, error) {
	b := onnxpb.AttributeProto_builder{Name: &a.name}
	switch v := a.value.(type) {
	case int:
		b.Type, b.I = onnxpb.AttributeProto_INT.Enum(), proto.Int64(int64(v))
	case []int:
		b.Type, b.Ints = onnxpb.AttributeProto_INTS.Enum(), int64s(v)
	case float64:
		b.Type, b.F = onnxpb.AttributeProto_FLOAT.Enum(), proto.Float32(float32(v))
	case []float32:
		b.Type, b.Floats = onnxpb.AttributeProto_FLOATS.Enum(), v
	case string:
		b.Type, b.S = onnxpb.AttributeProto_STRING.Enum(), []byte(v)
	case []string:
		b.Type = onnxpb.AttributeProto_STRINGS.Enum()
		for _, s := range v {
			b.Strings = append(b.Strings, []byte(s))
		}
	case *tensor.Tensor:
		b.Type = onnxpb.AttributeProto_TENSOR.Enum()
		b.T = onnxpb.TensorProto_builder{DataType: proto.Int32(int32(elemTypes[v.DType()])), Dims: int64s(v.Shape()), RawData: v.Packed()}.Build()
	case *graph:
		g, err := m.graph(v)
		if err != nil {
			return nil, err
		}
		b.Type, b.G = onnxpb.AttributeProto_GRAPH.Enum(), g
	}
	return b.Build(), nil
}
