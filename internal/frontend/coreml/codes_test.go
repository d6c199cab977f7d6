package coreml

import (
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/mil"
)

// TestCodes lowers layers whose weights stay codes.
func TestCodes(t *testing.T) {
	one := array(dims{1, 1, 1, 1}, 10)
	conv := func(filters, weights string) string {
		return `convolution { outputChannels: ` + filters + ` kernelChannels: 1 kernelSize: [1, 1] valid {} weights { ` + weights + ` } }`
	}
	const lut, shift = "constexpr_lut_to_dense", "constexpr_affine_dequantize"
	for _, c := range []struct {
		layerCase
		op string // that expands the codes
	}{
		{layerCase{"by filter", conv("2", `rawValue: "\001\002" quantization { numberOfBits: 8 linearQuantization { scale: [2, 3] bias: [0, 1] } }`), arrays(one), arrays(array(dims{1, 2, 1, 1}, 20, 70)), ""}, shift},
		{layerCase{"by filter, one always zero", conv("2", `rawValue: "\001\002" quantization { numberOfBits: 8 linearQuantization { scale: [2, 0] bias: [1, 0] } }`), arrays(one), arrays(array(dims{1, 2, 1, 1}, 30, 0)), ""}, shift},
		{layerCase{"for all", conv("2", `rawValue: "\001\002" quantization { numberOfBits: 8 linearQuantization { scale: 2 bias: 1 } }`), arrays(one), arrays(array(dims{1, 2, 1, 1}, 30, 50)), ""}, lut},
		{layerCase{"1 bit", conv("3", `rawValue: "\240" quantization { numberOfBits: 1 lookupTableQuantization { floatValue: [7, 9] } }`), arrays(one), arrays(array(dims{1, 3, 1, 1}, 90, 70, 90)), ""}, lut},
		{layerCase{"2 bits", conv("5", `rawValue: "\033\200" quantization { numberOfBits: 2 lookupTableQuantization { floatValue: [1, 2, 3, 4] } }`), arrays(one), arrays(array(dims{1, 5, 1, 1}, 10, 20, 30, 40, 30)), ""}, lut},
		{layerCase{"3 bits", conv("3", `rawValue: "\011\300" quantization { numberOfBits: 3 linearQuantization { scale: 1 bias: 0 } }`), arrays(one), arrays(array(dims{1, 3, 1, 1}, 0, 20, 30)), ""}, lut},
		{layerCase{"5 bits", conv("2", `rawValue: "\017\300" quantization { numberOfBits: 5 linearQuantization { scale: 1 bias: 0 } }`), arrays(one), arrays(array(dims{1, 2, 1, 1}, 10, 310)), ""}, lut},
		{layerCase{
			"deconvolution", `convolution { isDeconvolution: true outputChannels: 2 kernelChannels: 1 kernelSize: [1, 1] valid {}
			weights { rawValue: "\001\002" quantization { numberOfBits: 8 linearQuantization { scale: [2, 3] } } } }`,
			arrays(one), arrays(array(dims{1, 2, 1, 1}, 20, 60)), "",
		}, shift},
		{layerCase{
			"product", `innerProduct { inputChannels: 2 outputChannels: 1 weights { rawValue: "\001\002" quantization { numberOfBits: 8 linearQuantization { scale: 2 bias: 1 } } } }`,
			arrays(array(dims{1, 2}, 1, 10)), arrays(array(dims{1, 1}, 53)), "",
		}, lut},
		{layerCase{
			"signed", `innerProduct { inputChannels: 2 outputChannels: 1 int8DynamicQuantize: true
			weights { int8RawValue: "\377\002" quantization { numberOfBits: 8 linearQuantization { scale: 2 } } } }`,
			arrays(array(dims{1, 2}, 1, 10)), arrays(array(dims{1, 1}, 38)), "",
		}, shift},
		{layerCase{
			"embedding", `embeddingND { vocabSize: 3 embeddingSize: 2 weights { rawValue: "\144" quantization { numberOfBits: 1 lookupTableQuantization { floatValue: [7, 9] } } } }`,
			arrays(array(dims{1, 1}, 2)), arrays(array(dims{1, 2}, 9, 9)), "",
		}, lut},
		{layerCase{"too few", conv("3", `rawValue: "\001\002" quantization { numberOfBits: 8 linearQuantization { scale: 2 } }`), arrays(one), nil, "3×1×1×1 = 3 values, have 2"}, lut},
	} {
		t.Run(c.name, func(t *testing.T) {
			net, err := c.lower(1, mil.TypeOf, LowerCodes)
			if err != nil || c.err != "" {
				if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if !slices.ContainsFunc(net.Func.Body.Nodes, func(n *mil.Node) bool { return n.Op == c.op }) {
				t.Fatalf("there is no %s", c.op)
			}
			got, err := evaluate(net, c.in)
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, got)
		})
	}
}
