package mlmodel_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/smelt-ml/smelt/mlmodel"
)

func ExampleOpen() {
	m, err := mlmodel.Open("testdata/network.mlmodel")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for _, f := range mlmodel.Describe(m.Spec().GetDescription())[0].Inputs {
		fmt.Println(f.Name, f.Type())
	}
	fmt.Println(m.Kind(), m.Summary().Parameters, "parameters")
	// Output:
	// x multiArray fp64 3×8×8
	// neuralNetworkClassifier 1748 parameters
}

// Halving the first layer's bias.
func ExampleModel_SetWeights() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	m, err := mlmodel.Open("testdata/network.mlmodel")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for w := range mlmodel.NetworkWeights(m.Spec()) {
		if w.Layer.Path != "conv" || w.Role != "bias" {
			continue
		}
		payload, err := m.Weights(w.Params)
		if err != nil {
			log.Fatal(err)
		}
		values, err := payload.Values(w.Params.GetQuantization(), w.Shape, w.Axis)
		if err != nil {
			log.Fatal(err)
		}
		for i := range values {
			values[i] /= 2
		}
		if err := m.SetWeights(w.Params, mlmodel.FloatWeights(values)); err != nil {
			log.Fatal(err)
		}
		fmt.Println(payload.Kind(), payload.Size(), "bytes")
	}
	fmt.Println(m.Save(filepath.Join(dir, "half.mlmodel")))
	// Output:
	// float16Value 8 bytes
	// <nil>
}
