package tensor

import (
	"fmt"
	"slices"
	"strings"
)

// MaxElements bounds the elements of one tensor: shapes from outside that ask
// for more are refused before anything is allocated. It fits an int32.
const MaxElements = 1<<31 - 1

// Tensor is a dense row-major array. Its elements are held either decoded, in
// a Go slice (float32 for every float type up to 32 bits, int32 for every
// integer type up to 32 bits, …), or packed, in the bytes a file has, or made
// from Codes; the accessors give either form. Decoded elements of a narrow float type may be
// finer than the type: packing rounds them. Uint64 elements are held as the
// same 64 bits in an int64. A Tensor is read-only once built: the slices it
// hands out may be shared.
type Tensor struct {
	dtype  DType
	shape  []int
	data   any    // decoded slice; nil while only packed
	packed []byte // little endian; sub-byte types least significant bit first
	codes  *Codes // instead of both
}

// Element is a Go type in which elements are held.
type Element interface {
	float32 | float64 | int32 | int64 | bool | string
}

// Size returns the number of elements of a shape, 1 for rank 0.
func Size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// CheckShape returns the number of elements, or an error for a negative
// dimension or more than MaxElements elements. Dimensions of zero do not
// excuse the others: no product of some of the dimensions can overflow.
func CheckShape(shape []int) (int, error) {
	n, empty := 1, false
	for _, d := range shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("shape %s has a negative dimension", FormatShape(shape))
		case d == 0:
			empty = true
		case n > MaxElements/d:
			return 0, fmt.Errorf("shape %s has more than %d elements", FormatShape(shape), MaxElements)
		default:
			n *= d
		}
	}
	if empty {
		return 0, nil
	}
	return n, nil
}

// FormatShape writes a shape as 1×3×224×224, rank 0 as "scalar".
func FormatShape(shape []int) string {
	if len(shape) == 0 {
		return "scalar"
	}
	var b strings.Builder
	for i, d := range shape {
		if i > 0 {
			b.WriteString("×")
		}
		fmt.Fprint(&b, d)
	}
	return b.String()
}

// New returns a tensor over data, which it keeps. It panics when the type's
// elements are not held in a []T or the shape does not have len(data)
// elements: both are the caller's mistake, not the input's.
func New[T Element](dtype DType, shape []int, data []T) *Tensor {
	if classOf[T]() != dtype.class() {
		panic(fmt.Sprintf("tensor.New: %s elements are not held in a %T", dtype, data))
	}
	if Size(shape) != len(data) {
		panic(fmt.Sprintf("tensor.New: shape %s, %d values", FormatShape(shape), len(data)))
	}
	return &Tensor{dtype: dtype, shape: slices.Clone(shape), data: data}
}

// Zeros returns a tensor of zeros (false, "").
func Zeros(dtype DType, shape []int) *Tensor {
	n := Size(shape)
	t := &Tensor{dtype: dtype, shape: slices.Clone(shape)}
	switch dtype.class() {
	case classFloat32:
		t.data = make([]float32, n)
	case classFloat64:
		t.data = make([]float64, n)
	case classInt32:
		t.data = make([]int32, n)
	case classInt64:
		t.data = make([]int64, n)
	case classBool:
		t.data = make([]bool, n)
	case classString:
		t.data = make([]string, n)
	default:
		panic("tensor.Zeros: " + dtype.String())
	}
	return t
}

// Scalar returns a tensor of rank 0.
func Scalar[T Element](dtype DType, v T) *Tensor { return New(dtype, nil, []T{v}) }

// Floats returns an fp32 tensor over data.
func Floats(shape []int, data []float32) *Tensor { return New(Float32, shape, data) }

// Ints returns an int32 tensor over data.
func Ints(shape []int, data []int32) *Tensor { return New(Int32, shape, data) }

// FromPacked returns a tensor over the bytes a file has: little endian,
// sub-byte types dense and least significant bit first. It keeps b.
func FromPacked(dtype DType, shape []int, b []byte) (*Tensor, error) {
	n, err := CheckShape(shape)
	if err != nil {
		return nil, err
	}
	want := dtype.PackedSize(n)
	if want < 0 {
		return nil, fmt.Errorf("%s elements have no packed form", dtype)
	}
	if len(b) != want {
		return nil, fmt.Errorf("want %s %s = %d bytes, have %d", FormatShape(shape), dtype, want, len(b))
	}
	return &Tensor{dtype: dtype, shape: slices.Clone(shape), packed: b}, nil
}

func classOf[T Element]() class {
	switch any(*new(T)).(type) {
	case float32:
		return classFloat32
	case float64:
		return classFloat64
	case int32:
		return classInt32
	case int64:
		return classInt64
	case bool:
		return classBool
	default:
		return classString
	}
}

// DType returns the element type.
func (t *Tensor) DType() DType { return t.dtype }

// Shape returns the shape. The caller must not change it.
func (t *Tensor) Shape() []int { return t.shape }

// Rank returns the number of dimensions.
func (t *Tensor) Rank() int { return len(t.shape) }

// Len returns the number of elements.
func (t *Tensor) Len() int { return Size(t.shape) }

// IsPacked tells whether the elements are held only as a file's bytes.
func (t *Tensor) IsPacked() bool { return t.data == nil && t.codes == nil }

func (t *Tensor) String() string {
	return fmt.Sprintf("%s %s", FormatShape(t.shape), t.dtype)
}

// Reshape returns the same elements under another shape of the same size.
func (t *Tensor) Reshape(shape []int) *Tensor {
	if Size(shape) != t.Len() {
		panic(fmt.Sprintf("tensor.Reshape: %s to %s", t, FormatShape(shape)))
	}
	return &Tensor{dtype: t.dtype, shape: slices.Clone(shape), data: t.data, packed: t.packed, codes: t.codes}
}

// Data returns the decoded elements of a tensor whose class is T: float32 for
// float types up to 32 bits, int32 for integer types up to 32 bits but
// Uint32, int64 for the others, float64, bool, string. The slice may be the
// tensor's own memory and is not to be changed. It panics on another T.
func Data[T Element](t *Tensor) []T {
	if classOf[T]() != t.dtype.class() {
		panic(fmt.Sprintf("tensor.Data: %s is not held in a []%T", t, *new(T)))
	}
	if t.codes != nil {
		return any(t.codes.values(t.Len())).([]T)
	}
	if t.data == nil {
		if t.dtype == Float32 { // and T float32
			if view := viewLittle[T](t.packed); view != nil {
				return view
			}
		}
		return unpack(t.dtype, t.packed, t.Len()).([]T)
	}
	return t.data.([]T)
}

// Decoded returns t with its elements decoded once and for all.
func (t *Tensor) Decoded() *Tensor {
	if t.data != nil {
		return t
	}
	if t.dtype == Float32 || t.codes != nil {
		return &Tensor{dtype: t.dtype, shape: t.shape, data: Data[float32](t)}
	}
	return &Tensor{dtype: t.dtype, shape: t.shape, data: unpack(t.dtype, t.packed, t.Len())}
}

// F32 returns the elements of a tensor of a float type up to 32 bits.
func (t *Tensor) F32() []float32 { return Data[float32](t) }

// I32 returns the elements of a tensor of an integer type up to 32 bits.
func (t *Tensor) I32() []int32 { return Data[int32](t) }

// Bools returns the elements of a Bool tensor.
func (t *Tensor) Bools() []bool { return Data[bool](t) }

// Strings returns the elements of a String tensor.
func (t *Tensor) Strings() []string { return Data[string](t) }

// Packed returns the elements as a file stores them. Strings have no such
// form; the result is nil for them.
func (t *Tensor) Packed() []byte {
	if t.codes != nil {
		t = t.Decoded()
	}
	if t.packed != nil || t.data == nil {
		return t.packed
	}
	return pack(t.dtype, t.data)
}
