// Package onnxpb is the ONNX file format as Go types, generated from the .proto
// file beside it: message ModelProto is the whole of an .onnx file. It holds no
// behaviour and nothing written by hand; what fields mean stands in the reader and
// the writer (internal/frontend/onnx, internal/backend/onnx).
//
// The .proto file is the source. After changing it, run go generate, which
// needs nothing but Go.
package onnxpb

//go:generate go -C ../../mlmodel/spec/_gen run . -C ../../../internal/onnxpb
