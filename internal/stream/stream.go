// Package stream does work on many items at once and hands the results back in
// their order, holding only a few of them in memory. It knows nothing of what
// the work is.
package stream

import (
	"context"
	"iter"
	"sync"
)

// Map calls do for every item of in, up to workers at a time, and yields the
// results with their numbers in the order of the items. At most three times as
// many items as there are workers are under way or waiting. When ctx ends, or
// the loop over the results does, no further item is taken; results of items
// that were taken before ctx ended are still yielded.
func Map[In, Out any](ctx context.Context, workers int, in iter.Seq[In], do func(ctx context.Context, index int, item In) Out) iter.Seq2[int, Out] {
	type job struct {
		index  int
		item   In
		result chan Out
	}
	return func(yield func(int, Out) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		order := make(chan *job, 2*workers)
		jobs := make(chan *job)
		wg.Go(func() {
			defer close(order)
			defer close(jobs)
			n := 0
			for item := range in {
				j := &job{index: n, item: item, result: make(chan Out, 1)}
				n++
				select {
				case jobs <- j:
				case <-ctx.Done():
					return
				}
				order <- j // the loop below empties it in any case
			}
		})
		for range workers {
			wg.Go(func() {
				for j := range jobs {
					j.result <- do(ctx, j.index, j.item)
				}
			})
		}
		more := true
		for j := range order {
			if out := <-j.result; more && !yield(j.index, out) {
				more = false
				cancel()
			}
		}
	}
}
