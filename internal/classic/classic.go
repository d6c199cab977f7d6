// Package classic computes the models that are no networks: trees, linear
// models, support vectors, neighbours, and what prepares features for them. A
// model becomes a function from features to features, which keeps no state and
// serves many goroutines at once. What a file says is checked when the function
// is made. Sums are in float64, in the order of the libraries that the models
// come from. Neither the engine nor pictures may enter this room, nor may the
// conversion of what a caller has to what a description asks for: that is the
// caller's.
package classic

import (
	"fmt"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// Features are inputs or outputs by name, in the form that their description
// asks for: float64, int64, string, *tensor.Tensor, map[string]float64,
// map[int64]float64, []string or []int64. An optional input may be absent.
// Arrays that come out are of type Float64, whatever the description says, and
// one number may stand for an array of one.
type Features = map[string]any

// Func computes a model's outputs. Its errors name the input that they are
// about.
type Func func(in Features) (Features, error)

// New returns the function of a model. The function keeps parts of s, which
// must not change while it is used. A model whose computation is not in the
// file gives an error of kind Unsupported that says where it is.
func New(s *spec.Model) (Func, error) {
	kind := s.WhichType()
	if build, ok := kinds[kind]; ok {
		f, err := build(s)
		if err != nil {
			return nil, atModel(kind.String(), err)
		}
		return f, nil
	}
	return nil, unsupported(s)
}

// atModel names the field that holds the model as the place of an error.
func atModel(kind string, err error) error {
	k := fault.KindOf(err)
	if k == 0 {
		k = fault.Corrupt
	}
	return fault.New(k, kind, "%w", err)
}

// kinds holds the models that can be computed.
var kinds = map[any]func(*spec.Model) (Func, error){
	spec.Model_GlmRegressor_case:                glmRegressor,
	spec.Model_GlmClassifier_case:               glmClassifier,
	spec.Model_SupportVectorRegressor_case:      supportVectorRegressor,
	spec.Model_SupportVectorClassifier_case:     supportVectorClassifier,
	spec.Model_TreeEnsembleRegressor_case:       treeEnsembleRegressor,
	spec.Model_TreeEnsembleClassifier_case:      treeEnsembleClassifier,
	spec.Model_KNearestNeighborsClassifier_case: nearestNeighbors,
	spec.Model_ItemSimilarityRecommender_case:   recommender,
	spec.Model_ClassConfidenceThresholding_case: classConfidenceThresholding,
	spec.Model_NonMaximumSuppression_case:       nonMaximumSuppression,
	spec.Model_OneHotEncoder_case:               oneHotEncoder,
	spec.Model_Imputer_case:                     imputer,
	spec.Model_FeatureVectorizer_case:           featureVectorizer,
	spec.Model_DictVectorizer_case:              dictVectorizer,
	spec.Model_Scaler_case:                      scaler,
	spec.Model_CategoricalMapping_case:          categoricalMapping,
	spec.Model_Normalizer_case:                  normalizer,
	spec.Model_ArrayFeatureExtractor_case:       arrayFeatureExtractor,
	spec.Model_Identity_case:                    identity,
	spec.Model_SoundAnalysisPreprocessing_case:  soundAnalysisPreprocessing,
}

// unsupported says why a model cannot be computed here.
func unsupported(s *spec.Model) error {
	var why string
	switch s.WhichType() {
	case spec.Model_TextClassifier_case, spec.Model_WordTagger_case, spec.Model_Gazetteer_case, spec.Model_WordEmbedding_case:
		why = "its parameters are in a private format of Apple's Natural Language framework, which only Apple's systems read"
	case spec.Model_VisionFeaturePrint_case:
		why = "the file names a network of Apple's Vision framework, whose weights are part of Apple's systems and not in the file"
	case spec.Model_AudioFeaturePrint_case:
		why = "the file names a network of Apple's Sound Analysis framework, whose weights are part of Apple's systems and not in the file"
	case spec.Model_BayesianProbitRegressor_case:
		why = "the format states neither the scale of its link function nor how it samples, so that its probabilities are known to Apple's systems only"
	case spec.Model_CustomModel_case:
		why = fmt.Sprintf("its computation is code of the app that uses it, in the class %q", s.GetCustomModel().GetClassName())
	case spec.Model_LinkedModel_case:
		f := s.GetLinkedModel().GetLinkedModelFile()
		why = fmt.Sprintf("it stands for another, compiled model, %q, which is to be found in %q and not in the file",
			f.GetLinkedModelFileName().GetDefaultValue(), f.GetLinkedModelSearchPath().GetDefaultValue())
	case spec.Model_SerializedModel_case:
		why = fmt.Sprintf("it holds a message of the private type %q", s.GetSerializedModel().GetIdentifier())
	default:
		why = "the file holds no model of a kind known here"
	}
	return fault.New(fault.Unsupported, s.WhichType().String(), "the model cannot be run: %s", why)
}
