package engine

import (
	"maps"
	"slices"
)

// kernels is the table of fast operators: a row makes the step of a node for
// the cases that it serves, and everything else falls to the operator's
// reference evaluation.
var kernels map[string]kernel

func init() {
	kernels = map[string]kernel{}
	for _, family := range []map[string]kernel{
		unaryKernels, binaryKernels, viewKernels, convKernels, linearKernels, poolKernels, normKernels, reduceKernels, moveKernels, sliceKernels, gatherKernels, attentionKernels, resizeKernels,
		recurrentKernels,
	} {
		for name, k := range family {
			kernels[name] = k
		}
	}
}

// Kernels returns the names of the operators that have a kernel, sorted.
func Kernels() []string { return slices.Sorted(maps.Keys(kernels)) }
