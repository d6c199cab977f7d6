//go:build !noasm

package gemm

import (
	"unsafe"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
)

//go:generate sh -c "cd _asm && go run . -out ../micro_amd64.s -table ../micro_amd64.go"

var kernels = [cpu.Levels]*Kernel{
	cpu.Generic: newGeneric(),
	cpu.AVX2: {
		mr: len(microAVX2[0][0]), lanes: 8, nr: 8 * len(microAVX2[0]),
		micro:  microAVX2Tile,
		direct: func(t *tile) { microAVX2[1][(t.cols-1)/8][t.rows-1](t) },
		pack:   func(dst []float32, step int, s *strip) { packStrip(&packAVX2, 8, dst, step, s) },
		vec:    vec.For(cpu.AVX2),
		band: func(rows, vecs, k int, x []float32, ldx int, b, c []float32, ldc int, add []float32, ldadd int) {
			bandAVX2[vecs-1][rows-1](k, unsafe.SliceData(x), ldx, unsafe.SliceData(b), &c[0], ldc, unsafe.SliceData(add), ldadd)
		},
		expand:   &expandAVX2,
		bandRows: len(bandAVX2[0]),
		narrow:   [maxNarrow]narrowDots{{4, dots1AVX2}, {4, dots2AVX2}, {2, dots3AVX2}, {2, dots4AVX2}},
	},
	cpu.AVX512: {
		mr: len(microAVX512[0][0]), lanes: 16, nr: 16 * len(microAVX512[0]),
		micro:  microAVX512Tile,
		direct: func(t *tile) { microAVX512[1][(t.cols-1)/16][t.rows-1](t) },
		plus:   plus8x3AVX512,
		pack:   func(dst []float32, step int, s *strip) { packStrip(&packAVX512, 16, dst, step, s) },
		vec:    vec.For(cpu.AVX512),
		band: func(rows, vecs, k int, x []float32, ldx int, b, c []float32, ldc int, add []float32, ldadd int) {
			bandAVX512[vecs-1][rows-1](k, unsafe.SliceData(x), ldx, unsafe.SliceData(b), &c[0], ldc, unsafe.SliceData(add), ldadd)
		},
		expand:   &expandAVX512,
		bandRows: len(bandAVX512[0]),
		narrow:   [maxNarrow]narrowDots{{4, dots1AVX512}, {4, dots2AVX512}, {4, dots3AVX512}, {4, dots4AVX512}},
	},
}

// expandAVX2 trusts its arguments but for their lengths.
var expandAVX2 = expanders{
	shift: func(dst []float32, codes []byte, bits, chunks, period int, scale, zero []float32) {
		if chunks == 0 {
			return
		}
		params := period * chunk
		_, _, _, _ = dst[chunks*chunk-1], codes[chunks*bits-1], scale[params-1], zero[params-1]
		by := shift8AVX2
		if bits == 4 {
			by = shift4AVX2
		}
		by(&dst[0], &codes[0], chunks, &scale[0], &zero[0], 4*params)
	},
	table: func(dst []float32, codes []byte, bits, chunks int, table []float32) {
		if chunks == 0 {
			return
		}
		_, _, _ = dst[chunks*chunk-1], codes[chunks*bits-1], table[1<<bits-1]
		by := table8AVX2
		if bits == 4 {
			by = table4AVX2
		}
		by(&dst[0], &codes[0], chunks, &table[0])
	},
}

// expandAVX512 trusts its arguments as expandAVX2 does. Its vectors are pairs of
// chunks, which odd periods do not suit; gathers of 16 gain nothing.
var expandAVX512 = expanders{
	shift: func(dst []float32, codes []byte, bits, chunks, period int, scale, zero []float32) {
		if chunks == 0 {
			return
		}
		if period > 1 && period%2 == 1 {
			expandAVX2.shift(dst, codes, bits, chunks, period, scale, zero)
			return
		}
		params := period * chunk
		_, _, _, _ = dst[chunks*chunk-1], codes[chunks*bits-1], scale[params-1], zero[params-1]
		by := eachshift8AVX512
		switch {
		case bits == 4 && period == 1:
			by = eachshift4AVX512
		case bits == 4:
			by = shift4AVX512
		case period > 1:
			by = shift8AVX512
		}
		by(&dst[0], &codes[0], chunks, &scale[0], &zero[0], 4*params)
	},
	table: func(dst []float32, codes []byte, bits, chunks int, table []float32) {
		if chunks == 0 || bits == 8 {
			expandAVX2.table(dst, codes, bits, chunks, table)
			return
		}
		_, _, _ = dst[chunks*chunk-1], codes[chunks*bits-1], table[15]
		table4AVX512(&dst[0], &codes[0], chunks, &table[0])
	},
}

// packStrip calls the packing for a strip's runs, whose stores must fit in dst.
func packStrip(by *[maxRuns + 1]func(dst *float32, step int, s *strip), lanes int, dst []float32, step int, s *strip) {
	if len(s.rows) == 0 {
		return
	}
	_ = dst[(len(s.rows)-1)*step+lanes-1]
	by[s.runs-1](&dst[0], step, s)
}

func microAVX2Tile(t *tile) {
	if !t.isNarrow(4) {
		microAVX2[0][(t.cols-1)/8][t.rows-1](t)
		return
	}
	var sums [maxNarrow][4]float32
	switch t.cols {
	case 1:
		narrow1AVX2(t.k, &t.a[0], &t.b[0], &sums[0][0])
	case 2:
		narrow2AVX2(t.k, &t.a[0], &t.b[0], &sums[0][0])
	case 3:
		narrow3AVX2(t.k, &t.a[0], &t.b[0], &sums[0][0])
	default:
		narrow4AVX2(t.k, &t.a[0], &t.b[0], &sums[0][0])
	}
	for j := range t.cols {
		for i := range t.rows {
			t.finish(i, j, sums[j][i])
		}
	}
}

func microAVX512Tile(t *tile) {
	if !t.isNarrow(8) {
		microAVX512[0][(t.cols-1)/16][t.rows-1](t)
		return
	}
	var sums [maxNarrow][8]float32
	switch t.cols {
	case 1:
		narrow1AVX512(t.k, &t.a[0], &t.b[0], &sums[0][0])
	case 2:
		narrow2AVX512(t.k, &t.a[0], &t.b[0], &sums[0][0])
	case 3:
		narrow3AVX512(t.k, &t.a[0], &t.b[0], &sums[0][0])
	default:
		narrow4AVX512(t.k, &t.a[0], &t.b[0], &sums[0][0])
	}
	for j := range t.cols {
		for i := range t.rows {
			t.finish(i, j, sums[j][i])
		}
	}
}
