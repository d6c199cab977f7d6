//go:build !noasm

package winograd

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

// The product of this level has panels of three vectors; the transforms are
// portable.
var funcs = [cpu.Levels]*Funcs{cpu.Generic: generic, cpu.NEON: portable(3)}
