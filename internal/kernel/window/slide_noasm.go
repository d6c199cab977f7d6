//go:build noasm || !(amd64 || arm64)

package window

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var funcs = [cpu.Levels]*Funcs{cpu.Generic: {sum: sumGeneric, max: maxGeneric, all: allGeneric, evens: evensGeneric, zip: zipGeneric}}

var filters [cpu.Levels][]filterFunc
