//go:build !noasm

package gemm

import "unsafe"

// bandNEON is the products of bands, by their vectors and rows, less one.
var bandNEON = [maxBandVecs][4]func(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int){
	{band1x1, band2x1, band3x1, band4x1},
	{band1x2, band2x2, band3x2, band4x2},
	{band1x3, band2x3, band3x3, band4x3},
	{band1x4, band2x4, band3x4, band4x4},
}

func mulBandNEON(rows, vecs, k int, x []float32, ldx int, b, c []float32, ldc int, add []float32, ldadd int) {
	bandNEON[vecs-1][rows-1](k, unsafe.SliceData(x), ldx, unsafe.SliceData(b), &c[0], ldc, unsafe.SliceData(add), ldadd)
}

//go:noescape
func band1x1(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band2x1(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band3x1(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band4x1(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band1x2(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band2x2(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band3x2(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band4x2(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band1x3(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band2x3(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band3x3(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band4x3(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band1x4(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band2x4(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band3x4(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)

//go:noescape
func band4x4(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
