package op

// Inverse is 1 / (x + epsilon).
var Inverse, InverseIOS17 = defineEpsilon("inverse", 1e-4, func(v float64) float64 { return 1 / v })
