package engine

import (
	"context"
	"math"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
)

// Step describes one step of a plan to those who measure.
type Step struct {
	Op     string
	Name   string
	Merged []string // operators that were merged into it
	Kernel bool     // false for the reference evaluation, and for control flow
	FLOPs  int64    // as Plan.FLOPs counts them
	Bytes  int64    // of the values read and written, each once, in memory
}

// Profile sees the steps of predictions. The goroutine that runs them carries
// the labels "op" and "layer" for runtime/pprof meanwhile.
type Profile func(s *Step, start time.Time, took time.Duration)

// describe tells what a step does.
func (c *compiler) describe(s *step) *Step {
	d := &Step{Op: s.node.Op, Name: s.node.Name, Kernel: s.fast, FLOPs: flops(s.node)}
	read := map[*mil.Value]bool{}
	inside := map[*mil.Value]bool{}
	all := append([]*mil.Node{s.node}, s.merged...)
	for _, n := range all {
		for _, v := range n.Values() {
			read[v] = true
		}
		for _, v := range n.Outputs {
			inside[v] = true
		}
	}
	for _, n := range s.merged {
		d.Merged = append(d.Merged, n.Op)
	}
	for v := range read {
		if !inside[v] {
			d.Bytes += int64(bytesOf(v.Type))
		}
	}
	for _, v := range all[len(all)-1].Outputs {
		d.Bytes += int64(bytesOf(v.Type))
	}
	return d
}

// Peak measures the floating-point operations a second of so many threads,
// each with a product of matrices that stay in its caches.
func Peak(level cpu.Level, threads int) float64 {
	const m, n, k, rounds = 96, 96, 256, 40
	kernel := gemm.For(level)
	a, b := gemm.RowMajor(make([]float32, m*k), k), gemm.RowMajor(make([]float32, k*n), n)
	q := gemm.Product{M: m, N: n, K: k, PackedA: kernel.PackA(m, k, a), PackedB: kernel.PackB(k, n, b), LDC: n}
	best := make([]time.Duration, threads)
	var all sync.WaitGroup
	for i := range best {
		all.Go(func() {
			pool, mine := par.New(1), q
			defer pool.Close()
			mine.C = make([]float32, m*n)
			best[i] = math.MaxInt64
			for range 25 { // 20 ms at 2 GFLOP/s, 1 ms at 100
				start := time.Now()
				for range rounds {
					kernel.Mul(pool, &mine)
				}
				best[i] = min(best[i], time.Since(start))
			}
		})
	}
	all.Wait()
	sum := 0.0
	for _, t := range best {
		sum += 2 * m * n * k * rounds / max(t.Seconds(), 1e-9)
	}
	return sum
}

// timed runs a step and tells the profile.
func (s *step) timed(r *Run, tell Profile) error {
	var err error
	pprof.Do(r.ctx, pprof.Labels("op", s.told.Op, "layer", s.told.Name), func(context.Context) {
		start := time.Now()
		err = s.run(r)
		tell(s.told, start, time.Since(start))
	})
	return err
}
