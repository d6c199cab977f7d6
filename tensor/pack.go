package tensor

import (
	"encoding/binary"
	"math"
)

// unpack decodes n elements from a file's bytes; len(b) has been checked.
func unpack(d DType, b []byte, n int) any {
	switch d.class() {
	case classFloat32:
		out := make([]float32, n)
		switch d {
		case Float32:
			readLittle(out, b)
		case Float16:
			unpackFloat16(out, b)
		case BFloat16:
			unpackBFloat16(out, b)
		case Float8E4M3FN:
			for i, v := range b[:n] {
				out[i] = float8E4M3FNValues[v]
			}
		case Float8E5M2:
			for i, v := range b[:n] {
				out[i] = float8E5M2Values[v]
			}
		}
		return out
	case classFloat64:
		out := make([]float64, n)
		readLittle(out, b)
		return out
	case classInt32:
		out := make([]int32, n)
		switch d {
		case Int8:
			for i, v := range b[:n] {
				out[i] = int32(int8(v))
			}
		case Uint8:
			for i, v := range b[:n] {
				out[i] = int32(v)
			}
		case Int16:
			for i := range out {
				out[i] = int32(int16(binary.LittleEndian.Uint16(b[2*i:])))
			}
		case Uint16:
			for i := range out {
				out[i] = int32(binary.LittleEndian.Uint16(b[2*i:]))
			}
		case Int32:
			readLittle(out, b)
		default:
			unpackBits(out, b, d.Bits(), d == Int4)
		}
		return out
	case classInt64:
		out := make([]int64, n)
		if d == Uint32 {
			for i := range out {
				out[i] = int64(binary.LittleEndian.Uint32(b[4*i:]))
			}
			return out
		}
		readLittle(out, b)
		return out
	case classBool:
		out := make([]bool, n)
		for i, v := range b[:n] {
			out[i] = v != 0
		}
		return out
	}
	panic("tensor: no packed form: " + d.String())
}

// unpackBits reads codes of 1 to 7 bits, least significant bit first. Eight
// codes always end on a byte, so they are taken eight at a time.
func unpackBits(out []int32, b []byte, bits int, signed bool) {
	mask := uint64(1)<<bits - 1
	flip := int32(0)
	if signed {
		flip = 1 << (bits - 1) // two's complement: (v ^ flip) - flip extends the sign
	}
	for len(out) >= 8 && len(b) >= 8 {
		acc := binary.LittleEndian.Uint64(b)
		for i := range 8 {
			out[i] = (int32(acc&mask) ^ flip) - flip
			acc >>= bits
		}
		out, b = out[8:], b[bits:]
	}
	var acc uint64
	have := 0
	for i := range out {
		if have < bits {
			acc |= uint64(b[0]) << have
			b = b[1:]
			have += 8
		}
		out[i] = (int32(acc&mask) ^ flip) - flip
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
		if d == Float32 {
			return appendLittle(make([]byte, 0, 4*len(v)), v)
		}
		out := make([]byte, d.PackedSize(len(v)))
		switch d {
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
		return appendLittle(make([]byte, 0, 8*len(v)), v)
	case []int32:
		if d == Int32 {
			return appendLittle(make([]byte, 0, 4*len(v)), v)
		}
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
		default:
			packBits(out, v, d.Bits())
		}
		return out
	case []int64:
		if d != Uint32 {
			return appendLittle(make([]byte, 0, 8*len(v)), v)
		}
		out := make([]byte, 4*len(v))
		for i, x := range v {
			le.PutUint32(out[4*i:], uint32(x))
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
	return nil // strings
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

// unpackFloat16 looks values up: a table of 256 KB is four times as fast as
// putting the bits together, and as fast for subnormal values as for others.
func unpackFloat16(out []float32, b []byte) {
	if len(out) < 1<<12 {
		for i := range out {
			out[i] = Float16ToFloat32(binary.LittleEndian.Uint16(b[2*i:]))
		}
		return
	}
	table := float16Values()
	for len(out) >= 4 && len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		out[0] = table[uint16(w)]
		out[1] = table[uint16(w>>16)]
		out[2] = table[uint16(w>>32)]
		out[3] = table[uint16(w>>48)]
		out, b = out[4:], b[8:]
	}
	for i := range out {
		out[i] = table[binary.LittleEndian.Uint16(b[2*i:])]
	}
}

func unpackBFloat16(out []float32, b []byte) {
	for len(out) >= 4 && len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		out[0] = math.Float32frombits(uint32(w) << 16)
		out[1] = math.Float32frombits(uint32(w) &^ 0xffff)
		out[2] = math.Float32frombits(uint32(w>>32) << 16)
		out[3] = math.Float32frombits(uint32(w>>32) &^ 0xffff)
		out, b = out[4:], b[8:]
	}
	for i := range out {
		out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
	}
}
