package op

import "math"

// Rsqrt is 1 / sqrt(x + epsilon).
var Rsqrt, RsqrtIOS17 = defineEpsilon("rsqrt", 1e-12, func(v float64) float64 { return 1 / math.Sqrt(v) })
