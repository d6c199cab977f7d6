//go:build noasm || !(amd64 || arm64)

package pixel

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var funcs = [cpu.Levels]*Funcs{cpu.Generic: {}}
