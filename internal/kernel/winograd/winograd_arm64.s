//go:build !noasm

#include "textflag.h"
#include "winograd_arm64.h"

// V31 has a, b, a² and b²; V30 has a²+b², a²b², a³ and b³.
#define POWERS \
	MOVD $·powers(SB), R19      \
	FLDPQ (R19), (F31, F30)

// FORWARD makes the points V16 to V21 of the inputs V0 to V5.
#define FORWARD \
	MOV(16, 4)                  \
	FMLSE(16, 2, 30, 0)         \
	FMLAE(16, 0, 30, 1)         \
	MOV(21, 5)                  \
	FMLSE(21, 3, 30, 0)         \
	FMLAE(21, 1, 30, 1)         \
	MOV(6, 4)                   \
	FMLSE(6, 2, 31, 3)          \
	MOV(7, 3)                   \
	FMLSE(7, 1, 31, 3)          \
	MOV(17, 6)                  \
	FMLAE(17, 7, 31, 0)         \
	MOV(18, 6)                  \
	FMLSE(18, 7, 31, 0)         \
	MOV(6, 4)                   \
	FMLSE(6, 2, 31, 2)          \
	MOV(7, 3)                   \
	FMLSE(7, 1, 31, 2)          \
	MOV(19, 6)                  \
	FMLAE(19, 7, 31, 1)         \
	MOV(20, 6)                  \
	FMLSE(20, 7, 31, 1)

// BACKWARD makes the outputs V16 to V19 of the points V0 to V5.
#define BACKWARD \
	FADD(6, 1, 2)               \
	FSUB(7, 1, 2)               \
	FADD(22, 3, 4)              \
	FSUB(23, 3, 4)              \
	FADD(16, 0, 6)              \
	FADD(16, 16, 22)            \
	FMULE(17, 7, 31, 0)         \
	FMLAE(17, 23, 31, 1)        \
	FMULE(18, 6, 31, 2)         \
	FMLAE(18, 22, 31, 3)        \
	MOV(19, 5)                  \
	FMLAE(19, 7, 30, 2)         \
	FMLAE(19, 23, 30, 3)

// func rowNEON(half *float32, step int, row *float32, tiles int)
//
// Four tiles at a time: of 16 columns, those of the same remainder by 4, and the
// next two. There are at least four tiles.
TEXT ·rowNEON(SB), NOSPLIT, $0-32
	MOVD half+0(FP), R0
	MOVD step+8(FP), R1
	MOVD row+16(FP), R2
	MOVD tiles+24(FP), R3
	POWERS
	LSL  $2, R1
group:
	SUBS $4, R3
	BLT  rest
	VLD4.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMOVS (R2), F4
	FMOVS 4(R2), F5
	VEXT $4, V4.B16, V0.B16, V4.B16
	VEXT $4, V5.B16, V1.B16, V5.B16
	FORWARD
	MOVD R0, R6
	FMOVQ F16, (R6)
	ADD  R1, R6
	FMOVQ F17, (R6)
	ADD  R1, R6
	FMOVQ F18, (R6)
	ADD  R1, R6
	FMOVQ F19, (R6)
	ADD  R1, R6
	FMOVQ F20, (R6)
	ADD  R1, R6
	FMOVQ F21, (R6)
	ADD  $16, R0
	B    group
rest:
	ADDS $4, R3
	BEQ  end
	// The last tiles, with some once more.
	MOVD $4, R5
	SUB  R3, R5
	SUB  R5<<2, R0
	SUB  R5<<4, R2
	MOVD $4, R3
	B    group
end:
	RET

// func colsNEON(dst *float32, dstStep int, half *float32, halfStep, across, vecs int)
TEXT ·colsNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R0
	MOVD dstStep+8(FP), R1
	MOVD half+16(FP), R6
	MOVD halfStep+24(FP), R7
	MOVD across+32(FP), R8
	MOVD vecs+40(FP), R20
	POWERS
	LSL  $2, R1
	LSL  $2, R7
	ADD  R7, R6, R9
	ADD  R7, R9, R10
	ADD  R7, R10, R11
	ADD  R8<<2, R6, R12
	ADD  R8<<2, R9, R13
	ADD  R1, R0, R2
	ADD  R1, R2, R3
	ADD  R1, R3, R4
	ADD  R1, R4, R5
	ADD  R1, R5, R14
loop:
	FMOVQ.P 16(R6), F0
	FMOVQ.P 16(R9), F1
	FMOVQ.P 16(R10), F2
	FMOVQ.P 16(R11), F3
	FMOVQ.P 16(R12), F4
	FMOVQ.P 16(R13), F5
	FORWARD
	FMOVQ.P F16, 16(R0)
	FMOVQ.P F17, 16(R2)
	FMOVQ.P F18, 16(R3)
	FMOVQ.P F19, 16(R4)
	FMOVQ.P F20, 16(R5)
	FMOVQ.P F21, 16(R14)
	SUBS $1, R20
	BNE  loop
	RET

// func outputsNEON(dst *float32, dstStep int, src *float32, vecs int, bias float32)
//
// The points of a panel of 12 tiles are 48 bytes apart. The outputs of the columns
// of points take the place of the first four.
TEXT ·outputsNEON(SB), NOSPLIT, $0-36
	MOVD dst+0(FP), R0
	MOVD dstStep+8(FP), R1
	MOVD src+16(FP), R2
	MOVD vecs+24(FP), R3
	FMOVS bias+32(FP), F29
	VDUP V29.S[0], V29.S4
	POWERS
	LSL  $2, R1
loop:
	MOVD R2, R4
	MOVD $6, R5
column:
	FMOVQ (R4), F0
	FMOVQ 288(R4), F1
	FMOVQ 576(R4), F2
	FMOVQ 864(R4), F3
	FMOVQ 1152(R4), F4
	FMOVQ 1440(R4), F5
	BACKWARD
	FMOVQ F16, (R4)
	FMOVQ F17, 288(R4)
	FMOVQ F18, 576(R4)
	FMOVQ F19, 864(R4)
	ADD  $48, R4
	SUBS $1, R5
	BNE  column
	MOVD R2, R4
	MOVD R0, R6
	MOVD $4, R5
row:
	FMOVQ (R4), F0
	FMOVQ 48(R4), F1
	FMOVQ 96(R4), F2
	FMOVQ 144(R4), F3
	FMOVQ 192(R4), F4
	FMOVQ 240(R4), F5
	BACKWARD
	FADD(16, 16, 29)
	FADD(17, 17, 29)
	FADD(18, 18, 29)
	FADD(19, 19, 29)
	VST4 [V16.S4, V17.S4, V18.S4, V19.S4], (R6)
	ADD  $288, R4
	ADD  R1, R6
	SUBS $1, R5
	BNE  row
	ADD  $16, R2
	ADD  $64, R0
	SUBS $1, R3
	BNE  loop
	RET

// func finishNEON(dst, src, add *float32, vecs int, lo, hi float32)
TEXT ·finishNEON(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD add+16(FP), R2
	MOVD vecs+24(FP), R3
	FMOVS lo+32(FP), F30
	VDUP V30.S[0], V30.S4
	FMOVS hi+36(FP), F31
	VDUP V31.S[0], V31.S4
loop:
	FMOVQ.P 16(R1), F0
	CBZ  R2, sum
	FMOVQ.P 16(R2), F1
	FADD(0, 0, 1)
sum:
	FMAX(0, 0, 30)
	FMIN(0, 0, 31)
	FMOVQ.P F0, 16(R0)
	SUBS $1, R3
	BNE  loop
	RET

// func peakNEON(x *float32, blocks int) uint32
TEXT ·peakNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD blocks+8(FP), R1
	MOVD $0x7FFFFFFF, R2
	VDUP R2, V31.S4
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VAND V31.B16, V0.B16, V0.B16
	VAND V31.B16, V1.B16, V1.B16
	VAND V31.B16, V2.B16, V2.B16
	VAND V31.B16, V3.B16, V3.B16
	VUMAX V0.S4, V16.S4, V16.S4
	VUMAX V1.S4, V17.S4, V17.S4
	VUMAX V2.S4, V18.S4, V18.S4
	VUMAX V3.S4, V19.S4, V19.S4
	SUBS $1, R1
	BNE  loop
	VUMAX V17.S4, V16.S4, V16.S4
	VUMAX V19.S4, V18.S4, V18.S4
	VUMAX V18.S4, V16.S4, V16.S4
	UMAXV(16, 16)
	FMOVS F16, ret+16(FP)
	RET
