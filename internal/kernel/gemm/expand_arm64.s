//go:build !noasm

#include "textflag.h"
#include "micro_arm64.h"

// Expansions of codes, a pair of chunks of 8 at a time.
//
// R0 is where numbers go, R1 the codes, R2 what is left of the chunks. Of
// parameters, R3 and R4 are the scales and zeros, R5 the bytes of a period, R6
// the place in it.

#define FSUB(d, n, m)   WORD $(0x4EA0D400 | m<<16 | n<<5 | d) // fsub vd.4s, vn.4s, vm.4s
#define UCVTF(d, n)     WORD $(0x6E21D800 | n<<5 | d) // ucvtf vd.4s, vn.4s

#define SHIFTARGS \
	MOVD dst+0(FP), R0     \
	MOVD codes+8(FP), R1   \
	MOVD chunks+16(FP), R2 \
	MOVD scale+24(FP), R3  \
	MOVD zero+32(FP), R4   \
	MOVD params+40(FP), R5 \
	MOVD $0, R6

// CHUNK makes numbers of the 8 words in V16.
#define CHUNK \
	VUXTL  V16.H4, V17.S4      \
	VUXTL2 V16.H8, V18.S4      \
	UCVTF(17, 17)              \
	UCVTF(18, 18)              \
	ADD    R6, R3, R7          \
	ADD    R6, R4, R8          \
	VLD1   (R7), [V20.S4, V21.S4] \
	VLD1   (R8), [V22.S4, V23.S4] \
	FSUB(17, 17, 22)           \
	FSUB(18, 18, 23)           \
	FMUL(17, 17, 20)           \
	FMUL(18, 18, 21)           \
	VST1.P [V17.S4, V18.S4], 32(R0) \
	ADD    $32, R6             \
	CMP    R5, R6              \
	CSEL   EQ, ZR, R6, R6

// func shift8(dst *float32, codes *byte, chunks int, scale, zero *float32, params int)
TEXT ·shift8(SB), NOSPLIT, $0-48
	SHIFTARGS
pair:
	VLD1.P 16(R1), [V0.B16]
	VUXTL  V0.B8, V16.H8
	CHUNK
	VUXTL2 V0.B16, V16.H8
	CHUNK
	SUBS   $2, R2
	BNE    pair
	RET

// func shift4(dst *float32, codes *byte, chunks int, scale, zero *float32, params int)
TEXT ·shift4(SB), NOSPLIT, $0-48
	SHIFTARGS
	VMOVI  $15, V30.B16
pair:
	VLD1.P 8(R1), [V0.B8]
	VUSHR  $4, V0.B16, V1.B16
	VAND   V30.B16, V0.B16, V0.B16
	VUXTL  V0.B8, V16.H8
	CHUNK
	VUXTL  V1.B8, V16.H8
	CHUNK
	SUBS   $2, R2
	BNE    pair
	RET

// The table is four vectors, each of the same byte of all entries; so are the
// numbers before they are stored.
//
// func table4(dst *float32, codes *byte, chunks int, table *float32)
TEXT ·table4(SB), NOSPLIT, $0-32
	MOVD   dst+0(FP), R0
	MOVD   codes+8(FP), R1
	MOVD   chunks+16(FP), R2
	MOVD   table+24(FP), R3
	VMOVI  $15, V30.B16
	VLD4   (R3), [V4.B16, V5.B16, V6.B16, V7.B16]
pair:
	VLD1.P 8(R1), [V0.B8]
	VUSHR  $4, V0.B16, V1.B16
	VAND   V30.B16, V0.B16, V0.B16
	VMOV   V1.D[0], V0.D[1]
	VTBL   V0.B16, [V4.B16], V16.B16
	VTBL   V0.B16, [V5.B16], V17.B16
	VTBL   V0.B16, [V6.B16], V18.B16
	VTBL   V0.B16, [V7.B16], V19.B16
	VST4.P [V16.B16, V17.B16, V18.B16, V19.B16], 64(R0)
	SUBS   $2, R2
	BNE    pair
	RET
