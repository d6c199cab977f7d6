//go:build !noasm

package vec

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

//go:generate sh -c "cd _asm && go run . -out ../vec_amd64.s -table ../table_amd64.go"

var funcs = [cpu.Levels]*Funcs{cpu.Generic: &generic, cpu.AVX2: &vecAVX2, cpu.AVX512: &vecAVX512}
