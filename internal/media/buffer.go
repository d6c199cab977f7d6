package media

import (
	"io"
	"os"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/pixel"
)

// kernels are those of the level that the process is to use, the portable ones
// where it names none that there is: all give the same bytes.
var kernels = func() *pixel.Funcs {
	level, err := cpu.Active()
	if err != nil {
		level = cpu.Generic
	}
	return pixel.For(level)
}()

// workspace is memory that goes from picture to picture: a folder's have few
// sizes, and new memory costs its clearing.
type workspace struct {
	file, between, turned []uint8
	taps                  map[tapsKey]*taps
	weights               int // of all taps
}

// Bounds of what a workspace keeps.
const (
	maxKeptBytes   = 1 << 24
	maxKeptWeights = 1 << 18
)

var workspaces = sync.Pool{New: func() any { return &workspace{taps: map[tapsKey]*taps{}} }}

// borrow returns a workspace, which must be given back.
func borrow() *workspace { return workspaces.Get().(*workspace) }

func (ws *workspace) giveBack() {
	if cap(ws.file)+cap(ws.between)+cap(ws.turned) <= maxKeptBytes {
		workspaces.Put(ws)
	}
}

// sized makes b n bytes long, whatever they hold, and returns it.
func sized(b *[]uint8, n int) []uint8 {
	if cap(*b) < n {
		*b = make([]uint8, n)
	}
	*b = (*b)[:n]
	return *b
}

// image returns an Image between two passes, whatever its pixels are.
func (ws *workspace) image(w, h, channels int) *Image {
	return &Image{W: w, H: h, Channels: channels, Pix: sized(&ws.between, w*h*channels)}
}

// tapsKey has the arguments of newTaps.
type tapsKey struct {
	in, out, from, to int
	f                 Filter
}

func (ws *workspace) newTaps(in, out, from, to int, f Filter) *taps {
	key := tapsKey{in, out, from, to, f}
	t := ws.taps[key]
	if t != nil {
		return t
	}
	t = newTaps(in, out, from, to, f)
	n := 0
	for _, w := range t.weight {
		n += len(w.Taps())
	}
	if n > maxKeptWeights {
		return t
	}
	if ws.weights += n; ws.weights > maxKeptWeights {
		clear(ws.taps)
		ws.weights = n
	}
	ws.taps[key] = t
	return t
}

// read returns what r gives up to maxFileBytes, and one byte more if that is
// not all of it. The memory is the workspace's.
func (ws *workspace) read(r io.Reader) ([]byte, error) {
	b := sized(&ws.file, max(cap(ws.file), 4096))
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			b = sized(&ws.file, int(min(info.Size(), maxFileBytes))+1)
		}
	}
	for n := 0; ; {
		k, err := r.Read(b[n:])
		n += k
		switch {
		case err == io.EOF:
			return b[:n], nil
		case err != nil:
			return nil, err
		case n > maxFileBytes:
			return b[:n], nil
		case n == len(b):
			b = append(b, make([]byte, min(n, maxFileBytes+1-n))...)
			ws.file = b
		}
	}
}
