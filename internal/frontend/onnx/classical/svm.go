package classical

import (
	"math"

	"github.com/smelt-ml/smelt/fault"
)

// Kernel is a function of two vectors.
type Kernel struct {
	Type             string // LINEAR, POLY, RBF or SIGMOID
	Gamma, C, Degree float64
}

func kernelOf(a Attributes) (Kernel, error) {
	k := Kernel{Type: a.Text("kernel_type", "LINEAR")}
	p := wide(a.Floats("kernel_params"))
	if len(p) >= 3 {
		k.Gamma, k.C, k.Degree = p[0], p[1], p[2]
	} else if len(p) > 0 {
		return k, fault.New(fault.Corrupt, "", "%d parameters of the kernel, want 3", len(p))
	}
	switch k.Type {
	case "LINEAR", "POLY", "RBF", "SIGMOID":
		return k, nil
	}
	return k, fault.New(fault.Corrupt, "", "the kernel %q is not known", k.Type)
}

// Of evaluates the kernel.
func (k Kernel) Of(a, b []float64) float64 {
	switch k.Type {
	case "POLY":
		return math.Pow(k.Gamma*dot(a, b)+k.C, k.Degree)
	case "SIGMOID":
		return math.Tanh(k.Gamma*dot(a, b) + k.C)
	case "RBF":
		sum := 0.0
		for i, x := range a {
			sum += (x - b[i]) * (x - b[i])
		}
		return math.Exp(-k.Gamma * sum)
	}
	return dot(a, b)
}

// vectors cuts a list into rows.
func vectors(a Attributes, n int) ([][]float64, error) {
	v := wide(a.Floats("support_vectors"))
	if n < 1 || len(v) == 0 || len(v)%n != 0 {
		return nil, fault.New(fault.Corrupt, "", "%d values for %d support vectors", len(v), n)
	}
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = v[i*len(v)/n : (i+1)*len(v)/n]
	}
	return rows, nil
}

// SVMRegressor is Σ cᵢ K(x, vᵢ) + ρ; without support vectors the coefficients are
// the one vector of a linear kernel.
type SVMRegressor struct {
	Kernel       Kernel
	Vectors      [][]float64
	Coefficients []float64
	Rho          float64
	OneClass     bool // the sign of the value
	Post         Transform
}

// NewSVMRegressor reads the operator of that name.
func NewSVMRegressor(a Attributes) (*SVMRegressor, error) {
	r := &SVMRegressor{Coefficients: wide(a.Floats("coefficients")), OneClass: a.Int("one_class", 0) != 0}
	var err error
	if r.Post, err = transformOf(a); err != nil {
		return nil, err
	}
	if r.Kernel, err = kernelOf(a); err != nil {
		return nil, err
	}
	if rho := a.Floats("rho"); len(rho) > 0 {
		r.Rho = float64(rho[0])
	}
	n := a.Int("n_supports", 0)
	if n == 0 {
		if len(r.Coefficients) == 0 {
			return nil, fault.New(fault.Corrupt, "", "there are no coefficients")
		}
		r.Kernel, r.Vectors, r.Coefficients = Kernel{Type: "LINEAR"}, [][]float64{r.Coefficients}, []float64{1}
		return r, nil
	}
	if r.Vectors, err = vectors(a, n); err != nil {
		return nil, err
	}
	if len(r.Coefficients) != n {
		return nil, fault.New(fault.Corrupt, "", "%d coefficients for %d support vectors", len(r.Coefficients), n)
	}
	return r, nil
}

// Width is the length of a vector.
func (r *SVMRegressor) Width() int { return len(r.Vectors[0]) }

// Outputs is 1.
func (r *SVMRegressor) Outputs() int { return 1 }

// Predict returns the value.
func (r *SVMRegressor) Predict(x []float64) []float64 {
	sum := r.Rho
	for i, v := range r.Vectors {
		sum += r.Coefficients[i] * r.Kernel.Of(x, v)
	}
	if r.OneClass {
		if sum > 0 {
			return []float64{1}
		}
		return []float64{-1}
	}
	out := []float64{sum}
	if r.Post == Probit {
		r.Post.Apply(out)
	}
	return out
}

// SVMClassifier votes between classes by a score for each pair of them. With
// probabilities it gives those of the classes, else the scores.
type SVMClassifier struct {
	Kernel       Kernel
	Vectors      [][]float64
	Counts       []int // of the vectors of each class
	Coefficients [][]float64
	Rho          []float64 // of the pairs 0-1, 0-2, …, 1-2, …
	ProbA, ProbB []float64
	Labels       Labels
	Post         Transform

	start []int
}

// NewSVMClassifier reads the operator of that name.
func NewSVMClassifier(a Attributes) (*SVMClassifier, error) {
	c := &SVMClassifier{Counts: a.Ints("vectors_per_class"), Rho: wide(a.Floats("rho")), ProbA: wide(a.Floats("prob_a")), ProbB: wide(a.Floats("prob_b"))}
	var err error
	if c.Labels, err = labelsOf(a, "classlabels_ints"); err != nil {
		return nil, err
	}
	if c.Post, err = transformOf(a); err != nil {
		return nil, err
	}
	if c.Kernel, err = kernelOf(a); err != nil {
		return nil, err
	}
	if len(c.Counts) == 0 {
		return nil, fault.New(fault.Unsupported, "", "support vectors without vectors: a LinearClassifier says the same")
	}
	k, n := c.Labels.Len(), 0
	for _, count := range c.Counts {
		if count < 0 || count > maxValues {
			return nil, fault.New(fault.Corrupt, "", "%d support vectors of a class", count)
		}
		c.start = append(c.start, n)
		n += count
	}
	c.start = append(c.start, n)
	if k < 2 || len(c.Counts) != k || k > 1<<12 {
		return nil, fault.New(fault.Corrupt, "", "%d classes with support vectors and %d labels", len(c.Counts), k)
	}
	if c.Vectors, err = vectors(a, n); err != nil {
		return nil, err
	}
	w, pairs := wide(a.Floats("coefficients")), k*(k-1)/2
	if len(w) != (k-1)*n || len(c.Rho) != pairs || len(c.ProbA) != len(c.ProbB) || len(c.ProbA) != 0 && len(c.ProbA) != pairs {
		return nil, fault.New(fault.Corrupt, "", "%d coefficients, %d values of rho, %d and %d of probabilities for %d classes and %d support vectors",
			len(w), len(c.Rho), len(c.ProbA), len(c.ProbB), k, n)
	}
	for i := range k - 1 {
		c.Coefficients = append(c.Coefficients, w[i*n:(i+1)*n])
	}
	return c, nil
}

// Width is the length of a vector.
func (c *SVMClassifier) Width() int { return len(c.Vectors[0]) }

// Classes returns the labels.
func (c *SVMClassifier) Classes() Labels { return c.Labels }

// Classify returns the class with the most votes, and the probabilities, or the
// scores of the pairs; those of two classes are the opposite of their score and
// itself.
func (c *SVMClassifier) Classify(x []float64) (int, []float64) {
	kernels := make([]float64, len(c.Vectors))
	for i, v := range c.Vectors {
		kernels[i] = c.Kernel.Of(x, v)
	}
	k := c.Labels.Len()
	votes := make([]float64, k)
	var scores []float64
	for i := range k {
		for j := i + 1; j < k; j++ {
			sum := c.Rho[len(scores)]
			for n := c.start[i]; n < c.start[i+1]; n++ {
				sum += c.Coefficients[j-1][n] * kernels[n]
			}
			for n := c.start[j]; n < c.start[j+1]; n++ {
				sum += c.Coefficients[i][n] * kernels[n]
			}
			if scores = append(scores, sum); sum > 0 {
				votes[i]++
			} else {
				votes[j]++
			}
		}
	}
	label := largest(votes)
	switch {
	case c.ProbA != nil:
		p := c.probabilities(scores)
		c.Post.Apply(p)
		return label, p
	case k > 2:
		c.Post.Apply(scores)
		return label, scores
	}
	switch s := scores[0]; c.Post {
	case None:
		return label, []float64{-s, s}
	case Logistic:
		return label, []float64{logistic(-s), logistic(s)}
	default: // as ONNX Runtime does it
		return label, []float64{1 - s, s}
	}
}

// probabilities couples those of the pairs by the iteration of Wu, Lin and Weng,
// "Probability estimates for multi-class classification by pairwise coupling",
// 2004, algorithm 2.
func (c *SVMClassifier) probabilities(scores []float64) []float64 {
	const least = 1e-7
	k := c.Labels.Len()
	r := make([][]float64, k) // r[i][j] is that of i against j
	for i := range r {
		r[i] = make([]float64, k)
	}
	pair := 0
	for i := range k {
		for j := i + 1; j < k; j++ {
			p := min(max(logistic(-(c.ProbA[pair]*scores[pair]+c.ProbB[pair])), least), 1-least)
			r[i][j], r[j][i] = p, 1-p
			pair++
		}
	}
	p, qp := make([]float64, k), make([]float64, k)
	q := make([][]float64, k)
	for i := range k {
		p[i] = 1 / float64(k)
		q[i] = make([]float64, k)
		for j := range k {
			if i != j {
				q[i][i] += r[j][i] * r[j][i]
				q[i][j] = -r[j][i] * r[i][j]
			}
		}
	}
	for range max(100, k) {
		total, worst := 0.0, 0.0
		for i := range k {
			qp[i] = dot(q[i], p)
			total += p[i] * qp[i]
		}
		for i := range k {
			worst = max(worst, math.Abs(qp[i]-total))
		}
		if worst < 0.005/float64(k) {
			break
		}
		for i := range k {
			d := (total - qp[i]) / q[i][i]
			p[i] += d
			total = (total + d*(d*q[i][i]+2*qp[i])) / (1 + d) / (1 + d)
			for j := range k {
				qp[j] = (qp[j] + d*q[i][j]) / (1 + d)
				p[j] /= 1 + d
			}
		}
	}
	return p
}
