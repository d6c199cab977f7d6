package mlmodel

import (
	"fmt"

	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Specification versions, named by the first system that reads them.
const (
	IOS11  = 1
	IOS112 = 2 // iOS 11.2
	IOS12  = 3
	IOS13  = 4
	IOS14  = 5
	IOS15  = 6
	IOS16  = 7
	IOS17  = 8
	IOS18  = 9
	IOS26  = 10
)

// SystemOf names the systems that read a specification version: "iOS 16,
// macOS 13".
func SystemOf(version int32) string {
	ios := []string{IOS11: "11", IOS112: "11.2", IOS12: "12", IOS13: "13", IOS14: "14", IOS15: "15", IOS16: "16", IOS17: "17", IOS18: "18", IOS26: "26"}
	mac := []string{IOS11: "10.13", IOS112: "10.13.2", IOS12: "10.14", IOS13: "10.15", IOS14: "11", IOS15: "12", IOS16: "13", IOS17: "14", IOS18: "15", IOS26: "26"}
	if version < 1 || int(version) >= len(ios) {
		return fmt.Sprintf("specification version %d", version)
	}
	return fmt.Sprintf("iOS %s, macOS %s", ios[version], mac[version])
}

// RequiredVersion returns the lowest specification version that has all that
// the model uses. For a pipeline that is the highest of its models' versions.
func (m *Model) RequiredVersion() int32 {
	v := int32(IOS11)
	for _, s := range Models(m.spec) {
		v = max(v, kindVersion(s), interfaceVersion(s), mappingVersion(s))
	}
	for l := range Layers(m.spec) {
		v = max(v, layerVersion(l))
	}
	for w := range NetworkWeights(m.spec) {
		// Weights that cannot be read are of no version.
		if payload, err := m.weights(w.Params); err == nil {
			v = max(v, weightVersion[payload.kind])
		}
	}
	return v
}

var weightVersion = [...]int32{0: IOS11, Float32: IOS11, Float16: IOS112, Raw: IOS12, Int8Raw: IOS14}

// kindVersion is about the kind of model and its revision.
func kindVersion(s *spec.Model) int32 {
	// byRevision holds the versions from a model's first revision on.
	byRevision := func(revision uint32, versions ...int32) int32 {
		return versions[min(max(int(revision), 1), len(versions))-1]
	}
	v := int32(IOS11)
	if s.GetIsUpdatable() {
		v = IOS13
	}
	switch s.WhichType() {
	case spec.Model_CustomModel_case, spec.Model_NonMaximumSuppression_case, spec.Model_BayesianProbitRegressor_case:
		v = max(v, IOS12)
	case spec.Model_KNearestNeighborsClassifier_case, spec.Model_LinkedModel_case, spec.Model_ItemSimilarityRecommender_case,
		spec.Model_SoundAnalysisPreprocessing_case, spec.Model_Gazetteer_case, spec.Model_WordEmbedding_case:
		v = max(v, IOS13)
	case spec.Model_TextClassifier_case:
		v = max(v, byRevision(s.GetTextClassifier().GetRevision(), IOS12, IOS13, IOS14, IOS17, IOS18))
	case spec.Model_WordTagger_case:
		v = max(v, byRevision(s.GetWordTagger().GetRevision(), IOS12, IOS13, IOS14, IOS17, IOS18))
	case spec.Model_VisionFeaturePrint_case:
		p := s.GetVisionFeaturePrint()
		switch {
		case p.HasObjects():
			v = max(v, IOS14)
		case p.GetScene().GetVersion() == spec.VisionFeaturePrint_Scene_SCENE_VERSION_2:
			v = max(v, IOS17)
		default:
			v = max(v, IOS12)
		}
	case spec.Model_SerializedModel_case:
		v = max(v, IOS14)
	case spec.Model_AudioFeaturePrint_case:
		v = max(v, IOS15)
	case spec.Model_ClassConfidenceThresholding_case:
		v = max(v, IOS17)
	case spec.Model_MlProgram_case:
		v = max(v, IOS15)
		for _, f := range s.GetMlProgram().GetFunctions() {
			v = max(v, opsets[f.GetOpset()])
		}
	}
	return v
}

// opsets holds the version of each set of operators.
var opsets = map[string]int32{"CoreML5": IOS15, "CoreML6": IOS16, "CoreML7": IOS17, "CoreML8": IOS18, "CoreML9": IOS26}

// interfaceVersion is about inputs and outputs.
func interfaceVersion(s *spec.Model) int32 {
	v := int32(IOS11)
	d := s.GetDescription()
	if len(d.GetFunctions()) > 0 || d.GetDefaultFunctionName() != "" {
		v = IOS18
	}
	for _, i := range Describe(d) {
		if d != nil && len(i.Inputs) == 0 && (i.Function != "" || s.WhichType() == spec.Model_MlProgram_case) {
			v = max(v, IOS18)
		}
		for _, fs := range [][]Feature{i.Inputs, i.Outputs, i.States, i.TrainingInputs} {
			for _, f := range fs {
				v = max(v, featureVersion(f))
				if f.Kind == MultiArray && f.Array.DType == tensor.Float32 && s.WhichType() == spec.Model_NonMaximumSuppression_case {
					v = max(v, IOS14)
				}
			}
		}
	}
	return v
}

func featureVersion(f Feature) int32 {
	v := int32(IOS11)
	switch f.Kind {
	case Sequence:
		v = IOS12
	case State:
		v = IOS18
	case Image:
		if f.Image.Flexible() {
			v = IOS12
		}
		if f.Image.ColorSpace == "GRAYSCALE_FLOAT16" {
			v = IOS16
		}
	case MultiArray:
		if f.Array.Flexible() {
			v = IOS12
		}
		if f.Optional && f.Array.Default != nil {
			v = IOS14
		}
		switch f.Array.DType {
		case tensor.Float16:
			v = IOS16
		case tensor.Int8:
			v = IOS26
		}
	}
	return v
}

// mappingVersion is about how a network takes its inputs.
func mappingVersion(s *spec.Model) int32 {
	n := networkOf(s)
	if n.GetArrayInputShapeMapping() != spec.NeuralNetworkMultiArrayShapeMapping_RANK5_ARRAY_MAPPING ||
		n.GetImageInputShapeMapping() != spec.NeuralNetworkImageShapeMapping_RANK5_IMAGE_MAPPING {
		return IOS13
	}
	return IOS11
}

// layerVersion tells since when there is a kind of layer, and what it is
// asked to do.
func layerVersion(l Layer) int32 {
	switch l.Kind {
	case "":
		return IOS11
	case "convolution":
		if len(l.GetInput()) > 1 { // weights come in as the second
			return IOS13
		}
	case "upsample":
		p := l.GetUpsample()
		if p.GetLinearUpsampleMode() != spec.UpsampleLayerParams_DEFAULT || len(p.GetFractionalScalingFactor()) > 0 {
			return IOS14
		}
	case "reorganizeData":
		if l.GetReorganizeData().GetMode() == spec.ReorganizeDataLayerParams_PIXEL_SHUFFLE {
			return IOS14
		}
	case "innerProduct":
		if l.GetInnerProduct().GetInt8DynamicQuantize() {
			return IOS14
		}
	case "batchedMatmul":
		if l.GetBatchedMatmul().GetInt8DynamicQuantize() {
			return IOS14
		}
	case "sliceDynamic":
		if len(l.GetInput()) == 7 || len(l.GetSliceDynamic().GetSqueezeMasks()) > 0 {
			return IOS14
		}
	case "sliceStatic":
		if len(l.GetSliceStatic().GetSqueezeMasks()) > 0 {
			return IOS14
		}
	case "concatND":
		if l.GetConcatND().GetInterleave() {
			return IOS14
		}
	case "tile":
		if len(l.GetInput()) > 1 {
			return IOS14
		}
	case "custom":
		return IOS112
	case "resizeBilinear", "cropResize":
		return IOS12
	}
	// Fields were numbered as they came.
	switch fd := l.ProtoReflect().WhichOneof(l.ProtoReflect().Descriptor().Oneofs().ByName("layer")); {
	case fd.Number() < 600:
		return IOS11
	case fd.Number() < 1450:
		return IOS13
	}
	return IOS14
}
