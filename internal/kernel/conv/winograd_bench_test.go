package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// BenchmarkWinograd computes layers of networks both ways, by turns, and
// reports the fastest run of each as if both did the windows' multiplications.
func BenchmarkWinograd(b *testing.B) {
	for _, l := range cpu.Available() {
		for _, threads := range []int{1, 2} {
			for _, s := range []struct {
				name                         string
				size, channels, filters, pad int
			}{
				{"style64", 66, 128, 128, 0},
				{"style128", 130, 128, 128, 0},
				{"yolo208", 208, 16, 32, 1},
				{"yolo104", 104, 32, 64, 1},
				{"yolo52", 52, 64, 128, 1},
				{"yolo26", 26, 128, 256, 1},
				{"yolo13", 13, 256, 512, 1},
				{"yolo13wide", 13, 512, 1024, 1},
				{"resnet56", 56, 64, 64, 1},
				{"resnet28", 28, 128, 128, 1},
				{"resnet14", 14, 256, 256, 1},
				{"resnet7", 7, 512, 512, 1},
				{"squeeze56", 56, 16, 64, 1},
				{"squeeze28", 28, 32, 128, 1},
				{"squeeze27", 27, 32, 128, 1},
				{"squeeze13", 13, 48, 192, 1},
				{"squeeze13late", 13, 64, 256, 1},
			} {
				b.Run(fmt.Sprintf("%v/%d/%s", l, threads, s.name), func(b *testing.B) {
					p := par.New(threads)
					defer p.Close()
					shape := Shape{Channels: s.channels, Filters: s.filters, Groups: 1, Shape: window.Flat(s.size, s.size, 3, 3)}
					shape.Pad = [3][2]int{{}, {s.pad, s.pad}, {s.pad, s.pad}}
					r := rand.New(rand.NewPCG(1, 2))
					weights, bias := random(r, s.channels*s.filters*9), random(r, s.filters)
					src := random(r, s.channels*s.size*s.size)
					d := newPlan(l, shape, weights, bias, gemm.Relu)
					w := newWinograd(l, shape, weights, bias, gemm.Relu, func() *plan { return d })
					dst := make([]float32, s.filters*window.Size(shape.Windows()))
					var least [2]time.Duration
					for i := range least {
						least[i] = math.MaxInt64
					}
					for b.Loop() {
						start := time.Now()
						d.run(p, 1, dst, src, nil)
						least[0] = min(least[0], time.Since(start))
						start = time.Now()
						w.run(p, 1, dst, src, nil)
						least[1] = min(least[1], time.Since(start))
					}
					flops := 2 * float64(len(weights)) * float64(len(dst)/s.filters)
					b.ReportMetric(flops/least[0].Seconds()/1e9, "direct-GFLOPS")
					b.ReportMetric(flops/least[1].Seconds()/1e9, "winograd-GFLOPS")
					b.ReportMetric(least[0].Seconds()/least[1].Seconds(), "times")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}
