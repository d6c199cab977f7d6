package coreml

import "testing"

func TestResizes(t *testing.T) {
	row := array(dims{1, 1, 2}, 0, 6)
	ramp := array(dims{1, 1, 4}, 0, 1, 2, 3)
	eight := array(dims{8, 1, 2}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	space := array(dims{2, 2, 4}, 1, 5, 2, 6, 9, 13, 10, 14, 3, 7, 4, 8, 11, 15, 12, 16)
	row5 := array(dims{1, 1, 1, 1, 2}, 0, 6)
	checkShapes(t, []layerCase{
		{"nearest", "upsample { scalingFactor: [2, 2] }", arrays(row), arrays(array(dims{1, 2, 4}, 0, 0, 6, 6, 0, 0, 6, 6)), ""},
		{"once", "upsample {}", arrays(row), arrays(row), ""},
		{"in rank 5", "upsample { scalingFactor: [1, 2] }", arrays(row5), arrays(array(dims{1, 1, 1, 1, 4}, 0, 0, 6, 6)), ""},
		{"bilinear", "upsample { scalingFactor: [1, 2] mode: BILINEAR }", arrays(row), arrays(array(dims{1, 1, 4}, 0, 3, 6, 6)), ""},
		{
			"corners", "upsample { scalingFactor: [1, 2] mode: BILINEAR linearUpsampleMode: ALIGN_CORNERS_TRUE }",
			arrays(row), arrays(array(dims{1, 1, 4}, 0, 2, 4, 6)), "",
		},
		{
			"centers", "upsample { fractionalScalingFactor: [1, 2] mode: BILINEAR linearUpsampleMode: ALIGN_CORNERS_FALSE }",
			arrays(row), arrays(array(dims{1, 1, 4}, 0, 1.5, 4.5, 6)), "",
		},
		{"part of the size", "upsample { fractionalScalingFactor: [1, 0.5] }", arrays(ramp), arrays(array(dims{1, 1, 2}, 0, 2)), ""},

		{"strict ends", "resizeBilinear { targetSize: [1, 3] }", arrays(ramp), arrays(array(dims{1, 1, 3}, 0, 1.5, 3)), ""},
		{"strict end", "resizeBilinear {}", arrays(ramp), arrays(array(dims{1, 1, 1}, 0)), ""},
		{"middle", "resizeBilinear { mode { samplingMethod: ALIGN_ENDPOINTS_MODE } }", arrays(ramp), arrays(array(dims{1, 1, 1}, 1.5)), ""},
		{"upsampling", "resizeBilinear { targetSize: [1, 8] mode { samplingMethod: UPSAMPLE_MODE } }", arrays(ramp), arrays(array(dims{1, 1, 8}, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3)), ""},
		{"regions", "resizeBilinear { targetSize: [1, 2] mode { samplingMethod: ROI_ALIGN_MODE } }", arrays(ramp), arrays(array(dims{1, 1, 2}, 0.75, 2.25)), ""},

		{"depth to space", "reorganizeData { mode: DEPTH_TO_SPACE blockSize: 2 }", arrays(eight), arrays(space), ""},
		{"space to depth", "reorganizeData { mode: SPACE_TO_DEPTH blockSize: 2 }", arrays(space), arrays(eight), ""},
		{
			"pixel shuffle", "reorganizeData { mode: PIXEL_SHUFFLE blockSize: 2 }", arrays(eight),
			arrays(array(dims{2, 2, 4}, 1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10, 12, 13, 15, 14, 16)), "",
		},
	})
	checkLayers(t, []layerCase{
		{"vector", "upsample {}", arrays(array(dims{2}, 1, 2)), nil, "at least 3"},
		{"one factor", "upsample { scalingFactor: 2 }", arrays(row), nil, "2 scaling factors"},
		{"to nothing", "upsample { fractionalScalingFactor: [1, 0.1] }", arrays(row), nil, "size of 0"},
		{"no factor", "upsample { fractionalScalingFactor: [nan, 1] }", arrays(row), nil, "scale factor"},
		{"far too large", "upsample { scalingFactor: [1000000, 1000000] }", arrays(row), nil, "elements"},
		{"three sizes", "resizeBilinear { targetSize: [1, 1, 1] }", arrays(row), nil, "target size"},
		{"to no size", "resizeBilinear { targetSize: [0, 1] }", arrays(row), nil, "size of 0"},
		{"sampling", "resizeBilinear { mode { samplingMethod: 4 } }", arrays(row), nil, "sampling"},
		{"block", "reorganizeData { blockSize: 3 }", arrays(row), nil, "space_to_depth"},
		{"no block", "reorganizeData {}", arrays(row), nil, "space_to_depth"},
		{"mode", "reorganizeData { mode: 3 blockSize: 2 }", arrays(row), nil, "unknown mode"},
	})
}

func TestCropResize(t *testing.T) {
	// Two pictures of 2×2 pixels.
	x := array(dims{1, 2, 1, 2, 2}, 1, 2, 3, 4, 10, 20, 30, 40)
	all := array(dims{1, 1, 4, 1, 1}, 0, 0, 1, 1)
	second := array(dims{2, 1, 5, 1, 1}, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0)
	layer := func(params string) string {
		return "cropResize { targetSize: [1, 2] spatialScale: 1 mode { samplingMethod: STRICT_ALIGN_ENDPOINTS_MODE } " + params + " }"
	}
	checkLayers(t, []layerCase{
		{"every picture", layer(""), arrays(x, all), arrays(array(dims{1, 2, 1, 1, 2}, 1, 2, 10, 20)), ""},
		{"named pictures", layer(""), arrays(x, second), arrays(array(dims{2, 1, 1, 1, 2}, 10, 20, 1, 1)), ""},
		{
			"columns first, normalized", layer("normalizedCoordinates: true boxIndicesMode { boxMode: CORNERS_WIDTH_FIRST }"),
			arrays(x, array(dims{1, 1, 4, 1, 1}, 0, 1, 1, 1)), arrays(array(dims{1, 2, 1, 1, 2}, 3, 4, 30, 40)), "",
		},
		{
			"center", layer("boxIndicesMode { boxMode: CENTER_SIZE_HEIGHT_FIRST }"),
			arrays(x, array(dims{1, 1, 4, 1, 1}, 0.5, 0.5, 1, 1)), arrays(array(dims{1, 2, 1, 1, 2}, 1, 2, 10, 20)), "",
		},
		{"no scale is 1", "cropResize { targetSize: [2, 2] }", arrays(x, all), arrays(array(dims{1, 2, 1, 2, 2}, 1, 2, 3, 4, 10, 20, 30, 40)), ""},
		{"no such picture", layer(""), arrays(x, array(dims{1, 1, 5, 1, 1}, 2, 0, 0, 0, 0)), nil, "image 2 of 2"},
		{"box", layer(""), arrays(x, array(dims{1, 1, 3, 1, 1}, 0, 0, 0)), nil, "boxes"},
		{"rank", layer(""), arrays(x, array(dims{4}, 0, 0, 0, 0)), nil, "rank 5"},
		{"to nothing", "cropResize { targetSize: [0, 1] }", arrays(x, all), nil, "size of 0"},
	})
}

func TestConstants(t *testing.T) {
	checkLayers(t, []layerCase{
		{"picture", "loadConstant { shape: [1, 1, 2] data { floatValue: [1, 2] } }", nil, arrays(array(dims{1, 1, 1, 1, 2}, 1, 2)), ""},
		{"any rank", "loadConstantND { shape: 2 data { floatValue: [1, 2] } }", nil, arrays(array(dims{2}, 1, 2)), ""},
		{"number", "loadConstantND { data { floatValue: 5 } }", nil, arrays(array(dims{1}, 5)), ""},
		{"half precision", "loadConstantND { shape: 1 data { float16Value: \"\\000\\074\" } }", nil, arrays(array(dims{1}, 1)), ""},
		{
			"codes", "loadConstantND { shape: 2 data { rawValue: \"\\330\" quantization { numberOfBits: 2 lookupTableQuantization { floatValue: [4, 5, 6, 7] } } } }",
			nil, arrays(array(dims{2}, 7, 5)), "",
		},
		{"shape of a picture", "loadConstant { shape: 2 data { floatValue: [1, 2] } }", nil, nil, "3 sizes"},
		{"count", "loadConstantND { shape: 3 data { floatValue: [1, 2] } }", nil, nil, "have 2"},
		{"far too large", "loadConstantND { shape: [18446744073709551615, 9] data { floatValue: 1 } }", nil, nil, "elements"},
		{"input", "loadConstantND { shape: 1 data { floatValue: 1 } }", arrays(array(dims{1}, 1)), nil, "no input"},
		{"no data", "loadConstantND { shape: 1 }", nil, nil, "missing"},
		{"custom", "custom { className: \"Swirl\" }", nil, nil, "custom layer of class \"Swirl\": nothing says the shape"},
	})
}
