package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

var suppressionKinds = map[string]layerFunc{"NonMaximumSuppression": suppress}

// suppress selects boxes. Both thresholds and the number of boxes may be
// inputs.
func suppress(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) < 2 || len(in) > 5 {
		return l.fail("want two to five inputs, have %d", len(in))
	}
	p := l.layer.GetNonMaximumSuppression()
	a := op.NetworkNMSArgs{
		Boxes: in[0], Scores: in[1], IOUThreshold: l.scalar(p.GetIouThreshold()), ScoreThreshold: l.scalar(p.GetScoreThreshold()),
		MaxBoxes: l.integer(integer(p.GetMaxBoxes())), PerClassSuppression: p.GetPerClassSuppression(),
	}
	if len(in) > 2 {
		a.IOUThreshold = in[2]
	}
	if len(in) > 3 {
		a.ScoreThreshold = in[3]
	}
	if len(in) > 4 {
		a.MaxBoxes = l.indices(in[4])
	}
	out := op.NetworkNMS.AddN(l.Builder, a)
	if l.Err() != nil {
		return nil
	}
	return []*mil.Value{out[0], out[1], l.floats(out[2]), l.floats(out[3])}
}
