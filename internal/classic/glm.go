package classic

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// linear is a matrix and an offset: each row gives one score.
type linear struct {
	columns
	width  int
	rows   [][]float64
	offset []float64
}

func linearOf[R interface{ GetValue() []float64 }](inputs []*spec.FeatureDescription, rows []R, offset []float64) (*linear, error) {
	c, err := columnsOf(inputs)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows) != len(offset) {
		return nil, fault.New(fault.Corrupt, "weights", "%d rows of weights and %d offsets", len(rows), len(offset))
	}
	l := &linear{columns: c, width: len(rows[0].GetValue()), offset: offset}
	for i, r := range rows {
		if len(r.GetValue()) != l.width {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("weights[%d]", i), "want %d values as in the first row, have %d", l.width, len(r.GetValue()))
		}
		l.rows = append(l.rows, r.GetValue())
	}
	return l, c.fit(l.width)
}

func (l *linear) scores(in Features) ([]float64, error) {
	x, err := l.read(in, l.width)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(l.rows))
	for i, row := range l.rows {
		out[i] = dot(row, x) + l.offset[i]
	}
	return out, nil
}

// dot is a sum of products in the order of the elements.
func dot(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// logistic is 1 / (1 + exp(-x)).
func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// probit is the probability of a standard normal variable below x.
func probit(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// glmRegressor is y = link(Wx + b).
func glmRegressor(s *spec.Model) (Func, error) {
	m := s.GetGlmRegressor()
	l, err := linearOf(s.GetDescription().GetInput(), m.GetWeights(), m.GetOffset())
	if err != nil {
		return nil, err
	}
	r, err := regressionOf(s.GetDescription(), len(l.rows))
	if err != nil {
		return nil, err
	}
	var link func(float64) float64
	switch t := m.GetPostEvaluationTransform(); t {
	case spec.GLMRegressor_NoTransform:
	case spec.GLMRegressor_Logit:
		link = logistic
	case spec.GLMRegressor_Probit:
		link = probit
	default:
		return nil, unknown("postEvaluationTransform", t)
	}
	return func(in Features) (Features, error) {
		y, err := l.scores(in)
		if err != nil {
			return nil, err
		}
		if link != nil {
			for i, v := range y {
				y[i] = link(v)
			}
		}
		return r.answer(y), nil
	}, nil
}

// unknown refuses a value that an enumeration does not have.
func unknown(place string, value fmt.Stringer) error {
	return fault.New(fault.Unsupported, place, "the value %s is not known", value)
}

// glmClassifier scores classes by rows of weights.
//
// With the encoding ReferenceClass there is a row for each class but the
// first, whose score is 0. Probabilities are exp(score) over the sum of all.
//
// With OneVsRest there is a row for each class, or one row for the second of
// two. Probabilities are link(score), over their sum where there are several
// rows.
func glmClassifier(s *spec.Model) (Func, error) {
	m := s.GetGlmClassifier()
	l, err := linearOf(s.GetDescription().GetInput(), m.GetWeights(), m.GetOffset())
	if err != nil {
		return nil, err
	}
	n := len(l.rows)
	var link func(float64) float64
	switch t := m.GetPostEvaluationTransform(); t {
	case spec.GLMClassifier_Logit:
		link = logistic
	case spec.GLMClassifier_Probit:
		if n > 1 {
			return nil, fault.New(fault.Corrupt, "postEvaluationTransform", "Probit is for two classes only, there are %d rows of weights", n)
		}
		link = probit
	default:
		return nil, unknown("postEvaluationTransform", t)
	}
	classes := n
	reference := m.GetClassEncoding() == spec.GLMClassifier_ReferenceClass
	if reference || n == 1 {
		classes++
	}
	if e := m.GetClassEncoding(); !reference && e != spec.GLMClassifier_OneVsRest {
		return nil, unknown("classEncoding", e)
	}
	c, err := classificationOf(s.GetDescription(), labelsOf(m, classes))
	if err != nil {
		return nil, err
	}
	if c.len() != classes {
		return nil, fault.New(fault.Corrupt, "weights", "%d rows in the encoding %s do not go with %d class labels", n, m.GetClassEncoding(), c.len())
	}
	return func(in Features) (Features, error) {
		scores, err := l.scores(in)
		if err != nil {
			return nil, err
		}
		if classes > n {
			scores = append([]float64{0}, scores...)
		}
		best := largest(scores) // probabilities may round to the same
		switch p := scores; {
		case classes == 2:
			p[0], p[1] = link(-p[1]), link(p[1])
		case reference:
			softmax(p)
		default:
			for i, v := range p {
				p[i] = link(v)
			}
			shares(p)
		}
		return c.answer(best, scores), nil
	}, nil
}

// softmax replaces scores by exp(score) over the sum of all.
func softmax(v []float64) {
	top := v[largest(v)]
	var sum float64
	for i, x := range v {
		v[i] = math.Exp(x - top)
		sum += v[i]
	}
	for i := range v {
		v[i] /= sum
	}
}

// shares divides values by their sum; zeros become equal shares.
func shares(v []float64) {
	var sum float64
	for _, x := range v {
		sum += x
	}
	for i := range v {
		if sum == 0 {
			v[i] = 1 / float64(len(v))
		} else {
			v[i] /= sum
		}
	}
}
