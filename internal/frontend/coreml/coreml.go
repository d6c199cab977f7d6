// Package coreml tells what a Core ML model computes: it reads ML Programs
// into mil as they stand and lowers NeuralNetwork layers to operators. It
// sees a model's meaning only; features, pictures and labels are dressed by
// whoever predicts, and weights come from the document through functions that
// are handed in. It runs nothing.
package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/blob"
)

// Network is a model's computation. A classifier's last step, from
// probabilities to labels, is no part of Func: its outputs are numbers.
type Network struct {
	Func       *mil.Func
	Classifier *Classifier // nil unless the model classifies
}

// Classifier tells how probabilities become labels.
type Classifier struct {
	Strings []string // the labels in the order of the probabilities, or
	Ints    []int64  // the same as numbers
	// Probabilities is the index of their output in Func.Body.Outputs.
	Probabilities int
	// LabelName and ProbabilitiesName are the output features; the second is
	// empty where the model gives only the label.
	LabelName, ProbabilitiesName string
}

// Blobs opens a weight file by the name a program has for it,
// "@model_path/weights/weight.bin".
type Blobs func(name string) (*blob.File, error)

// maxNesting bounds blocks within blocks.
const maxNesting = 100
