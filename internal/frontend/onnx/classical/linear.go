package classical

import (
	"github.com/smelt-ml/smelt/fault"
)

// Linear is a matrix, an offset of each row, and a transform of the scores.
type Linear struct {
	Rows    [][]float64
	Offsets []float64
	Post    Transform
}

// maxValues bounds the sizes that a file states beside its lists.
const maxValues = 1 << 24

// linearOf cuts coefficients into rows.
func linearOf(a Attributes, rows int) (*Linear, error) {
	l := &Linear{}
	var err error
	if l.Post, err = transformOf(a); err != nil {
		return nil, err
	}
	w, offsets := wide(a.Floats("coefficients")), wide(a.Floats("intercepts"))
	if rows < 1 || len(w) == 0 || len(w)%rows != 0 || len(offsets) != 0 && len(offsets) != rows {
		return nil, fault.New(fault.Corrupt, "", "%d coefficients and %d intercepts for %d rows", len(w), len(offsets), rows)
	}
	if l.Offsets = offsets; len(offsets) == 0 {
		l.Offsets = make([]float64, rows)
	}
	n := len(w) / rows
	for i := range rows {
		l.Rows = append(l.Rows, w[i*n:(i+1)*n])
	}
	return l, nil
}

// Width is the length of a row.
func (l *Linear) Width() int { return len(l.Rows[0]) }

// Outputs is the number of rows.
func (l *Linear) Outputs() int { return len(l.Rows) }

func (l *Linear) scores(x []float64) []float64 {
	out := make([]float64, len(l.Rows))
	for i, row := range l.Rows {
		out[i] = dot(row, x) + l.Offsets[i]
	}
	return out
}

// Predict returns the transformed scores; a single one is transformed by PROBIT
// alone, as ONNX Runtime does it.
func (l *Linear) Predict(x []float64) []float64 {
	out := l.scores(x)
	if len(out) > 1 || l.Post == Probit {
		l.Post.Apply(out)
	}
	return out
}

// LinearRegressor reads the operator of that name.
func LinearRegressor(a Attributes) (*Linear, error) { return linearOf(a, a.Int("targets", 1)) }

// LinearClassifier has a row for each class, or one for the second of two.
type LinearClassifier struct {
	Linear
	Labels Labels
}

// NewLinearClassifier reads the operator of that name.
func NewLinearClassifier(a Attributes) (*LinearClassifier, error) {
	labels, err := labelsOf(a, "classlabels_ints")
	if err != nil {
		return nil, err
	}
	rows := len(a.Floats("intercepts"))
	if rows == 0 {
		rows = labels.Len()
	}
	if rows != labels.Len() && (rows != 1 || labels.Len() != 2) {
		return nil, fault.New(fault.Corrupt, "", "%d intercepts for %d classes", rows, labels.Len())
	}
	l, err := linearOf(a, rows)
	if err != nil {
		return nil, err
	}
	if labels.Len() < 2 {
		return nil, fault.New(fault.Unsupported, "", "a classifier of one class")
	}
	return &LinearClassifier{*l, labels}, nil
}

// Classes returns the labels.
func (c *LinearClassifier) Classes() Labels { return c.Labels }

// Classify returns the class of the highest score. One row is the score of the
// second class, which it is above 0.
func (c *LinearClassifier) Classify(x []float64) (int, []float64) {
	s := c.scores(x)
	if len(s) > 1 {
		label := largest(s)
		c.Post.Apply(s)
		return label, s
	}
	label := 0
	if s[0] > 0 {
		label = 1
	}
	if c.Post == Logistic {
		return label, []float64{logistic(-s[0]), logistic(s[0])}
	}
	return label, []float64{1 - s[0], s[0]}
}
