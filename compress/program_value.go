package compress

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// read returns the tensor that a value of the program is.
func (p *programs) read(v *spec.Value) (*tensor.Tensor, error) {
	if s := v.GetImmediateValue().GetTensor().GetStrings().GetValues(); len(s) == 1 {
		return tensor.Scalar(tensor.String, s[0]), nil
	}
	d, shape, err := mlmodel.TensorType(v.GetType().GetTensorType())
	if err != nil {
		return nil, err
	}
	if b := v.GetBlobFileValue(); v.HasBlobFileValue() {
		f, err := p.m.Blob(b.GetFileName())
		if err != nil {
			return nil, err
		}
		t, err := f.Read(b.GetOffset(), shape)
		if err == nil && t.DType() != d {
			err = fmt.Errorf("the weight file holds %s, the program says %s", t.DType(), d)
		}
		return t, err
	}
	t := v.GetImmediateValue().GetTensor()
	switch {
	case t.HasFloats() && d == tensor.Float32:
		return fromList(d, shape, t.GetFloats().GetValues())
	case t.HasInts() && d == tensor.Int32:
		return fromList(d, shape, t.GetInts().GetValues())
	case t.HasBytes():
		return tensor.FromPacked(d, shape, t.GetBytes().GetValues())
	}
	return nil, errors.New("the constant has no value that fits its type")
}

func fromList[T tensor.Element](d tensor.DType, shape []int, v []T) (*tensor.Tensor, error) {
	if n := tensor.Size(shape); n != len(v) {
		return nil, fmt.Errorf("want %s = %d values, have %d", tensor.FormatShape(shape), n, len(v))
	}
	return tensor.New(d, shape, v), nil
}

// maxChain is how many compressed constants may be made of one another.
// Core ML's chains have up to three.
const maxChain = 5

// value computes a constant: what it holds, or what its codes stand for.
func (p *programs) value(c *constant) (*tensor.Tensor, error) { return p.expand(c, maxChain) }

func (p *programs) expand(c *constant, depth int) (*tensor.Tensor, error) {
	if c.isConst() {
		t, err := p.read(c.op.GetAttributes()["val"])
		if err == nil && (t.DType() != c.dtype || !slices.Equal(t.Shape(), c.shape)) {
			err = fmt.Errorf("it is of type %s %s and holds %s", c.dtype, tensor.FormatShape(c.shape), t)
		}
		return t, err
	}
	if depth == 0 {
		return nil, fault.New(fault.Limit, "", "it is a chain of more than %d compressed constants", maxChain)
	}
	n := &mil.Node{Op: c.op.GetType(), Name: c.name}
	add := func(param string, t *tensor.Tensor, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %s: %w", n.Op, param, err)
		}
		n.Inputs = append(n.Inputs, mil.Input{Name: param, Values: []*mil.Value{mil.NewConst(param, t)}})
		return nil
	}
	for param, arg := range c.op.GetInputs() {
		for _, a := range arg.GetArguments() {
			var t *tensor.Tensor
			var err error
			if inner := c.names.find(a.GetName()); !a.HasName() {
				t, err = p.read(a.GetValue())
			} else if inner == nil || inner == c {
				err = fmt.Errorf("%q is no constant", a.GetName())
			} else {
				t, err = p.expand(inner, depth-1)
			}
			if err := add(param, t, err); err != nil {
				return nil, err
			}
		}
	}
	def, err := op.For(n.Op, c.fn.opset)
	if err != nil {
		return nil, err
	}
	for param, v := range c.op.GetAttributes() {
		if param == "name" || !def.Attributes {
			continue
		}
		t, err := p.read(v)
		if err := add(param, t, err); err != nil {
			return nil, err
		}
	}
	args, err := def.Bind(n, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Op, err)
	}
	if _, err := def.Infer(args); err != nil {
		return nil, fmt.Errorf("%s: %w", n.Op, err)
	}
	out, err := def.Eval(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Op, err)
	}
	if len(out) <= c.output || out[c.output].DType() != c.dtype || out[c.output].Len() != tensor.Size(c.shape) {
		return nil, fmt.Errorf("%s gives no %s", n.Op, tensor.FormatShape(c.shape))
	}
	// A program has them rounded to the type.
	v := slices.Clone(out[c.output].F32())
	tensor.RoundTo(c.dtype, v)
	return tensor.New(c.dtype, c.shape, v), nil
}

// heldBytes is what an operation's own tensors take. Numbers that are no
// weights, such as an axis, count for nothing.
func heldBytes(o *spec.Operation) int64 {
	var n int64
	for _, v := range held(o) {
		d, shape, err := mlmodel.TensorType(v.GetType().GetTensorType())
		if err == nil && d.Bits() != 0 && d != tensor.Int32 && d != tensor.Uint32 {
			n += int64(d.PackedSize(tensor.Size(shape)))
		}
	}
	return n
}

// held returns the values that stand in an operation.
func held(o *spec.Operation) []*spec.Value {
	var all []*spec.Value
	for _, arg := range o.GetInputs() {
		for _, a := range arg.GetArguments() {
			if a.HasValue() {
				all = append(all, a.GetValue())
			}
		}
	}
	return slices.AppendSeq(all, maps.Values(o.GetAttributes()))
}

// compressedBits returns the bits of a code of a compressed constant.
func compressedBits(c *constant) int {
	find := func(param string) (d tensor.DType, n int) {
		v := c.op.GetAttributes()[param]
		if args := c.op.GetInputs()[param].GetArguments(); len(args) > 0 {
			v = args[0].GetValue()
			if inner := c.names.find(args[0].GetName()); args[0].HasName() && inner != nil {
				return inner.dtype, tensor.Size(inner.shape)
			}
		}
		d, shape, _ := mlmodel.TensorType(v.GetType().GetTensorType())
		return d, tensor.Size(shape)
	}
	switch c.op.GetType() {
	case "constexpr_cast":
		return 16
	case "constexpr_lut_to_dense":
		if d, _ := find("indices"); d != tensor.Uint8 || c.fn.opset >= mil.IOS18 {
			return d.Bits()
		}
		_, entries := find("lut")
		bits := 0
		for 1<<bits < entries {
			bits++
		}
		return bits
	}
	for _, param := range []string{"quantized_data", "data", "nonzero_data"} {
		if d, _ := find(param); d != tensor.Invalid {
			return d.Bits()
		}
	}
	return c.dtype.Bits()
}

var specTypes = map[tensor.DType]spec.DataType{
	tensor.String: spec.DataType_STRING, tensor.Float16: spec.DataType_FLOAT16, tensor.Float32: spec.DataType_FLOAT32,
	tensor.Int8: spec.DataType_INT8, tensor.Uint8: spec.DataType_UINT8, tensor.Int32: spec.DataType_INT32,
	tensor.Uint32: spec.DataType_UINT32, tensor.Int4: spec.DataType_INT4, tensor.Uint1: spec.DataType_UINT1,
	tensor.Uint2: spec.DataType_UINT2, tensor.Uint3: spec.DataType_UINT3, tensor.Uint4: spec.DataType_UINT4,
	tensor.Uint6: spec.DataType_UINT6,
}

// typed returns a value of a tensor's type, without content.
func typed(t *tensor.Tensor) *spec.Value {
	var dims []*spec.Dimension
	for _, n := range t.Shape() {
		size := spec.Dimension_ConstantDimension_builder{Size: uint64(n)}.Build()
		dims = append(dims, spec.Dimension_builder{Constant: size}.Build())
	}
	tt := spec.TensorType_builder{DataType: specTypes[t.DType()], Rank: int64(t.Rank()), Dimensions: dims}.Build()
	return spec.Value_builder{Type: spec.ValueType_builder{TensorType: tt}.Build()}.Build()
}

// literal returns a value that holds a tensor in place.
func literal(t *tensor.Tensor) *spec.Value {
	content := &spec.TensorValue{}
	switch t.DType() {
	case tensor.String:
		content.SetStrings(spec.TensorValue_RepeatedStrings_builder{Values: t.Strings()}.Build())
	case tensor.Float32:
		content.SetFloats(spec.TensorValue_RepeatedFloats_builder{Values: t.F32()}.Build())
	case tensor.Int32:
		content.SetInts(spec.TensorValue_RepeatedInts_builder{Values: t.I32()}.Build())
	default:
		content.SetBytes(spec.TensorValue_RepeatedBytes_builder{Values: t.Packed()}.Build())
	}
	v := typed(t)
	v.SetImmediateValue(spec.Value_ImmediateValue_builder{Tensor: content}.Build())
	return v
}

// inFile returns a value of a type that typed gave, with its content in a
// weight file.
func inFile(typed *spec.Value, file string, offset uint64) *spec.Value {
	v := proto.CloneOf(typed)
	v.SetBlobFileValue(spec.Value_BlobFileValue_builder{FileName: file, Offset: offset}.Build())
	return v
}
