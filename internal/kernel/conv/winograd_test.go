package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// tileError bounds the error of tiles, relative to the largest output, as the
// package's comment says.
const tileError = 1e-5

// compareTiles holds that got is act(sum) within the bound.
func compareTiles(t interface {
	Helper()
	Fatalf(string, ...any)
}, what string, got []float32, sum []float64, act gemm.Act, plane int,
) {
	t.Helper()
	if len(got) != len(sum) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(sum))
	}
	most := 0.0
	for _, v := range sum {
		most = max(most, math.Abs(v))
	}
	for i := range got {
		want := []float32{float32(sum[i])}
		act.Apply(vec.For(cpu.Generic), want, i/plane)
		if d := math.Abs(float64(got[i]) - float64(want[0])); !(d <= tileError*most) {
			t.Fatalf("%s: [%d] = %v, want %v ± %v", what, i, got[i], want[0], tileError*most)
		}
	}
}

func flat3x3(channels, filters, height, width int, pad [2][2]int) Shape {
	s := Shape{Channels: channels, Filters: filters, Groups: 1, Shape: window.Flat(height, width, 3, 3)}
	s.Pad = [3][2]int{{}, pad[0], pad[1]}
	return s
}

// TestWinograd draws shapes with edges of all kinds, whether tiles are the
// faster way for them or not.
func TestWinograd(t *testing.T) {
	pools := []*par.Pool{par.New(1), par.New(2), par.New(3)}
	defer func() {
		for _, p := range pools {
			p.Close()
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(-1, 4)
		pad := [2][2]int{{side.Draw(t, "top"), side.Draw(t, "bottom")}, {side.Draw(t, "left"), side.Draw(t, "right")}}
		s := flat3x3(rapid.IntRange(1, 12).Draw(t, "channels"), rapid.IntRange(1, 70).Draw(t, "filters"),
			rapid.IntRange(3, 18).Draw(t, "height"), rapid.IntRange(3, 75).Draw(t, "width"), pad)
		if !fitsWinograd(&s) {
			t.Skip("no outputs")
		}
		batch := rapid.IntRange(1, 2).Draw(t, "batch")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		weights, src := random(r, s.Filters*s.Channels*9), random(r, batch*s.Channels*window.Size(s.In))
		plane := window.Size(s.Windows())
		size := batch * s.Filters * plane
		acts := []gemm.Act{{}, gemm.Relu, gemm.Clamp(-1, 1.5), gemm.Leaky(0.1), gemm.Func(vec.For(cpu.Generic).Silu)}
		if batch == 1 {
			acts = append(acts, gemm.PRelu(random(r, s.Filters)))
		}
		act := acts[rapid.IntRange(0, len(acts)-1).Draw(t, "act")]
		var bias, add []float32
		if rapid.Bool().Draw(t, "bias") {
			bias = random(r, s.Filters)
		}
		kind := rapid.SampledFrom([]string{"none", "other", "dst"}).Draw(t, "add")
		if kind != "none" {
			add = random(r, size)
		}
		sum, _ := naive(&s, batch, src, weights, bias, add)
		for _, l := range cpu.Available() {
			w := newWinograd(l, s, weights, bias, act, nil)
			for _, p := range pools {
				dst, add := random(r, size), add
				if kind == "dst" {
					copy(dst, add)
					add = dst
				}
				w.run(p, batch, dst, src, add)
				compareTiles(t, fmt.Sprintf("%v, %d threads: %+v", l, p.Threads(), s), dst, sum, act, plane)
			}
		}
	})
}

// TestWinogradError has sums as long as those of networks, of values as in
// networks (normal ones) and of those that cancel least (of one sign).
func TestWinogradError(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	r := rand.New(rand.NewPCG(7, 8))
	for _, channels := range []int{1, 16, 128, 512, 1024} {
		for _, positive := range []bool{false, true} {
			s := flat3x3(channels, 3, 14, 20, [2][2]int{{1, 1}, {1, 1}})
			weights, src := random(r, 3*channels*9), random(r, channels*14*20)
			if positive {
				for i, v := range src {
					src[i] = max(v, -v)
				}
				for i, v := range weights {
					weights[i] = max(v, -v)
				}
			}
			sum, _ := naive(&s, 1, src, weights, nil, nil)
			levels(t, func(t *testing.T, l cpu.Level) {
				dst := make([]float32, len(sum))
				newWinograd(l, s, weights, nil, gemm.Act{}, nil).run(p, 1, dst, src, nil)
				compareTiles(t, fmt.Sprintf("%d channels", channels), dst, sum, gemm.Act{}, 14*20)
			})
		}
	}
}

// TestWinogradEdges holds that inputs that tiles cannot compute go the direct
// way, and only where they reach.
func TestWinogradEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	levels(t, func(t *testing.T, l cpu.Level) {
		p := par.New(2)
		defer p.Close()
		r := rand.New(rand.NewPCG(9, 10))
		s := flat3x3(5, 7, 12, 30, [2][2]int{{1, 1}, {1, 1}})
		weights, src, old := random(r, 5*7*9), random(r, 2*5*360), random(r, 2*7*360)
		direct := newPlan(l, s, weights, nil, gemm.Relu)
		w := newWinograd(l, s, weights, nil, gemm.Relu, func() *plan { return direct })
		for _, v := range []float32{float32(math.NaN()), inf, -inf, 1e37, -3e38} {
			src := slices.Clone(src)
			src[5*360+777] = v
			got, want := slices.Clone(old), slices.Clone(old)
			w.run(p, 2, got, src, got)
			direct.run(p, 2, want, src, want)
			for i := range got {
				if got[i] != want[i] && (got[i] == got[i] || want[i] == want[i]) {
					t.Fatalf("with %v: [%d] = %v, want %v", v, i, got[i], want[i])
				}
			}
		}
		weights[3] = inf
		got, want := make([]float32, 7*360), make([]float32, 7*360)
		direct = newPlan(l, s, weights, nil, gemm.Relu)
		newWinograd(l, s, weights, nil, gemm.Relu, func() *plan { return direct }).run(p, 1, got, src, nil)
		direct.run(p, 1, want, src, nil)
		for i := range got {
			if got[i] != want[i] && (got[i] == got[i] || want[i] == want[i]) {
				t.Fatalf("with infinite weights: [%d] = %v, want %v", i, got[i], want[i])
			}
		}
	})
}

// TestFavors holds which layers of networks go by tiles, as measured.
func TestFavors(t *testing.T) {
	for _, c := range []struct {
		channels, filters, size int
		want                    bool
	}{
		{128, 128, 64, true},
		{16, 32, 208, true},
		{128, 256, 26, true},
		{256, 512, 13, true},
		{64, 64, 56, true},
		{256, 256, 14, true},
		{48, 192, 13, true},
		{3, 64, 224, false},     // transforms take longer than products
		{32, 3, 224, false},     //
		{512, 1024, 13, false},  // weights come from memory
		{512, 512, 7, false},    //
		{1024, 1024, 4, false},  //
		{64, 64, 1, false},      // of a tile's 16 outputs one is wanted
		{1 << 12, 1, 64, false}, //
	} {
		for _, l := range cpu.Available() {
			if l == cpu.Generic || l == cpu.NEON || c.channels == 512 && l == cpu.AVX2 {
				continue
			}
			s := flat3x3(c.channels, c.filters, c.size, c.size, [2][2]int{{1, 1}, {1, 1}})
			if got := favorsWinograd(l, &s); got != c.want {
				t.Errorf("%v: %+v: %v, by %.2f", l, c, got, winogradGain(l, &s))
			}
		}
	}
	s := flat3x3(64, 64, 30, 30, [2][2]int{})
	if !fitsWinograd(&s) {
		t.Error("3×3 does not fit")
	}
	for name, change := range map[string]func(s *Shape){
		"groups": func(s *Shape) { s.Groups = 2 }, "kernel": func(s *Shape) { s.Kernel[1] = 5 },
		"stride": func(s *Shape) { s.Stride[2] = 2 }, "dilation": func(s *Shape) { s.Dilation[1] = 2 },
		"depth": func(s *Shape) { s.In[0] = 2 }, "empty": func(s *Shape) { s.In[2] = 1 },
	} {
		bad := s
		if change(&bad); fitsWinograd(&bad) {
			t.Errorf("%s: %+v fits", name, bad)
		}
	}
}
