//go:build fulldata

package coreml

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// TestFacts holds the table of layer kinds against the list of facts and
// against the format: every kind is lowered, and there is no other.
func TestFacts(t *testing.T) {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	b, err := os.ReadFile(filepath.Join(dir, "..", "facts", "nn-layers.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^ +\d+ (\w+) +\w+Params `).FindAllStringSubmatch(string(b), -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	const count = 158 // as the head of the list says
	if len(want) != count {
		t.Fatalf("nn-layers.txt: read %d kinds, want %d", len(want), count)
	}
	var format []string
	fields := (&spec.NeuralNetworkLayer{}).ProtoReflect().Descriptor().Oneofs().ByName("layer").Fields()
	for i := range fields.Len() {
		format = append(format, string(fields.Get(i).Name()))
	}
	slices.Sort(format)
	if !slices.Equal(format, want) {
		t.Errorf("the format has the kinds %v, the list %v", format, want)
	}
	have := Kinds()
	for _, kind := range want {
		if !slices.Contains(have, kind) {
			t.Errorf("layer kind %s is not lowered", kind)
		}
	}
	for _, kind := range have {
		if !slices.Contains(want, kind) {
			t.Errorf("layer kind %s is not in the list of facts", kind)
		}
	}
	t.Logf("%d of %d layer kinds are lowered", len(have), len(want))
}
