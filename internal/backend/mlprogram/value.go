package mlprogram

import (
	"bytes"
	"fmt"
	"hash/maphash"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/blob"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var dataTypes = map[tensor.DType]spec.DataType{
	tensor.Bool: spec.DataType_BOOL, tensor.String: spec.DataType_STRING,
	tensor.Float8E4M3FN: spec.DataType_FLOAT8E4M3FN, tensor.Float8E5M2: spec.DataType_FLOAT8E5M2,
	tensor.Float16: spec.DataType_FLOAT16, tensor.Float32: spec.DataType_FLOAT32,
	tensor.Float64: spec.DataType_FLOAT64, tensor.BFloat16: spec.DataType_BFLOAT16,
	tensor.Int4: spec.DataType_INT4, tensor.Int8: spec.DataType_INT8, tensor.Int16: spec.DataType_INT16,
	tensor.Int32: spec.DataType_INT32, tensor.Int64: spec.DataType_INT64,
	tensor.Uint1: spec.DataType_UINT1, tensor.Uint2: spec.DataType_UINT2, tensor.Uint3: spec.DataType_UINT3,
	tensor.Uint4: spec.DataType_UINT4, tensor.Uint6: spec.DataType_UINT6, tensor.Uint8: spec.DataType_UINT8,
	tensor.Uint16: spec.DataType_UINT16, tensor.Uint32: spec.DataType_UINT32, tensor.Uint64: spec.DataType_UINT64,
}

// typeOf writes a type.
func typeOf(t mil.Type) *spec.ValueType {
	switch t.Kind {
	case mil.List:
		return spec.ValueType_builder{ListType: spec.ListType_builder{Type: typeOf(*t.Elem), Length: dimension(t.Len)}.Build()}.Build()
	case mil.Dict:
		return spec.ValueType_builder{DictionaryType: spec.DictionaryType_builder{KeyType: typeOf(*t.Key), ValueType: typeOf(*t.Elem)}.Build()}.Build()
	case mil.State:
		return spec.ValueType_builder{StateType: spec.StateType_builder{WrappedType: typeOf(*t.Elem)}.Build()}.Build()
	case mil.Tuple:
		return spec.ValueType_builder{TupleType: new(spec.TupleType)}.Build()
	}
	out := spec.TensorType_builder{DataType: dataTypes[t.DType]}
	if t.AnyRank {
		out.Rank = -1
		out.Dimensions = []*spec.Dimension{
			spec.Dimension_builder{Unknown: spec.Dimension_UnknownDimension_builder{Variadic: true}.Build()}.Build(),
		}
	} else {
		out.Rank = int64(len(t.Shape))
		for _, d := range t.Shape {
			out.Dimensions = append(out.Dimensions, dimension(d))
		}
	}
	return spec.ValueType_builder{TensorType: out.Build()}.Build()
}

func dimension(n int) *spec.Dimension {
	if n < 0 {
		return spec.Dimension_builder{Unknown: new(spec.Dimension_UnknownDimension)}.Build()
	}
	return spec.Dimension_builder{Constant: spec.Dimension_ConstantDimension_builder{Size: uint64(n)}.Build()}.Build()
}

// immediate writes a tensor into the program itself.
func immediate(t *tensor.Tensor) *spec.Value {
	v := new(spec.TensorValue)
	switch t.DType() {
	case tensor.Float32:
		v.SetFloats(spec.TensorValue_RepeatedFloats_builder{Values: t.F32()}.Build())
	case tensor.Float64:
		v.SetDoubles(spec.TensorValue_RepeatedDoubles_builder{Values: tensor.Data[float64](t)}.Build())
	case tensor.Bool:
		v.SetBools(spec.TensorValue_RepeatedBools_builder{Values: t.Bools()}.Build())
	case tensor.String:
		v.SetStrings(spec.TensorValue_RepeatedStrings_builder{Values: t.Strings()}.Build())
	case tensor.Int32, tensor.Int16, tensor.Uint16:
		v.SetInts(spec.TensorValue_RepeatedInts_builder{Values: t.I32()}.Build())
	case tensor.Int64, tensor.Uint64:
		v.SetLongInts(spec.TensorValue_RepeatedLongInts_builder{Values: tensor.Data[int64](t)}.Build())
	default:
		v.SetBytes(spec.TensorValue_RepeatedBytes_builder{Values: t.Packed()}.Build())
	}
	return spec.Value_builder{
		Type:           typeOf(mil.TypeOf(t)),
		ImmediateValue: spec.Value_ImmediateValue_builder{Tensor: v}.Build(),
	}.Build()
}

func str(s string) *spec.Value { return immediate(tensor.Scalar(tensor.String, s)) }

// list writes a vector as a list of scalars.
func list(t *tensor.Tensor) *spec.Value {
	var items []*spec.Value
	if t.DType() == tensor.String {
		for _, s := range t.Strings() {
			items = append(items, str(s))
		}
	} else {
		for _, n := range tensor.Data[int64](t) {
			items = append(items, immediate(tensor.Scalar(tensor.Int64, n)))
		}
	}
	elem := mil.TensorType(t.DType())
	return spec.Value_builder{
		Type:           typeOf(mil.Type{Kind: mil.List, Elem: &elem, Len: t.Len()}),
		ImmediateValue: spec.Value_ImmediateValue_builder{List: spec.ListValue_builder{Values: items}.Build()}.Build(),
	}.Build()
}

// minStored is the least number of elements of a constant in a weight file.
const minStored = 10

// isStored tells whether a constant goes to the weight file.
func isStored(t *tensor.Tensor, opset mil.Opset) bool {
	if t.Len() < minStored {
		return false
	}
	switch d := t.DType(); d {
	case tensor.Float16, tensor.Float32, tensor.Int8, tensor.Uint8:
		return true
	case tensor.Bool, tensor.String:
		return false
	default:
		return opset >= mil.IOS18 && blob.Storable(d)
	}
}

const weightFile = "@model_path/weights/weight.bin"

// store is the weight file: equal constants are written once.
type store struct {
	w    *blob.Writer
	seed maphash.Seed
	have map[uint64][]stored
}

type stored struct {
	t      *tensor.Tensor
	offset uint64
}

func newStore(w *blob.Writer) *store {
	return &store{w: w, seed: maphash.MakeSeed(), have: map[uint64][]stored{}}
}

// put writes a constant, unless there is one with the same bytes, and returns
// the value that refers to it.
func (s *store) put(t *tensor.Tensor) (*spec.Value, error) {
	data := t.Packed()
	packed, err := tensor.FromPacked(t.DType(), t.Shape(), data)
	if err != nil {
		return nil, err
	}
	key := maphash.Bytes(s.seed, data)
	for _, old := range s.have[key] {
		if old.t.DType() == t.DType() && old.t.Len() == t.Len() && bytes.Equal(old.t.Packed(), data) {
			return blobValue(t, old.offset), nil
		}
	}
	offset, err := s.w.Append(packed)
	if err != nil {
		return nil, fmt.Errorf("write weights: %w", err)
	}
	s.have[key] = append(s.have[key], stored{t, offset})
	return blobValue(t, offset), nil
}

func blobValue(t *tensor.Tensor, offset uint64) *spec.Value {
	return spec.Value_builder{
		Type:          typeOf(mil.TypeOf(t)),
		BlobFileValue: spec.Value_BlobFileValue_builder{FileName: weightFile, Offset: offset}.Build(),
	}.Build()
}
