package smelt

import (
	"context"

	"github.com/smelt-ml/smelt/internal/convert"
)

// What Convert is told and tells.
type (
	ConvertOptions = convert.Options
	ConvertReport  = convert.Report
	ConvertVerify  = convert.Verify
)

// Convert writes a model of another format or of other types: a neural network
// (.mlmodel), an ML Program or an ONNX model as an ML Program (.mlpackage). If it
// fails nothing is written, and the report lists what could not be expressed.
func Convert(ctx context.Context, in, out string, o ConvertOptions) (*ConvertReport, error) {
	return convert.File(ctx, in, out, o)
}
