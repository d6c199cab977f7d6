package op

// LinearActivation is alpha · x + beta.
var LinearActivation, LinearActivationIOS17 = defineAlphaBeta("linear_activation", func(x, alpha, beta float64) float64 { return alpha*x + beta })
