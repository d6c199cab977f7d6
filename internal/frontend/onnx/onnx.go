// Package onnx tells what an ONNX model computes: it reads the file and lowers
// its graph to one mil program. Shapes and constants are computed on the way,
// so that the arithmetic on shapes that exporters write disappears. An operator
// is a row in the table of its family's file. The package runs nothing.
//
// mil has the float types fp16 and fp32, int32 and bool. double and bfloat16
// become fp32; every integer type is held in int32, and what ONNX computes in a
// narrower type is brought back to its range. Constants of 64 bits are cut off
// at the range of int32, which is what bounds like "to the end" mean by them,
// and arithmetic on such a constant is an error.
package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Model is an ONNX file. Its weights stay in the file's bytes.
type Model struct {
	proto *onnxpb.ModelProto
	size  int      // bytes of the file
	blobs [][]byte // payloads that reading took out of proto
	dir   fs.FS    // where external data lies; nil without
	file  string
	close io.Closer
}

// Dim is a declared dimension: a size, or where Size is negative a symbol,
// whose name may be empty.
type Dim struct {
	Size int
	Name string
}

// Port is an input or output of a model as the file declares it.
type Port struct {
	Name  string
	DType tensor.DType // as declared; a program holds every integer in int32
	Dims  []Dim
	// NoShape says that the file declares no shape.
	NoShape bool
}

// Rule lowers one node: its inputs are in n.In, nil where one is absent, and it
// returns the outputs in their order, as many as it has.
type Rule func(n *Node, b *Builder) ([]*mil.Value, error)

// Options choose how a program is made of a model.
type Options struct {
	// Shapes are the shapes of inputs, by name; a dimension of -1 stays as
	// declared.
	Shapes map[string][]int
	// Dims are the sizes of symbolic dimensions, by name.
	Dims map[string]int
	// Values are inputs that become constants.
	Values map[string]*tensor.Tensor
	// Rules replace or add the lowering of an operator, by "Relu" or
	// "com.example::Op".
	Rules map[string]Rule
	// Fallback, if it is set, lowers the nodes that nothing else does: those of
	// operators without a rule, and those that their rule refuses.
	Fallback Rule
}

// Program is what a model computes.
type Program struct {
	// Func takes the inputs and gives the outputs in the model's order and
	// under its names. Symbolic dimensions are negative.
	Func *mil.Func
	// Inputs and Outputs are what the file declares of them.
	Inputs, Outputs []Port
	// Ops counts the nodes lowered, by operator.
	Ops map[string]int
	// Notes tell where the program differs from the model: types narrowed.
	Notes []string
}

// Open reads an ONNX file. External data is read from its folder when a program
// needs it.
func Open(path string) (*Model, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	b, err := root.ReadFile(filepath.Base(path))
	if err != nil {
		root.Close()
		return nil, err
	}
	m, err := Parse(b, root.FS())
	if err != nil {
		root.Close()
		return nil, fault.InFile(err, path)
	}
	m.file, m.close = path, root
	return m, nil
}

// Parse reads the bytes of an ONNX file and keeps them. dir, which may be nil,
// holds the files of external data.
func Parse(b []byte, dir fs.FS) (*Model, error) {
	p, blobs, err := parse(b)
	if err != nil {
		return nil, err
	}
	m := &Model{proto: p, size: len(b), blobs: blobs, dir: dir}
	if p.GetGraph() == nil {
		return nil, fault.New(fault.Corrupt, "", "no ONNX model: there is no graph")
	}
	if _, err := opsets(p.GetOpsetImport()); err != nil {
		return nil, err
	}
	return m, nil
}

// Close lets go of the folder that Open opened. Programs stay valid.
func (m *Model) Close() error {
	if m.close == nil {
		return nil
	}
	return m.close.Close()
}

// Producer names the tool that wrote the file, with its version.
func (m *Model) Producer() (name, version string) {
	return m.proto.GetProducerName(), m.proto.GetProducerVersion()
}

// Doc returns the model's description.
func (m *Model) Doc() string { return m.proto.GetDocString() }

// Opset returns the version of a domain's operators, "" being ONNX's own, 0
// where the model imports none.
func (m *Model) Opset(domain string) int {
	versions, _ := opsets(m.proto.GetOpsetImport())
	return versions[domainName(domain)]
}

// Metadata returns the file's own properties.
func (m *Model) Metadata() map[string]string {
	out := map[string]string{}
	for _, e := range m.proto.GetMetadataProps() {
		out[e.GetKey()] = e.GetValue()
	}
	return out
}

// Inputs returns the inputs that a prediction is given: those without an
// initializer.
func (m *Model) Inputs() ([]Port, error) {
	g := m.proto.GetGraph()
	initial := map[string]bool{}
	for _, t := range g.GetInitializer() {
		initial[t.GetName()] = true
	}
	for _, t := range g.GetSparseInitializer() {
		initial[t.GetValues().GetName()] = true
	}
	var out []Port
	for _, v := range g.GetInput() {
		if initial[v.GetName()] {
			continue
		}
		p, err := port("input", v)
		if err != nil {
			return nil, fault.InFile(err, m.file)
		}
		out = append(out, p)
	}
	return out, nil
}

// Outputs returns the declared outputs.
func (m *Model) Outputs() ([]Port, error) {
	var out []Port
	for _, v := range m.proto.GetGraph().GetOutput() {
		p, err := port("output", v)
		if err != nil {
			return nil, fault.InFile(err, m.file)
		}
		out = append(out, p)
	}
	return out, nil
}

// port reads a declaration. An output need not declare a type.
func port(what string, v *onnxpb.ValueInfoProto) (Port, error) {
	p := Port{Name: v.GetName()}
	place := fmt.Sprintf("%s %q", what, v.GetName())
	t := v.GetType()
	if !t.HasTensorType() {
		zipped := t.GetSequenceType().GetElemType().HasMapType() // by ZipMap, which see
		if what == "output" && (t.WhichValue() == 0 || zipped) {
			p.NoShape = true
			return p, nil
		}
		return p, fault.New(fault.Unsupported, place, "is no tensor but a %s", t.WhichValue())
	}
	tt := t.GetTensorType()
	var err error
	if p.DType, err = dtype(tt.GetElemType()); err != nil {
		return p, fault.New(fault.Unsupported, place, "%w", err)
	}
	p.NoShape = !tt.HasShape()
	for _, d := range tt.GetShape().GetDim() {
		n := Dim{Size: -1, Name: d.GetDimParam()}
		if d.HasDimValue() {
			if n.Size = int(d.GetDimValue()); n.Size > tensor.MaxElements {
				return p, fault.New(fault.BadShape, place, "a dimension of %d", n.Size)
			}
			n.Size = max(n.Size, -1)
		}
		p.Dims = append(p.Dims, n)
	}
	if len(p.Dims) > maxRank {
		return p, fault.New(fault.Limit, place, "rank %d", len(p.Dims))
	}
	return p, nil
}

// Program lowers the model.
func (m *Model) Program(o Options) (*Program, error) {
	p, err := m.lower(o)
	if err != nil {
		return nil, fault.InFile(kinded(err), m.file)
	}
	return p, nil
}

// kinded gives an error a kind, unless it has one.
func kinded(err error) error {
	if fault.KindOf(err) != 0 {
		return err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return err
	}
	return fault.New(fault.Corrupt, "", "%w", err)
}
