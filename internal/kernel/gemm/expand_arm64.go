//go:build !noasm

package gemm

import "encoding/binary"

// expandNEON trusts its arguments but for their lengths. Tables of 256 do not
// fit in registers.
var expandNEON = expanders{
	shift: func(dst []float32, codes []byte, bits, chunks, period int, scale, zero []float32) {
		if chunks == 0 {
			return
		}
		params := period * chunk
		_, _, _, _ = dst[chunks*chunk-1], codes[chunks*bits-1], scale[params-1], zero[params-1]
		by := shift8
		if bits == 4 {
			by = shift4
		}
		by(&dst[0], &codes[0], chunks, &scale[0], &zero[0], 4*params)
	},
	table: func(dst []float32, codes []byte, bits, chunks int, table []float32) {
		if chunks == 0 {
			return
		}
		if bits == 8 {
			table256(dst, codes[:chunks*chunk], (*[256]float32)(table))
			return
		}
		_, _, _ = dst[chunks*chunk-1], codes[chunks*bits-1], table[15]
		table4(&dst[0], &codes[0], chunks, &table[0])
	},
}

func table256(dst []float32, codes []byte, table *[256]float32) {
	dst = dst[:len(codes)]
	for len(codes) >= chunk && len(dst) >= chunk {
		a := binary.LittleEndian.Uint64(codes)
		dst[0], dst[1] = table[byte(a)], table[byte(a>>8)]
		dst[2], dst[3] = table[byte(a>>16)], table[byte(a>>24)]
		dst[4], dst[5] = table[byte(a>>32)], table[byte(a>>40)]
		dst[6], dst[7] = table[byte(a>>48)], table[byte(a>>56)]
		codes, dst = codes[chunk:], dst[chunk:]
	}
}

// shift8 and shift4 scale and shift codes, by parameters that come again after
// so many bytes.
//
//go:noescape
func shift8(dst *float32, codes *byte, chunks int, scale, zero *float32, params int)

//go:noescape
func shift4(dst *float32, codes *byte, chunks int, scale, zero *float32, params int)

// table4 looks codes up.
//
//go:noescape
func table4(dst *float32, codes *byte, chunks int, table *float32)
