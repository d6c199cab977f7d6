package engine

import "github.com/smelt-ml/smelt/internal/kernel/par"

// grain is the least number of elements worth a thread's while.
const grain = 8192

// body does items lo..hi-1 of a step's loop, in one of several goroutines.
type body func(r *Run, lo, hi int)

// loop is a body under way. A Run keeps one, so that no step allocates.
type loop struct {
	run   *Run
	body  body
	items int
	piece int // items that go together
}

// Run makes a loop a task of a pool, which shares out the pieces.
func (l *loop) Run(_, lo, hi int) { l.body(l.run, lo*l.piece, min(hi*l.piece, l.items)) }

var _ par.Task = (*loop)(nil)

// over makes a step that splits n elements over the pool in pieces of at
// least a grain.
func over(n int, f body) stepFunc {
	return func(r *Run) error {
		if n <= grain || r.pool.Threads() == 1 {
			f(r, 0, n)
			return nil
		}
		pieces := min((n+grain-1)/grain, 4*r.pool.Threads())
		r.spread(n, roundUp((n+pieces-1)/pieces), f)
		return nil
	}
}

// overRows makes a step that splits work on rows of the given size over the pool.
func overRows(rows, size int, f body) stepFunc {
	return func(r *Run) error {
		if rows*size <= grain || r.pool.Threads() == 1 {
			f(r, 0, rows)
			return nil
		}
		r.spread(rows, 1, f)
		return nil
	}
}

func (r *Run) spread(items, piece int, f body) {
	r.loop = loop{r, f, items, piece}
	r.pool.Run((items+piece-1)/piece, &r.loop)
	r.loop = loop{}
}
