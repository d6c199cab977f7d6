// Package spec is the Core ML file format as Go types, generated from the
// .proto files beside it: message Model is the whole of an .mlmodel file. It
// holds no behaviour and nothing written by hand; what fields mean stands in
// package mlmodel and in the readers above it.
//
// The .proto files are the source. After changing one, run go generate, which
// needs nothing but Go.
package spec

//go:generate go -C _gen run . -C ..
