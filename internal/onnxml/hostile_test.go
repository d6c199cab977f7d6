package onnxml_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/onnxml"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// chain is a graph of one input of so many values and a node after the other.
func chain(t *testing.T, width int64, nodes ...*onnxpb.NodeProto) *onnx.Graph {
	t.Helper()
	float := int32(onnxpb.TensorProto_FLOAT)
	info := func(name string) *onnxpb.ValueInfoProto {
		return onnxpb.ValueInfoProto_builder{Name: &name, Type: onnxpb.TypeProto_builder{TensorType: onnxpb.TypeProto_Tensor_builder{
			ElemType: &float, Shape: onnxpb.TensorShapeProto_builder{Dim: []*onnxpb.TensorShapeProto_Dimension{
				onnxpb.TensorShapeProto_Dimension_builder{DimParam: proto.String("N")}.Build(),
				onnxpb.TensorShapeProto_Dimension_builder{DimValue: &width}.Build(),
			}}.Build(),
		}.Build()}.Build()}.Build()
	}
	for i, n := range nodes {
		n.SetInput([]string{fmt.Sprintf("v%d", i)})
		n.SetOutput([]string{fmt.Sprintf("v%d", i+1)})
	}
	b, err := proto.Marshal(onnxpb.ModelProto_builder{
		OpsetImport: []*onnxpb.OperatorSetIdProto{
			onnxpb.OperatorSetIdProto_builder{Domain: proto.String(""), Version: proto.Int64(13)}.Build(),
			onnxpb.OperatorSetIdProto_builder{Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(3)}.Build(),
		},
		Graph: onnxpb.GraphProto_builder{
			Input: []*onnxpb.ValueInfoProto{info("v0")}, Output: []*onnxpb.ValueInfoProto{info(fmt.Sprintf("v%d", len(nodes)))}, Node: nodes,
		}.Build(),
	}.Build())
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Parse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func op(domain, name string, attributes ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	return onnxpb.NodeProto_builder{OpType: &name, Domain: &domain, Attribute: attributes}.Build()
}

// A few bytes do not make much.
func TestSmallFilesLargeRows(t *testing.T) {
	many := make([]*onnxpb.NodeProto, 40)
	for i := range many {
		many[i] = op("", "Neg")
	}
	if _, err := onnxml.ToCoreML(chain(t, 1<<20, many...), nil); fault.KindOf(err) != fault.Limit {
		t.Errorf("40 rows of a million values: %v", err)
	}
	zero := onnxpb.AttributeProto_builder{Name: proto.String("scale"), Floats: []float32{0}}.Build()
	_, err := onnxml.ToCoreML(chain(t, 1<<20, op("ai.onnx.ml", "Scaler", zero)), nil)
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "scaled by 0") {
		t.Errorf("a million zeros: %v", err)
	}
	if d, err := onnxml.ToCoreML(chain(t, 3, op("ai.onnx.ml", "Scaler", zero)), nil); err != nil || !d.Spec.HasGlmRegressor() {
		t.Errorf("three zeros: %v", err)
	}
	if _, err := onnxml.ToCoreML(chain(t, 1<<21, op("", "Neg")), nil); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("two million values: %v", err)
	}
}

// All that cannot be expressed is told at once, with what comes after it.
func TestAllProblems(t *testing.T) {
	_, err := onnxml.ToCoreML(chain(t, 3, op("", "Erf"), op("", "Sin"), op("", "Neg"), op("", "Erf")), nil)
	u, ok := err.(*onnxml.Unsupported)
	if !ok || len(u.Problems) != 2 || u.Problems[0].Op != "Erf" || !slices.Equal(u.Problems[0].Names, []string{"v1", "v4"}) || u.Problems[1].Op != "Sin" {
		t.Errorf("%v", err)
	}
}

// Documents that contradict themselves are errors.
func TestDocumentsDamaged(t *testing.T) {
	number := func(name string) *spec.FeatureDescription {
		return spec.FeatureDescription_builder{Name: name, Type: spec.FeatureType_builder{DoubleType: &spec.DoubleFeatureType{}}.Build()}.Build()
	}
	d := spec.ModelDescription_builder{Input: []*spec.FeatureDescription{number("x")}, Output: []*spec.FeatureDescription{number("y")}, PredictedFeatureName: "y"}.Build()
	leaf := spec.TreeEnsembleParameters_TreeNode_builder{NodeBehavior: spec.TreeEnsembleParameters_TreeNode_LeafNode}
	leaf.EvaluationInfo = []*spec.TreeEnsembleParameters_TreeNode_EvaluationInfo{spec.TreeEnsembleParameters_TreeNode_EvaluationInfo_builder{EvaluationIndex: 1}.Build()}
	for name, m := range map[string]*spec.Model{
		"rows": spec.Model_builder{Description: d, GlmRegressor: spec.GLMRegressor_builder{Offset: []float64{1}}.Build()}.Build(),
		"dimension": spec.Model_builder{Description: d, TreeEnsembleRegressor: spec.TreeEnsembleRegressor_builder{
			TreeEnsemble: spec.TreeEnsembleParameters_builder{NumPredictionDimensions: 1, Nodes: []*spec.TreeEnsembleParameters_TreeNode{leaf.Build()}}.Build(),
		}.Build()}.Build(),
		"dimensions": spec.Model_builder{Description: d, TreeEnsembleRegressor: spec.TreeEnsembleRegressor_builder{
			TreeEnsemble: spec.TreeEnsembleParameters_builder{NumPredictionDimensions: 1 << 60}.Build(),
		}.Build()}.Build(),
		"index":  spec.Model_builder{Description: d, ArrayFeatureExtractor: spec.ArrayFeatureExtractor_builder{ExtractIndex: []uint64{1 << 63}}.Build()}.Build(),
		"scales": spec.Model_builder{Description: d, Scaler: spec.Scaler_builder{ScaleValue: []float64{1, 2}}.Build()}.Build(),
		"input":  spec.Model_builder{Description: d, Pipeline: spec.Pipeline_builder{Models: []*spec.Model{spec.Model_builder{Description: spec.ModelDescription_builder{Input: []*spec.FeatureDescription{number("z")}}.Build(), Scaler: &spec.Scaler{}}.Build()}}.Build()}.Build(),
	} {
		if _, err := onnxml.FromCoreML(m, mlmodel.Metadata{}); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}
