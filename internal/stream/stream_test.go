package stream

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func TestOrder(t *testing.T) {
	for _, workers := range []int{1, 2, 7} {
		var got []int
		for i, out := range Map(t.Context(), workers, count(50), func(_ context.Context, index, item int) int {
			time.Sleep(time.Duration(item*7%5) * time.Millisecond / 4)
			return index * item
		}) {
			if out != i*i {
				t.Fatalf("%d workers: result %d is %d, want %d", workers, i, out, i*i)
			}
			got = append(got, i)
		}
		if !slices.Equal(got, slices.Collect(count(50))) {
			t.Errorf("%d workers: order %v", workers, got)
		}
	}
}

func TestEmpty(t *testing.T) {
	for range Map(t.Context(), 3, count(0), func(context.Context, int, int) int { return 0 }) {
		t.Error("a result of nothing")
	}
}

// Nothing more than the window may be taken while nobody reads results.
func TestBounded(t *testing.T) {
	const workers = 2
	var taken atomic.Int32
	in := func(yield func(int) bool) {
		for i := range 1000 {
			taken.Add(1)
			if !yield(i) {
				return
			}
		}
	}
	for i := range Map(t.Context(), workers, in, func(context.Context, int, int) int { return 0 }) {
		if i == 0 {
			time.Sleep(20 * time.Millisecond)
			if n := taken.Load(); n > 3*workers+2 {
				t.Errorf("%d items were taken ahead", n)
			}
		}
	}
	if taken.Load() != 1000 {
		t.Errorf("%d items were taken in all", taken.Load())
	}
}

func TestBreak(t *testing.T) {
	var done atomic.Int32
	for i := range Map(t.Context(), 2, count(1000), func(context.Context, int, int) int { done.Add(1); return 0 }) {
		if i == 3 {
			break
		}
	}
	if n := done.Load(); n > 20 {
		t.Errorf("%d items were done after a break at the fourth", n)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last := -1
	for i := range Map(ctx, 2, count(1000), func(context.Context, int, int) int { return 0 }) {
		if i != last+1 {
			t.Fatalf("result %d after %d", i, last)
		}
		if last = i; i == 3 {
			cancel()
		}
	}
	if last > 20 {
		t.Errorf("went on to item %d", last)
	}
}
