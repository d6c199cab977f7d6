package coreml

import "testing"

func TestConvolution(t *testing.T) {
	line := array(dims{1, 1, 1, 4}, 1, 2, 3, 4)
	conv := func(more string) string {
		return `convolution { outputChannels: 1 kernelChannels: 1 kernelSize: [1, 2] weights { floatValue: [1, 10] } ` + more + `}`
	}
	deconv := func(more string) string {
		return `convolution { isDeconvolution: true outputChannels: 1 kernelChannels: 1 kernelSize: [1, 3] weights { floatValue: [1, 10, 100] } ` + more + `}`
	}
	pair := arrays(array(dims{1, 1, 1, 2}, 1, 2))
	checkLayers(t, []layerCase{
		{"valid", conv("valid {}"), arrays(line), arrays(array(dims{1, 1, 1, 3}, 21, 32, 43)), ""},
		{"bias", conv("hasBias: true bias { floatValue: 0.5 }"), arrays(line), arrays(array(dims{1, 1, 1, 3}, 21.5, 32.5, 43.5)), ""},
		{
			"amounts", conv("valid { paddingAmounts { borderAmounts {} borderAmounts { startEdgeSize: 2 endEdgeSize: 1 } } }"), arrays(line),
			arrays(array(dims{1, 1, 1, 6}, 0, 10, 21, 32, 43, 4)), "",
		},
		{"same", conv("same {}"), arrays(line), arrays(array(dims{1, 1, 1, 4}, 21, 32, 43, 4)), ""},
		{"same at the top", conv("same { asymmetryMode: TOP_LEFT_HEAVY }"), arrays(line), arrays(array(dims{1, 1, 1, 4}, 10, 21, 32, 43)), ""},
		{"stride and dilation", conv("stride: [1, 2] dilationFactor: [1, 2] valid {}"), arrays(array(dims{1, 1, 1, 5}, 1, 2, 3, 4, 5)), arrays(array(dims{1, 1, 1, 2}, 31, 53)), ""},
		{
			"groups", `convolution { outputChannels: 2 kernelChannels: 1 nGroups: 2 kernelSize: [1, 1] weights { floatValue: [3, 5] } valid {} }`,
			arrays(array(dims{1, 2, 1, 1}, 10, 100)), arrays(array(dims{1, 2, 1, 1}, 30, 500)), "",
		},
		{
			"quantized by filter", `convolution { outputChannels: 2 kernelChannels: 1 kernelSize: [1, 1] valid {}
			weights { rawValue: "\001\002" quantization { numberOfBits: 8 linearQuantization { scale: [2, 3] bias: [0, 1] } } } }`,
			arrays(array(dims{1, 1, 1, 1}, 10)), arrays(array(dims{1, 2, 1, 1}, 20, 70)), "",
		},
		{
			"second input", `convolution { outputChannels: 1 kernelChannels: 1 kernelSize: [1, 2] valid {} }`,
			arrays(line, array(dims{1, 1, 1, 2}, 1, 10)), arrays(array(dims{1, 1, 1, 3}, 21, 32, 43)), "",
		},
		{"rank 5", conv("valid {}"), arrays(array(dims{2, 1, 1, 1, 2}, 1, 2, 3, 4)), arrays(array(dims{2, 1, 1, 1, 1}, 21, 43)), ""},

		{"deconvolution", deconv("stride: [1, 2] valid {}"), pair, arrays(array(dims{1, 1, 1, 5}, 1, 10, 102, 20, 200)), ""},
		{
			"deconvolution, amounts", deconv("stride: [1, 2] valid { paddingAmounts { borderAmounts {} borderAmounts { startEdgeSize: 2 endEdgeSize: 1 } } }"), pair,
			arrays(array(dims{1, 1, 1, 2}, 102, 20)), "",
		},
		{"deconvolution, same", deconv("stride: [1, 2] same {}"), pair, arrays(array(dims{1, 1, 1, 4}, 1, 10, 102, 20)), ""},
		{"deconvolution, same at the top", deconv("stride: [1, 2] same { asymmetryMode: TOP_LEFT_HEAVY }"), pair, arrays(array(dims{1, 1, 1, 4}, 10, 102, 20, 200)), ""},
		{"deconvolution to a size", deconv("stride: [1, 2] outputShape: [1, 3] valid {}"), pair, arrays(array(dims{1, 1, 1, 3}, 10, 102, 20)), ""},
		{"deconvolution to a size, uneven", deconv("stride: [1, 2] outputShape: [1, 2] valid {}"), pair, arrays(array(dims{1, 1, 1, 2}, 10, 102)), ""},
		{
			"deconvolution to a size by amounts", deconv("stride: [1, 2] outputShape: [1, 2] valid { paddingAmounts { borderAmounts {} borderAmounts { startEdgeSize: 2 endEdgeSize: 1 } } }"), pair,
			arrays(array(dims{1, 1, 1, 2}, 102, 20)), "",
		},
		{"deconvolution to a larger size", deconv("outputShape: [1, 5] valid {}"), pair, arrays(array(dims{1, 1, 1, 5}, 1, 12, 120, 200, 0)), ""},
		{
			"deconvolution in groups", `convolution { isDeconvolution: true outputChannels: 4 kernelChannels: 2 nGroups: 2 kernelSize: [1, 1] weights { floatValue: [1, 2, 3, 4] } valid {} }`,
			arrays(array(dims{1, 2, 1, 1}, 10, 100)), arrays(array(dims{1, 4, 1, 1}, 10, 20, 300, 400)), "",
		},

		{"too few weights", `convolution { outputChannels: 2 kernelChannels: 1 kernelSize: [1, 2] weights { floatValue: [1, 10] } valid {} }`, arrays(line), nil, "want 2×1×1×2 = 4 values, have 2"},
		{"channels", conv("valid {}"), arrays(array(dims{1, 2, 1, 2}, 1, 2, 3, 4)), nil, "channels"},
		{"no bias", conv("hasBias: true valid {}"), arrays(line), nil, "bias"},
		{"kernel", `convolution { outputChannels: 1 kernelChannels: 1 kernelSize: 2 }`, arrays(line), nil, "two of each"},
		{
			"groups of output channels", `convolution { outputChannels: 3 kernelChannels: 1 nGroups: 2 kernelSize: [1, 1] weights { floatValue: [1, 2, 3] } }`,
			arrays(array(dims{1, 2, 1, 1}, 1, 2)), nil, "3 output channels in 2 groups",
		},
		{"huge", `convolution { outputChannels: 18446744073709551615 kernelChannels: 4294967296 nGroups: 4294967295 kernelSize: [1, 1] }`, arrays(line), nil, "weights: shape"},
		{"one size", deconv("outputShape: 3 valid {}"), pair, nil, "1 sizes, want 2"},
		{"rank", conv("valid {}"), arrays(array(dims{2}, 1, 2)), nil, "rank"},
		{"no input", conv("valid {}"), nil, nil, "have 0"},
	})
}

func TestConvolution3D(t *testing.T) {
	layer := func(more string) string {
		return `convolution3d { outputChannels: 1 inputChannels: 1 nGroups: 1 kernelDepth: 2 kernelHeight: 1 kernelWidth: 1 strideDepth: 1 strideHeight: 1 strideWidth: 1
			dilationDepth: 1 dilationHeight: 1 dilationWidth: 1 weights { floatValue: [1, 10] } ` + more + `}`
	}
	x := arrays(array(dims{1, 1, 3, 1, 1}, 1, 2, 3))
	checkLayers(t, []layerCase{
		{"valid", layer("paddingType: VALID"), x, arrays(array(dims{1, 1, 2, 1, 1}, 21, 32)), ""},
		{"same", layer("paddingType: SAME"), x, arrays(array(dims{1, 1, 3, 1, 1}, 21, 32, 3)), ""},
		{"custom", layer("customPaddingFront: 1 customPaddingRight: 1"), x, arrays(array(dims{1, 1, 3, 1, 2}, 10, 0, 21, 0, 32, 0)), ""},
		{"bias", layer("paddingType: VALID hasBias: true bias { floatValue: 5 }"), x, arrays(array(dims{1, 1, 2, 1, 1}, 26, 37)), ""},
		{"deconvolution", layer("isDeconvolution: true paddingType: VALID"), x, arrays(array(dims{1, 1, 4, 1, 1}, 1, 12, 23, 30)), ""},
		{"deconvolution to a size", layer("isDeconvolution: true outputShape: [2, 1, 1]"), x, arrays(array(dims{1, 1, 2, 1, 1}, 12, 23)), ""},
		{"negative", layer("customPaddingFront: -1"), x, nil, "pad: -1"},
		{"rank", layer("paddingType: VALID"), arrays(array(dims{1, 1, 3, 1}, 1, 2, 3)), nil, "want 5"},
		{"no stride", `convolution3d { outputChannels: 1 inputChannels: 1 kernelDepth: 1 kernelHeight: 1 kernelWidth: 1 weights { floatValue: 1 } }`, x, nil, "strides: 0"},
		{"negative channels", `convolution3d { outputChannels: -1 inputChannels: 1 kernelDepth: 1 kernelHeight: 1 kernelWidth: 1 weights { floatValue: 1 } }`, x, nil, "negative"},
	})
}

func TestPoolingLayers(t *testing.T) {
	line := arrays(array(dims{1, 1, 1, 5}, 4, 1, 2, 8, 6))
	pool := func(more string) string { return `pooling { kernelSize: [1, 2] stride: [1, 2] ` + more + `}` }
	space := func(more string) string {
		return `pooling3d { kernelDepth: 2 kernelHeight: 1 kernelWidth: 1 strideDepth: 2 strideHeight: 1 strideWidth: 1 ` + more + `}`
	}
	deep := arrays(array(dims{1, 1, 3, 1, 1}, 4, 8, 2))
	checkLayers(t, []layerCase{
		{"max", pool("valid {}"), line, arrays(array(dims{1, 1, 1, 2}, 4, 8)), ""},
		{"last pixel", pool("includeLastPixel { paddingAmounts: [0, 0] }"), line, arrays(array(dims{1, 1, 1, 3}, 4, 8, 6)), ""},
		{"last pixel, no amounts", pool("includeLastPixel {}"), line, arrays(array(dims{1, 1, 1, 3}, 4, 8, 6)), ""},
		{"last pixel, padded", pool("includeLastPixel { paddingAmounts: [0, 1] }"), line, arrays(array(dims{1, 1, 1, 3}, 4, 2, 8)), ""},
		{"average", pool("type: AVERAGE same {}"), line, arrays(array(dims{1, 1, 1, 3}, 2.5, 5, 3)), ""},
		{"average without padding", pool("type: AVERAGE same {} avgPoolExcludePadding: true"), line, arrays(array(dims{1, 1, 1, 3}, 2.5, 5, 6)), ""},
		{"norm", pool("type: L2 valid {}"), arrays(array(dims{1, 1, 1, 2}, 3, -4)), arrays(array(dims{1, 1, 1, 1}, 5)), ""},
		{"global", pool("type: AVERAGE globalPooling: true"), line, arrays(array(dims{1, 1, 1, 1}, 4.2)), ""},
		{"global norm", pool("type: L2 globalPooling: true includeLastPixel {}"), line, arrays(array(dims{1, 1, 1, 1}, 11)), ""},
		{"too large", pool("valid {}"), arrays(array(dims{1, 1, 1, 1}, 1)), nil, "no window"},
		{"amounts", pool("includeLastPixel { paddingAmounts: 1 }"), line, nil, "pad: want 4"},

		{"space", space("paddingType: VALID"), deep, arrays(array(dims{1, 1, 1, 1, 1}, 8)), ""},
		{"space, same", space("type: AVERAGE paddingType: SAME"), deep, arrays(array(dims{1, 1, 2, 1, 1}, 6, 1)), ""},
		{"space, same without padding", space("type: AVERAGE paddingType: SAME countExcludePadding: true"), deep, arrays(array(dims{1, 1, 2, 1, 1}, 6, 2)), ""},
		{"space, custom", space("customPaddingFront: 1"), deep, arrays(array(dims{1, 1, 2, 1, 1}, 4, 8)), ""},
		{"space, rank", space("paddingType: VALID"), line, nil, "want 5"},
		{"all of space", "globalPooling3d { type: AVERAGE }", deep, arrays(array(dims{1, 1, 1, 1, 1}, 14./3)), ""},
		{"most of space", "globalPooling3d { type: MAX }", deep, arrays(array(dims{1, 1, 1, 1, 1}, 8)), ""},
	})
}
