//go:build !noasm

#include "textflag.h"
#include "micro_arm64.h"

// The products of a few rows and a band of columns: the sums are in V0 to V15,
// row by row, four values of each row of x in V16 to V19, the vectors of an inner
// index of b in V20 to V23.
//
// R0 is what is left of k, R1 b, R2 to R5 the rows of x, R6 their step, R7 c and
// R8 its step, R9 and R10 those of add.

#define BANDARGS \
	MOVD k+0(FP), R0          \
	MOVD x+8(FP), R2          \
	MOVD ldx+16(FP), R6       \
	MOVD b+24(FP), R1         \
	MOVD c+32(FP), R7         \
	MOVD ldc+40(FP), R8       \
	MOVD add+48(FP), R9       \
	MOVD ldadd+56(FP), R10    \
	ADD  R6<<2, R2, R3        \
	ADD  R6<<2, R3, R4        \
	ADD  R6<<2, R4, R5        \
	LSL  $2, R8               \
	LSL  $2, R10              \
	ZERO4(V0, V1, V2, V3)     \
	ZERO4(V4, V5, V6, V7)     \
	ZERO4(V8, V9, V10, V11)   \
	ZERO4(V12, V13, V14, V15)

#define ZERO4(a, b, c, d) VEOR a.B16, a.B16, a.B16; VEOR b.B16, b.B16, b.B16; VEOR c.B16, c.B16, c.B16; VEOR d.B16, d.B16, d.B16

// Four values of each row, or one.
#define FOUR1 FMOVQ.P 16(R2), F16
#define FOUR2 FOUR1; FMOVQ.P 16(R3), F17
#define FOUR3 FOUR2; FMOVQ.P 16(R4), F18
#define FOUR4 FOUR3; FMOVQ.P 16(R5), F19
#define ONE1 FMOVS.P 4(R2), F16
#define ONE2 ONE1; FMOVS.P 4(R3), F17
#define ONE3 ONE2; FMOVS.P 4(R4), F18
#define ONE4 ONE3; FMOVS.P 4(R5), F19

#define LOADB1 FMOVQ.P 16(R1), F20
#define LOADB2 FLDPQ.P 32(R1), (F20, F21)
#define LOADB3 FLDPQ.P 32(R1), (F20, F21); FMOVQ.P 16(R1), F22
#define LOADB4 FLDPQ.P 32(R1), (F20, F21); FLDPQ.P 32(R1), (F22, F23)

// A row times the vectors; u is which of its four values, x where they are.
#define TIMES1(a, x, u) FMLAE(a, 20, x, u)
#define TIMES2(a, b, x, u) TIMES1(a, x, u); FMLAE(b, 21, x, u)
#define TIMES3(a, b, c, x, u) TIMES2(a, b, x, u); FMLAE(c, 22, x, u)
#define TIMES4(a, b, c, d, x, u) TIMES3(a, b, c, x, u); FMLAE(d, 23, x, u)

#define MUL1x1(u) TIMES1(0, 16, u)
#define MUL2x1(u) MUL1x1(u); TIMES1(1, 17, u)
#define MUL3x1(u) MUL2x1(u); TIMES1(2, 18, u)
#define MUL4x1(u) MUL3x1(u); TIMES1(3, 19, u)
#define MUL1x2(u) TIMES2(0, 1, 16, u)
#define MUL2x2(u) MUL1x2(u); TIMES2(2, 3, 17, u)
#define MUL3x2(u) MUL2x2(u); TIMES2(4, 5, 18, u)
#define MUL4x2(u) MUL3x2(u); TIMES2(6, 7, 19, u)
#define MUL1x3(u) TIMES3(0, 1, 2, 16, u)
#define MUL2x3(u) MUL1x3(u); TIMES3(3, 4, 5, 17, u)
#define MUL3x3(u) MUL2x3(u); TIMES3(6, 7, 8, 18, u)
#define MUL4x3(u) MUL3x3(u); TIMES3(9, 10, 11, 19, u)
#define MUL1x4(u) TIMES4(0, 1, 2, 3, 16, u)
#define MUL2x4(u) MUL1x4(u); TIMES4(4, 5, 6, 7, 17, u)
#define MUL3x4(u) MUL2x4(u); TIMES4(8, 9, 10, 11, 18, u)
#define MUL4x4(u) MUL3x4(u); TIMES4(12, 13, 14, 15, 19, u)

#define PRODUCT(four, one, loadB, mul) \
	SUBS $4, R0      \
	BLT  rest        \
many:                    \
	four             \
	loadB            \
	mul(0)           \
	loadB            \
	mul(1)           \
	loadB            \
	mul(2)           \
	loadB            \
	mul(3)           \
	SUBS $4, R0      \
	BGE  many        \
rest:                    \
	ADDS $4, R0      \
	BEQ  end         \
single:                  \
	one              \
	loadB            \
	mul(0)           \
	SUBS $1, R0      \
	BNE  single      \
end:

// What is to be added to a row, and the row itself.
#define ADD1(a) FMOVQ (R9), F20; FADD(a, a, 20); ADD R10, R9
#define ADD2(a, b) FLDPQ (R9), (F20, F21); FADD(a, a, 20); FADD(b, b, 21); ADD R10, R9
#define ADD3(a, b, c) FLDPQ (R9), (F20, F21); FMOVQ 32(R9), F22; FADD(a, a, 20); FADD(b, b, 21); FADD(c, c, 22); ADD R10, R9
#define ADD4(a, b, c, d) FLDPQ (R9), (F20, F21); FLDPQ 32(R9), (F22, F23); FADD(a, a, 20); FADD(b, b, 21); FADD(c, c, 22); FADD(d, d, 23); ADD R10, R9

#define STORE1(a) FMOVQ F(a), (R7); ADD R8, R7
#define STORE2(a, b) FMOVQ F(a), (R7); FMOVQ F(b), 16(R7); ADD R8, R7
#define STORE3(a, b, c) FMOVQ F(a), (R7); FMOVQ F(b), 16(R7); FMOVQ F(c), 32(R7); ADD R8, R7
#define STORE4(a, b, c, d) FMOVQ F(a), (R7); FMOVQ F(b), 16(R7); FMOVQ F(c), 32(R7); FMOVQ F(d), 48(R7); ADD R8, R7

#define EACH1x1(M) M(0)
#define EACH2x1(M) EACH1x1(M); M(1)
#define EACH3x1(M) EACH2x1(M); M(2)
#define EACH4x1(M) EACH3x1(M); M(3)
#define EACH1x2(M) M(0, 1)
#define EACH2x2(M) EACH1x2(M); M(2, 3)
#define EACH3x2(M) EACH2x2(M); M(4, 5)
#define EACH4x2(M) EACH3x2(M); M(6, 7)
#define EACH1x3(M) M(0, 1, 2)
#define EACH2x3(M) EACH1x3(M); M(3, 4, 5)
#define EACH3x3(M) EACH2x3(M); M(6, 7, 8)
#define EACH4x3(M) EACH3x3(M); M(9, 10, 11)
#define EACH1x4(M) M(0, 1, 2, 3)
#define EACH2x4(M) EACH1x4(M); M(4, 5, 6, 7)
#define EACH3x4(M) EACH2x4(M); M(8, 9, 10, 11)
#define EACH4x4(M) EACH3x4(M); M(12, 13, 14, 15)

#define FINISH(each, add, store) \
	CBZ  R9, stores  \
	each(add)        \
stores:                  \
	each(store)      \
	RET

// func band1x1(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band1x1(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR1, ONE1, LOADB1, MUL1x1)
	FINISH(EACH1x1, ADD1, STORE1)

// func band2x1(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band2x1(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR2, ONE2, LOADB1, MUL2x1)
	FINISH(EACH2x1, ADD1, STORE1)

// func band3x1(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band3x1(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR3, ONE3, LOADB1, MUL3x1)
	FINISH(EACH3x1, ADD1, STORE1)

// func band4x1(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band4x1(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR4, ONE4, LOADB1, MUL4x1)
	FINISH(EACH4x1, ADD1, STORE1)

// func band1x2(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band1x2(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR1, ONE1, LOADB2, MUL1x2)
	FINISH(EACH1x2, ADD2, STORE2)

// func band2x2(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band2x2(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR2, ONE2, LOADB2, MUL2x2)
	FINISH(EACH2x2, ADD2, STORE2)

// func band3x2(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band3x2(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR3, ONE3, LOADB2, MUL3x2)
	FINISH(EACH3x2, ADD2, STORE2)

// func band4x2(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band4x2(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR4, ONE4, LOADB2, MUL4x2)
	FINISH(EACH4x2, ADD2, STORE2)

// func band1x3(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band1x3(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR1, ONE1, LOADB3, MUL1x3)
	FINISH(EACH1x3, ADD3, STORE3)

// func band2x3(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band2x3(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR2, ONE2, LOADB3, MUL2x3)
	FINISH(EACH2x3, ADD3, STORE3)

// func band3x3(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band3x3(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR3, ONE3, LOADB3, MUL3x3)
	FINISH(EACH3x3, ADD3, STORE3)

// func band4x3(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band4x3(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR4, ONE4, LOADB3, MUL4x3)
	FINISH(EACH4x3, ADD3, STORE3)

// func band1x4(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band1x4(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR1, ONE1, LOADB4, MUL1x4)
	FINISH(EACH1x4, ADD4, STORE4)

// func band2x4(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band2x4(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR2, ONE2, LOADB4, MUL2x4)
	FINISH(EACH2x4, ADD4, STORE4)

// func band3x4(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band3x4(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR3, ONE3, LOADB4, MUL3x4)
	FINISH(EACH3x4, ADD4, STORE4)

// func band4x4(k int, x *float32, ldx int, b, c *float32, ldc int, add *float32, ldadd int)
TEXT ·band4x4(SB), NOSPLIT, $0-64
	BANDARGS
	PRODUCT(FOUR4, ONE4, LOADB4, MUL4x4)
	FINISH(EACH4x4, ADD4, STORE4)
