package op

import "math"

// Elu is x, below 0 alpha · (eˣ - 1).
var Elu, EluIOS17 = defineAlpha("elu", func(x, alpha float64) float64 {
	if x < 0 {
		return alpha * math.Expm1(x)
	}
	return x
})
