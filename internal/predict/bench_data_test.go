//go:build fulldata

package predict

import (
	"context"
	"strings"
	"testing"
)

// BenchmarkModels measures a prediction of each real model on one thread.
func BenchmarkModels(b *testing.B) {
	for _, file := range []string{
		"squeezenet/SqueezeNet.mlmodel", "mobilenet-v1-025/MobileNetV1_025_fp32.mlpackage", "style-wave/StyleWave.mlmodel",
		"basic-pitch/nmp.mlpackage", "minilm/MiniLM_int8.mlpackage",
	} {
		b.Run(strings.Split(file, "/")[0], func(b *testing.B) {
			m := loadShared(b, Options{Threads: 1}, strings.Split(file, "/")...)
			in, err := m.sample()
			if err != nil {
				b.Fatal(err)
			}
			if _, err := m.Predict(context.Background(), in, nil); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := m.Predict(context.Background(), in, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
