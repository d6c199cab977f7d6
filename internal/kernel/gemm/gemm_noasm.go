//go:build noasm || !(amd64 || arm64)

package gemm

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var kernels = [cpu.Levels]*Kernel{cpu.Generic: newGeneric()}
