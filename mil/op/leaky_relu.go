package op

// LeakyRelu is x, below 0 alpha · x.
var LeakyRelu, LeakyReluIOS17 = defineAlpha("leaky_relu", func(x, alpha float64) float64 {
	if x < 0 {
		return alpha * x
	}
	return x
})
