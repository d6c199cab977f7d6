package tensor

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// This file is the one place of the package where memory is seen as bytes.

// littleEndian tells whether this machine keeps numbers as files do.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// number is a type whose slice has, on a little-endian machine, the bytes of
// a file.
type number interface {
	float32 | float64 | int32 | int64
}

// memory returns the bytes of s, as they are in memory.
func memory[T number](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

// viewLittle sees b as numbers without copying them: large weights would be
// there twice. It returns nil where this machine has another byte order or wants
// numbers at other addresses.
func viewLittle[T any](b []byte) []T {
	size := unsafe.Sizeof(*new(T))
	if !littleEndian || len(b) == 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%unsafe.Alignof(*new(T)) != 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(size))
}

// readLittle decodes len(out) little-endian numbers from b, of any alignment.
func readLittle[T number](out []T, b []byte) {
	m := memory(out)
	copy(m, b)
	if !littleEndian {
		reverseBytes(m, int(unsafe.Sizeof(*new(T))))
	}
}

// appendLittle is the inverse of readLittle.
func appendLittle[T number](b []byte, s []T) []byte {
	start := len(b)
	b = append(b, memory(s)...)
	if !littleEndian {
		reverseBytes(b[start:], int(unsafe.Sizeof(*new(T))))
	}
	return b
}

// reverseBytes turns each item of size bytes around, from one byte order to
// the other; a rest shorter than an item stays.
func reverseBytes(b []byte, size int) {
	le, be := binary.LittleEndian, binary.BigEndian
	switch size {
	case 1:
	case 2:
		for ; len(b) >= 2; b = b[2:] {
			le.PutUint16(b, be.Uint16(b))
		}
	case 4:
		for ; len(b) >= 4; b = b[4:] {
			le.PutUint32(b, be.Uint32(b))
		}
	case 8:
		for ; len(b) >= 8; b = b[8:] {
			le.PutUint64(b, be.Uint64(b))
		}
	default:
		for ; len(b) >= size; b = b[size:] {
			slices.Reverse(b[:size])
		}
	}
}
