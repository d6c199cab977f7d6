//go:build !noasm

#include "textflag.h"
#include "go_asm.h"
#include "vec_arm64.h"

// ---- loops over elements
//
// R0 is dst, R1 how many elements are left, R2 and on the operands. V0 to V3 are
// elements of the first operand, then results; V4 to V7 those of the second. The
// last one to three elements are in the first lanes of V0. Lanes that are missing
// are the last one once more, and are stored before it.

#define TAIL LSR $1, R1, R4; SUB $1, R1, R5
#define PLACES(p) ADD R4<<2, p, R6; ADD R5<<2, p, R7
#define LOADTAIL(p, v) PLACES(p); VLD1 (p), v.S[0]; VLD1 (R6), v.S[1]; VLD1 (R7), v.S[2]
#define STORETAIL(v, p) PLACES(p); VST1 v.S[2], (R7); VST1 v.S[1], (R6); VST1 v.S[0], (p)

#define ARGS1 MOVD dst_base+0(FP), R0; MOVD dst_len+8(FP), R1; MOVD x_base+24(FP), R2
#define ARGS2 ARGS1; MOVD y_base+48(FP), R3

// Scalars, to all lanes of V16 and on.
#define SCALARP FMOVS p+48(FP), F16; VDUP V16.S[0], V16.S4
#define SCALARQ FMOVS q+52(FP), F17; VDUP V17.S[0], V17.S4
#define SCALARR FMOVS r+56(FP), F18; VDUP V18.S[0], V18.S4

// Short functions, sixteen elements at a time.
#define MAP(op) \
	SUBS $16, R1                                     \
	BLT  few                                         \
many:                                                    \
	VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]      \
	op(0)                                            \
	op(1)                                            \
	op(2)                                            \
	op(3)                                            \
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)      \
	SUBS $16, R1                                     \
	BGE  many                                        \
few:                                                     \
	ADDS $12, R1                                     \
	BLT  tail                                        \
four:                                                    \
	FMOVQ.P 16(R2), F0                               \
	op(0)                                            \
	FMOVQ.P F0, 16(R0)                               \
	SUBS $4, R1                                      \
	BGE  four                                        \
tail:                                                    \
	ADDS $4, R1                                      \
	BEQ  end                                         \
	TAIL                                             \
	LOADTAIL(R2, V0)                                 \
	op(0)                                            \
	STORETAIL(V0, R0)                                \
end:                                                     \
	RET

#define MAP2(op) \
	SUBS $16, R1                                     \
	BLT  few                                         \
many:                                                    \
	VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]      \
	VLD1.P 64(R3), [V4.S4, V5.S4, V6.S4, V7.S4]      \
	op(0, 4)                                         \
	op(1, 5)                                         \
	op(2, 6)                                         \
	op(3, 7)                                         \
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)      \
	SUBS $16, R1                                     \
	BGE  many                                        \
few:                                                     \
	ADDS $12, R1                                     \
	BLT  tail                                        \
four:                                                    \
	FMOVQ.P 16(R2), F0                               \
	FMOVQ.P 16(R3), F4                               \
	op(0, 4)                                         \
	FMOVQ.P F0, 16(R0)                               \
	SUBS $4, R1                                      \
	BGE  four                                        \
tail:                                                    \
	ADDS $4, R1                                      \
	BEQ  end                                         \
	TAIL                                             \
	LOADTAIL(R2, V0)                                 \
	LOADTAIL(R3, V4)                                 \
	op(0, 4)                                         \
	STORETAIL(V0, R0)                                \
end:                                                     \
	RET

// Long functions of V0, a vector at a time: the processor overlaps them.
#define CALL(op) \
	SUBS $4, R1                                      \
	BLT  tail                                        \
four:                                                    \
	FMOVQ.P 16(R2), F0                               \
	op                                               \
	FMOVQ.P F0, 16(R0)                               \
	SUBS $4, R1                                      \
	BGE  four                                        \
tail:                                                    \
	ADDS $4, R1                                      \
	BEQ  end                                         \
	TAIL                                             \
	LOADTAIL(R2, V0)                                 \
	op                                               \
	STORETAIL(V0, R0)                                \
end:                                                     \
	RET

// ---- arithmetic

#define DOADD(d, m) FADD(d, d, m)
#define DOSUB(d, m) FSUB(d, d, m)
#define DOMUL(d, m) FMUL(d, d, m)
#define DODIV(d, m) FDIV(d, d, m)
#define DOMAX(d, m) FMAX(d, d, m)
#define DOMIN(d, m) FMIN(d, d, m)

TEXT ·addNEON(SB), NOSPLIT, $0-72
	ARGS2
	MAP2(DOADD)

TEXT ·subNEON(SB), NOSPLIT, $0-72
	ARGS2
	MAP2(DOSUB)

TEXT ·mulNEON(SB), NOSPLIT, $0-72
	ARGS2
	MAP2(DOMUL)

TEXT ·divNEON(SB), NOSPLIT, $0-72
	ARGS2
	MAP2(DODIV)

TEXT ·maxNEON(SB), NOSPLIT, $0-72
	ARGS2
	MAP2(DOMAX)

TEXT ·minNEON(SB), NOSPLIT, $0-72
	ARGS2
	MAP2(DOMIN)

#define ADDP(d) FADD(d, d, 16)
#define SUBP(d) FSUB(d, d, 16)
#define PSUB(d) FSUB(d, 16, d)
#define MULP(d) FMUL(d, d, 16)
#define DIVP(d) FDIV(d, d, 16)
#define PDIV(d) FDIV(d, 16, d)
#define MAXP(d) FMAX(d, d, 16)
#define MINP(d) FMIN(d, d, 16)
#define SQRT(d) FSQRT(d, d)
#define CLAMP(d) FMAX(d, d, 16); FMIN(d, d, 17)
#define LEAKY(d) FMUL(19, d, 16); FCMLTZ(20, d); BIT(d, 19, 20)
#define AFFINE(d) MOV(19, 17); FMLA(19, d, 16); MOV(d, 19)
#define CENTER(d) FSUB(20, d, 16); MOV(d, 18); FMLA(d, 20, 17)

TEXT ·addSNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(ADDP)

TEXT ·subSNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(SUBP)

TEXT ·subFromNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(PSUB)

TEXT ·mulSNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(MULP)

TEXT ·divSNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(DIVP)

TEXT ·divIntoNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(PDIV)

TEXT ·maxSNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(MAXP)

TEXT ·minSNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(MINP)

TEXT ·leakyNEON(SB), NOSPLIT, $0-52
	ARGS1
	SCALARP
	MAP(LEAKY)

TEXT ·sqrtNEON(SB), NOSPLIT, $0-48
	ARGS1
	MAP(SQRT)

TEXT ·affineNEON(SB), NOSPLIT, $0-56
	ARGS1
	SCALARP
	SCALARQ
	MAP(AFFINE)

TEXT ·clampNEON(SB), NOSPLIT, $0-56
	ARGS1
	SCALARP
	SCALARQ
	MAP(CLAMP)

TEXT ·centerNEON(SB), NOSPLIT, $0-60
	ARGS1
	SCALARP
	SCALARQ
	SCALARR
	MAP(CENTER)

#define NORMALIZE FSUB(0, 0, 16); FMUL(0, 0, 17); FMLA(2, 0, 1)

// func normalizeNEON(dst, x, y, z []float32, p, q float32)
TEXT ·normalizeNEON(SB), NOSPLIT, $0-104
	ARGS2
	MOVD  z_base+72(FP), R8
	FMOVS p+96(FP), F16
	VDUP  V16.S[0], V16.S4
	FMOVS q+100(FP), F17
	VDUP  V17.S[0], V17.S4
	SUBS  $4, R1
	BLT   tail
four:
	FMOVQ.P 16(R2), F0
	FMOVQ.P 16(R3), F1
	FMOVQ.P 16(R8), F2
	NORMALIZE
	FMOVQ.P F2, 16(R0)
	SUBS  $4, R1
	BGE   four
tail:
	ADDS  $4, R1
	BEQ   end
	TAIL
	LOADTAIL(R2, V0)
	LOADTAIL(R3, V1)
	LOADTAIL(R8, V2)
	NORMALIZE
	STORETAIL(V2, R0)
end:
	RET

// ---- functions
//
// The coefficients are in V20 to V30, four in each. Functions take and return
// V0; EXP uses V1 to V3 besides, those made of it V4 to V7, and those made of
// these V8.

#define COEFFICIENTS \
	MOVD $·coef(SB), R10                             \
	VLD1.P 64(R10), [V20.S4, V21.S4, V22.S4, V23.S4] \
	VLD1.P 64(R10), [V24.S4, V25.S4, V26.S4, V27.S4] \
	FLDPQ (R10), (F28, F29)                          \
	FMOVD 32(R10), F30

// C puts a coefficient into all lanes, FMULC multiplies by one, FMLAC and FMLSC
// add and subtract the product.
#define C(d, c)        WORD $(0x4E040400 | (c&3)<<19 | (20+c/4)<<5 | d) // dup
#define FMULC(d, n, c) WORD $(0x4F809000 | (c&1)<<21 | (c&2)<<10 | (20+c/4)<<16 | n<<5 | d) // fmul by element
#define FMLAC(d, n, c) WORD $(0x4F801000 | (c&1)<<21 | (c&2)<<10 | (20+c/4)<<16 | n<<5 | d) // fmla by element
#define FMLSC(d, n, c) WORD $(0x4F805000 | (c&1)<<21 | (c&2)<<10 | (20+c/4)<<16 | n<<5 | d) // fmls by element

// NEXT is a step of Horner's scheme: coefficient c plus x times what is so far.
#define NEXT(d, c, so, x) C(d, c); FMLA(d, so, x)

#define EXP \
	C(1, const_expMin)                  \
	FMAX(0, 0, 1)                       \
	C(1, const_expMax)                  \
	FMIN(0, 0, 1)                       \
	FMULC(1, 0, const_log2e)            \
	FRINTN(1, 1)                        \
	FMLSC(0, 1, const_ln2Hi)            \
	FMLSC(0, 1, const_ln2Lo)            \
	C(2, (const_expPoly+4))             \
	NEXT(3, (const_expPoly+3), 2, 0)    \
	NEXT(2, (const_expPoly+2), 3, 0)    \
	NEXT(3, (const_expPoly+1), 2, 0)    \
	NEXT(2, const_expPoly, 3, 0)        \
	FMUL(3, 0, 0)                       \
	FMLA(0, 3, 2)                       \
	C(2, const_one)                     \
	FADD(0, 0, 2)                       \
	FCVTNS(1, 1)                        \
	SSHR(3, 1, 1)                       \
	ISUB(1, 1, 3)                       \
	SHL(3, 3, 23)                       \
	SHL(1, 1, 23)                       \
	IADD(3, 3, 2)                       \
	IADD(1, 1, 2)                       \
	FMUL(0, 0, 3)                       \
	FMUL(0, 0, 1)

#define TANH \
	MOV(4, 0)                           \
	FABS(5, 0)                          \
	FMUL(6, 0, 0)                       \
	C(2, (const_tanhPoly+4))            \
	NEXT(3, (const_tanhPoly+3), 2, 6)   \
	NEXT(2, (const_tanhPoly+2), 3, 6)   \
	NEXT(3, (const_tanhPoly+1), 2, 6)   \
	NEXT(2, const_tanhPoly, 3, 6)       \
	FMUL(2, 2, 6)                       \
	MOV(6, 4)                           \
	FMLA(6, 4, 2)                       \
	FADD(0, 5, 5)                       \
	EXP                                 \
	C(1, const_one)                     \
	FADD(0, 0, 1)                       \
	C(2, const_two)                     \
	FDIV(2, 2, 0)                       \
	FSUB(0, 1, 2)                       \
	C(1, const_sign)                    \
	BIT(0, 4, 1)                        \
	C(1, const_tanhBound)               \
	FCMGT(1, 1, 5)                      \
	BIT(0, 6, 1)

#define SIGMOID \
	MOV(4, 0)                           \
	FABS(0, 0)                          \
	FNEG(0, 0)                          \
	EXP                                 \
	C(1, const_one)                     \
	FADD(2, 0, 1)                       \
	FCMLTZ(3, 4)                        \
	BIT(1, 0, 3)                        \
	FDIV(0, 1, 2)

#define ERF \
	MOV(4, 0)                           \
	FABS(5, 0)                          \
	FMUL(6, 0, 0)                       \
	C(2, (const_erfPoly+6))             \
	NEXT(3, (const_erfPoly+5), 2, 6)    \
	NEXT(2, (const_erfPoly+4), 3, 6)    \
	NEXT(3, (const_erfPoly+3), 2, 6)    \
	NEXT(2, (const_erfPoly+2), 3, 6)    \
	NEXT(3, (const_erfPoly+1), 2, 6)    \
	NEXT(2, const_erfPoly, 3, 6)        \
	FMUL(6, 4, 2)                       \
	C(1, const_erfMax)                  \
	FMIN(7, 5, 1)                       \
	C(2, (const_erfcPoly+7))            \
	NEXT(3, (const_erfcPoly+6), 2, 7)   \
	NEXT(2, (const_erfcPoly+5), 3, 7)   \
	NEXT(3, (const_erfcPoly+4), 2, 7)   \
	NEXT(2, (const_erfcPoly+3), 3, 7)   \
	NEXT(3, (const_erfcPoly+2), 2, 7)   \
	NEXT(2, (const_erfcPoly+1), 3, 7)   \
	NEXT(3, const_erfcPoly, 2, 7)       \
	FNEG(0, 3)                          \
	EXP                                 \
	C(1, const_one)                     \
	FSUB(0, 1, 0)                       \
	C(1, const_sign)                    \
	BIT(0, 4, 1)                        \
	C(1, const_erfBound)                \
	FCMGT(1, 1, 5)                      \
	BIT(0, 6, 1)

// GATE multiplies V0 by V8, or by the least finite number for -Inf.
#define GATE \
	C(1, const_least)                   \
	FMAX(1, 8, 1)                       \
	FMUL(0, 0, 1)

#define SILU MOV(8, 0); SIGMOID; GATE

#define GELU \
	MOV(8, 0)                           \
	FMULC(0, 0, const_halfRoot)         \
	ERF                                 \
	C(1, const_half)                    \
	MOV(2, 1)                           \
	FMLA(2, 0, 1)                       \
	MOV(0, 2)                           \
	GATE

#define GELUTANH \
	MOV(8, 0)                           \
	FMUL(1, 0, 0)                       \
	C(2, const_tanhLinear)              \
	FMLAC(2, 1, const_tanhCubic)        \
	FMUL(0, 0, 2)                       \
	SIGMOID                             \
	GATE

TEXT ·expNEON(SB), NOSPLIT, $0-48
	ARGS1
	COEFFICIENTS
	CALL(EXP)

TEXT ·tanhNEON(SB), NOSPLIT, $0-48
	ARGS1
	COEFFICIENTS
	CALL(TANH)

TEXT ·sigmoidNEON(SB), NOSPLIT, $0-48
	ARGS1
	COEFFICIENTS
	CALL(SIGMOID)

TEXT ·erfNEON(SB), NOSPLIT, $0-48
	ARGS1
	COEFFICIENTS
	CALL(ERF)

TEXT ·siluNEON(SB), NOSPLIT, $0-48
	ARGS1
	COEFFICIENTS
	CALL(SILU)

TEXT ·geluNEON(SB), NOSPLIT, $0-48
	ARGS1
	COEFFICIENTS
	CALL(GELU)

TEXT ·geluTanhNEON(SB), NOSPLIT, $0-48
	ARGS1
	COEFFICIENTS
	CALL(GELUTANH)

// The memory c, from V0, to V16 and the state to V0. R3 points to the sums of the
// gates: input, forget, output and cell.
#define CELL \
	MOV(17, 0)                          \
	FMOVQ (R3), F0                      \
	SIGMOID                             \
	MOV(16, 0)                          \
	FMOVQ 48(R3), F0                    \
	TANH                                \
	FMUL(16, 16, 0)                     \
	FMOVQ 16(R3), F0                    \
	SIGMOID                             \
	FMLA(16, 0, 17)                     \
	FMOVQ 32(R3), F0                    \
	SIGMOID                             \
	MOV(17, 0)                          \
	MOV(0, 16)                          \
	TANH                                \
	FMUL(0, 0, 17)

// func lstmNEON(dst, x, y []float32)
TEXT ·lstmNEON(SB), NOSPLIT, $0-72
	ARGS2
	COEFFICIENTS
	SUBS $4, R1
	BLT  tail
four:
	FMOVQ (R2), F0
	CELL
	FMOVQ.P F16, 16(R2)
	FMOVQ.P F0, 16(R0)
	ADD  $64, R3
	SUBS $4, R1
	BGE  four
tail:
	ADDS $4, R1
	BEQ  end
	TAIL
	LOADTAIL(R2, V0)
	CELL
	STORETAIL(V16, R2)
	STORETAIL(V0, R0)
end:
	RET

// ---- reductions

// TOTAL puts the sum of the lanes of V16 to V19 into all of V16.
#define TOTAL \
	FADD(16, 16, 17)                    \
	FADD(18, 18, 19)                    \
	FADD(16, 16, 18)                    \
	FADDP(16, 16, 16)                   \
	FADDP(16, 16, 16)

#define NOTHING \
	VEOR V16.B16, V16.B16, V16.B16      \
	VEOR V17.B16, V17.B16, V17.B16      \
	VEOR V18.B16, V18.B16, V18.B16      \
	VEOR V19.B16, V19.B16, V19.B16

// func sumNEON(x []float32) float32
TEXT ·sumNEON(SB), NOSPLIT, $0-28
	MOVD x_base+0(FP), R2
	MOVD x_len+8(FP), R1
	NOTHING
	SUBS $16, R1
	BLT  few
many:
	VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]
	FADD(16, 16, 0)
	FADD(17, 17, 1)
	FADD(18, 18, 2)
	FADD(19, 19, 3)
	SUBS $16, R1
	BGE  many
few:
	ADDS $12, R1
	BLT  tail
four:
	FMOVQ.P 16(R2), F0
	FADD(16, 16, 0)
	SUBS $4, R1
	BGE  four
tail:
	TOTAL
	ADDS $4, R1
	BEQ  end
one:
	FMOVS.P 4(R2), F0
	FADDS F0, F16
	SUBS $1, R1
	BNE  one
end:
	FMOVS F16, ret+24(FP)
	RET

// func dotNEON(x, y []float32) float32
TEXT ·dotNEON(SB), NOSPLIT, $0-52
	MOVD x_base+0(FP), R2
	MOVD x_len+8(FP), R1
	MOVD y_base+24(FP), R3
	NOTHING
	SUBS $16, R1
	BLT  few
many:
	VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R3), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMLA(16, 0, 4)
	FMLA(17, 1, 5)
	FMLA(18, 2, 6)
	FMLA(19, 3, 7)
	SUBS $16, R1
	BGE  many
few:
	ADDS $12, R1
	BLT  tail
four:
	FMOVQ.P 16(R2), F0
	FMOVQ.P 16(R3), F4
	FMLA(16, 0, 4)
	SUBS $4, R1
	BGE  four
tail:
	TOTAL
	ADDS $4, R1
	BEQ  end
one:
	FMOVS.P 4(R2), F0
	FMOVS.P 4(R3), F4
	FMADDS F0, F16, F4, F16
	SUBS $1, R1
	BNE  one
end:
	FMOVS F16, ret+48(FP)
	RET

// func sumSquaresNEON(x []float32, p float32) float32
TEXT ·sumSquaresNEON(SB), NOSPLIT, $0-36
	MOVD x_base+0(FP), R2
	MOVD x_len+8(FP), R1
	FMOVS p+24(FP), F31
	VDUP V31.S[0], V31.S4
	NOTHING
	SUBS $16, R1
	BLT  few
many:
	VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]
	FSUB(0, 0, 31)
	FSUB(1, 1, 31)
	FSUB(2, 2, 31)
	FSUB(3, 3, 31)
	FMLA(16, 0, 0)
	FMLA(17, 1, 1)
	FMLA(18, 2, 2)
	FMLA(19, 3, 3)
	SUBS $16, R1
	BGE  many
few:
	ADDS $12, R1
	BLT  tail
four:
	FMOVQ.P 16(R2), F0
	FSUB(0, 0, 31)
	FMLA(16, 0, 0)
	SUBS $4, R1
	BGE  four
tail:
	TOTAL
	ADDS $4, R1
	BEQ  end
one:
	FMOVS.P 4(R2), F0
	FSUBS F31, F0, F0
	FMADDS F0, F16, F0, F16
	SUBS $1, R1
	BNE  one
end:
	FMOVS F16, ret+32(FP)
	RET

// func maxOfNEON(x []float32) float32
TEXT ·maxOfNEON(SB), NOSPLIT, $0-28
	MOVD x_base+0(FP), R2
	MOVD x_len+8(FP), R1
	COEFFICIENTS
	C(16, const_negInf)
	MOV(17, 16)
	MOV(18, 16)
	MOV(19, 16)
	SUBS $16, R1
	BLT  few
many:
	VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMAX(16, 16, 0)
	FMAX(17, 17, 1)
	FMAX(18, 18, 2)
	FMAX(19, 19, 3)
	SUBS $16, R1
	BGE  many
few:
	ADDS $12, R1
	BLT  tail
four:
	FMOVQ.P 16(R2), F0
	FMAX(16, 16, 0)
	SUBS $4, R1
	BGE  four
tail:
	FMAX(16, 16, 17)
	FMAX(18, 18, 19)
	FMAX(16, 16, 18)
	FMAXV(16, 16)
	ADDS $4, R1
	BEQ  end
one:
	FMOVS.P 4(R2), F0
	FMAXS F0, F16, F16
	SUBS $1, R1
	BNE  one
end:
	FMOVS F16, ret+24(FP)
	RET

// func expSumNEON(dst, x []float32, p float32) float32
TEXT ·expSumNEON(SB), NOSPLIT, $0-60
	ARGS1
	COEFFICIENTS
	FMOVS p+48(FP), F31
	VDUP V31.S[0], V31.S4
	NOTHING
	SUBS $4, R1
	BLT  tail
four:
	FMOVQ.P 16(R2), F0
	FSUB(0, 0, 31)
	EXP
	FMOVQ.P F0, 16(R0)
	FADD(16, 16, 0)
	SUBS $4, R1
	BGE  four
tail:
	TOTAL
	ADDS $4, R1
	BEQ  end
one:
	FMOVS.P 4(R2), F0
	FSUB(0, 0, 31)
	EXP
	FMOVS.P F0, 4(R0)
	FADDS F0, F16
	SUBS $1, R1
	BNE  one
end:
	FMOVS F16, ret+56(FP)
	RET
