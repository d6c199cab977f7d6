package op

// ThresholdedRelu is x, below alpha 0.
var ThresholdedRelu, ThresholdedReluIOS17 = defineAlpha("thresholded_relu", func(x, alpha float64) float64 {
	if x < alpha {
		return 0
	}
	return x
})
