package smelt

import (
	"context"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/conversion"
	"github.com/smelt-ml/smelt/internal/convert"
	"github.com/smelt-ml/smelt/mil/op"
)

// What Convert is told and tells.
type (
	ConvertOptions = convert.Options
	ConvertReport  = convert.Report
	ConvertVerify  = convert.Verify
	// Unsupported is why nodes of one operator cannot be converted.
	Unsupported = mlprogram.Problem
)

// What a conversion of one's own sees and makes.
type (
	// Conversion says what a node of the source becomes.
	Conversion = conversion.Func
	// Node is an operation of the source: its inputs, attributes and outputs.
	Node = conversion.Node
	// Builder appends operators of MIL, by name, and custom layers.
	Builder = conversion.Builder
	// CustomLayer is a layer that is computed by code which the app brings.
	CustomLayer = conversion.CustomLayer
	// Args are the arguments of an operator by name: values, and what constants
	// are made of.
	Args = op.Args
)

// PartialCustom is the ConvertOptions.Partial that makes a custom layer of each
// operator that has no conversion.
const PartialCustom = convert.Custom

// ConvertOption adds to what Convert is told.
type ConvertOption func(*ConvertOptions)

// WithConversion lets f convert the nodes of an operator of the source, "Relu" or
// "com.example::Op". It comes before what is built in.
func WithConversion(op string, f func(n *Node, b *Builder) error) ConvertOption {
	return func(o *ConvertOptions) {
		all := map[string]Conversion{}
		maps.Copy(all, o.Conversions)
		all[op] = f
		o.Conversions = all
	}
}

// WithConversionFile lets a file, YAML or JSON, say what becomes of operators. See
// docs/custom-conversion.md.
func WithConversionFile(path string) ConvertOption {
	return func(o *ConvertOptions) { o.ConversionFiles = append(slices.Clip(o.ConversionFiles), path) }
}

// Convert writes a model of another format or of other types: a neural network
// (.mlmodel), an ML Program or an ONNX model as an ML Program (.mlpackage), a
// NeuralNetwork (.mlmodel) or an ONNX model (.onnx), classical models of ONNX as
// those of Core ML, and back. If it fails nothing is written, and the report lists
// what could not be expressed.
func Convert(ctx context.Context, in, out string, o ConvertOptions, more ...ConvertOption) (*ConvertReport, error) {
	for _, add := range more {
		add(&o)
	}
	return convert.File(ctx, in, out, o)
}
