package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// embeddingKinds make vectors of numbers that stand for words.
var embeddingKinds = map[string]layerFunc{
	"embedding": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetEmbedding()
		return l.embed(in, 3, p.GetOutputChannels(), p.GetInputDim(), p.GetHasBias(), p)
	},
	"embeddingND": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetEmbeddingND()
		return l.embed(in, 1, p.GetEmbeddingSize(), p.GetVocabSize(), p.GetHasBias(), p)
	},
	"oneHot": oneHot,
}

// embed looks up the columns of [size, vocabulary] weights. The last ones
// dimensions of the input are 1, and the first of them becomes the vector.
func (l *lowering) embed(in []*mil.Value, ones int, size, vocabulary uint64, hasBias bool, p interface {
	GetWeights() *spec.WeightParams
	GetBias() *spec.WeightParams
},
) []*mil.Value {
	x, b := l.one(in), l.Builder
	if !l.atLeast(x, ones+1) {
		return nil
	}
	s := l.sizes(x)
	lead := len(s) - ones
	for _, d := range s[lead:] {
		if d.n > 1 || d.n == 0 {
			return l.fail("want an input whose last %d dimensions are 1, have %s", ones, x.Type)
		}
	}
	dims := integers([]uint64{size, vocabulary})
	table := l.weights("weights", p.GetWeights(), 0, dims...)
	at := l.reshapeTo(l.indices(x), s[:lead])
	// Columns are gathered and then turned, so that the table is left as it is.
	y := op.GatherIOS17.Add(b, op.GatherIOS17Args{X: table, Indices: at, Axis: 1})
	perm := make([]int, lead+1)
	for i := range lead {
		perm[i] = i + 1
	}
	y = op.TransposeIOS17.Add(b, op.TransposeArgs{X: y, Perm: perm})
	if hasBias {
		y = op.Add.Add(b, op.Binary{X: y, Y: l.vector("bias", p.GetBias(), dims[0])})
	}
	to := append(slices.Clone(s[:lead]), fixed(dims[0])...)
	for range ones - 1 {
		to = append(to, fixed(1)...)
	}
	return []*mil.Value{l.reshapeTo(y, to)}
}

// oneHot makes a vector of each index. A second input is the vectors' size.
func oneHot(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetOneHot()
	n := l.integer(integer(p.GetOneHotVectorSize()))
	if len(in) == 2 {
		n = l.indices(in[1])
		in = in[:1]
	}
	return []*mil.Value{op.OneHot.Add(l.Builder, op.OneHotArgs{
		Indices: l.indices(l.one(in)), OneHotVectorSize: n, Axis: integer(p.GetAxis()),
		OnValue: number(p.GetOnValue()), OffValue: number(p.GetOffValue()),
	})}
}
