// Package conformance reads golden cases — a model, its inputs and the outputs
// it should give — runs them and judges what comes back. The cases come from a
// zip archive or a folder; whatever runs the models stands behind the Runner
// interface. How a model computes may not enter this room, nor may any opinion
// on what is right beside the one that a case states.
package conformance

import (
	"context"
	"io/fs"

	"github.com/smelt-ml/smelt/tensor"
)

// Runner opens models. It must serve several goroutines at once.
type Runner interface {
	// Open prepares the named .mlmodel file or .mlpackage folder of fsys for
	// prediction. function picks one of an ML Program with several; "" is the
	// default. The files need not be there any more after Close.
	Open(ctx context.Context, fsys fs.FS, model, function string) (Session, error)
}

// Session is one opened model with one set of states, all zero at first. It is
// used by one goroutine at a time.
type Session interface {
	// Predict computes the outputs. It changes the states of a stateful model.
	Predict(ctx context.Context, inputs map[string]Value) (map[string]Value, error)
	// ReadState returns the current value of a state.
	ReadState(name string) (*tensor.Tensor, error)
	// WriteState replaces the value of a state.
	WriteState(name string, v *tensor.Tensor) error
	Close() error
}

// Value is a feature: an Array, Image, String, Int, Float, StringDict or
// IntDict.
type Value interface{ isValue() }

// Array is a multi-dimensional array. A runner converts it to the element type
// that the model takes, and treats shapes [] and [1] alike.
type Array struct{ *tensor.Tensor }

// Image is a picture: height×width×3 in the order red, green, blue, or
// height×width of one grey channel; uint8, where the model has no finer pixels.
type Image struct{ *tensor.Tensor }

// String is a text or a class label.
type String string

// Int is an integer or a class label.
type Int int64

// Float is a number.
type Float float64

// StringDict maps strings to numbers, labels to probabilities for example.
type StringDict map[string]float64

// IntDict maps integers to numbers.
type IntDict map[int64]float64

func (Array) isValue()      {}
func (Image) isValue()      {}
func (String) isValue()     {}
func (Int) isValue()        {}
func (Float) isValue()      {}
func (StringDict) isValue() {}
func (IntDict) isValue()    {}
