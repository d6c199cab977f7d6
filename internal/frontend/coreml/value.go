package coreml

import (
	"errors"
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var dtypes = map[spec.DataType]tensor.DType{
	spec.DataType_BOOL: tensor.Bool, spec.DataType_STRING: tensor.String,
	spec.DataType_FLOAT8E4M3FN: tensor.Float8E4M3FN, spec.DataType_FLOAT8E5M2: tensor.Float8E5M2,
	spec.DataType_FLOAT16: tensor.Float16, spec.DataType_FLOAT32: tensor.Float32,
	spec.DataType_FLOAT64: tensor.Float64, spec.DataType_BFLOAT16: tensor.BFloat16,
	spec.DataType_INT4: tensor.Int4, spec.DataType_INT8: tensor.Int8, spec.DataType_INT16: tensor.Int16,
	spec.DataType_INT32: tensor.Int32, spec.DataType_INT64: tensor.Int64,
	spec.DataType_UINT1: tensor.Uint1, spec.DataType_UINT2: tensor.Uint2, spec.DataType_UINT3: tensor.Uint3,
	spec.DataType_UINT4: tensor.Uint4, spec.DataType_UINT6: tensor.Uint6, spec.DataType_UINT8: tensor.Uint8,
	spec.DataType_UINT16: tensor.Uint16, spec.DataType_UINT32: tensor.Uint32, spec.DataType_UINT64: tensor.Uint64,
}

// readType reads a value's type.
func readType(t *spec.ValueType, depth int) (mil.Type, error) {
	if depth > maxNesting {
		return mil.Type{}, fmt.Errorf("types are nested more than %d deep", maxNesting)
	}
	elem := func(t *spec.ValueType) (*mil.Type, error) {
		e, err := readType(t, depth+1)
		return &e, err
	}
	var out mil.Type
	var err error
	switch t.WhichType() {
	case spec.ValueType_TensorType_case:
		return readTensorType(t.GetTensorType())
	case spec.ValueType_ListType_case:
		out.Kind = mil.List
		out.Len, _, err = readDim(t.GetListType().GetLength())
		if err != nil {
			return out, err
		}
		out.Elem, err = elem(t.GetListType().GetType())
	case spec.ValueType_DictionaryType_case:
		out.Kind = mil.Dict
		if out.Key, err = elem(t.GetDictionaryType().GetKeyType()); err != nil {
			return out, err
		}
		out.Elem, err = elem(t.GetDictionaryType().GetValueType())
	case spec.ValueType_StateType_case:
		out.Kind = mil.State
		out.Elem, err = elem(t.GetStateType().GetWrappedType())
	case spec.ValueType_TupleType_case:
		out.Kind = mil.Tuple
	default:
		return out, errors.New("has no type")
	}
	return out, err
}

func readTensorType(t *spec.TensorType) (mil.Type, error) {
	d, ok := dtypes[t.GetDataType()]
	if !ok {
		return mil.Type{}, fmt.Errorf("unknown element type %v", t.GetDataType())
	}
	out := mil.Type{DType: d}
	for _, dim := range t.GetDimensions() {
		n, variadic, err := readDim(dim)
		if err != nil {
			return out, err
		}
		out.AnyRank = out.AnyRank || variadic
		out.Shape = append(out.Shape, n)
	}
	if out.AnyRank {
		out.Shape = nil
	}
	return out, nil
}

func readDim(d *spec.Dimension) (size int, variadic bool, err error) {
	switch d.WhichDimension() {
	case spec.Dimension_Constant_case:
		n := d.GetConstant().GetSize()
		if n > math.MaxInt32 {
			return 0, false, fmt.Errorf("dimension of %d", n)
		}
		return int(n), false, nil
	default:
		return mil.Unknown, d.GetUnknown().GetVariadic(), nil
	}
}

// value reads a constant: a tensor, or a list or tuple of scalars, which
// become a tensor of rank 1.
func (r *programReader) value(v *spec.Value, name string) (*mil.Value, error) {
	if v == nil {
		return nil, errors.New("the value is missing")
	}
	if l := v.GetImmediateValue().GetList().GetValues(); l != nil || v.GetType().WhichType() == spec.ValueType_ListType_case {
		t, err := scalars(l)
		if err != nil {
			return nil, err
		}
		return mil.NewConst(name, t), nil
	}
	if l := v.GetImmediateValue().GetTuple().GetValues(); l != nil {
		t, err := scalars(l)
		if err != nil {
			return nil, err
		}
		return mil.NewConst(name, t), nil
	}
	t, err := readType(v.GetType(), 0)
	if err != nil {
		return nil, err
	}
	if !t.IsStatic() {
		return nil, fmt.Errorf("a constant of type %s", t)
	}
	if v.WhichValue() == spec.Value_BlobFileValue_case {
		b := v.GetBlobFileValue()
		key := fmt.Sprint(b.GetFileName(), "\x00", b.GetOffset(), t)
		if c := r.constants[key]; c != nil {
			return mil.NewConst(name, c), nil
		}
		f, err := r.blobs(b.GetFileName())
		if err != nil {
			return nil, err
		}
		c, err := f.Read(b.GetOffset(), t.Shape)
		if err != nil {
			return nil, err
		}
		if c.DType() != t.DType {
			return nil, fmt.Errorf("the weight file holds %s, the program says %s", c, t)
		}
		r.constants[key] = c
		return mil.NewConst(name, c), nil
	}
	c, err := immediate(t, v.GetImmediateValue().GetTensor())
	if err != nil {
		return nil, err
	}
	return mil.NewConst(name, c), nil
}

// immediate reads a tensor that stands in the program itself.
func immediate(t mil.Type, v *spec.TensorValue) (*tensor.Tensor, error) {
	n, err := tensor.CheckShape(t.Shape)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, errors.New("the constant has no value")
	}
	switch v.WhichValue() {
	case spec.TensorValue_Floats_case:
		return elements(t, n, v.GetFloats().GetValues(), tensor.Float32)
	case spec.TensorValue_Doubles_case:
		return elements(t, n, v.GetDoubles().GetValues(), tensor.Float64)
	case spec.TensorValue_Ints_case:
		return elements(t, n, v.GetInts().GetValues(), tensor.Int32, tensor.Int16, tensor.Uint16, tensor.Int8, tensor.Uint8)
	case spec.TensorValue_LongInts_case:
		return elements(t, n, v.GetLongInts().GetValues(), tensor.Int64, tensor.Uint64, tensor.Uint32)
	case spec.TensorValue_Bools_case:
		return elements(t, n, v.GetBools().GetValues(), tensor.Bool)
	case spec.TensorValue_Strings_case:
		return elements(t, n, v.GetStrings().GetValues(), tensor.String)
	case spec.TensorValue_Bytes_case:
		return tensor.FromPacked(t.DType, t.Shape, v.GetBytes().GetValues())
	default:
		if n == 0 {
			return tensor.Zeros(t.DType, t.Shape), nil
		}
		return nil, errors.New("the constant has no value")
	}
}

// elements checks an element list against the type.
func elements[T tensor.Element](t mil.Type, n int, data []T, allowed ...tensor.DType) (*tensor.Tensor, error) {
	ok := false
	for _, d := range allowed {
		ok = ok || d == t.DType
	}
	if !ok {
		return nil, fmt.Errorf("a constant of type %s holds %T", t, data)
	}
	if len(data) != n {
		return nil, fmt.Errorf("a constant of type %s holds %d values, want %d", t, len(data), n)
	}
	return tensor.New(t.DType, t.Shape, data), nil
}

// scalars reads a list of scalar constants into one tensor of rank 1.
func scalars(vs []*spec.Value) (*tensor.Tensor, error) {
	if len(vs) == 0 {
		return tensor.New(tensor.String, []int{0}, []string{}), nil
	}
	first, err := readType(vs[0].GetType(), 0)
	if err != nil {
		return nil, err
	}
	t := mil.TensorType(first.DType, len(vs))
	all := &spec.TensorValue{}
	var ints []int32
	var longs []int64
	var floats []float32
	var strs []string
	for i, v := range vs {
		e := v.GetImmediateValue().GetTensor()
		ints = append(ints, e.GetInts().GetValues()...)
		longs = append(longs, e.GetLongInts().GetValues()...)
		floats = append(floats, e.GetFloats().GetValues()...)
		strs = append(strs, e.GetStrings().GetValues()...)
		if len(ints)+len(longs)+len(floats)+len(strs) != i+1 {
			return nil, fmt.Errorf("item %d of a list is no scalar", i)
		}
	}
	switch {
	case len(ints) == len(vs):
		all.SetInts(spec.TensorValue_RepeatedInts_builder{Values: ints}.Build())
	case len(longs) == len(vs):
		all.SetLongInts(spec.TensorValue_RepeatedLongInts_builder{Values: longs}.Build())
	case len(floats) == len(vs):
		all.SetFloats(spec.TensorValue_RepeatedFloats_builder{Values: floats}.Build())
	case len(strs) == len(vs):
		all.SetStrings(spec.TensorValue_RepeatedStrings_builder{Values: strs}.Build())
	default:
		return nil, errors.New("the items of a list differ in type")
	}
	return immediate(t, all)
}

// TypeOf reads a value's type.
func TypeOf(t *spec.ValueType) (mil.Type, error) { return readType(t, 0) }
