package classic

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// scaler is y = scale·(x + shift), each of the two one value for all elements,
// one for each, or none: then it is 1 or 0.
func scaler(s *spec.Model) (Func, error) {
	m := s.GetScaler()
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	shift, scale := m.GetShiftValue(), m.GetScaleValue()
	if len(shift) == 0 {
		shift = []float64{0}
	}
	if len(scale) == 0 {
		scale = []float64{1}
	}
	if len(shift) != len(scale) && len(shift) > 1 && len(scale) > 1 {
		return nil, fault.New(fault.Corrupt, "shiftValue", "%d values do not go with %d values of scaleValue", len(shift), len(scale))
	}
	n := max(len(shift), len(scale))
	whole := out.GetType().HasInt64Type()
	return func(f Features) (Features, error) {
		x, err := takeVector(f, in.GetName())
		if err != nil {
			return nil, err
		}
		if n > 1 && len(x) != n {
			return nil, badSize(in.GetName(), n, len(x))
		}
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = scale[min(i, len(scale)-1)] * (v + shift[min(i, len(shift)-1)])
			if whole && (y[i] != math.Trunc(y[i]) || math.Abs(y[i]) >= 1<<63) {
				return nil, badInput(in.GetName(), "%v scaled is %v, and the output %q an integer", v, y[i], out.GetName())
			}
		}
		t, ok := f[in.GetName()].(*tensor.Tensor)
		if !ok {
			return Features{out.GetName(): y[0]}, nil
		}
		return Features{out.GetName(): tensor.New(tensor.Float64, t.Shape(), y)}, nil
	}, nil
}

// normalizer divides an array by its norm: the largest magnitude, the sum of
// magnitudes or the root of the sum of squares. Zeros stay zeros.
func normalizer(s *spec.Model) (Func, error) {
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	kind := s.GetNormalizer().GetNormType()
	if _, ok := spec.Normalizer_NormType_name[int32(kind)]; !ok {
		return nil, unknown("normType", kind)
	}
	return func(f Features) (Features, error) {
		t, err := take[*tensor.Tensor](f, in.GetName())
		if err != nil {
			return nil, err
		}
		x, err := takeVector(f, in.GetName())
		if err != nil {
			return nil, err
		}
		var norm float64
		for _, v := range x {
			switch kind {
			case spec.Normalizer_LMax:
				norm = max(norm, math.Abs(v))
			case spec.Normalizer_L1:
				norm += math.Abs(v)
			case spec.Normalizer_L2:
				norm += v * v
			}
		}
		if kind == spec.Normalizer_L2 {
			norm = math.Sqrt(norm)
		}
		if norm == 0 {
			norm = 1
		}
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = v / norm
		}
		return Features{out.GetName(): tensor.New(tensor.Float64, t.Shape(), y)}, nil
	}, nil
}

// arrayFeatureExtractor picks elements of an array by their row-major index.
func arrayFeatureExtractor(s *spec.Model) (Func, error) {
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	indices := s.GetArrayFeatureExtractor().GetExtractIndex()
	if !out.GetType().HasMultiArrayType() && len(indices) != 1 {
		return nil, fault.New(fault.Corrupt, "extractIndex", "want one index for the output %q, which is no array, have %d", out.GetName(), len(indices))
	}
	if n := sizeOf(in.GetType().GetMultiArrayType()); n >= 0 && in.GetType().HasMultiArrayType() {
		for i, at := range indices {
			if at >= uint64(n) {
				return nil, fault.New(fault.Corrupt, fmt.Sprintf("extractIndex[%d]", i), "is %d in an array of %d", at, n)
			}
		}
	}
	return func(f Features) (Features, error) {
		x, err := takeVector(f, in.GetName())
		if err != nil {
			return nil, err
		}
		y := make([]float64, len(indices))
		for i, at := range indices {
			if at >= uint64(len(x)) {
				return nil, fault.New(fault.BadShape, fmt.Sprintf("input %q", in.GetName()), "want more than %d values, have %d", at, len(x))
			}
			y[i] = x[at]
		}
		if out.GetType().HasMultiArrayType() {
			return Features{out.GetName(): vector(y)}, nil
		}
		return Features{out.GetName(): y[0]}, nil
	}, nil
}

// identity gives its inputs as outputs: those of the same name, or the one
// input as the one output.
func identity(s *spec.Model) (Func, error) {
	ins, outs := s.GetDescription().GetInput(), s.GetDescription().GetOutput()
	from := map[string]string{}
	isInput := map[string]bool{}
	for _, d := range ins {
		isInput[d.GetName()] = true
	}
	for _, d := range outs {
		name := d.GetName()
		switch {
		case isInput[name]:
			from[name] = name
		case len(ins) == 1 && len(outs) == 1:
			from[name] = ins[0].GetName()
		default:
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("output %q", name), "is no input of the identity")
		}
	}
	return func(in Features) (Features, error) {
		out := Features{}
		for name, input := range from {
			if in[input] == nil {
				return nil, badInput(input, "is missing")
			}
			out[name] = in[input]
		}
		return out, nil
	}, nil
}

// classConfidenceThresholding gives the confidences and, below them, for each
// class a 1: the precision-recall curves of the file are for the caller, who
// picks a threshold from them.
func classConfidenceThresholding(s *spec.Model) (Func, error) {
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	return func(f Features) (Features, error) {
		x, err := takeVector(f, in.GetName())
		if err != nil {
			return nil, err
		}
		if n := len(s.GetClassConfidenceThresholding().GetPrecisionRecallCurves()); n > 0 && n != len(x) {
			return nil, badSize(in.GetName(), n, len(x))
		}
		y := make([]float64, 2*len(x))
		copy(y, x)
		for i := range x {
			y[len(x)+i] = 1
		}
		return Features{out.GetName(): tensor.New(tensor.Float64, []int{2, len(x)}, y)}, nil
	}, nil
}
