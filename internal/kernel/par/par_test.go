package par

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestForCoversEachItemOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		p := New(threads)
		if p.Threads() != threads {
			t.Errorf("New(%d).Threads() = %d", threads, p.Threads())
		}
		for _, n := range []int{-1, 0, 1, 2, 3, 7, 100, 1001} {
			hits := make([]atomic.Int32, max(n, 0))
			p.For(n, func(worker, lo, hi int) {
				if worker < 0 || worker >= threads || lo >= hi {
					t.Errorf("threads %d, n %d: worker %d got [%d,%d)", threads, n, worker, lo, hi)
				}
				for i := lo; i < hi; i++ {
					hits[i].Add(1)
				}
			})
			for i := range hits {
				if h := hits[i].Load(); h != 1 {
					t.Fatalf("threads %d, n %d: item %d ran %d times", threads, n, i, h)
				}
			}
		}
		p.Close()
	}
}

func TestManyPools(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p := New(3)
			defer p.Close()
			sums := make([]int, p.Threads())
			for range 2000 {
				p.For(10, func(worker, lo, hi int) { sums[worker] += hi - lo })
			}
			if got := sums[0] + sums[1] + sums[2]; got != 20000 {
				t.Errorf("ran %d items, want 20000", got)
			}
		})
	}
	wg.Wait()
}

func TestPanicReachesCaller(t *testing.T) {
	p := New(2)
	defer p.Close()
	for worker := range 2 {
		func() {
			defer func() {
				if r := recover(); r != "boom" {
					t.Errorf("panic in worker %d: recovered %v", worker, r)
				}
			}()
			p.For(2, func(w, lo, hi int) {
				if w == worker {
					panic("boom")
				}
			})
		}()
		ran := 0
		p.For(1, func(w, lo, hi int) { ran++ })
		if ran != 1 {
			t.Error("the pool does not work after a panic")
		}
	}
}

type countTask struct{ n atomic.Int64 }

func (c *countTask) Run(worker, lo, hi int) { c.n.Add(int64(hi - lo)) }

func TestRunDoesNotAllocate(t *testing.T) {
	p := New(2)
	defer p.Close()
	c := new(countTask)
	if a := testing.AllocsPerRun(100, func() { p.Run(64, c) }); a != 0 {
		t.Errorf("%v allocations a run", a)
	}
}

func TestScratch(t *testing.T) {
	p := New(2)
	defer p.Close()
	for _, n := range []int{0, 1, 100, 17, 5000} {
		a, b, s := p.Scratch(0, n), p.Scratch(1, n), p.Shared(n)
		for _, x := range [][]float32{a, b, s} {
			if len(x) != n {
				t.Fatalf("len %d, want %d", len(x), n)
			}
			if n > 0 && uintptr(unsafe.Pointer(&x[0]))%64 != 0 {
				t.Errorf("scratch of %d floats is not aligned", n)
			}
		}
		if n > 0 && (&a[0] == &b[0] || &a[0] == &s[0]) {
			t.Error("workers share scratch")
		}
	}
}

func BenchmarkRun(b *testing.B) {
	p := New(2)
	defer p.Close()
	c := new(countTask)
	for b.Loop() {
		p.Run(2, c)
	}
}
