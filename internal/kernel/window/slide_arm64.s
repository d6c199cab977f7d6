//go:build !noasm

#include "textflag.h"
#include "go_asm.h"
#include "slide_arm64.h"

// ---- sliding
//
// Four vectors of outputs at a time, dstD and srcD bytes apart: side by side, or
// one below another. Then dst and src go on by dstNext and srcNext, n times.

// R0 is q, R1 dst, R2 src, R3 and R4 the distances, R5 n, R6 and R7 the steps,
// R8 to R10 the taps and weights.
#define SLIDEARGS \
	MOVD q+0(FP), R0                    \
	MOVD dst+8(FP), R1                  \
	MOVD src+16(FP), R2                 \
	MOVD dstD+24(FP), R3                \
	MOVD srcD+32(FP), R4                \
	MOVD n+40(FP), R5                   \
	MOVD dstNext+48(FP), R6             \
	MOVD srcNext+56(FP), R7

// The next tap's values.
#define VALUES \
	MOVD.P 8(R8), R11                   \
	ADD  R11<<2, R2, R11                \
	FMOVQ (R11), F4                     \
	ADD  R4, R11                        \
	FMOVQ (R11), F5                     \
	ADD  R4, R11                        \
	FMOVQ (R11), F6                     \
	ADD  R4, R11                        \
	FMOVQ (R11), F7

#define RESULTS \
	MOVD R1, R11                        \
	FMOVQ F0, (R11)                     \
	ADD  R3, R11                        \
	FMOVQ F1, (R11)                     \
	ADD  R3, R11                        \
	FMOVQ F2, (R11)                     \
	ADD  R3, R11                        \
	FMOVQ F3, (R11)                     \
	ADD  R6, R1                         \
	ADD  R7, R2

#define FILTERARGS \
	MOVD q+0(FP), R0                    \
	MOVD filterCall_src(R0), R1         \
	MOVD filterCall_dst(R0), R2         \
	MOVD filterCall_zeros(R0), R3       \
	MOVD filterCall_spare(R0), R4       \
	MOVD filterCall_weights(R0), R5     \
	MOVD filterCall_bias(R0), R6        \
	MOVD filterCall_planes(R0), R7      \
	ADD  $filterCall_lo, R0, R11        \
	VLD1R.P 4(R11), [V22.S4]            \
	VLD1R (R11), [V23.S4]

// func sumNEON(q *Rows, dst, src *float32, dstD, srcD, n, dstNext, srcNext int)
TEXT ·sumNEON(SB), NOSPLIT, $0-64
	SLIDEARGS
	ADD   $Rows_Bias, R0, R11
	VLD1R (R11), [V16.S4]
	ADD   $Rows_Lo, R0, R11
	VLD1R (R11), [V17.S4]
	ADD   $Rows_Hi, R0, R11
	VLD1R (R11), [V18.S4]
	MOVD  Rows_Taps+8(R0), R12
block:
	MOVD  Rows_Taps(R0), R8
	MOVD  Rows_Weights(R0), R9
	MOVD  R12, R10
	VMOV  V16.B16, V0.B16
	VMOV  V16.B16, V1.B16
	VMOV  V16.B16, V2.B16
	VMOV  V16.B16, V3.B16
tap:
	VLD1R.P 4(R9), [V19.S4]
	VALUES
	FMLA(0, 4, 19)
	FMLA(1, 5, 19)
	FMLA(2, 6, 19)
	FMLA(3, 7, 19)
	SUBS  $1, R10
	BNE   tap
	FMAX(0, 0, 17)
	FMAX(1, 1, 17)
	FMAX(2, 2, 17)
	FMAX(3, 3, 17)
	FMIN(0, 0, 18)
	FMIN(1, 1, 18)
	FMIN(2, 2, 18)
	FMIN(3, 3, 18)
	RESULTS
	SUBS  $1, R5
	BNE   block
	RET

// func maxNEON(q *Rows, dst, src *float32, dstD, srcD, n, dstNext, srcNext int)
TEXT ·maxNEON(SB), NOSPLIT, $0-64
	SLIDEARGS
	MOVD  Rows_Taps+8(R0), R12
	MOVW  $0xFF800000, R11 // -Inf
	VDUP  R11, V16.S4
block:
	MOVD  Rows_Taps(R0), R8
	MOVD  R12, R10
	VMOV  V16.B16, V0.B16
	VMOV  V16.B16, V1.B16
	VMOV  V16.B16, V2.B16
	VMOV  V16.B16, V3.B16
tap:
	VALUES
	FMAX(0, 0, 4)
	FMAX(1, 1, 5)
	FMAX(2, 2, 6)
	FMAX(3, 3, 7)
	SUBS  $1, R10
	BNE   tap
	RESULTS
	SUBS  $1, R5
	BNE   block
	RET

// ---- moving

// func evensNEON(dst, src *float32, blocks int)
TEXT ·evensNEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD blocks+16(FP), R2
loop:
	VLD2.P 32(R1), [V0.S4, V1.S4]
	FMOVQ.P F0, 16(R0)
	SUBS $1, R2
	BNE  loop
	RET

// func zipNEON(dst, a, b *float32, blocks int)
TEXT ·zipNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD blocks+24(FP), R3
loop:
	FMOVQ.P 16(R1), F0
	FMOVQ.P 16(R2), F1
	VST2.P [V0.S4, V1.S4], 32(R0)
	SUBS $1, R3
	BNE  loop
	RET

// ---- filters
//
// Four rows of outputs at a time, a vector of each in V0 to V3; V8 and on have
// the weights, four in each. The table of rows is as for all filters. For each
// block of columns the table of places has where its outputs are, and for each
// column of the window where in a row to load, and which bytes of that are the
// values: those beside the image are zeros. Places are 16 bytes.
//
// R1 is the plane, R2 its outputs, R3 a row of zeros, R4 one for outputs that
// nobody wants, R5 the weights, R6 the bias, R7 what is left of planes, R8 the
// table of rows, R9 the groups, R10 the table of places, R11 the blocks; R14 to
// R17, R19 and V16 to V20 a block's places, R20 where its outputs are.

#define WEIGHTS3 \
	FLDPQ (R5), (F8, F9)                \
	FMOVS 32(R5), F10                   \
	ADD  $36, R5

#define WEIGHTS5 \
	FLDPQ (R5), (F8, F9)                \
	FLDPQ 32(R5), (F10, F11)            \
	FLDPQ 64(R5), (F12, F13)            \
	FMOVS 96(R5), F14                   \
	ADD  $100, R5

#define PLACES3 \
	MOVD (R10), R20                     \
	MOVD 16(R10), R14                   \
	FMOVQ 32(R10), F16                  \
	MOVD 48(R10), R15                   \
	FMOVQ 64(R10), F17                  \
	MOVD 80(R10), R16                   \
	FMOVQ 96(R10), F18                  \
	ADD  $112, R10

#define PLACES5 \
	PLACES3                             \
	MOVD (R10), R17                     \
	FMOVQ 16(R10), F19                  \
	MOVD 32(R10), R19                   \
	FMOVQ 48(R10), F20                  \
	ADD  $64, R10

// Row i of what the group sees, or of its outputs.
#define FIND(i, base, instead) \
	MOVD (8*(i))(R8), R12               \
	ADDS base, R12                      \
	CSEL MI, instead, R12, R12

// W adds the values times a weight to the sums of a row.
#define W(r, at) FMLAE(r, 6, (8+(at)/4), ((at)%4))

// The values of each column of the window in a row, times the weights of row k
// of the window, to the outputs of row a; and so on.
#define SEE1x3(i, a, k) \
	FIND(i, R1, R3)                     \
	LOAD(R14, V16)                      \
	W(a, (3*k))                         \
	LOAD(R15, V17)                      \
	W(a, (3*k+1))                       \
	LOAD(R16, V18)                      \
	W(a, (3*k+2))
#define SEE2x3(i, a, k, b, l) \
	FIND(i, R1, R3)                     \
	LOAD(R14, V16)                      \
	W(a, (3*k))                         \
	W(b, (3*l))                         \
	LOAD(R15, V17)                      \
	W(a, (3*k+1))                       \
	W(b, (3*l+1))                       \
	LOAD(R16, V18)                      \
	W(a, (3*k+2))                       \
	W(b, (3*l+2))
#define SEE3x3(i, a, k, b, l, c, m) \
	FIND(i, R1, R3)                     \
	LOAD(R14, V16)                      \
	W(a, (3*k))                         \
	W(b, (3*l))                         \
	W(c, (3*m))                         \
	LOAD(R15, V17)                      \
	W(a, (3*k+1))                       \
	W(b, (3*l+1))                       \
	W(c, (3*m+1))                       \
	LOAD(R16, V18)                      \
	W(a, (3*k+2))                       \
	W(b, (3*l+2))                       \
	W(c, (3*m+2))

#define COLUMN1(at, places, x, a, k) LOAD(at, places); W(a, (5*k+x))
#define COLUMN2(at, places, x, a, k, b, l) COLUMN1(at, places, x, a, k); W(b, (5*l+x))
#define COLUMN3(at, places, x, a, k, b, l, c, m) COLUMN2(at, places, x, a, k, b, l); W(c, (5*m+x))
#define COLUMN4(at, places, x, a, k, b, l, c, m, d, n) COLUMN3(at, places, x, a, k, b, l, c, m); W(d, (5*n+x))

#define SEE1x5(i, a, k) \
	FIND(i, R1, R3)                     \
	COLUMN1(R14, V16, 0, a, k)          \
	COLUMN1(R15, V17, 1, a, k)          \
	COLUMN1(R16, V18, 2, a, k)          \
	COLUMN1(R17, V19, 3, a, k)          \
	COLUMN1(R19, V20, 4, a, k)
#define SEE2x5(i, a, k, b, l) \
	FIND(i, R1, R3)                     \
	COLUMN2(R14, V16, 0, a, k, b, l)    \
	COLUMN2(R15, V17, 1, a, k, b, l)    \
	COLUMN2(R16, V18, 2, a, k, b, l)    \
	COLUMN2(R17, V19, 3, a, k, b, l)    \
	COLUMN2(R19, V20, 4, a, k, b, l)
#define SEE3x5(i, a, k, b, l, c, m) \
	FIND(i, R1, R3)                     \
	COLUMN3(R14, V16, 0, a, k, b, l, c, m) \
	COLUMN3(R15, V17, 1, a, k, b, l, c, m) \
	COLUMN3(R16, V18, 2, a, k, b, l, c, m) \
	COLUMN3(R17, V19, 3, a, k, b, l, c, m) \
	COLUMN3(R19, V20, 4, a, k, b, l, c, m)
#define SEE4x5(i, a, k, b, l, c, m, d, n) \
	FIND(i, R1, R3)                     \
	COLUMN4(R14, V16, 0, a, k, b, l, c, m, d, n) \
	COLUMN4(R15, V17, 1, a, k, b, l, c, m, d, n) \
	COLUMN4(R16, V18, 2, a, k, b, l, c, m, d, n) \
	COLUMN4(R17, V19, 3, a, k, b, l, c, m, d, n) \
	COLUMN4(R19, V20, 4, a, k, b, l, c, m, d, n)

#define STORE(i, r) \
	FMAX(r, r, 22)                      \
	FMIN(r, r, 23)                      \
	FIND(i, R2, R4)                     \
	ADD  R20, R12                       \
	FMOVQ F(r), (R12)

// All planes, groups and blocks; sees is how many rows of the image a group sees.
#define PLANES(weights, places, sees, body) \
	FILTERARGS                          \
plane:                                      \
	weights                             \
	VLD1R.P 4(R6), [V21.S4]             \
	MOVD filterCall_rows(R0), R8        \
	MOVD filterCall_groups(R0), R9      \
group:                                      \
	MOVD filterCall_masks(R0), R10      \
	MOVD filterCall_blocks(R0), R11     \
block:                                      \
	places                              \
	VMOV V21.B16, V0.B16                \
	VMOV V21.B16, V1.B16                \
	VMOV V21.B16, V2.B16                \
	VMOV V21.B16, V3.B16                \
	body                                \
	STORE((sees+0), 0)                  \
	STORE((sees+1), 1)                  \
	STORE((sees+2), 2)                  \
	STORE((sees+3), 3)                  \
	SUBS $1, R11                        \
	BNE  block                          \
	ADD  $(8*(sees+4)), R8              \
	SUBS $1, R9                         \
	BNE  group                          \
	MOVD filterCall_srcStep(R0), R12    \
	ADD  R12, R1                        \
	MOVD filterCall_dstStep(R0), R12    \
	ADD  R12, R2                        \
	SUBS $1, R7                         \
	BNE  plane                          \
	RET

// Neighbouring columns.
#define LOAD(at, places) ADD at, R12, R13; FMOVQ (R13), F4; VTBL places.B16, [V4.B16], V6.B16

#define FILTER3STRIDE1 \
	SEE1x3(0, 0, 0)                     \
	SEE2x3(1, 0, 1, 1, 0)               \
	SEE3x3(2, 0, 2, 1, 1, 2, 0)         \
	SEE3x3(3, 1, 2, 2, 1, 3, 0)         \
	SEE2x3(4, 2, 2, 3, 1)               \
	SEE1x3(5, 3, 2)

#define FILTER5STRIDE1 \
	SEE1x5(0, 0, 0)                     \
	SEE2x5(1, 0, 1, 1, 0)               \
	SEE3x5(2, 0, 2, 1, 1, 2, 0)         \
	SEE4x5(3, 0, 3, 1, 2, 2, 1, 3, 0)   \
	SEE4x5(4, 0, 4, 1, 3, 2, 2, 3, 1)   \
	SEE3x5(5, 1, 4, 2, 3, 3, 2)         \
	SEE2x5(6, 2, 4, 3, 3)               \
	SEE1x5(7, 3, 4)

// func filter3stride1NEON(q *filterCall)
TEXT ·filter3stride1NEON(SB), NOSPLIT, $0-8
	PLANES(WEIGHTS3, PLACES3, 6, FILTER3STRIDE1)

// func filter5stride1NEON(q *filterCall)
TEXT ·filter5stride1NEON(SB), NOSPLIT, $0-8
	PLANES(WEIGHTS5, PLACES5, 8, FILTER5STRIDE1)

// Every second of eight.
#undef LOAD
#define LOAD(at, places) ADD at, R12, R13; FLDPQ (R13), (F4, F5); VTBL places.B16, [V4.B16, V5.B16], V6.B16

#define FILTER3STRIDE2 \
	SEE1x3(0, 0, 0)                     \
	SEE1x3(1, 0, 1)                     \
	SEE2x3(2, 0, 2, 1, 0)               \
	SEE1x3(3, 1, 1)                     \
	SEE2x3(4, 1, 2, 2, 0)               \
	SEE1x3(5, 2, 1)                     \
	SEE2x3(6, 2, 2, 3, 0)               \
	SEE1x3(7, 3, 1)                     \
	SEE1x3(8, 3, 2)

#define FILTER5STRIDE2 \
	SEE1x5(0, 0, 0)                     \
	SEE1x5(1, 0, 1)                     \
	SEE2x5(2, 0, 2, 1, 0)               \
	SEE2x5(3, 0, 3, 1, 1)               \
	SEE3x5(4, 0, 4, 1, 2, 2, 0)         \
	SEE2x5(5, 1, 3, 2, 1)               \
	SEE3x5(6, 1, 4, 2, 2, 3, 0)         \
	SEE2x5(7, 2, 3, 3, 1)               \
	SEE2x5(8, 2, 4, 3, 2)               \
	SEE1x5(9, 3, 3)                     \
	SEE1x5(10, 3, 4)

// func filter3stride2NEON(q *filterCall)
TEXT ·filter3stride2NEON(SB), NOSPLIT, $0-8
	PLANES(WEIGHTS3, PLACES3, 9, FILTER3STRIDE2)

// func filter5stride2NEON(q *filterCall)
TEXT ·filter5stride2NEON(SB), NOSPLIT, $0-8
	PLANES(WEIGHTS5, PLACES5, 11, FILTER5STRIDE2)
