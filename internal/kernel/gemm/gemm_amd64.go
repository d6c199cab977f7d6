//go:build !noasm

package gemm

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var kernels = [cpu.Levels]*Kernel{
	cpu.Generic: newGeneric(),
	cpu.AVX2:    newGeneric(),
	cpu.AVX512:  newGeneric(),
}
