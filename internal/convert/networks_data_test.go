//go:build fulldata

package convert

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

// TestNetworksAgain writes every golden network as a network again.
func TestNetworksAgain(t *testing.T) { networks(t, "nn") }

// TestProgramsAsNetworks writes the golden programs as networks, as far as
// that can be.
func TestProgramsAsNetworks(t *testing.T) { networks(t, "mil", "torch", "tf", "compress") }

func networks(t *testing.T, suites ...string) {
	doc := explained(t)
	for _, name := range suites {
		s := sharedSuite(t, name)
		failed, converted, reasons := runConverted(t, s, Options{To: NeuralNetwork, Float: tensor.Float32})
		for _, id := range slices.Sorted(maps.Keys(failed)) {
			if !strings.Contains(doc, "`"+id+"`") {
				t.Errorf("%s: %s: %s", name, id, failed[id].Error)
			}
		}
		for _, why := range slices.Sorted(maps.Keys(reasons)) {
			t.Logf("%4d %s", reasons[why], why)
		}
		t.Logf("%s: %d of %d written as networks, %d of them give other outputs", name, converted, len(s.Cases), len(failed))
	}
}
