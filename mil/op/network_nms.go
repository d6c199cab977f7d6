package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// NetworkNMSArgs are NonMaximumSuppressionArgs, but the thresholds and the
// number of boxes are values of one element.
type NetworkNMSArgs struct {
	Boxes               *mil.Value `mil:"boxes,T"`
	Scores              *mil.Value `mil:"scores,T"`
	IOUThreshold        *mil.Value `mil:"iou_threshold,T"`
	ScoreThreshold      *mil.Value `mil:"score_threshold,T"`
	MaxBoxes            *mil.Value `mil:"max_boxes,int32"`
	PerClassSuppression bool       `mil:"per_class_suppression,bool,const,optional"`
}

// NetworkNMS is NonMaximumSuppression as the layer of neural networks has it.
var NetworkNMS = Define(Spec[NetworkNMSArgs]{
	Name: "network_nms", Since: mil.IOS13, Internal: true, Types: Types{"T": Float},
	Infer: inferNetworkNMS,
	Eval: func(a *NetworkNMSArgs) ([]*tensor.Tensor, error) {
		types, err := inferNetworkNMS(a)
		if err != nil {
			return nil, err
		}
		n, most, k := types[0].Shape[0], types[0].Shape[1], types[1].Shape[2]
		s := suppression{a.Boxes.Const.F32(), a.Scores.Const.F32(), k, float64(a.IOUThreshold.Const.F32()[0]), most, a.PerClassSuppression}
		return s.selected(a.Boxes.Const.DType(), n, &a.ScoreThreshold.Const.F32()[0])
	},
	Sample: func(r *rand.Rand) NetworkNMSArgs {
		a := NonMaximumSuppression.spec.Sample(r)
		return NetworkNMSArgs{
			a.Boxes, a.Scores, sampleOne(a.IOUThreshold), sampleOne(a.ScoreThreshold), vectorOf(a.MaxBoxes), a.PerClassSuppression,
		}
	},
})

func inferNetworkNMS(a *NetworkNMSArgs) ([]mil.Type, error) {
	for _, v := range []*mil.Value{a.IOUThreshold, a.ScoreThreshold, a.MaxBoxes} {
		if n := product(dims(v)); n >= 0 && n != 1 {
			return nil, fmt.Errorf("want one number, have %s", v.Type)
		}
	}
	most := mil.Unknown
	if v, known := knownInts(a.MaxBoxes); known {
		most = v[0]
		if most < 0 {
			return nil, fmt.Errorf("max_boxes of %d", most)
		}
	}
	n, _, k, err := detections(a.Boxes, a.Scores, max(most, 0), 1, 2)
	if err != nil {
		return nil, err
	}
	return selection(a.Boxes.Type.DType, []int{n, most, 4}, []int{n, most, k}, []int{n, most}, []int{n})
}

// sampleOne is a vector of one number.
func sampleOne(v float32) *mil.Value {
	return mil.NewConst("v", tensor.Floats([]int{1}, []float32{v}))
}
