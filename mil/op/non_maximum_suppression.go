package op

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// NonMaximumSuppressionArgs are the arguments of non_maximum_suppression in
// iOS15: n×B×4 boxes, each the column and row of its middle, its width and its
// height, and n×B×K scores, one for each class.
type NonMaximumSuppressionArgs struct {
	Boxes               *mil.Value `mil:"boxes,T"`
	Scores              *mil.Value `mil:"scores,T"`
	IOUThreshold        float32    `mil:"iou_threshold,T,const"`
	ScoreThreshold      float32    `mil:"score_threshold,T,const"`
	MaxBoxes            int        `mil:"max_boxes,int32,const"`
	PerClassSuppression bool       `mil:"per_class_suppression,bool,const,optional"`
}

// NonMaximumSuppressionIOS17Args are the same from iOS17 on, but with n×4×B
// boxes and n×K×B scores, and without a score threshold.
type NonMaximumSuppressionIOS17Args struct {
	Boxes               *mil.Value `mil:"boxes,T"`
	Scores              *mil.Value `mil:"scores,T"`
	IOUThreshold        float32    `mil:"iou_threshold,T,const"`
	MaxBoxes            int        `mil:"max_boxes,int32,const"`
	PerClassSuppression bool       `mil:"per_class_suppression,bool,const,optional"`
}

// NonMaximumSuppression selects boxes, the best ones first. A box's score is
// its greatest, and its class the first that has it. A box whose intersection
// with one already selected, of its class if suppression is by class, is more
// than the threshold of their union is passed over, and so is one whose score
// is not above the score threshold, but for the very best one, which Core ML
// keeps in any case. The results are the boxes and scores selected, padded with zeros, their places, padded with
// -1, and for iOS15 their number.
var NonMaximumSuppression = Define(Spec[NonMaximumSuppressionArgs]{
	Name: "non_maximum_suppression", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: func(a *NonMaximumSuppressionArgs) ([]mil.Type, error) {
		n, _, k, err := detections(a.Boxes, a.Scores, a.MaxBoxes, 1, 2)
		if err != nil {
			return nil, err
		}
		return selection(a.Boxes.Type.DType, []int{n, a.MaxBoxes, 4}, []int{n, a.MaxBoxes, k}, []int{n, a.MaxBoxes}, []int{n})
	},
	Eval: func(a *NonMaximumSuppressionArgs) ([]*tensor.Tensor, error) {
		n, _, k, err := detections(a.Boxes, a.Scores, a.MaxBoxes, 1, 2)
		if err != nil {
			return nil, err
		}
		s := suppression{a.Boxes.Const.F32(), a.Scores.Const.F32(), k, float64(a.IOUThreshold), a.MaxBoxes, a.PerClassSuppression}
		return s.selected(a.Boxes.Const.DType(), n, &a.ScoreThreshold)
	},
	Sample: func(r *rand.Rand) NonMaximumSuppressionArgs {
		n, b, k := 1+r.IntN(2), 1+r.IntN(8), 1+r.IntN(3)
		return NonMaximumSuppressionArgs{sampleBoxes(r, n, b, 4), sampleFloats(r, n, b, k), r.Float32(), r.Float32(), 1 + r.IntN(6), r.IntN(2) == 0}
	},
})

// NonMaximumSuppressionIOS17 is NonMaximumSuppression with the boxes along the
// last axis.
var NonMaximumSuppressionIOS17 = Define(Spec[NonMaximumSuppressionIOS17Args]{
	Name: "non_maximum_suppression", Since: mil.IOS17, Types: Types{"T": Float},
	Infer: func(a *NonMaximumSuppressionIOS17Args) ([]mil.Type, error) {
		n, _, k, err := detections(a.Boxes, a.Scores, a.MaxBoxes, 2, 1)
		if err != nil {
			return nil, err
		}
		return selection(a.Boxes.Type.DType, []int{n, 4, a.MaxBoxes}, []int{n, k, a.MaxBoxes}, []int{n, a.MaxBoxes})
	},
	Eval: func(a *NonMaximumSuppressionIOS17Args) ([]*tensor.Tensor, error) {
		n, _, k, err := detections(a.Boxes, a.Scores, a.MaxBoxes, 2, 1)
		if err != nil {
			return nil, err
		}
		boxes, err := swapped(a.Boxes.Const)
		if err != nil {
			return nil, err
		}
		scores, err := swapped(a.Scores.Const)
		if err != nil {
			return nil, err
		}
		s := suppression{boxes.F32(), scores.F32(), k, float64(a.IOUThreshold), a.MaxBoxes, a.PerClassSuppression}
		out, err := s.selected(a.Boxes.Const.DType(), n, nil)
		if err != nil {
			return nil, err
		}
		for i := range 2 {
			if out[i], err = swapped(out[i]); err != nil {
				return nil, err
			}
		}
		return out[:3], nil
	},
	Sample: func(r *rand.Rand) NonMaximumSuppressionIOS17Args {
		n, b, k := 1+r.IntN(2), 1+r.IntN(8), 1+r.IntN(3)
		return NonMaximumSuppressionIOS17Args{sampleBoxes(r, n, 4, b), sampleFloats(r, n, k, b), r.Float32(), 1 + r.IntN(6), r.IntN(2) == 0}
	},
})

// detections checks boxes and scores whose boxes lie along one axis and whose
// coordinates and classes along another.
func detections(boxes, scores *mil.Value, most, along, across int) (n, count, classes int, err error) {
	if err := rank("boxes", boxes, 3); err != nil {
		return 0, 0, 0, err
	}
	if err := rank("scores", scores, 3); err != nil {
		return 0, 0, 0, err
	}
	b, s := dims(boxes), dims(scores)
	n, sameBatch := merge(b[0], s[0])
	count, sameCount := merge(b[along], s[along])
	if _, four := merge(b[across], 4); !sameBatch || !sameCount || !four || s[across] == 0 {
		return 0, 0, 0, fmt.Errorf("boxes %s and scores %s", boxes.Type, scores.Type)
	}
	if most < 0 {
		return 0, 0, 0, fmt.Errorf("max_boxes of %d", most)
	}
	return n, count, s[across], nil
}

// selection is the type of the boxes, scores, places and number selected.
func selection(d tensor.DType, shapes ...[]int) ([]mil.Type, error) {
	var out []mil.Type
	for i, shape := range shapes {
		if i == 2 {
			d = tensor.Int32
		}
		t, err := result(d, shape...)
		if err != nil {
			return nil, err
		}
		out = append(out, t...)
	}
	return out, nil
}

// swapped swaps the last two of three dimensions.
func swapped(x *tensor.Tensor) (*tensor.Tensor, error) {
	s, from := x.Shape(), strides(x.Shape())
	shape := []int{s[0], s[2], s[1]}
	return rearranged(x, shape, move{shape: shape, from: []int{from[0], from[2], from[1]}})
}

type suppression struct {
	boxes, scores []float32
	classes       int
	iou           float64
	most          int
	byClass       bool
}

// selected runs the selection for each of n images. threshold is the score
// threshold, if there is one.
func (s *suppression) selected(d tensor.DType, n int, threshold *float32) ([]*tensor.Tensor, error) {
	for _, width := range []int{4, s.classes} {
		if _, err := tensor.CheckShape([]int{n, s.most, width}); err != nil {
			return nil, err
		}
	}
	boxes := make([]float32, n*s.most*4)
	scores := make([]float32, n*s.most*s.classes)
	places, counts := make([]int32, n*s.most), make([]int32, n)
	for i := range places {
		places[i] = -1
	}
	for i := range n {
		for j, p := range s.image(i, len(s.boxes)/4/n, threshold) {
			to := i*s.most + j
			copy(boxes[4*to:4*to+4], s.boxes[4*p.at:])
			copy(scores[s.classes*to:s.classes*(to+1)], s.scores[s.classes*p.at:])
			places[to] = int32(p.place)
			counts[i]++
		}
	}
	return []*tensor.Tensor{
		tensor.New(d, []int{n, s.most, 4}, boxes),
		tensor.New(d, []int{n, s.most, s.classes}, scores),
		tensor.Ints([]int{n, s.most}, places),
		tensor.Ints([]int{n}, counts),
	}, nil
}

// detection is a box: its place in its image and in all, its best score and
// the class of that.
type detection struct {
	place, at, class int
	score            float32
}

// image selects among the boxes of one image.
func (s *suppression) image(i, count int, threshold *float32) []detection {
	all := make([]detection, count)
	for b := range all {
		d := detection{place: b, at: i*count + b}
		row := s.scores[d.at*s.classes : (d.at+1)*s.classes]
		d.score = row[0]
		for c, v := range row {
			if v > d.score {
				d.class, d.score = c, v
			}
		}
		all[b] = d
	}
	slices.SortStableFunc(all, func(a, b detection) int { return cmp.Compare(b.score, a.score) })
	var kept []detection
	for _, d := range all {
		if len(kept) == s.most {
			break
		}
		if threshold != nil && !(d.score > *threshold) && len(kept) > 0 {
			continue
		}
		if !slices.ContainsFunc(kept, func(k detection) bool {
			return (!s.byClass || k.class == d.class) && overlap([4]float32(s.boxes[4*k.at:]), [4]float32(s.boxes[4*d.at:])) > s.iou
		}) {
			kept = append(kept, d)
		}
	}
	return kept
}

// overlap is the intersection of two boxes over their union.
func overlap(a, b [4]float32) float64 {
	side := func(i int) float64 {
		ca, cb, ha, hb := float64(a[i]), float64(b[i]), float64(a[i+2])/2, float64(b[i+2])/2
		return max(min(ca+ha, cb+hb)-max(ca-ha, cb-hb), 0)
	}
	common := side(0) * side(1)
	union := float64(a[2])*float64(a[3]) + float64(b[2])*float64(b[3]) - common
	if union <= 0 {
		return 0
	}
	return common / union
}

// sampleBoxes makes boxes that overlap now and then.
func sampleBoxes(r *rand.Rand, shape ...int) *mil.Value {
	data := make([]float32, tensor.Size(shape))
	for i := range data {
		data[i] = 4 * r.Float32()
	}
	return mil.NewConst("b", tensor.Floats(shape, data))
}
