//go:build !noasm

package pixel

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

//go:generate sh -c "cd _asm && go run . -out ../pixel_amd64.s -stubs ../stubs_amd64.go -pkg pixel"

var funcs = [cpu.Levels]*Funcs{
	cpu.Generic: {},
	cpu.AVX2: {
		vector: 32, weigh: weighAVX2, transpose: transposeAVX2, ycc: yccAVX2, double: doubleAVX2, planes: planesAVX2,
	},
	cpu.AVX512: {
		vector: 64, weigh: weighAVX512, transpose: transposeAVX2, ycc: yccAVX2, double: doubleAVX2, planes: planesAVX2,
	},
}
