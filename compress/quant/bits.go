package quant

import (
	"encoding/binary"
	"fmt"
)

// PackMSB packs codes of 1 to 8 bits into one dense stream, the first code in
// the highest bits of the first byte, as WeightParams.rawValue has it; zero
// bits fill the last byte: ceil(n*bits/8) bytes. Of each code the low bits
// count. It panics for other numbers of bits.
func PackMSB(codes []uint8, bits int) []byte {
	return pack(codes, bits, func(group *[8]uint8, b *[8]byte) {
		var v uint64
		for _, q := range group {
			v = v<<bits | uint64(q)&(1<<bits-1)
		}
		binary.BigEndian.PutUint64(b[:], v<<(64-8*bits))
	})
}

// PackLSB is [PackMSB] with the first code in the lowest bits of the first
// byte, the order of weight.bin and of the ML Program's packed indices.
func PackLSB(codes []uint8, bits int) []byte {
	return pack(codes, bits, func(group *[8]uint8, b *[8]byte) {
		var v uint64
		for i, q := range group {
			v |= (uint64(q) & (1<<bits - 1)) << (i * bits)
		}
		binary.LittleEndian.PutUint64(b[:], v)
	})
}

// UnpackMSB returns the first n codes that [PackMSB] packed. It fails when b
// is too short; bytes beyond those needed are not looked at.
func UnpackMSB(b []byte, n, bits int) ([]uint8, error) {
	return unpack(b, n, bits, func(b *[8]byte, group *[8]uint8) {
		v := binary.BigEndian.Uint64(b[:])
		for i := range group {
			group[i] = uint8(v >> (64 - bits))
			v <<= bits
		}
	})
}

// UnpackLSB returns the first n codes that [PackLSB] packed. It fails when b
// is too short; bytes beyond those needed are not looked at.
func UnpackLSB(b []byte, n, bits int) ([]uint8, error) {
	return unpack(b, n, bits, func(b *[8]byte, group *[8]uint8) {
		v := binary.LittleEndian.Uint64(b[:])
		for i := range group {
			group[i] = uint8(v & (1<<bits - 1))
			v >>= bits
		}
	})
}

// pack goes by groups: eight codes are a whole number of bytes, namely bits.
func pack(codes []uint8, bits int, put func(group *[8]uint8, b *[8]byte)) []byte {
	if err := checkBits(bits); err != nil {
		panic("quant: pack: " + err.Error())
	}
	out := make([]byte, packedSize(len(codes), bits))
	var group [8]uint8
	var b [8]byte
	for at := 0; len(codes) > 0; at += bits {
		n := copy(group[:], codes)
		clear(group[n:])
		put(&group, &b)
		copy(out[at:], b[:bits])
		codes = codes[n:]
	}
	return out
}

func unpack(b []byte, n, bits int, get func(b *[8]byte, group *[8]uint8)) ([]uint8, error) {
	if err := checkBits(bits); err != nil {
		return nil, err
	}
	if n < 0 || n > maxValues {
		return nil, fmt.Errorf("cannot unpack %d codes", n)
	}
	if want := packedSize(n, bits); len(b) < want {
		return nil, fmt.Errorf("%d codes of %d bits take %d bytes, have %d", n, bits, want, len(b))
	}
	out := make([]uint8, n)
	var group [8]uint8
	var in [8]byte
	for at := 0; at < n; at += 8 {
		copy(in[:bits], b)
		get(&in, &group)
		copy(out[at:], group[:])
		b = b[min(bits, len(b)):]
	}
	return out, nil
}

func packedSize(n, bits int) int { return (n*bits + 7) / 8 }
