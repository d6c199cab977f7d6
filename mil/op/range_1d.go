package op

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Range1dArgs are the arguments of range_1d, scalars.
type Range1dArgs struct {
	End   *mil.Value `mil:"end,T"`
	Start *mil.Value `mil:"start,T"`
	Step  *mil.Value `mil:"step,T"`
}

// Range1d is the sequence start, start + step, … up to, but without, the end.
var Range1d = Define(Spec[Range1dArgs]{
	Name: "range_1d", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferRange1d,
	Eval: func(a *Range1dArgs) ([]*tensor.Tensor, error) {
		n, err := rangeLength(a)
		if err != nil {
			return nil, err
		}
		d := a.Start.Const.DType()
		start, step := a.Start.Const.Float64s()[0], a.Step.Const.Float64s()[0]
		if d.IsFloat() {
			out := make([]float32, n)
			for i := range out {
				out[i] = float32(start + float64(i)*step)
			}
			return one(tensor.New(d, []int{n}, out))
		}
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(start) + int32(i)*int32(step)
		}
		return one(tensor.New(d, []int{n}, out))
	},
	Sample: func(r *rand.Rand) Range1dArgs {
		scalar := func(v float32) *mil.Value { return mil.NewConst("s", tensor.Scalar(tensor.Float32, v)) }
		step := float32(1+r.IntN(8)) / 4
		if r.IntN(3) == 0 {
			step = -step
		}
		return Range1dArgs{End: scalar(float32(r.IntN(20) - 10)), Start: scalar(float32(r.IntN(20) - 10)), Step: scalar(step)}
	},
})

func inferRange1d(a *Range1dArgs) ([]mil.Type, error) {
	n := mil.Unknown
	for _, v := range []*mil.Value{a.End, a.Start, a.Step} {
		if p := product(dims(v)); p >= 0 && p != 1 {
			return nil, fmt.Errorf("want scalars, have %s", v.Type)
		}
	}
	if a.End.Const != nil && a.Start.Const != nil && a.Step.Const != nil {
		var err error
		if n, err = rangeLength(a); err != nil {
			return nil, err
		}
	}
	return result(a.Start.Type.DType, n)
}

// rangeLength is the number of elements, ceil((end - start) / step). Of floats
// the quotient is one of float32: a range of 0.3 in steps of 0.1 has three
// elements, although 0.3 as float32 is more than three times 0.1.
func rangeLength(a *Range1dArgs) (int, error) {
	start, end, step := a.Start.Const.Float64s()[0], a.End.Const.Float64s()[0], a.Step.Const.Float64s()[0]
	if step == 0 {
		return 0, errors.New("a step of 0")
	}
	n := (end - start) / step
	if a.Start.Const.DType().IsFloat() {
		n = float64(float32(end-start) / float32(step))
	}
	n = math.Ceil(n)
	if !(n <= tensor.MaxElements) { // NaN too
		return 0, fmt.Errorf("a range from %g to %g in steps of %g has too many elements", start, end, step)
	}
	return int(max(n, 0)), nil
}
