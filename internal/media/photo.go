package media

import "sync"

// Photo is a picture that several models are to see: it is fitted once for all
// of them that want it in the same way. It must not change once it is in use.
type Photo struct {
	*Image

	mu     sync.Mutex
	w, h   int
	opts   FitOptions
	fitted *Image
}

// Fit is the function Fit, which remembers its last result.
func (p *Photo) Fit(w, h int, o FitOptions) (*Image, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fitted != nil && p.w == w && p.h == h && p.opts == o {
		return p.fitted, nil
	}
	m, err := Fit(p.Image, w, h, o)
	if err == nil {
		p.w, p.h, p.opts, p.fitted = w, h, o, m
	}
	return m, err
}
