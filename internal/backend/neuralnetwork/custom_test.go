package neuralnetwork

import (
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

func TestParameters(t *testing.T) {
	for _, c := range []struct {
		t    *tensor.Tensor
		want string
	}{
		{tensor.Scalar(tensor.Float32, float32(0.5)), "doubleValue: 0.5"},
		{tensor.Scalar(tensor.Int32, int32(-3)), "intValue: -3"},
		{tensor.Scalar(tensor.Int64, int64(7)), "intValue: 7"},
		{tensor.Scalar(tensor.Int64, int64(1<<62+1)), "longValue: 4611686018427387905"},
		{tensor.Scalar(tensor.Bool, true), "boolValue: true"},
		{tensor.Scalar(tensor.String, "a,b"), `stringValue: "a,b"`},
		{tensor.New(tensor.String, []int{2}, []string{"a", "b"}), `stringValue: "a,b"`},
		{tensor.New(tensor.Int64, []int{2}, []int64{1 << 40, -1}), `stringValue: "1099511627776,-1"`},
		{tensor.Floats([]int{2}, []float32{0.5, 1e-9}), `stringValue: "0.5,9.999999717180685e-10"`},
		{tensor.Floats([]int{1}, []float32{2}), "doubleValue: 2"},
	} {
		want := new(spec.CustomLayerParams_CustomLayerParamValue)
		if err := prototext.Unmarshal([]byte(c.want), want); err != nil {
			t.Fatal(err)
		}
		if have := parameter(c.t); !proto.Equal(have, want) {
			t.Errorf("%v is %v, want %v", c.t, have, want)
		}
	}
}
