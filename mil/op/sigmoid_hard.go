package op

// SigmoidHard is min(max(alpha · x + beta, 0), 1).
var SigmoidHard, SigmoidHardIOS17 = defineAlphaBeta("sigmoid_hard", func(x, alpha, beta float64) float64 {
	return min(max(alpha*x+beta, 0), 1)
})
