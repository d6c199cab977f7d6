package classic

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// suppression keeps the best of boxes that lie over each other.
type suppression struct {
	iou, confidence float64
	perClass        bool
	least, most     int // rows of the outputs; most is -1 for any number
	pairs           int // the most that are compared
}

// nonMaximumSuppression takes confidences N×C and boxes N×4 (centre x and y,
// width, height). Boxes whose greatest confidence is below the threshold are
// left out; of the others, from the most confident on, each one suppresses
// those after it whose intersection over union with it is above the other
// threshold. What is left is given in that order.
func nonMaximumSuppression(s *spec.Model) (Func, error) {
	m, d := s.GetNonMaximumSuppression(), s.GetDescription()
	fixed := suppression{iou: m.GetIouThreshold(), confidence: m.GetConfidenceThreshold(), perClass: m.GetPickTop().GetPerClass(), pairs: maxPairs}
	var err error
	for _, name := range []string{m.GetConfidenceOutputFeatureName(), m.GetCoordinatesOutputFeatureName()} {
		i := slices.IndexFunc(d.GetOutput(), func(f *spec.FeatureDescription) bool { return f.GetName() == name })
		if i < 0 {
			return nil, fault.New(fault.Corrupt, "outputFeatureName", "%q is no output of the model", name)
		}
		if fixed.least, fixed.most, err = rowsOf(d.GetOutput()[i].GetType().GetMultiArrayType(), fixed.least, fixed.most); err != nil {
			return nil, fault.New(fault.Limit, fmt.Sprintf("output %q", name), "%w", err)
		}
	}
	if fixed.most == 0 {
		fixed.most = -1
	}
	return func(in Features) (Features, error) {
		p := fixed
		for _, o := range []struct {
			name string
			to   *float64
		}{{m.GetIouThresholdInputFeatureName(), &p.iou}, {m.GetConfidenceThresholdInputFeatureName(), &p.confidence}} {
			if o.name == "" || in[o.name] == nil {
				continue
			}
			v, err := takeVector(in, o.name)
			if err != nil {
				return nil, err
			}
			if len(v) != 1 {
				return nil, badSize(o.name, 1, len(v))
			}
			*o.to = v[0]
		}
		conf, n, classes, err := matrix(in, m.GetConfidenceInputFeatureName())
		if err != nil {
			return nil, err
		}
		boxes, n2, four, err := matrix(in, m.GetCoordinatesInputFeatureName())
		if err != nil {
			return nil, err
		}
		if n != n2 || four != 4 {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("input %q", m.GetCoordinatesInputFeatureName()), "want %d×4 values for confidences %d×%d, have %d×%d", n, n, classes, n2, four)
		}
		kept, err := p.pick(conf, boxes, n, classes)
		if err != nil {
			return nil, err
		}
		rows := max(len(kept), p.least)
		if max(classes, 4) > tensor.MaxElements/max(rows, 1) {
			return nil, fault.New(fault.Limit, "", "the outputs have %d rows of %d classes", rows, classes)
		}
		return Features{
			m.GetConfidenceOutputFeatureName():  gather(conf, kept, rows, classes),
			m.GetCoordinatesOutputFeatureName(): gather(boxes, kept, rows, 4),
		}, nil
	}, nil
}

// maxPairs bounds the pairs of boxes that are compared: some seconds' worth.
const maxPairs = 1 << 30

// maxRows bounds the rows that an output is filled up to.
const maxRows = 1 << 20

// rowsOf returns the least and the greatest number of rows that an output has
// by its description: those given where it does not say.
func rowsOf(a *spec.ArrayFeatureType, least, most int) (int, int, error) {
	lo, hi := int64(0), int64(0)
	switch {
	case len(a.GetShapeRange().GetSizeRanges()) == 2:
		r := a.GetShapeRange().GetSizeRanges()[0]
		lo, hi = int64(min(r.GetLowerBound(), maxRows+1)), r.GetUpperBound()
	case a.HasEnumeratedShapes():
	case len(a.GetShape()) == 2:
		lo, hi = a.GetShape()[0], a.GetShape()[0]
	}
	if lo > maxRows {
		return 0, 0, fmt.Errorf("has more than %d rows", maxRows)
	}
	if lo > 0 {
		least = int(lo)
	}
	if hi > 0 {
		most = int(min(hi, tensor.MaxElements))
	}
	return least, most, nil
}

// matrix returns an array of two dimensions, those of 1 in front left out.
func matrix(in Features, name string) (v []float64, rows, columns int, err error) {
	t, err := take[*tensor.Tensor](in, name)
	if err != nil {
		return nil, 0, 0, err
	}
	shape := t.Shape()
	for len(shape) > 2 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) != 2 {
		return nil, 0, 0, fault.New(fault.BadShape, fmt.Sprintf("input %q", name), "want two dimensions, have %s", t)
	}
	v, err = takeVector(in, name)
	return v, shape[0], shape[1], err
}

// pick returns the boxes that stay, the most confident first.
func (p suppression) pick(conf, boxes []float64, n, classes int) ([]int, error) {
	best := make([]int, n)
	top := make([]float64, n)
	var order []int
	for i := range n {
		if classes == 0 {
			break
		}
		row := conf[i*classes : (i+1)*classes]
		best[i] = largest(row)
		if top[i] = row[best[i]]; top[i] >= p.confidence {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case top[a] > top[b]:
			return -1
		case top[a] < top[b]:
			return 1
		}
		return 0
	})
	var kept []int
	pairs := 0
	for _, i := range order {
		if p.most >= 0 && len(kept) == p.most {
			break
		}
		if pairs += len(kept); pairs > p.pairs {
			return nil, fault.New(fault.Limit, "", "%d boxes above the confidence threshold take more than %d comparisons", len(order), p.pairs)
		}
		if !slices.ContainsFunc(kept, func(k int) bool {
			return (!p.perClass || best[k] == best[i]) && overlap(boxes[4*k:4*k+4], boxes[4*i:4*i+4]) > p.iou
		}) {
			kept = append(kept, i)
		}
	}
	return kept, nil
}

// overlap is the area that two boxes share over the area that they cover.
func overlap(a, b []float64) float64 {
	w := min(a[0]+a[2]/2, b[0]+b[2]/2) - max(a[0]-a[2]/2, b[0]-b[2]/2)
	h := min(a[1]+a[3]/2, b[1]+b[3]/2) - max(a[1]-a[3]/2, b[1]-b[3]/2)
	if !(w > 0 && h > 0) {
		return 0
	}
	both := w * h
	return both / (a[2]*a[3] + b[2]*b[3] - both)
}

// gather returns some rows of a matrix, filled up with zeros.
func gather(v []float64, which []int, rows, columns int) *tensor.Tensor {
	out := make([]float64, rows*columns)
	for i, r := range which {
		copy(out[i*columns:(i+1)*columns], v[r*columns:(r+1)*columns])
	}
	return tensor.New(tensor.Float64, []int{rows, columns}, out)
}
