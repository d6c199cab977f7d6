package op

// ClampedRelu is min(x, beta), below 0 min(alpha · x, beta).
var ClampedRelu, ClampedReluIOS17 = defineAlphaBeta("clamped_relu", func(x, alpha, beta float64) float64 {
	if x < 0 {
		x *= alpha
	}
	return min(x, beta)
})
