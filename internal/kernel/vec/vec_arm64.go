//go:build !noasm

package vec

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var funcs = [cpu.Levels]*Funcs{cpu.Generic: &generic, cpu.NEON: &generic}
