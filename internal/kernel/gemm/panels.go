package gemm

import "fmt"

// Panel is what one goroutine needs to multiply panels.
type Panel struct{ tile tile }

// Width is how many columns a panel of B has.
func (kn *Kernel) Width() int { return kn.nr }

// Height is how many rows a panel of A has.
func (kn *Kernel) Height() int { return kn.mr }

// MulPanel multiplies a member of packed left operands, no codes, with one panel that
// the caller has packed: element (k, j) is b[k*Width()+j], with j < cols. Element
// (i, j) of the result is c[i*ldc+j]. It is for loops that others order.
func (kn *Kernel) MulPanel(s *Panel, a *PackedA, member int, b []float32, cols int, c []float32, ldc int) {
	if a.codes != nil {
		panic("gemm: a panel times codes")
	}
	if cols < 1 || cols > kn.nr || member < 0 || member >= a.batch || a.mr != kn.mr || ldc < cols || len(b) < a.k*kn.nr {
		panic(fmt.Sprintf("gemm: member %d of %d of %d×%d by a panel of %d columns in %d floats", member, a.batch, a.m, a.k, cols, len(b)))
	}
	one := *a
	size := len(a.data) / a.batch
	one.data = a.data[member*size : (member+1)*size]
	step := blockLen(a.k)
	for k0 := 0; k0 == 0 || k0 < a.k; k0 += step {
		n := min(step, a.k-k0)
		t := &s.tile
		*t = tile{k: n, astep: kn.mr, ldc: ldc, b: b[k0*kn.nr : (k0+n)*kn.nr], cols: cols}
		t.ahead = t.b
		for i := 0; i < a.m; i += kn.mr {
			t.rows = min(kn.mr, a.m-i)
			t.a = one.panel(i, k0, n)
			t.c = c[i*ldc : (i+t.rows-1)*ldc+cols]
			if k0 > 0 {
				t.add, t.ldadd = t.c, ldc
			}
			kn.micro(t)
		}
	}
	s.tile = tile{}
}
