//go:build !noasm

package window

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var funcs = [cpu.Levels]*Funcs{
	cpu.Generic: {sum: sumGeneric, max: maxGeneric},
	cpu.AVX2:    {sum: sumGeneric, max: maxGeneric},
	cpu.AVX512:  {sum: sumGeneric, max: maxGeneric},
}
