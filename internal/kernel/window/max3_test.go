package window

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

// TestMax3 holds the kernel to the definition at every width and padding: which
// rows and columns there are, values beyond the plane, and NaN at each place.
func TestMax3(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, l := range cpu.Available() {
		t.Run(l.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			made := 0
			for w := 1; w < 150; w++ {
				for pads := range 8 {
					s := Flat(1+r.IntN(7), w, 3, 3)
					s.Stride = [3]int{1, 2, 2}
					s.Pad[1], s.Pad[2] = [2]int{pads & 1, r.IntN(3)}, [2]int{pads >> 1 & 1, pads >> 2}
					m := For(l).NewMax3(s)
					if m == nil {
						continue
					}
					made++
					out, n := s.Windows(), Size(s.In)
					// Around the plane is what would win.
					src, dst := make([]float32, n+200), make([]float32, Size(out)+1)
					for i := range src {
						src[i] = inf
					}
					plane := src[100:][:n:n]
					for i := range plane {
						plane[i] = float32(r.NormFloat64())
						if pads == 7 && r.IntN(20) == 0 {
							plane[i] = [3]float32{nan, inf, -inf}[r.IntN(3)]
						}
					}
					m.Plane(dst[:Size(out):Size(out)], plane)
					for y := range out[1] {
						for x := range out[2] {
							want := math.Inf(-1)
							for i := max(0, 2*y-s.Pad[1][0]); i < min(s.In[1], 2*y-s.Pad[1][0]+3); i++ {
								for j := max(0, 2*x-s.Pad[2][0]); j < min(w, 2*x-s.Pad[2][0]+3); j++ {
									want = max(want, float64(plane[i*w+j]))
								}
							}
							if have := float64(dst[y*out[2]+x]); have != want && (have == have || want == want) {
								t.Fatalf("%+v: output %d,%d is %v, want %v", s, y, x, have, want)
							}
						}
					}
					if dst[Size(out)] != 0 {
						t.Fatalf("%+v: writes behind", s)
					}
				}
			}
			if has := For(l).max3 != nil; has != (made > 500) {
				t.Errorf("%d shapes have a kernel", made)
			}
		})
	}
}

func TestMax3Others(t *testing.T) {
	good := Flat(20, 20, 3, 3)
	good.Stride = [3]int{1, 2, 2}
	for name, change := range map[string]func(s *Shape){
		"stride":   func(s *Shape) { s.Stride[2] = 1 },
		"kernel":   func(s *Shape) { s.Kernel[1] = 2 },
		"dilation": func(s *Shape) { s.Dilation[1] = 2 },
		"depth":    func(s *Shape) { s.In[0] = 2 },
		"padding":  func(s *Shape) { s.Pad[2][0] = 2 },
		"cropping": func(s *Shape) { s.Pad[1][0] = -1 },
		"deep":     func(s *Shape) { s.Pad[0][0] = 1 },
		"outside":  func(s *Shape) { s.Out = [3]int{1, 11, 9} },
		"no row":   func(s *Shape) { s.In[1] = 0 },
	} {
		s := good
		change(&s)
		for _, l := range cpu.Available() {
			if For(l).NewMax3(s) != nil {
				t.Errorf("%v: a shape of another %s has the kernel", l, name)
			}
			if m := For(l).NewMax3(good); m != nil {
				func() {
					defer func() {
						if recover() == nil {
							t.Errorf("%v: short slices do not panic", l)
						}
					}()
					m.Plane(make([]float32, 81), make([]float32, 399))
				}()
			}
		}
	}
}
