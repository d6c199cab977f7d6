//go:build fulldata

package coreml_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/internal/conformance"
	"github.com/smelt-ml/smelt/internal/predict"
)

// TestSharedLayers runs the cases of one layer kind, with fast kernels and by
// reference evaluation.
func TestSharedLayers(t *testing.T) {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	kinds := map[string]int{ // how many cases there are at least
		"batchedMatmul": 20, "biDirectionalLSTM": 1, "convolution": 40, "convolution3d": 60, "globalPooling3d": 2, "gru": 3,
		"innerProduct": 14, "pooling": 40, "pooling3d": 30, "simpleRecurrent": 3, "uniDirectionalLSTM": 4,

		"acos": 2, "acosh": 3, "activation": 18, "add": 4, "addBroadcastable": 2, "argMax": 16, "argMin": 15, "argSort": 18, "asin": 2,
		"asinh": 3, "atan": 3, "atanh": 2, "average": 1, "batchnorm": 3, "bias": 4, "broadcastToDynamic": 3, "broadcastToLike": 3,
		"broadcastToStatic": 3, "categoricalDistribution": 3, "ceil": 3, "clampedReLU": 4, "clip": 3, "cos": 2, "cosh": 3, "cumSum": 30,
		"divideBroadcastable": 2, "dot": 1, "embedding": 2, "embeddingND": 6, "equal": 6, "erf": 1, "exp2": 3, "fillDynamic": 4, "fillLike": 3,
		"floor": 3, "floorDivBroadcastable": 2, "gelu": 11, "greaterEqual": 7, "greaterThan": 6, "l2normalize": 2, "layerNormalization": 9,
		"lessEqual": 7, "lessThan": 7, "logicalAnd": 1, "logicalNot": 6, "logicalOr": 2, "logicalXor": 1, "lowerTriangular": 17, "lrn": 3,
		"matrixBandPart": 30, "max": 1, "maxBroadcastable": 2, "min": 1, "minBroadcastable": 1, "modBroadcastable": 2, "multiply": 3,
		"multiplyBroadcastable": 2, "mvn": 3, "notEqual": 7, "oneHot": 17, "powBroadcastable": 2, "randomBernoulliDynamic": 3,
		"randomBernoulliLike": 3, "randomNormalDynamic": 3, "randomNormalLike": 3, "randomUniformDynamic": 3, "randomUniformLike": 3,
		"rangeDynamic": 14, "reduce": 30, "reduceL1": 30, "reduceL2": 30, "reduceLogSum": 30, "reduceLogSumExp": 30, "reduceMax": 30,
		"reduceMean": 30, "reduceMin": 30, "reduceProd": 30, "reduceSum": 30, "reduceSumSquare": 30, "round": 3, "scale": 4, "sign": 3,
		"sin": 11, "sinh": 2, "softmax": 2, "softmaxND": 19, "subtractBroadcastable": 2, "tan": 3, "tanh": 2, "topK": 30, "unary": 11,
		"upperTriangular": 17, "whereBroadcastable": 30, "whereNonZero": 30,
	}
	for kind, least := range kinds {
		t.Run(kind, func(t *testing.T) {
			suite, err := conformance.Load(filepath.Join(dir, "conformance", "nn.zip"))
			if err != nil {
				t.Fatal(err)
			}
			defer suite.Close()
			suite.Cases = slices.DeleteFunc(suite.Cases, func(c *conformance.Case) bool { return !slices.Equal(c.Ops, []string{kind}) })
			if len(suite.Cases) < least {
				t.Errorf("%d cases, want %d or more", len(suite.Cases), least)
			}
			for _, reference := range []bool{false, true} {
				r, err := conformance.Run(context.Background(), suite, conformance.Engine(predict.Options{Reference: reference}), conformance.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range r.Cases {
					if !c.OK {
						t.Errorf("reference %t: %s: %s", reference, c.ID, c.Error)
					}
				}
			}
		})
	}
}
