//go:build !noasm

#include "textflag.h"

// TRANSPOSE makes the columns of the rows V0 to V3, to V0 to V3.
#define TRANSPOSE(a, b, c, d) \
	VTRN1 b.S4, a.S4, V28.S4            \
	VTRN2 b.S4, a.S4, V29.S4            \
	VTRN1 d.S4, c.S4, V30.S4            \
	VTRN2 d.S4, c.S4, V31.S4            \
	VTRN1 V30.D2, V28.D2, a.D2          \
	VTRN1 V31.D2, V29.D2, b.D2          \
	VTRN2 V30.D2, V28.D2, c.D2          \
	VTRN2 V31.D2, V29.D2, d.D2

#define ARGST \
	MOVD dst+0(FP), R0                               \
	MOVD dstStep+8(FP), R1                           \
	MOVD src+16(FP), R2                              \
	MOVD srcStep+24(FP), R3                          \
	MOVD blocks+32(FP), R4                           \
	LSL  $2, R1                                      \
	LSL  $2, R3                                      \
	ADD  R3, R2, R5                                  \
	ADD  R3, R5, R6                                  \
	ADD  R3, R6, R7

// func transpose4NEON(dst *float32, dstStep int, src *float32, srcStep, blocks int)
TEXT ·transpose4NEON(SB), NOSPLIT, $0-40
	ARGST
	LSL $1, R4
loop:
	FMOVQ.P 16(R2), F0
	FMOVQ.P 16(R5), F1
	FMOVQ.P 16(R6), F2
	FMOVQ.P 16(R7), F3
	TRANSPOSE(V0, V1, V2, V3)
	FMOVQ F0, (R0)
	ADD  R1, R0
	FMOVQ F1, (R0)
	ADD  R1, R0
	FMOVQ F2, (R0)
	ADD  R1, R0
	FMOVQ F3, (R0)
	ADD  R1, R0
	SUBS $1, R4
	BNE  loop
	RET

// func transpose8NEON(dst *float32, dstStep int, src *float32, srcStep, blocks int)
TEXT ·transpose8NEON(SB), NOSPLIT, $0-40
	ARGST
	ADD R3, R7, R8
	ADD R3, R8, R9
	ADD R3, R9, R10
	ADD R3, R10, R11
	LSL $1, R4
loop:
	FMOVQ.P 16(R2), F0
	FMOVQ.P 16(R5), F1
	FMOVQ.P 16(R6), F2
	FMOVQ.P 16(R7), F3
	FMOVQ.P 16(R8), F4
	FMOVQ.P 16(R9), F5
	FMOVQ.P 16(R10), F6
	FMOVQ.P 16(R11), F7
	TRANSPOSE(V0, V1, V2, V3)
	TRANSPOSE(V4, V5, V6, V7)
	FSTPQ (F0, F4), (R0)
	ADD  R1, R0
	FSTPQ (F1, F5), (R0)
	ADD  R1, R0
	FSTPQ (F2, F6), (R0)
	ADD  R1, R0
	FSTPQ (F3, F7), (R0)
	ADD  R1, R0
	SUBS $1, R4
	BNE  loop
	RET
