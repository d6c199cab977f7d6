package media

import (
	"image"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// slowly is a pass by its definition: sums in 64 bits, one after the other.
func slowly(t *taps, in, stride, step, groups int, src []uint8) []uint8 {
	var out []uint8
	for g := range groups {
		for i, first := range t.first {
			for c := range step {
				s := int64(1 << 21)
				for j, w := range t.weight[i].Taps() {
					s += int64(w) * int64(src[g*in+(first+j)*stride+c])
				}
				out = append(out, uint8(max(0, min(255, s>>22))))
			}
		}
	}
	return out
}

// TestResizePasses holds resizing to the definition of its passes, at sizes around
// those of vectors and strips.
func TestResizePasses(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, inW, inH, w, h, channels int, f Filter, seed uint64) {
		m := New(inW, inH, channels)
		r := rand.New(rand.NewPCG(seed, 1))
		for i := range m.Pix {
			m.Pix[i] = uint8(r.Uint32())
		}
		have, err := Resize(m, w, h, f)
		if err != nil {
			t.Fatalf("%v", err)
		}
		across := func(m *Image) *Image {
			if w == m.W {
				return m
			}
			taps := newTaps(m.W, w, 0, w, f)
			return &Image{W: w, H: m.H, Channels: channels, Pix: slowly(taps, m.W*channels, channels, channels, m.H, m.Pix)}
		}
		down := func(m *Image) *Image {
			if h == m.H {
				return m
			}
			taps := newTaps(m.H, h, 0, h, f)
			return &Image{W: m.W, H: h, Channels: channels, Pix: slowly(taps, 0, m.W*channels, m.W*channels, 1, m.Pix)}
		}
		var want *Image
		if verticalFirst(m, w, h) {
			want = across(down(m))
		} else {
			want = down(across(m))
		}
		if mean, worst, err := difference(have, want); err != nil || worst != 0 || have.Channels != channels {
			t.Fatalf("%d×%d×%d to %d×%d by %v: mean difference %v, worst %d (%v)", inW, inH, channels, w, h, f, mean, worst, err)
		}
	}
	for _, s := range [][4]int{
		{500, 375, 227, 227}, {1, 1, 7, 9}, {3, 600, 70, 20}, {257, 513, 100, 255}, {64, 256, 64, 31}, {65, 255, 300, 255}, {31, 33, 65, 127}, {1000, 1, 3, 1}, {40, 300, 41, 11},
	} {
		for f := Lanczos; f < Nearest; f++ {
			for _, channels := range []int{1, 3} {
				check(t, s[0], s[1], s[2], s[3], channels, f, uint64(s[0]))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(1, 300)
		check(t, side.Draw(t, "from width"), side.Draw(t, "from height"), side.Draw(t, "width"), side.Draw(t, "height"),
			1+2*rapid.IntRange(0, 1).Draw(t, "colours"), Filter(rapid.IntRange(0, int(Nearest)-1).Draw(t, "filter")), rapid.Uint64().Draw(t, "seed"))
	})
}

// TestResizeCrop holds a part to the same part of the whole.
func TestResizeCrop(t *testing.T) {
	m := sample(301, 270)
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 400).Draw(t, "width"), rapid.IntRange(1, 400).Draw(t, "height")
		x, y := rapid.IntRange(0, w-1).Draw(t, "left"), rapid.IntRange(0, h-1).Draw(t, "top")
		r := image.Rect(x, y, rapid.IntRange(x+1, w).Draw(t, "right"), rapid.IntRange(y+1, h).Draw(t, "bottom"))
		f := Filter(rapid.IntRange(0, int(Nearest)).Draw(t, "filter"))
		whole, err := Resize(m, w, h, f)
		if err != nil {
			t.Fatal(err)
		}
		part, err := resize(m, w, h, r, f)
		if err != nil {
			t.Fatal(err)
		}
		if _, worst, err := difference(part, whole.part(r)); err != nil || worst != 0 {
			t.Fatalf("differs by %d (%v)", worst, err)
		}
	})
}
