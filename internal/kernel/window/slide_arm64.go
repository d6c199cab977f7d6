//go:build !noasm

package window

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var generic = &Funcs{sum: sumGeneric, max: maxGeneric, all: allGeneric, evens: evensGeneric, zip: zipGeneric}

var funcs = [cpu.Levels]*Funcs{cpu.Generic: generic, cpu.NEON: generic}

var filters [cpu.Levels][]filterFunc
