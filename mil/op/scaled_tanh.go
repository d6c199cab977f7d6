package op

import "math"

// ScaledTanh is alpha · tanh(beta · x).
var ScaledTanh, ScaledTanhIOS17 = defineAlphaBeta("scaled_tanh", func(x, alpha, beta float64) float64 { return alpha * math.Tanh(beta*x) })
