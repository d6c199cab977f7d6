package coreml

import (
	"maps"
	"slices"
)

// kinds is the table of layer kinds: the field of the layer message, and how
// it is lowered. A family of kinds has its own file with its rows.
var kinds = map[string]layerFunc{}

func init() {
	for _, family := range []map[string]layerFunc{
		activationKinds, convolutionKinds, elementwiseKinds, normalizationKinds, poolingKinds, productKinds, recurrentKinds,
		shapeKinds, joinKinds, sliceKinds, padKinds, gatherKinds, resizeKinds, constantKinds, suppressionKinds, controlKinds,
		compareKinds, reduceKinds, fillKinds, randomKinds, matrixKinds, embeddingKinds,
	} {
		maps.Copy(kinds, family)
	}
}

// Kinds returns the names of the layer kinds that are lowered, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }
