package mlmodel

import (
	"math"
	"strings"

	"github.com/smelt-ml/smelt/tensor"
)

// layout returns how a layer stores the weights of a role: the shape, nil if
// the layer does not give it, and the axis of its output channels, -1 for
// what is quantized as a whole.
func layout(l Layer, role string) ([]int, int) {
	shape, axis := storedShape(l, role)
	if _, err := tensor.CheckShape(shape); err != nil {
		return nil, -1
	}
	return shape, axis
}

func storedShape(l Layer, role string) ([]int, int) {
	switch l.Kind {
	case "convolution":
		p := l.GetConvolution()
		kernel := sizes(p.GetKernelSize())
		if len(kernel) != 2 {
			kernel = []int{3, 3}
		}
		switch {
		case role == "bias":
			return []int{size(p.GetOutputChannels())}, -1
		case p.GetIsDeconvolution():
			return append([]int{size(p.GetKernelChannels()), size(p.GetOutputChannels() / max(p.GetNGroups(), 1))}, kernel...), 1
		}
		return append([]int{size(p.GetOutputChannels()), size(p.GetKernelChannels())}, kernel...), 0
	case "convolution3d":
		p := l.GetConvolution3D()
		out, in, groups := int(p.GetOutputChannels()), int(p.GetInputChannels()), max(int(p.GetNGroups()), 1)
		kernel := []int{int(p.GetKernelDepth()), int(p.GetKernelHeight()), int(p.GetKernelWidth())}
		switch {
		case role == "bias":
			return []int{out}, -1
		case p.GetIsDeconvolution():
			return append([]int{in, out / groups}, kernel...), 1
		}
		return append([]int{out, in / groups}, kernel...), 0
	case "innerProduct":
		p := l.GetInnerProduct()
		return matrixOrBias(role, p.GetOutputChannels(), p.GetInputChannels())
	case "embedding":
		p := l.GetEmbedding()
		return matrixOrBias(role, p.GetOutputChannels(), p.GetInputDim())
	case "embeddingND":
		p := l.GetEmbeddingND()
		return matrixOrBias(role, p.GetEmbeddingSize(), p.GetVocabSize())
	case "batchedMatmul":
		p := l.GetBatchedMatmul()
		return matrixOrBias(role, p.GetWeightMatrixSecondDimension(), p.GetWeightMatrixFirstDimension())
	case "batchnorm":
		return []int{size(l.GetBatchnorm().GetChannels())}, -1
	case "bias":
		return sizes(l.GetBias().GetShape()), -1
	case "scale":
		if role == "bias" {
			return sizes(l.GetScale().GetShapeBias()), -1
		}
		return sizes(l.GetScale().GetShapeScale()), -1
	case "loadConstant":
		return sizes(l.GetLoadConstant().GetShape()), -1
	case "loadConstantND":
		return sizes(l.GetLoadConstantND().GetShape()), -1
	case "layerNormalization":
		var shape []int
		for _, d := range l.GetLayerNormalization().GetNormalizedShape() {
			shape = append(shape, int(d))
		}
		return shape, -1
	case "simpleRecurrent":
		p := l.GetSimpleRecurrent()
		return gate(role, p.GetOutputVectorSize(), p.GetInputVectorSize())
	case "gru":
		p := l.GetGru()
		return gate(role, p.GetOutputVectorSize(), p.GetInputVectorSize())
	case "uniDirectionalLSTM":
		p := l.GetUniDirectionalLSTM()
		return gate(role, p.GetOutputVectorSize(), p.GetInputVectorSize())
	case "biDirectionalLSTM":
		p := l.GetBiDirectionalLSTM()
		return gate(role, p.GetOutputVectorSize(), p.GetInputVectorSize())
	}
	return nil, -1
}

func matrixOrBias(role string, out, in uint64) ([]int, int) {
	if role == "bias" {
		return []int{size(out)}, -1
	}
	return []int{size(out), size(in)}, 0
}

// gate gives the layout of a recurrent layer's weights, which their names tell.
func gate(role string, out, in uint64) ([]int, int) {
	role = role[strings.LastIndex(role, ".")+1:]
	switch {
	case strings.HasSuffix(strings.ToLower(role), "weightmatrix"):
		return []int{size(out), size(in)}, 0
	case strings.HasSuffix(strings.ToLower(role), "recursionmatrix"):
		return []int{size(out), size(out)}, 0
	case strings.HasSuffix(strings.ToLower(role), "vector"):
		return []int{size(out)}, -1
	}
	return nil, -1 // of an activation function
}

// size makes a dimension of what a file gives; one that is too large becomes
// a negative one, which no shape may have.
func size(v uint64) int {
	if v > math.MaxInt32 {
		return -1
	}
	return int(v)
}

func sizes(v []uint64) []int {
	var s []int
	for _, d := range v {
		s = append(s, size(d))
	}
	return s
}
