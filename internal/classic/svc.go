package classic

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// voting decides between classes by one classifier for each pair of them, as
// libsvm does.
type voting struct {
	classes      int
	start        []int       // of each class among the support vectors, and the end
	alpha        [][]float64 // [classes-1][support vectors]
	rho          []float64   // of the pairs 0-1, 0-2, …, 1-2, …
	probA, probB []float64   // of the pairs; nil for none
}

func votingOf(m *spec.SupportVectorClassifier, vectors int) (*voting, error) {
	counts := m.GetNumberOfSupportVectorsPerClass()
	v := &voting{classes: len(counts), start: make([]int, 1, len(counts)+1), rho: m.GetRho()}
	if v.classes < 2 {
		return nil, fault.New(fault.Corrupt, "numberOfSupportVectorsPerClass", "want at least two classes, have %d", v.classes)
	}
	sum := 0
	for i, n := range counts {
		if n < 0 || int(n) > vectors-sum {
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("numberOfSupportVectorsPerClass[%d]", i), "the number %d does not go with %d support vectors in all", n, vectors)
		}
		sum += int(n)
		v.start = append(v.start, sum)
	}
	if sum != vectors {
		return nil, fault.New(fault.Corrupt, "numberOfSupportVectorsPerClass", "the sum is %d, there are %d support vectors", sum, vectors)
	}
	if n := len(m.GetCoefficients()); n != v.classes-1 {
		return nil, fault.New(fault.Corrupt, "coefficients", "want %d rows for %d classes, have %d", v.classes-1, v.classes, n)
	}
	for i, c := range m.GetCoefficients() {
		if len(c.GetAlpha()) != vectors {
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("coefficients[%d]", i), "want one for each of %d support vectors, have %d", vectors, len(c.GetAlpha()))
		}
		v.alpha = append(v.alpha, c.GetAlpha())
	}
	pairs := v.classes * (v.classes - 1) / 2
	if len(v.rho) != pairs {
		return nil, fault.New(fault.Corrupt, "rho", "want %d values for the pairs of %d classes, have %d", pairs, v.classes, len(v.rho))
	}
	if a, b := len(m.GetProbA()), len(m.GetProbB()); a != 0 || b != 0 {
		if a != pairs || b != pairs {
			return nil, fault.New(fault.Corrupt, "probA", "want %d values, and as many of probB, for the pairs of %d classes, have %d and %d", pairs, v.classes, a, b)
		}
		v.probA, v.probB = m.GetProbA(), m.GetProbB()
	}
	return v, nil
}

// decisions returns the decision value of each pair of classes i < j: greater
// than 0 for class i.
func (v *voting) decisions(k []float64) []float64 {
	out := make([]float64, 0, len(v.rho))
	for i := range v.classes {
		for j := i + 1; j < v.classes; j++ {
			var sum float64
			for n := v.start[i]; n < v.start[i+1]; n++ {
				sum += v.alpha[j-1][n] * k[n]
			}
			for n := v.start[j]; n < v.start[j+1]; n++ {
				sum += v.alpha[i][n] * k[n]
			}
			out = append(out, sum-v.rho[len(out)])
		}
	}
	return out
}

// votes counts the pairs that each class wins.
func (v *voting) votes(decisions []float64) []float64 {
	votes := make([]float64, v.classes)
	pair := 0
	for i := range v.classes {
		for j := i + 1; j < v.classes; j++ {
			if decisions[pair] > 0 {
				votes[i]++
			} else {
				votes[j]++
			}
			pair++
		}
	}
	return votes
}

// probabilities couples the probabilities of the pairs, logistic functions of
// the decision values, to those of the classes.
func (v *voting) probabilities(decisions []float64) []float64 {
	const least = 1e-7
	k := v.classes
	r := make([]float64, k*k) // r[i*k+j] is that of i against j
	pair := 0
	for i := range k {
		for j := i + 1; j < k; j++ {
			p := logistic(-(v.probA[pair]*decisions[pair] + v.probB[pair]))
			p = min(max(p, least), 1-least)
			r[i*k+j], r[j*k+i] = p, 1-p
			pair++
		}
	}
	return couple(r, k)
}

// couple finds p that minimizes Σ_i Σ_{j≠i} (r_ji p_i - r_ij p_j)² with Σp = 1,
// by the fixed-point iteration of Wu, Lin and Weng, "Probability estimates for
// multi-class classification by pairwise coupling", 2004, algorithm 2. It ends
// where libsvm ends it, well before all digits are found, and does so for two
// classes too, whose p is known beforehand: models are made to agree with that.
func couple(r []float64, k int) []float64 {
	q := make([]float64, k*k)
	p, qp := make([]float64, k), make([]float64, k)
	for t := range k {
		p[t] = 1 / float64(k)
		for j := range k {
			if j != t {
				q[t*k+t] += r[j*k+t] * r[j*k+t]
				q[t*k+j] = -r[j*k+t] * r[t*k+j]
			}
		}
	}
	enough := 0.005 / float64(k)
	for range max(100, k) {
		var pqp float64
		for t := range k {
			qp[t] = dot(q[t*k:(t+1)*k], p)
			pqp += p[t] * qp[t]
		}
		worst := 0.0
		for t := range k {
			worst = max(worst, math.Abs(qp[t]-pqp))
		}
		if worst < enough {
			break
		}
		for t := range k {
			diff := (pqp - qp[t]) / q[t*k+t]
			p[t] += diff
			pqp = (pqp + diff*(diff*q[t*k+t]+2*qp[t])) / (1 + diff) / (1 + diff)
			for j := range k {
				qp[j] = (qp[j] + diff*q[t*k+j]) / (1 + diff)
				p[j] /= 1 + diff
			}
		}
	}
	return p
}

// supportVectorClassifier votes: the class that wins the most pairs is the
// label, the first of those with equal votes. Where the file tells how,
// probabilities are estimated, and the likeliest class is the label; without
// that the shares of the votes stand in their place.
func supportVectorClassifier(s *spec.Model) (Func, error) {
	m := s.GetSupportVectorClassifier()
	sv, err := supportVectorsOf(s.GetDescription().GetInput(), m)
	if err != nil {
		return nil, err
	}
	v, err := votingOf(m, sv.n)
	if err != nil {
		return nil, err
	}
	c, err := classificationOf(s.GetDescription(), labelsOf(m, v.classes))
	if err != nil {
		return nil, err
	}
	if c.len() != v.classes {
		return nil, fault.New(fault.Corrupt, "classLabels", "want %d, have %d", v.classes, c.len())
	}
	return func(in Features) (Features, error) {
		k, err := sv.values(in)
		if err != nil {
			return nil, err
		}
		d := v.decisions(k)
		if v.probA != nil {
			p := v.probabilities(d)
			return c.answer(largest(p), p), nil
		}
		p := v.votes(d)
		best := largest(p)
		shares(p)
		return c.answer(best, p), nil
	}, nil
}
