// Package tensor holds dense arrays: element types, shapes, packed bytes as
// files store them, and the NumPy file format. It is the bottom of the house:
// it imports nothing else of the project and knows no model, operator or kernel.
package tensor

import (
	"fmt"
	"math"
)

// DType is the element type of a tensor.
type DType uint8

// The element types of ML Programs, weight files and NumPy files.
const (
	Invalid DType = iota
	Bool
	Int8
	Uint8
	Int16
	Uint16
	Int32
	Uint32
	Int64
	Uint64
	Float16
	BFloat16
	Float32
	Float64
	Int4
	Uint1
	Uint2
	Uint3
	Uint4
	Uint6
	Float8E4M3FN
	Float8E5M2
	String
)

// class is the Go slice in which decoded elements are held.
type class uint8

const (
	classNone    class = iota
	classFloat32       // []float32: Float8*, Float16, BFloat16, Float32
	classFloat64       // []float64: Float64
	classInt32         // []int32: integers of up to 32 bits except Uint32
	classInt64         // []int64: Uint32, Int64, Uint64
	classBool          // []bool
	classString        // []string
)

var dtypes = [...]struct {
	name  string
	bits  int
	class class
}{
	Invalid:      {"invalid", 0, classNone},
	Bool:         {"bool", 8, classBool},
	Int8:         {"int8", 8, classInt32},
	Uint8:        {"uint8", 8, classInt32},
	Int16:        {"int16", 16, classInt32},
	Uint16:       {"uint16", 16, classInt32},
	Int32:        {"int32", 32, classInt32},
	Uint32:       {"uint32", 32, classInt64},
	Int64:        {"int64", 64, classInt64},
	Uint64:       {"uint64", 64, classInt64},
	Float16:      {"fp16", 16, classFloat32},
	BFloat16:     {"bf16", 16, classFloat32},
	Float32:      {"fp32", 32, classFloat32},
	Float64:      {"fp64", 64, classFloat64},
	Int4:         {"int4", 4, classInt32},
	Uint1:        {"uint1", 1, classInt32},
	Uint2:        {"uint2", 2, classInt32},
	Uint3:        {"uint3", 3, classInt32},
	Uint4:        {"uint4", 4, classInt32},
	Uint6:        {"uint6", 6, classInt32},
	Float8E4M3FN: {"fp8e4m3fn", 8, classFloat32},
	Float8E5M2:   {"fp8e5m2", 8, classFloat32},
	String:       {"string", 0, classString},
}

// String returns the MIL name of the type: "fp16", "int32", ….
func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// ParseDType returns the type of that MIL name.
func ParseDType(name string) (DType, error) {
	for d := range dtypes {
		if d != int(Invalid) && dtypes[d].name == name {
			return DType(d), nil
		}
	}
	return Invalid, fmt.Errorf("no element type is called %q", name)
}

// Bits is the stored size of one element: 1 for Uint1, 16 for Float16, 0 for String.
func (d DType) Bits() int {
	if int(d) < len(dtypes) {
		return dtypes[d].bits
	}
	return 0
}

func (d DType) class() class {
	if int(d) < len(dtypes) {
		return dtypes[d].class
	}
	return classNone
}

// IsFloat tells a floating-point type.
func (d DType) IsFloat() bool { return d.class() == classFloat32 || d.class() == classFloat64 }

// IsInt tells an integer type, sub-byte types included; Bool is none.
func (d DType) IsInt() bool { return d.class() == classInt32 || d.class() == classInt64 }

// IsSigned tells an integer or floating-point type with negative values.
func (d DType) IsSigned() bool {
	switch d {
	case Int4, Int8, Int16, Int32, Int64:
		return true
	}
	return d.IsFloat()
}

// IntRange returns the least and the greatest value of an integer type, 0 and
// 0 for the others. The greatest Uint64 is reported as the greatest int64.
func (d DType) IntRange() (lo, hi int64) {
	if !d.IsInt() {
		return 0, 0
	}
	b := d.Bits()
	if d.IsSigned() {
		return -1 << (b - 1), 1<<(b-1) - 1
	}
	if b == 64 {
		return 0, math.MaxInt64
	}
	return 0, 1<<b - 1
}

// PackedSize is the number of bytes that n elements take in a file:
// ceil(n*bits/8). It is -1 where that overflows or the type has no fixed size.
func (d DType) PackedSize(n int) int {
	b := d.Bits()
	if b == 0 || n < 0 || n > (math.MaxInt-7)/b {
		return -1
	}
	return (n*b + 7) / 8
}
