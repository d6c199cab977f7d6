package pixel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

func levels(t *testing.T, f func(t *testing.T, p *Funcs)) {
	for _, l := range cpu.Available() {
		t.Run(l.String(), func(t *testing.T) { f(t, For(l)) })
	}
}

// sizes has those around every vector and block.
func sizes(from int) []int {
	var n []int
	for i := from; i < 150; i++ {
		n = append(n, i)
	}
	return append(n, 191, 192, 193, 255, 256, 257, 681, 1500)
}

func random(r *rand.Rand, n int) []uint8 {
	b := make([]uint8, n)
	for i := range b {
		b[i] = uint8(r.Uint32())
		if r.IntN(4) == 0 { // what clips
			b[i] = uint8(r.IntN(2) * 255)
		}
	}
	return b
}

// guarded returns n bytes, and a check that nothing after them was written.
func guarded(n int) ([]uint8, func() bool) {
	const guard = 64
	b := bytes.Repeat([]byte{0xa5}, n+guard)
	return b[:n:n], func() bool { return bytes.Equal(b[n:], bytes.Repeat([]byte{0xa5}, guard)) }
}

// weights are random ones that sum to about one, with negative lobes.
func weights(r *rand.Rand, taps int) []int32 {
	real := make([]float64, taps)
	sum, size := 0.0, 0.0
	for i := range real {
		real[i] = r.Float64() - 0.25
		sum += real[i]
		size += max(real[i], -real[i])
	}
	if sum < size/1.9 { // as NewWeights wants it
		sum = size / 1.9
	}
	w := make([]int32, taps)
	for i, v := range real {
		w[i] = int32(v / sum * (1 << WeightBits))
	}
	return w
}

// weighed is the sum as it is defined.
func weighed(src []uint8, at, step int, taps []int32) uint8 {
	s := int64(1 << (WeightBits - 1))
	for j, w := range taps {
		s += int64(w) * int64(src[at+j*step])
	}
	return uint8(max(0, min(255, s>>WeightBits)))
}

func TestWeigh(t *testing.T) {
	levels(t, func(t *testing.T, p *Funcs) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, n := range sizes(0) {
			for _, taps := range []int{1, 2, 3, 4, 7, 8, 13, 40} {
				step := n + r.IntN(3)
				src := random(r, (taps-1)*step+n)
				w := weights(r, taps)
				dst, whole := guarded(n)
				p.Weigh(dst, src, step, NewWeights(w))
				for x, v := range dst {
					if want := weighed(src, x, step, w); v != want {
						t.Fatalf("%d bytes, %d taps: byte %d is %d, want %d", n, taps, x, v, want)
					}
				}
				if !whole() {
					t.Fatalf("%d bytes, %d taps: writes behind", n, taps)
				}
			}
		}
	})
}

// The largest weights and sums that are allowed, and rows that overlap.
func TestWeighEdges(t *testing.T) {
	const one = 1 << WeightBits
	levels(t, func(t *testing.T, p *Funcs) {
		for _, w := range [][]int32{
			{one},
			{-one},
			{one, one - 1},
			{-one, -one + 1},
			{2*one - 1},
			{-2*one + 1},
			{one + one/2, -one / 2},
			{1, -1},
			{-1},
			{1 << 15, -1 << 15, 1<<15 - 1},
			slices.Repeat([]int32{one / 1000}, 1000), slices.Repeat([]int32{-1}, 999),
		} {
			for _, v := range []uint8{0, 1, 127, 128, 254, 255} {
				src := bytes.Repeat([]byte{v}, 200+len(w))
				src[100] = 255 - v
				dst := make([]uint8, 200)
				p.Weigh(dst, src, 1, NewWeights(w))
				for x, have := range dst {
					if want := weighed(src, x, 1, w); have != want {
						t.Fatalf("weights %v of %d: byte %d is %d, want %d", w[:min(3, len(w))], v, x, have, want)
					}
				}
			}
		}
		dst := []uint8{7, 7}
		p.Weigh(dst, nil, 0, NewWeights(nil))
		if dst[0] != 0 || dst[1] != 0 {
			t.Errorf("the sum of nothing is %v", dst)
		}
	})
}

func TestTranspose(t *testing.T) {
	levels(t, func(t *testing.T, p *Funcs) {
		r := rand.New(rand.NewPCG(3, 4))
		ns := []int{1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 63, 64, 65, 119, 256}
		for _, rows := range ns {
			for _, cols := range ns {
				srcStep, dstStep := cols+r.IntN(3), rows+r.IntN(3)
				src := random(r, (rows-1)*srcStep+cols)
				dst, whole := guarded((cols-1)*dstStep + rows)
				p.Transpose(dst, dstStep, src, srcStep, rows, cols)
				for i := range rows {
					for j := range cols {
						if dst[j*dstStep+i] != src[i*srcStep+j] {
							t.Fatalf("%d×%d: row %d, column %d is %d, want %d", rows, cols, i, j, dst[j*dstStep+i], src[i*srcStep+j])
						}
					}
				}
				for j := range cols - 1 { // what is between the rows
					for i := rows; i < dstStep; i++ {
						if dst[j*dstStep+i] != 0xa5 {
							t.Fatalf("%d×%d: writes between rows", rows, cols)
						}
					}
				}
				if !whole() {
					t.Fatalf("%d×%d: writes behind", rows, cols)
				}
			}
		}
		p.Transpose(nil, 0, nil, 0, 0, 5)
		p.Transpose(nil, 5, nil, 0, 5, 0)
	})
}

// TestYCCAll converts every colour.
func TestYCCAll(t *testing.T) {
	levels(t, func(t *testing.T, p *Funcs) {
		luma, cb, cr := make([]uint8, 1<<16), make([]uint8, 1<<16), make([]uint8, 1<<16)
		dst := make([]uint8, 3<<16)
		for i := range luma {
			luma[i], cb[i] = uint8(i), uint8(i>>8)
		}
		for v := range 256 {
			for i := range cr {
				cr[i] = uint8(v)
			}
			p.YCC(dst, luma, cb, cr)
			for i, l := range luma {
				b, r := int(cb[i])-128, v-128
				round := func(p int) int { return (p + 1<<15) >> 16 }
				for c, want := range [3]int{int(l) + round(91881*r), int(l) + round(-22554*b-46802*r), int(l) + round(116130*b)} {
					if have := dst[3*i+c]; int(have) != max(0, min(255, want)) {
						t.Fatalf("Y %d Cb %d Cr %d: channel %d is %d, want %d", l, cb[i], v, c, have, want)
					}
				}
			}
		}
	})
}

func TestRows(t *testing.T) {
	levels(t, func(t *testing.T, p *Funcs) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, n := range sizes(0) {
			a, b, c := random(r, n), random(r, n), random(r, n)
			want := make([]uint8, 3*n)
			ycc(want, a, b, c)
			have, whole := guarded(3 * n)
			p.YCC(have, a, b, c)
			if !bytes.Equal(have, want) || !whole() {
				t.Fatalf("YCC of %d pixels differs", n)
			}

			planar := make([]float32, 3*n+1)
			p.Planes(planar[:n], planar[n:2*n], planar[2*n:3*n], want)
			for i, v := range want {
				if have := planar[i%3*n+i/3]; have != float32(v) {
					t.Fatalf("planes of %d pixels: channel %d of pixel %d is %v, want %d", n, i%3, i/3, have, v)
				}
			}
			if planar[3*n] != 0 {
				t.Fatalf("planes of %d pixels: writes behind", n)
			}

			if n < 2 {
				continue
			}
			for _, bias := range [][2]int{{8, 7}, {4, 8}, {0, 15}} {
				have, whole := guarded(2 * n)
				p.Double(have, a, b, bias[0], bias[1])
				for x := range have {
					sum := func(i int) int {
						i = max(0, min(i, n-1))
						return 3*int(a[i]) + int(b[i])
					}
					if want := (3*sum(x/2) + sum(x/2-1+x%2*2) + bias[x%2]) / 16; int(have[x]) != want {
						t.Fatalf("double of %d: byte %d is %d, want %d", n, x, have[x], want)
					}
				}
				if !whole() {
					t.Fatalf("double of %d: writes behind", n)
				}
			}
		}
	})
}

func TestProperties(t *testing.T) {
	levels(t, func(t *testing.T, p *Funcs) {
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(1, 300).Draw(t, "bytes")
			taps := rapid.IntRange(1, 30).Draw(t, "taps")
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			step := rapid.IntRange(0, 400).Draw(t, "step")
			src := random(r, (taps-1)*step+n)
			w := NewWeights(weights(r, taps))
			want, have := make([]uint8, n), make([]uint8, n)
			weigh(want, src, step, w.taps)
			p.Weigh(have, src, step, w)
			if !bytes.Equal(have, want) {
				t.Fatal("Weigh differs from portable code")
			}
			rows, cols := rapid.IntRange(1, 100).Draw(t, "rows"), rapid.IntRange(1, 100).Draw(t, "columns")
			m := random(r, rows*cols)
			turned, back := make([]uint8, len(m)), make([]uint8, len(m))
			p.Transpose(turned, rows, m, cols, rows, cols)
			p.Transpose(back, cols, turned, rows, cols, rows)
			if !bytes.Equal(back, m) {
				t.Fatal("transposing twice changes")
			}
		})
	})
}

func TestShort(t *testing.T) {
	w := NewWeights([]int32{1, 2})
	levels(t, func(t *testing.T, p *Funcs) {
		for name, f := range map[string]func(){
			"weigh":          func() { p.Weigh(make([]uint8, 64), make([]uint8, 127), 64, w) },
			"weigh back":     func() { p.Weigh(make([]uint8, 64), make([]uint8, 128), -1, w) },
			"transpose src":  func() { p.Transpose(make([]uint8, 64*64), 64, make([]uint8, 64*64-1), 64, 64, 64) },
			"transpose dst":  func() { p.Transpose(make([]uint8, 64*64-1), 64, make([]uint8, 64*64), 64, 64, 64) },
			"transpose step": func() { p.Transpose(make([]uint8, 64*64), 63, make([]uint8, 64*64), 64, 64, 64) },
			"ycc":            func() { p.YCC(make([]uint8, 95), make([]uint8, 32), make([]uint8, 32), make([]uint8, 32)) },
			"ycc chroma":     func() { p.YCC(make([]uint8, 96), make([]uint8, 32), make([]uint8, 32), make([]uint8, 31)) },
			"double":         func() { p.Double(make([]uint8, 79), make([]uint8, 40), make([]uint8, 40), 0, 0) },
			"double far":     func() { p.Double(make([]uint8, 80), make([]uint8, 40), make([]uint8, 39), 0, 0) },
			"planes":         func() { p.Planes(make([]float32, 16), make([]float32, 16), make([]float32, 16), make([]uint8, 47)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: short slices do not panic", name)
					}
				}()
				f()
			}()
		}
	})
}

func Benchmark(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, l := range cpu.Available() {
		p := For(l)
		src, dst := random(r, 64*1500), make([]uint8, 64*1500)
		run := func(name string, bytes int, f func()) {
			b.Run(fmt.Sprintf("%s/%v", name, l), func(b *testing.B) {
				b.SetBytes(int64(bytes))
				for b.Loop() {
					f()
				}
			})
		}
		w := NewWeights(weights(r, 13))
		run("weigh", 1500, func() { p.Weigh(dst[:1500], src, 1500, w) })
		run("transpose", 64*1500, func() { p.Transpose(dst, 64, src, 1500, 64, 1500) })
		run("ycc", 1500, func() { p.YCC(dst[:1500], src[:500], src[500:1000], src[1000:1500]) })
		run("double", 1000, func() { p.Double(dst[:1000], src[:500], src[500:1000], 8, 7) })
		f := make([]float32, 1500)
		run("planes", 1500, func() { p.Planes(f[:500], f[500:1000], f[1000:], src[:1500]) })
	}
}
