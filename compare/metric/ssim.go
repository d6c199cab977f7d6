package metric

import (
	"fmt"
	"math"
)

// SSIM is the structural similarity of pictures (Z. Wang, A. C. Bovik, H. R.
// Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to
// structural similarity", IEEE Transactions on Image Processing 13, 2004): 1
// for equal ones, less otherwise, averaged over the places where the paper's
// window of 11×11 pixels (Gaussian, σ = 1.5) lies inside the picture, then over
// channels and samples. K1 is 0.01, K2 0.03.
//
// The output's shape is H×W or H×W×C with C up to 4, H and W being 11 or more;
// dimensions of 1 before them are passed over.
type SSIM struct {
	Output string  // "": the only one
	Peak   float64 // range of values; 0 means 255
}

// Name returns "ssim".
func (m SSIM) Name() string { return named("ssim", m.Output) }

// Score returns the similarity for one sample.
func (m SSIM) Score(want, got Sample) (Score, error) {
	p, err := single(want, got, m.Output)
	if err != nil {
		return Score{}, err
	}
	shape := p.want.Shape()
	for len(shape) > 2 && shape[0] == 1 {
		shape = shape[1:]
	}
	channels := 1
	if len(shape) == 3 {
		channels = shape[2]
	}
	if len(shape) < 2 || len(shape) > 3 || channels < 1 || channels > 4 || shape[0] < ssimWindow || shape[1] < ssimWindow {
		return Score{}, fmt.Errorf("output %q: %s is not a picture of H×W×C elements, %d×%d or more pixels", p.name, p.want, ssimWindow, ssimWindow)
	}
	peak := m.Peak
	if peak == 0 {
		peak = 255
	}
	a, b := p.want.Float64s(), p.got.Float64s()
	sum := 0.0
	for c := range channels {
		sum += ssim(a[c:], b[c:], shape[0], shape[1], channels, peak)
	}
	return Score{Value: sum / float64(channels)}, nil
}

// Reduce returns the mean over all samples.
func (m SSIM) Reduce(scores []Score) Result { return mean(m.Name(), true, scores) }

const ssimWindow = 11

var ssimWeights = func() (g [ssimWindow]float64) {
	sum := 0.0
	for i := range g {
		x := float64(i - ssimWindow/2)
		g[i] = math.Exp(-x * x / (2 * 1.5 * 1.5))
		sum += g[i]
	}
	for i := range g {
		g[i] /= sum
	}
	return
}()

// moments are weighted means of two pictures' values and products.
type moments struct{ a, b, aa, bb, ab float64 }

func (m *moments) add(o *moments, weight float64) {
	m.a += weight * o.a
	m.b += weight * o.b
	m.aa += weight * o.aa
	m.bb += weight * o.bb
	m.ab += weight * o.ab
}

// ssim compares h rows of w values that lie step apart. The window is
// separable: rows are weighed as they come, and the last eleven of them kept.
func ssim(a, b []float64, h, w, step int, peak float64) float64 {
	c1, c2 := 0.01*peak*0.01*peak, 0.03*peak*0.03*peak
	wide := w - ssimWindow + 1
	var rows [ssimWindow][]moments // row y at y modulo 11
	for i := range rows {
		rows[i] = make([]moments, wide)
	}
	products := make([]moments, w)
	total := 0.0
	for y := range h {
		for x := range products {
			u, v := a[(y*w+x)*step], b[(y*w+x)*step]
			products[x] = moments{u, v, u * u, v * v, u * v}
		}
		row := rows[y%ssimWindow]
		for x := range row {
			var m moments
			for i, g := range ssimWeights {
				m.add(&products[x+i], g)
			}
			row[x] = m
		}
		top := y - ssimWindow + 1
		if top < 0 {
			continue
		}
		sum := 0.0 // of a row, so that terms of like size meet
		for x := range wide {
			var m moments
			for i, g := range ssimWeights {
				m.add(&rows[(top+i)%ssimWindow][x], g)
			}
			aa, bb, ab := m.aa-m.a*m.a, m.bb-m.b*m.b, m.ab-m.a*m.b // variances and covariance
			sum += (2*m.a*m.b + c1) * (2*ab + c2) / ((m.a*m.a + m.b*m.b + c1) * (aa + bb + c2))
		}
		total += sum
	}
	return total / float64(wide*(h-ssimWindow+1))
}
