package onnx

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/tensor"
)

var dtypes = map[onnxpb.TensorProto_DataType]tensor.DType{
	onnxpb.TensorProto_FLOAT: tensor.Float32, onnxpb.TensorProto_UINT8: tensor.Uint8, onnxpb.TensorProto_INT8: tensor.Int8,
	onnxpb.TensorProto_UINT16: tensor.Uint16, onnxpb.TensorProto_INT16: tensor.Int16, onnxpb.TensorProto_INT32: tensor.Int32,
	onnxpb.TensorProto_INT64: tensor.Int64, onnxpb.TensorProto_STRING: tensor.String, onnxpb.TensorProto_BOOL: tensor.Bool,
	onnxpb.TensorProto_FLOAT16: tensor.Float16, onnxpb.TensorProto_DOUBLE: tensor.Float64, onnxpb.TensorProto_UINT32: tensor.Uint32,
	onnxpb.TensorProto_UINT64: tensor.Uint64, onnxpb.TensorProto_BFLOAT16: tensor.BFloat16, onnxpb.TensorProto_INT4: tensor.Int4,
	onnxpb.TensorProto_UINT4: tensor.Uint4, onnxpb.TensorProto_UINT2: tensor.Uint2,
	onnxpb.TensorProto_FLOAT8E4M3FN: tensor.Float8E4M3FN, onnxpb.TensorProto_FLOAT8E5M2: tensor.Float8E5M2,
}

// dtype returns the element type of that number.
func dtype(n int32) (tensor.DType, error) {
	if d, ok := dtypes[onnxpb.TensorProto_DataType(n)]; ok {
		return d, nil
	}
	return tensor.Invalid, fmt.Errorf("element type %s", onnxpb.TensorProto_DataType(n))
}

// held returns the type in which a program holds elements of a declared type.
func held(d tensor.DType) tensor.DType {
	switch {
	case d == tensor.Float16, d == tensor.Bool, d == tensor.String:
		return d
	case d.IsInt():
		return tensor.Int32
	}
	return tensor.Float32
}

// tensorOf reads a tensor in its own type. Bytes of the file are not copied.
func (m *Model) tensorOf(p *onnxpb.TensorProto) (*tensor.Tensor, error) {
	d, err := dtype(p.GetDataType())
	if err != nil {
		return nil, fault.New(fault.Unsupported, "", "%w", err)
	}
	shape, n, err := shapeOf(p.GetDims())
	if err != nil {
		return nil, err
	}
	size := d.PackedSize(n)
	var raw []byte
	switch {
	case p.GetDataLocation() == onnxpb.TensorProto_EXTERNAL:
		if raw, err = m.external(p.GetExternalData(), size); err != nil {
			return nil, err
		}
	case p.HasSegment():
		i := p.GetSegment().GetBegin()
		if i < 0 || i >= int64(len(m.blobs)) {
			return nil, fault.New(fault.Unsupported, "", "a segment of a tensor")
		}
		raw = m.blobs[i]
	case p.HasRawData():
		raw = p.GetRawData()
	default:
		return typed(p, d, shape, n)
	}
	if d == tensor.String {
		return nil, fault.New(fault.Corrupt, "", "strings as raw data")
	}
	if len(raw) != size {
		return nil, fault.New(fault.BadShape, "", "want %s %s in %d bytes, have %d", tensor.FormatShape(shape), d, size, len(raw))
	}
	if d == tensor.Bool { // any byte but 0 is true
		raw = slices.Clone(raw)
		for i, b := range raw {
			raw[i] = min(b, 1)
		}
	}
	return tensor.FromPacked(d, shape, raw)
}

func shapeOf(dims []int64) ([]int, int, error) {
	if len(dims) > maxRank {
		return nil, 0, fault.New(fault.Limit, "", "a tensor of rank %d", len(dims))
	}
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d)
	}
	n, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, 0, fault.New(fault.BadShape, "", "%w", err)
	}
	return shape, n, nil
}

// typed reads the elements from the field of their type. Narrow types lie in
// the field of 32-bit integers, float16 and bfloat16 as their bits.
func typed(p *onnxpb.TensorProto, d tensor.DType, shape []int, n int) (*tensor.Tensor, error) {
	count := func(have int) error {
		if have != n {
			return fault.New(fault.BadShape, "", "want %s = %d values, have %d", tensor.FormatShape(shape), n, have)
		}
		return nil
	}
	ints := p.GetInt32Data()
	var err error
	switch {
	case d == tensor.Float32:
		if err = count(len(p.GetFloatData())); err == nil {
			return tensor.New(d, shape, p.GetFloatData()), nil
		}
	case d == tensor.Float64:
		if err = count(len(p.GetDoubleData())); err == nil {
			return tensor.New(d, shape, p.GetDoubleData()), nil
		}
	case d == tensor.Int64:
		if err = count(len(p.GetInt64Data())); err == nil {
			return tensor.New(d, shape, p.GetInt64Data()), nil
		}
	case d == tensor.Uint64, d == tensor.Uint32:
		if err = count(len(p.GetUint64Data())); err == nil {
			out := make([]int64, n)
			for i, v := range p.GetUint64Data() {
				if out[i] = int64(v); d == tensor.Uint32 {
					out[i] = int64(uint32(v))
				}
			}
			return tensor.New(d, shape, out), nil
		}
	case d == tensor.String:
		if err = count(len(p.GetStringData())); err == nil {
			out := make([]string, n)
			for i, v := range p.GetStringData() {
				out[i] = string(v)
			}
			return tensor.New(d, shape, out), nil
		}
	case d == tensor.Bool:
		if err = count(len(ints)); err == nil {
			out := make([]bool, n)
			for i, v := range ints {
				out[i] = v != 0
			}
			return tensor.New(d, shape, out), nil
		}
	case d.Bits() < 8: // bytes of packed elements
		if len(ints) != d.PackedSize(n) {
			return nil, fault.New(fault.BadShape, "", "want %s %s in %d bytes, have %d", tensor.FormatShape(shape), d, d.PackedSize(n), len(ints))
		}
		out := make([]byte, len(ints))
		for i, v := range ints {
			out[i] = byte(v)
		}
		return tensor.FromPacked(d, shape, out)
	case d.IsInt():
		if err = count(len(ints)); err == nil {
			lo, hi := d.IntRange()
			for _, v := range ints {
				if int64(v) < lo || int64(v) > hi {
					return nil, fault.New(fault.BadValue, "", "%d is no %s", v, d)
				}
			}
			return tensor.New(d, shape, ints), nil
		}
	case d == tensor.Float16, d == tensor.BFloat16:
		if err = count(len(ints)); err == nil {
			out := make([]float32, n)
			for i, v := range ints {
				if d == tensor.Float16 {
					out[i] = tensor.Float16ToFloat32(uint16(v))
				} else {
					out[i] = math.Float32frombits(uint32(uint16(v)) << 16)
				}
			}
			return tensor.New(d, shape, out), nil
		}
	default:
		return nil, fault.New(fault.Unsupported, "", "element type %s", d)
	}
	return nil, err
}

// external reads a payload from a file beside the model.
func (m *Model) external(entries []*onnxpb.StringStringEntryProto, size int) ([]byte, error) {
	if m.dir == nil {
		return nil, fault.New(fault.Unsupported, "", "external data of a model without a folder")
	}
	var location string
	var offset, length int64 = 0, int64(size)
	for _, e := range entries {
		var err error
		switch e.GetKey() {
		case "location":
			location = e.GetValue()
		case "offset":
			offset, err = strconv.ParseInt(strings.TrimSpace(e.GetValue()), 10, 64)
		case "length":
			length, err = strconv.ParseInt(strings.TrimSpace(e.GetValue()), 10, 64)
		}
		if err != nil {
			return nil, fault.New(fault.Corrupt, "", "external data: %s %q", e.GetKey(), e.GetValue())
		}
	}
	name := filepath.ToSlash(filepath.Clean(location))
	if !filepath.IsLocal(location) || !fs.ValidPath(name) || strings.Contains(location, "\\") {
		return nil, fault.New(fault.Corrupt, "", "external data: the path %q leaves the model's folder", location)
	}
	if length != int64(size) || offset < 0 {
		return nil, fault.New(fault.BadShape, "", "external data: %d bytes from %d on, want %d bytes", length, offset, size)
	}
	f, err := m.dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("external data: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("external data: %w", err)
	}
	at, ok := f.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return nil, fault.New(fault.Unsupported, "", "external data: %q is no regular file", location)
	}
	if offset > info.Size() || length > info.Size()-offset {
		return nil, fault.New(fault.Corrupt, "", "external data: %q has %d bytes, want %d from %d on", location, info.Size(), length, offset)
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(at, offset, length), b); err != nil {
		return nil, fmt.Errorf("external data: %q: %w", location, err)
	}
	return b, nil
}

// sparse reads a sparse tensor as a dense one.
func (l *lowering) sparse(p *onnxpb.SparseTensorProto) (*tensor.Tensor, error) {
	m := l.model
	values, err := m.tensorOf(p.GetValues())
	if err != nil {
		return nil, err
	}
	indices, err := m.tensorOf(p.GetIndices())
	if err != nil {
		return nil, err
	}
	shape, n, err := shapeOf(p.GetDims())
	if err != nil {
		return nil, err
	}
	count := values.Len()
	if !l.spend(n) || indices.DType() != tensor.Int64 || indices.Len() != count && indices.Len() != count*len(shape) {
		return nil, fault.New(fault.BadShape, "", "a sparse tensor %s of %d values with %s as indices", tensor.FormatShape(shape), count, indices)
	}
	at := make([]int, count)
	list := tensor.Data[int64](indices)
	for i := range at {
		if indices.Rank() < 2 {
			at[i] = int(list[i])
		} else {
			for d, size := range shape {
				j := list[i*len(shape)+d]
				if j < 0 || j >= int64(size) {
					return nil, fault.New(fault.BadValue, "", "index %d of a dimension of %d", j, size)
				}
				at[i] = at[i]*size + int(j)
			}
		}
		if at[i] < 0 || at[i] >= n {
			return nil, fault.New(fault.BadValue, "", "index %d of %d elements", at[i], n)
		}
	}
	switch d := held(values.DType()); d {
	case tensor.Float32, tensor.Float16:
		values, err = values.ConvertTo(d)
		if err != nil {
			return nil, err
		}
		return spread(values, shape, n, at, values.F32()), nil
	case tensor.Int32:
		values, err = values.ConvertTo(d)
		if err != nil {
			return nil, err
		}
		return spread(values, shape, n, at, values.I32()), nil
	case tensor.Bool:
		return spread(values, shape, n, at, values.Bools()), nil
	default:
		return nil, fault.New(fault.Unsupported, "", "a sparse tensor of %s", d)
	}
}

func spread[T tensor.Element](like *tensor.Tensor, shape []int, n int, at []int, values []T) *tensor.Tensor {
	out := make([]T, n)
	for i, j := range at {
		out[j] = values[i]
	}
	return tensor.New(like.DType(), shape, out)
}
