package media

import (
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

// buffers keeps memory between pictures.
var buffers sync.Pool // of *[]uint8

// maxKept is the largest buffer that is kept.
const maxKept = 1 << 24

// borrow returns n bytes, whatever they hold.
func borrow(n int) *[]uint8 {
	b, ok := buffers.Get().(*[]uint8)
	if !ok || cap(*b) < n {
		return new(make([]uint8, n))
	}
	*b = (*b)[:n]
	return b
}

// giveBack ends a borrowing.
func giveBack(b *[]uint8) {
	if cap(*b) <= maxKept {
		buffers.Put(b)
	}
}
