package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ReshapeLikeArgs are the arguments of reshape_like. Each reference tensor
// comes with scalars: the first of its dimensions to take, the one after the
// last, and whether to take all from the first on. Negative places count from
// the end.
type ReshapeLikeArgs struct {
	X          *mil.Value   `mil:"x,T"`
	RefTensors []*mil.Value `mil:"ref_tensors,any"`
	Begins     []*mil.Value `mil:"begins,int32"`
	Ends       []*mil.Value `mil:"ends,int32"`
	EndMasks   []*mil.Value `mil:"end_masks,bool"`
}

// ReshapeLike gives a tensor a shape put together from those of others, whose
// elements do not matter.
var ReshapeLike = Define(Spec[ReshapeLikeArgs]{
	Name: "reshape_like", Since: mil.IOS16, Types: Types{"T": Any},
	Infer: inferReshapeLike, Eval: evalReshapeLike, Sample: sampleReshapeLike,
})

// ReshapeLikeIOS17 is ReshapeLike for more element types.
var ReshapeLikeIOS17 = Define(Spec[ReshapeLikeArgs]{
	Name: "reshape_like", Since: mil.IOS17, Types: Types{"T": AnyIOS17},
	Infer: inferReshapeLike, Eval: evalReshapeLike, Sample: sampleReshapeLike,
})

func inferReshapeLike(a *ReshapeLikeArgs) ([]mil.Type, error) {
	n := len(a.RefTensors)
	if len(a.Begins) != n || len(a.Ends) != n || len(a.EndMasks) != n {
		return nil, fmt.Errorf("%d ref_tensors, %d begins, %d ends, %d end_masks", n, len(a.Begins), len(a.Ends), len(a.EndMasks))
	}
	var shape []int
	for i, ref := range a.RefTensors {
		if ref.Type.Kind != mil.Tensor {
			return nil, fmt.Errorf("ref_tensors: want tensors, have %s", ref.Type)
		}
		of := dims(ref)
		begin, err := knownScalar("begins", a.Begins[i])
		if err != nil {
			return nil, err
		}
		end, err := knownScalar("ends", a.Ends[i])
		if err != nil {
			return nil, err
		}
		mask := a.EndMasks[i].Const
		if mask == nil || mask.Len() != 1 {
			return nil, fmt.Errorf("end_masks: want known scalars, have %s", a.EndMasks[i].Type)
		}
		if mask.Bools()[0] {
			end = len(of)
		}
		begin, end = clampPlace(begin, len(of)), clampPlace(end, len(of))
		if begin < end {
			shape = append(shape, of[begin:end]...)
		}
		if len(shape) > maxRank {
			return nil, fmt.Errorf("a result of rank %d", len(shape))
		}
	}
	have, want := product(dims(a.X)), product(shape)
	if have >= 0 && want >= 0 && have != want {
		return nil, fmt.Errorf("%s cannot take the shape %s", a.X.Type, mil.FormatDims(shape))
	}
	return result(a.X.Type.DType, shape...)
}

// knownScalar reads an integer that must be known.
func knownScalar(name string, v *mil.Value) (int, error) {
	if ints, known := knownInts(v); known && len(ints) == 1 {
		return ints[0], nil
	}
	return 0, fmt.Errorf("%s: want a known integer, have %s", name, v.Type)
}

// clampPlace reads a place in a list of n as Python's slices do.
func clampPlace(p, n int) int {
	if p < 0 {
		p += n
	}
	return min(max(p, 0), n)
}

func evalReshapeLike(a *ReshapeLikeArgs) ([]*tensor.Tensor, error) {
	return reshapedBy(inferReshapeLike, a, a.X)
}

func sampleReshapeLike(r *rand.Rand) ReshapeLikeArgs {
	p, q := sampleShape(r)[:1], sampleShape(r)
	first := sampleFloats(r, slices.Concat(p, []int{2})...)
	second := sampleFloats(r, slices.Concat([]int{3}, q)...)
	scalar := func(v int) *mil.Value { return mil.NewConst("s", integers(nil, tensor.Int32, v)) }
	truth := func(v bool) *mil.Value { return mil.NewConst("b", tensor.Scalar(tensor.Bool, v)) }
	return ReshapeLikeArgs{
		X:          sampleFloats(r, tensor.Size(p)*tensor.Size(q)),
		RefTensors: []*mil.Value{first, second},
		Begins:     []*mil.Value{scalar(0), scalar(1)},
		Ends:       []*mil.Value{scalar(-1), scalar(0)},
		EndMasks:   []*mil.Value{truth(false), truth(true)},
	}
}
