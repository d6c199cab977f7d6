package quant

import (
	"encoding/binary"
	"errors"

	"github.com/smelt-ml/smelt/tensor"
)

// Float16 rounds to IEEE binary16, ties to even, in little-endian bytes: two a
// value, as WeightParams.float16Value and weight.bin have them. Finite values
// from 65520 in magnitude become infinities, as NumPy's astype makes them;
// overflowed counts these. NaN and infinities stay.
func Float16(w []float32) (b []byte, overflowed int) {
	b = make([]byte, 2*len(w))
	for i, x := range w {
		h := tensor.Float16FromFloat32(x)
		if h&0x7c00 == 0x7c00 && finite(x) {
			overflowed++
		}
		binary.LittleEndian.PutUint16(b[2*i:], h)
	}
	return b, overflowed
}

// DequantizeFloat16 widens little-endian binary16 values.
func DequantizeFloat16(b []byte) ([]float32, error) {
	if len(b)%2 != 0 {
		return nil, errors.New("an odd number of bytes holds no 16-bit values")
	}
	out := make([]float32, len(b)/2)
	for i := range out {
		out[i] = tensor.Float16ToFloat32(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return out, nil
}
