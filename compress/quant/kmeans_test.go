package quant

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
	"pgregory.net/rapid"
)

// bruteForce returns the least sum of squared errors of k clusters of weighted
// ascending points, by dynamic programming over all partitions, with every
// cluster's error computed from its own mean.
func bruteForce(x, w []float64, k int) float64 {
	n := len(x)
	cost := make([]float64, n+1) // of the first i points
	for i := 1; i <= n; i++ {
		cost[i] = clusterError(x[:i], w[:i])
	}
	for c := 2; c <= k; c++ {
		next := slices.Clone(cost)
		for j := 1; j <= n; j++ {
			for i := range j {
				next[j] = min(next[j], cost[i]+clusterError(x[i:j], w[i:j]))
			}
		}
		cost = next
	}
	return cost[n]
}

func clusterError(x, w []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	sum, weight := 0.0, 0.0
	for i := range x {
		sum += w[i] * (x[i] - x[0])
		weight += w[i]
	}
	mean := x[0] + sum/weight
	e := 0.0
	for i := range x {
		e += w[i] * (x[i] - mean) * (x[i] - mean)
	}
	return e
}

// samples draws values of the kinds that weights come in, and of kinds that
// only tests do. Lengths come from a list: left alone, rapid prefers short ones.
func samples(lengths ...int) *rapid.Generator[[]float32] {
	scaled := func(scale float32) func(int) float32 {
		return func(i int) float32 { return float32(i) * scale }
	}
	kinds := []*rapid.Generator[float32]{
		rapid.Float32Range(-1, 1),
		rapid.Map(rapid.IntRange(-1<<20, 1<<20), scaled(1e-6)), // even, where floats crowd at zero
		rapid.Map(rapid.IntRange(1<<23, 1<<23+99), scaled(1)),  // neighbours among the floats
		rapid.Map(rapid.IntRange(-20, 20), scaled(0.125)),      // many copies, even distances
		rapid.SampledFrom([]float32{0, float32(math.Copysign(0, -1)), 1, -1, 0.1, 3}),
		rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32),
		rapid.Map(rapid.IntRange(-50, 50), scaled(math.SmallestNonzeroFloat32)),
		rapid.Map(rapid.Float32Range(-0.99, 0.99), func(x float32) float32 { return x * x * x / (1 - x*x*x*x) }), // long tails
	}
	return rapid.Custom(func(t *rapid.T) []float32 {
		n := rapid.SampledFrom(lengths).Draw(t, "length")
		kind := rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")
		return rapid.SliceOfN(kinds[kind], n, n).Draw(t, "values")
	})
}

func TestPartitionIsOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := samples(1, 2, 3, 5, 10, 20, 40, 70).Draw(t, "w")
		var importance []float32
		if rapid.Bool().Draw(t, "weighted") {
			importance = rapid.SliceOfN(rapid.Float32Range(0.001, 100), len(w), len(w)).Draw(t, "importance")
		}
		points, borders := distinct(w, importance)
		x, weights := make([]float64, len(points)), make([]float64, len(points))
		for i := range points {
			x[i], weights[i] = float64(points[i]), borders[i+1].w
		}
		zero := accumulate(points, borders)
		spread := 0.0
		for i := range x {
			spread += weights[i] * (x[i] - zero) * (x[i] - zero)
		}
		k := rapid.IntRange(1, len(points)+2).Draw(t, "k")
		path, err := bestPartition(context.Background(), borders, k)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(path)-1, min(k, len(points)); got != want || !slices.IsSorted(path) || path[0] != 0 || int(path[got]) != len(points) {
			t.Fatalf("path %v of %d points is not one of %d steps", path, len(points), want)
		}
		got := 0.0
		for i := range len(path) - 1 {
			got += clusterError(x[path[i]:path[i+1]], weights[path[i]:path[i+1]])
		}
		want := bruteForce(x, weights, k)
		if got > want*(1+1e-9)+1e-14*spread {
			t.Fatalf("%d clusters: error %g, the least is %g (of %g)", k, got, want, spread)
		}
	})
}

// A problem large enough for the coarse start, against the plain recurrence
// for every number of steps, with the same sums.
func TestCoarseStart(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for name, draw := range map[string]func() float32{
		"normal":  func() float32 { return float32(r.NormFloat64()) },
		"lattice": func() float32 { return float32(r.Intn(40_000)) },
		"heavy":   func() float32 { return float32(math.Exp(4 * r.NormFloat64())) },
	} {
		w := make([]float32, 40_000)
		for i := range w {
			w[i] = draw()
		}
		points, borders := distinct(w, nil)
		accumulate(points, borders)
		const most = 9
		want := divideAndConquer(borders, most)
		for _, k := range []int{2, 3, 8, 9} {
			path, err := bestPartition(context.Background(), borders, k)
			if err != nil {
				t.Fatal(err)
			}
			got := newPartition(borders).pathCost(path)
			if len(path) != k+1 || math.Abs(got-want[k]) > 1e-11*want[k] {
				t.Errorf("%s: %d clusters: error %g, want %g", name, len(path)-1, got, want[k])
			}
		}
	}
}

// divideAndConquer returns the least error for each number of clusters up to k.
func divideAndConquer(borders []border, k int) []float64 {
	n := len(borders) - 1
	prev, next := make([]float64, n+1), make([]float64, n+1)
	for j := range prev {
		prev[j] = math.Inf(1)
	}
	prev[0] = 0
	out := []float64{math.Inf(1)}
	for range k {
		var fill func(lo, hi, from, to int)
		fill = func(lo, hi, from, to int) {
			if lo > hi {
				return
			}
			mid := (lo + hi) / 2
			best, at := math.Inf(1), from
			for i := from; i <= min(to, mid-1); i++ {
				if c := prev[i] + stepCost(&borders[i], &borders[mid]); c < best {
					best, at = c, i
				}
			}
			next[mid] = best
			fill(lo, mid-1, from, at)
			fill(mid+1, hi, at, to)
		}
		next[0] = math.Inf(1)
		fill(1, n, 0, n)
		prev, next = next, prev
		out = append(out, prev[n])
	}
	return out
}

func TestKMeansProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := samples(1, 2, 5, 20, 100, 300).Draw(t, "w")
		bits := rapid.IntRange(1, 6).Draw(t, "bits")
		opt := KMeansOptions{Table: rapid.SampledFrom([]tensor.DType{tensor.Float32, tensor.Float16}).Draw(t, "table")}
		p, err := KMeans(context.Background(), w, bits, opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckLUT(p.Table, p.Codes, bits); err != nil {
			t.Fatal(err)
		}
		if len(p.Codes) != len(w) || !slices.IsSorted(p.Table) {
			t.Fatalf("%d codes, table %v", len(p.Codes), p.Table)
		}
		rounded := slices.Clone(p.Table)
		tensor.RoundTo(opt.Table, rounded)
		if !slices.Equal(rounded, p.Table) {
			t.Fatalf("table %v is not of type %s", p.Table, opt.Table)
		}
		for i, x := range w {
			d := math.Abs(float64(x) - float64(p.Table[p.Codes[i]]))
			for q, c := range p.Table {
				// Distances that agree to float64's precision are as near.
				if e := math.Abs(float64(x) - float64(c)); e < d*(1-1e-15) {
					t.Fatalf("value %d, %g: code %d (%g), nearer is %d (%g)", i, x, p.Codes[i], p.Table[p.Codes[i]], q, c)
				}
			}
		}
		again, _ := KMeans(context.Background(), w, bits, opt)
		if !slices.Equal(p.Table, again.Table) || !slices.Equal(p.Codes, again.Codes) {
			t.Fatal("another run gives another palette")
		}
	})
}

func TestKMeansTables(t *testing.T) {
	negZero := float32(math.Copysign(0, -1))
	tests := []struct {
		name       string
		w          []float32
		importance []float32
		bits       int
		table      tensor.DType
		want       Palette
	}{
		{"two groups", []float32{5, 1, 2, 6}, nil, 1, 0, Palette{[]float32{1.5, 5.5}, []uint8{1, 0, 0, 1}}},
		{"few values are padded", []float32{2, -1, 2}, nil, 2, 0, Palette{[]float32{-1, 2, 2, 2}, []uint8{1, 0, 1}}},
		{"zeros are one value", []float32{negZero, 0, 3}, nil, 1, 0, Palette{[]float32{0, 3}, []uint8{0, 0, 1}}},
		{"evenly spaced", []float32{0, 1, 2, 3, 4, 5, 6, 7}, nil, 2, 0, Palette{[]float32{0.5, 2.5, 4.5, 6.5}, []uint8{0, 0, 1, 1, 2, 2, 3, 3}}},
		{"importance", []float32{0, 1, 10, 11}, []float32{3, 1, 1, 0}, 1, 0, Palette{[]float32{0.25, 10}, []uint8{0, 0, 1, 1}}},
		{"fp16 table", []float32{1, 1.0001, 1e6, -1e6}, nil, 2, tensor.Float16, Palette{[]float32{-65504, 1, 1, 65504}, []uint8{1, 2, 3, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := KMeans(context.Background(), tt.w, tt.bits, KMeansOptions{tt.importance, tt.table})
			if err != nil || !slices.Equal(got.Table, tt.want.Table) || !slices.Equal(got.Codes, tt.want.Codes) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
			if math.Signbit(float64(got.Table[0])) != math.Signbit(float64(tt.want.Table[0])) {
				t.Error("negative zero in the table")
			}
		})
	}
}

func TestKMeansErrors(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	tests := []struct {
		w    []float32
		bits int
		opt  KMeansOptions
		want string
	}{
		{nil, 4, KMeansOptions{}, "no values"},
		{[]float32{1, 2, nan}, 4, KMeansOptions{}, "value 2 is NaN"},
		{[]float32{1, inf}, 4, KMeansOptions{}, "value 1 is -Inf"},
		{[]float32{1}, 0, KMeansOptions{}, "1 to 8 bits"},
		{[]float32{1}, 9, KMeansOptions{}, "1 to 8 bits"},
		{[]float32{1}, 4, KMeansOptions{Table: tensor.Int8}, "fp32 or fp16"},
		{[]float32{1}, 4, KMeansOptions{Importance: []float32{1, 2}}, "have 2"},
		{[]float32{1, 2}, 4, KMeansOptions{Importance: []float32{1, -2}}, "importance 1 is -2"},
		{[]float32{1, 2}, 4, KMeansOptions{Importance: []float32{nan, 2}}, "importance 0 is NaN"},
		{[]float32{1, 2}, 4, KMeansOptions{Importance: []float32{0, 0}}, "all importances are zero"},
	}
	for _, tt := range tests {
		_, err := KMeans(context.Background(), tt.w, tt.bits, tt.opt)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("KMeans(%v, %d, %v): error %v, want %q", tt.w, tt.bits, tt.opt, err, tt.want)
		}
	}
}

func TestKMeansStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, n := range []int{3, 200_000} {
		if _, err := KMeans(ctx, normal(n), 2, KMeansOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%d values: error %v", n, err)
		}
	}
}

func TestNearest(t *testing.T) {
	got := nearest([]float32{-9, 0, 0.9, 1, 1.1, 2, 3, 3.5, 99}, []float32{0, 2, 4})
	if want := []uint8{0, 0, 0, 0, 1, 1, 1, 2, 2}; !slices.Equal(got, want) { // 1 and 3 lie in the middle
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRadixSort(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, 5000} {
		r := rand.New(rand.NewSource(int64(n)))
		w := make([]float32, n)
		importance := make([]float32, n)
		for i := range w {
			w[i] = float32(r.NormFloat64() * math.Exp(20*r.NormFloat64()))
			importance[i] = 1
		}
		want := slices.Clone(w)
		slices.Sort(want)
		want = slices.Compact(want)
		for _, imp := range [][]float32{nil, importance} {
			if got, _ := distinct(w, imp); !slices.Equal(got, want) {
				t.Errorf("%d values, weighted %v: not sorted", n, imp != nil)
			}
		}
	}
}

func normal(n int) []float32 {
	r := rand.New(rand.NewSource(1))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	return w
}

func BenchmarkKMeans(b *testing.B) {
	for _, n := range []int{1_000_000, 512_000, 147_456, 9_216} { // the last three: layers of SqueezeNet
		w := normal(n)
		for _, bits := range []int{1, 4, 6, 8} {
			b.Run(fmt.Sprintf("n=%d/bits=%d", n, bits), func(b *testing.B) {
				b.SetBytes(int64(4 * n))
				for b.Loop() {
					if _, err := KMeans(context.Background(), w, bits, KMeansOptions{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
