package tensor

import (
	"encoding/binary"
	"math"
)

// unpack decodes n elements from a file's bytes; len(b) has been checked.
func unpack(d DType, b []byte, n int) any {
	le := binary.LittleEndian
	switch d.class() {
	case classFloat32:
		out := make([]float32, n)
		switch d {
		case Float32:
			for i := range out {
				out[i] = math.Float32frombits(le.Uint32(b[4*i:]))
			}
		case Float16:
			for i := range out {
				out[i] = Float16ToFloat32(le.Uint16(b[2*i:]))
			}
		case BFloat16:
			for i := range out {
				out[i] = math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16)
			}
		case Float8E4M3FN:
			for i := range out {
				out[i] = float8E4M3FNToFloat32(b[i])
			}
		case Float8E5M2:
			for i := range out {
				out[i] = Float16ToFloat32(uint16(b[i]) << 8)
			}
		}
		return out
	case classFloat64:
		out := make([]float64, n)
		for i := range out {
			out[i] = math.Float64frombits(le.Uint64(b[8*i:]))
		}
		return out
	case classInt32:
		out := make([]int32, n)
		switch d {
		case Int8:
			for i := range out {
				out[i] = int32(int8(b[i]))
			}
		case Uint8:
			for i := range out {
				out[i] = int32(b[i])
			}
		case Int16:
			for i := range out {
				out[i] = int32(int16(le.Uint16(b[2*i:])))
			}
		case Uint16:
			for i := range out {
				out[i] = int32(le.Uint16(b[2*i:]))
			}
		case Int32:
			for i := range out {
				out[i] = int32(le.Uint32(b[4*i:]))
			}
		default:
			unpackBits(out, b, d.Bits(), d == Int4)
		}
		return out
	case classInt64:
		out := make([]int64, n)
		for i := range out {
			if d == Uint32 {
				out[i] = int64(le.Uint32(b[4*i:]))
			} else {
				out[i] = int64(le.Uint64(b[8*i:]))
			}
		}
		return out
	case classBool:
		out := make([]bool, n)
		for i := range out {
			out[i] = b[i] != 0
		}
		return out
	}
	panic("tensor: no packed form: " + d.String())
}

// unpackBits reads codes of 1 to 7 bits, least significant bit first.
func unpackBits(out []int32, b []byte, bits int, signed bool) {
	mask := uint32(1)<<bits - 1
	var acc uint32
	have, next := 0, 0
	for i := range out {
		if have < bits {
			acc |= uint32(b[next]) << have
			have += 8
			next++
		}
		v := int32(acc & mask)
		if signed && v >= 1<<(bits-1) {
			v -= 1 << bits
		}
		out[i] = v
		acc >>= bits
		have -= bits
	}
}

// pack is the inverse of unpack. Values outside an integer type's range keep
// their low bits.
func pack(d DType, data any) []byte {
	le := binary.LittleEndian
	switch v := data.(type) {
	case []float32:
		out := make([]byte, d.PackedSize(len(v)))
		switch d {
		case Float32:
			for i, x := range v {
				le.PutUint32(out[4*i:], math.Float32bits(x))
			}
		case Float16:
			for i, x := range v {
				le.PutUint16(out[2*i:], Float16FromFloat32(x))
			}
		case BFloat16:
			for i, x := range v {
				le.PutUint16(out[2*i:], bfloat16FromFloat32(x))
			}
		case Float8E4M3FN:
			for i, x := range v {
				out[i] = float8E4M3FNFromFloat32(x)
			}
		case Float8E5M2:
			for i, x := range v {
				out[i] = float8E5M2FromFloat32(x)
			}
		}
		return out
	case []float64:
		out := make([]byte, 8*len(v))
		for i, x := range v {
			le.PutUint64(out[8*i:], math.Float64bits(x))
		}
		return out
	case []int32:
		out := make([]byte, d.PackedSize(len(v)))
		switch d.Bits() {
		case 8:
			for i, x := range v {
				out[i] = byte(x)
			}
		case 16:
			for i, x := range v {
				le.PutUint16(out[2*i:], uint16(x))
			}
		case 32:
			for i, x := range v {
				le.PutUint32(out[4*i:], uint32(x))
			}
		default:
			packBits(out, v, d.Bits())
		}
		return out
	case []int64:
		out := make([]byte, d.PackedSize(len(v)))
		for i, x := range v {
			if d == Uint32 {
				le.PutUint32(out[4*i:], uint32(x))
			} else {
				le.PutUint64(out[8*i:], uint64(x))
			}
		}
		return out
	case []bool:
		out := make([]byte, len(v))
		for i, x := range v {
			if x {
				out[i] = 1
			}
		}
		return out
	}
	return nil
}

func packBits(out []byte, v []int32, bits int) {
	mask := uint32(1)<<bits - 1
	var acc uint32
	have, next := 0, 0
	for _, x := range v {
		acc |= (uint32(x) & mask) << have
		have += bits
		for have >= 8 {
			out[next] = byte(acc)
			next++
			acc >>= 8
			have -= 8
		}
	}
	if have > 0 {
		out[next] = byte(acc)
	}
}
