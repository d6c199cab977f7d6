//go:build !noasm

package winograd

import (
	"unsafe"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

//go:generate sh -c "cd _asm && go run . -out ../winograd_amd64.s -table ../table_amd64.go"

var funcs = [cpu.Levels]*Funcs{
	cpu.Generic: &generic,
	cpu.AVX2: {
		lanes: 8, panel: 3,
		rows:    rowsAVX2,
		cols:    colsBy(colsAVX2),
		outputs: outputsBy(outputsAVX2),
		finish:  finishBy(finishAVX2),
		peak:    peakBy(peakAVX2),
	},
	cpu.AVX512: {
		lanes: 16, panel: 3,
		rows:    rowsAVX512,
		cols:    colsBy(colsAVX512),
		outputs: outputsBy(outputsAVX512),
		finish:  finishBy(finishAVX512),
		peak:    peakBy(peakAVX512),
	},
}

// The assembly trusts its arguments, which the callers of these have checked.

func colsBy(by func(dst *float32, dstStep int, half *float32, halfStep, across, vecs int)) func([]float32, int, []float32, int, int, int) {
	return func(dst []float32, dstStep int, half []float32, halfStep, across, vecs int) {
		by(&dst[0], dstStep, &half[0], halfStep, across, vecs)
	}
}

func outputsBy(by func(dst *float32, dstStep int, src *float32, vecs int, bias float32)) func([]float32, int, []float32, int, float32) {
	return func(dst []float32, dstStep int, src []float32, vecs int, bias float32) {
		by(&dst[0], dstStep, &src[0], vecs, bias)
	}
}

func finishBy(by func(dst *float32, dstStep int, src *float32, srcStep int, add *float32, rows, n int, lo, hi float32)) func([]float32, int, []float32, int, []float32, int, int, float32, float32) {
	return func(dst []float32, dstStep int, src []float32, srcStep int, add []float32, rows, n int, lo, hi float32) {
		by(&dst[0], dstStep, &src[0], srcStep, unsafe.SliceData(add), rows, n, lo, hi)
	}
}

func peakBy(by func(x *float32, n int) uint32) func(x []float32) uint32 {
	return func(x []float32) uint32 { return by(unsafe.SliceData(x), len(x)) }
}
