//go:build !noasm

package cpu

import "golang.org/x/sys/cpu"

var available = detect()

func detect() []Level {
	x := cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA:
		return []Level{Generic}
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL:
		return []Level{Generic, AVX2, AVX512}
	}
	return []Level{Generic, AVX2}
}
