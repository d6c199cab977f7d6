// Package smelt opens, converts, shrinks, compares and runs Core ML models
// (.mlmodel, .mlpackage) on any machine.
//
// Open gives the file as its author wrote it: look at it with Info, change it
// with Quantize, write it with Save. Convert makes an ML Program of a network of
// another format. Load makes a model ready to answer; a Predictor serves any
// number of goroutines. Compare tells how far two models are apart.
//
// This package only ties the others together: mlmodel for the document,
// compress for smaller weights, compare for figures and sources of inputs,
// tensor for arrays. Logic of its own may not enter.
package smelt

import (
	"context"

	"github.com/smelt-ml/smelt/internal/convert"
	"github.com/smelt-ml/smelt/mlmodel"
)

// Model is an open model file.
type Model struct {
	doc  *mlmodel.Model
	made *convert.Report // of the conversion that it comes from, or nil
}

// Open opens a .mlmodel file or an .mlpackage folder. Weights stay in the file
// until they are needed, so the model must be closed after use. A file of another
// format that Convert reads becomes an ML Program in float32, in memory. Errors
// are a *fault.Error that names the file and the place in it, or those of the
// file system.
func Open(path string) (*Model, error) {
	doc, made, err := convert.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	return &Model{doc, made}, nil
}

// Source tells what a model that is no Core ML file was made of: the kind of
// file, such as "onnx", and what is different now. It is "" for Core ML files.
func (m *Model) Source() (kind string, notes []string) {
	if m.made == nil {
		return "", nil
	}
	return m.made.Source, m.made.Notes
}

// size returns the bytes of the files that the model was read from.
func (m *Model) size() (int64, error) {
	if m.made != nil {
		return m.made.SizeBefore, nil
	}
	return m.doc.Size()
}

// Document returns the model's document, for everything that this package does
// not cover.
func (m *Model) Document() *mlmodel.Model { return m.doc }

// Close closes the model's files.
func (m *Model) Close() error { return m.doc.Close() }

// Save writes the model to a path that ends in .mlmodel or .mlpackage. The
// file appears whole, in place of an older one, or not at all.
func (m *Model) Save(path string) error { return m.doc.Save(path) }

// Info is what a model says about itself, and what it is made of.
type Info struct {
	Type        string // such as "neuralNetworkClassifier" or "mlProgram"
	SpecVersion int32  // version of the format; mlmodel.SystemOf names its systems
	SizeBytes   int64  // of the file, or of all files of a package
	Functions   []mlmodel.Interface
	Metadata    mlmodel.Metadata
	mlmodel.Summary
}

// Info describes the model without reading its weights.
func (m *Model) Info() (Info, error) {
	size, err := m.size()
	if err != nil {
		return Info{}, err
	}
	s := m.doc.Spec()
	return Info{
		Type: m.doc.Kind(), SpecVersion: s.GetSpecificationVersion(), SizeBytes: size,
		Functions: mlmodel.Describe(s.GetDescription()), Metadata: m.doc.Metadata(), Summary: m.doc.Summary(),
	}, nil
}
