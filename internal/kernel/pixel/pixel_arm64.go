//go:build !noasm

package pixel

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

var funcs = [cpu.Levels]*Funcs{cpu.Generic: {}, cpu.NEON: {vector: 16, single: true, weigh: weighNEON}}

// weighNEON weighs taps rows, step bytes apart, of so many vectors.
//
//go:noescape
func weighNEON(dst, src *uint8, step int, weights *int32, taps, vectors int)
