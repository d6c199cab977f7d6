// Package par runs loops on a few persistent goroutines.
package par

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// Task is a loop body. Run handles items lo..hi-1; worker is in [0, Threads)
// and no two calls with the same worker run at once.
type Task interface {
	Run(worker, lo, hi int)
}

type funcTask func(worker, lo, hi int)

func (f funcTask) Run(worker, lo, hi int) { f(worker, lo, hi) }

// Pool is a fixed set of workers, of which the calling goroutine is one, and
// their scratch memory. A Pool belongs to one goroutine at a time; goroutines
// that compute at the same time own a Pool each. Loops do not nest.
type Pool struct {
	workers []*worker // the helpers; the caller is worker 0
	spin    time.Duration

	task    Task
	n       int
	pending atomic.Int32 // helpers still running, plus parked if the caller sleeps
	done    chan struct{}

	scratch [][]float32 // by worker, and last the shared one
	alone   []*Pool     // by worker
}

type worker struct {
	state  atomic.Uint32
	wake   chan struct{}
	failed any // what the task panicked with
	_      [64]byte
}

// States of a helper.
const (
	idle = iota
	posted
	asleep
	closed
)

// parked is added to pending by a caller that goes to sleep.
const parked = 1 << 16

// spin is how long an idle goroutine looks for work before it sleeps. Waking it
// takes some 50 to 100 µs, more than the gap between two layers or the work of
// a small one.
const spin = 300 * time.Microsecond

// spinner counts the time that a loop has been looking.
type spinner struct {
	looks int
	since time.Time
}

// tired says whether to sleep now. It lets other goroutines run meanwhile.
func (s *spinner) tired(limit time.Duration) bool {
	const round = 256
	if s.looks++; s.looks%round != 0 && limit > 0 {
		return false
	}
	if s.looks <= round {
		s.since = time.Now()
		return limit == 0
	}
	runtime.Gosched()
	return time.Since(s.since) > limit
}

// New returns a pool of the given number of threads; less than one means one
// for each processor Go may use. Close frees its goroutines.
func New(threads int) *Pool {
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	threads = min(threads, parked-1)
	p := &Pool{
		done:    make(chan struct{}, 1),
		scratch: make([][]float32, threads+1),
		alone:   make([]*Pool, threads),
	}
	if threads <= runtime.GOMAXPROCS(0) {
		p.spin = spin
	}
	for i := 1; i < threads; i++ {
		w := &worker{wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go p.serve(w, i)
	}
	return p
}

// Threads is the number of workers, counting the caller.
func (p *Pool) Threads() int { return len(p.workers) + 1 }

// Close ends the workers. The pool must be idle and is not used again.
func (p *Pool) Close() {
	for _, w := range p.workers {
		w.post(closed)
	}
	p.workers = nil
}

// For calls f for the items 0..n-1, in one contiguous part per worker.
func (p *Pool) For(n int, f func(worker, lo, hi int)) { p.Run(n, funcTask(f)) }

// Run is For without the allocation of a closure. A panic in the task
// is raised again in the caller once all parts have ended.
func (p *Pool) Run(n int, t Task) {
	if n <= 0 {
		return
	}
	helpers := min(len(p.workers), n-1)
	if helpers == 0 {
		t.Run(0, 0, n)
		return
	}
	p.task, p.n = t, n
	p.pending.Store(int32(helpers))
	for _, w := range p.workers[:helpers] {
		w.post(posted)
	}
	defer p.join(helpers)
	t.Run(0, 0, n/(helpers+1))
}

// join waits for the helpers of one loop.
func (p *Pool) join(helpers int) {
	var s spinner
	for p.pending.Load() != 0 {
		if s.tired(p.spin) {
			if p.pending.Add(parked) != parked {
				<-p.done
			}
			break
		}
	}
	p.task = nil
	for _, w := range p.workers[:helpers] {
		if failed := w.failed; failed != nil {
			w.failed = nil
			panic(failed)
		}
	}
}

func (w *worker) post(state uint32) {
	if w.state.Swap(state) == asleep {
		w.wake <- struct{}{}
	}
}

// serve is the life of helper number id.
func (p *Pool) serve(w *worker, id int) {
	for {
		var s spinner
		for w.state.Load() == idle {
			if s.tired(p.spin) && w.state.CompareAndSwap(idle, asleep) {
				<-w.wake
			}
		}
		if w.state.Load() == closed {
			return
		}
		w.state.Store(idle)
		p.part(w, id)
		if p.pending.Add(-1) == parked {
			p.done <- struct{}{}
		}
	}
}

func (p *Pool) part(w *worker, id int) {
	defer func() { w.failed = recover() }()
	parts := min(len(p.workers), p.n-1) + 1
	p.task.Run(id, p.n*id/parts, p.n*(id+1)/parts)
}

// Scratch returns n floats that belong to the worker until it asks again.
// Their content is arbitrary; the first is aligned to 64 bytes.
func (p *Pool) Scratch(worker, n int) []float32 { return p.grow(worker, n) }

// Shared returns n floats for a loop's caller, apart from every worker's own.
func (p *Pool) Shared(n int) []float32 { return p.grow(len(p.scratch)-1, n) }

// Alone returns a pool of one thread, with scratch memory of its own, for what
// the worker does within a loop.
func (p *Pool) Alone(worker int) *Pool {
	if p.alone[worker] == nil {
		p.alone[worker] = New(1)
	}
	return p.alone[worker]
}

func (p *Pool) grow(i, n int) []float32 {
	if len(p.scratch[i]) < n {
		p.scratch[i] = Aligned(n)
	}
	return p.scratch[i][:n]
}

// Aligned allocates n floats of which the first is aligned to 64 bytes, as
// vector loads of packed data like it.
func Aligned(n int) []float32 {
	const line = 64 / 4
	s := make([]float32, n+line-1)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(s)))/4) & (line - 1)
	return s[skip : skip+n : skip+n]
}
