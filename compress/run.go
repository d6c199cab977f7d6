package compress

import (
	"context"
	"sync"
)

// ordered calls work for 0 … n-1 on several goroutines and hands the results
// to take one after the other, in that order. No more than ahead results are
// made or wait beyond the one that take is to get next. The first error, by
// index, ends it.
func ordered[T any](ctx context.Context, n, workers, ahead int, work func(context.Context, int) (T, error), take func(int, T) error) error {
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	slots := make(chan struct{}, workers)
	queue := make(chan chan result, ahead)
	running.Go(func() {
		defer close(queue)
		for i := range n {
			c := make(chan result, 1)
			select {
			case queue <- c:
			case <-ctx.Done():
				return
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				c <- result{err: ctx.Err()}
				return
			}
			running.Go(func() {
				defer func() { <-slots }()
				v, err := work(ctx, i)
				c <- result{v, err}
			})
		}
	})
	i := 0
	for c := range queue {
		r := <-c
		if r.err == nil {
			r.err = take(i, r.value)
		}
		if r.err != nil {
			return r.err
		}
		i++
	}
	return ctx.Err()
}
