package media

import "sync"

// Photo is a picture that several models are to see: it is fitted and laid out
// once for all of them that want it in the same way. It must not change once it
// is in use.
type Photo struct {
	*Image

	mu     sync.Mutex
	w, h   int
	opts   FitOptions
	fitted *Image
	order  Order
	planes []float32 // of fitted, nil before they are asked for
}

// Fit is the function Fit, which remembers its last result.
func (p *Photo) Fit(w, h int, o FitOptions) (*Image, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fit(w, h, o)
}

func (p *Photo) fit(w, h int, o FitOptions) (*Image, error) {
	if p.fitted != nil && p.w == w && p.h == h && p.opts == o {
		return p.fitted, nil
	}
	m, err := Fit(p.Image, w, h, o)
	if err == nil {
		p.w, p.h, p.opts, p.fitted, p.planes = w, h, o, m, nil
	}
	return m, err
}

// Planar returns the planes of what Fit returns, as ToPlanar makes them. It
// remembers its last result, which must not be changed.
func (p *Photo) Planar(w, h int, o FitOptions, order Order) ([]float32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := p.fit(w, h, o)
	if err != nil {
		return nil, err
	}
	if p.planes == nil || p.order != order {
		planes := make([]float32, order.Channels()*m.W*m.H)
		if err := ToPlanar(m, order, planes); err != nil {
			return nil, err
		}
		p.order, p.planes = order, planes
	}
	return p.planes, nil
}
