//go:build !noasm

#include "textflag.h"
#include "go_asm.h"
#include "micro_arm64.h"

// The kernels of tiles: rows×vecs vectors of C in registers, V0 the first of row
// 0, then row by row. V24 and V25 are the values of A for an inner index, V26 to
// V28 those of B.
//
// The last of two or three vectors ends with the last column; if there are less
// columns than places, it overlaps the one before, whose columns are then
// computed twice, to the same results.
//
// R0 is the tile, R1 what is left of k, R2 A and R3 its step, R4 B, R5 the last
// vector of B (packed), R6 the table of B's rows (direct), R8 C and R9 its step,
// R10 the rows, R15 where the last vector of a row is: all in bytes.

// ---- operands

#define LOADA8 FLDPQ (R2), (F24, F25); ADD R3, R2
#define LOADA4 FMOVQ (R2), F24; ADD R3, R2
#define LOADA1 VLD1R.P (R2)(R3), [V24.S4]

// A panel has 12 columns, 48 bytes.
#define PACKED3 FLDPQ.P 48(R4), (F26, F27); FMOVQ.P 48(R5), F28
#define PACKED2 FMOVQ.P 48(R4), F26; FMOVQ.P 48(R5), F27
#define PACKED1 FMOVQ.P 48(R4), F26

#define BROW MOVD.P 8(R6), R7; ADD R7<<2, R4, R7
#define DIRECT3 BROW; FLDPQ (R7), (F26, F27); ADD R15, R7; FMOVQ (R7), F28
#define DIRECT2 BROW; FMOVQ (R7), F26; ADD R15, R7; FMOVQ (R7), F27
#define DIRECT1 BROW; FMOVQ (R7), F26

// One to three columns; the places of the second and third repeat the last.
#define NARROW1 \
	BROW                      \
	VLD1 (R7), V26.S[0]       \
	ADD  R15, R7, R14         \
	VLD1 (R14), V26.S[1]      \
	ADD  R16, R7, R14         \
	VLD1 (R14), V26.S[2]

// ---- products

#define ROW3(a, b, c, m, i) FMLAE(a, 26, m, i); FMLAE(b, 27, m, i); FMLAE(c, 28, m, i)
#define ROW2(a, b, m, i) FMLAE(a, 26, m, i); FMLAE(b, 27, m, i)
#define ROW1(a, m, i) FMLAE(a, 26, m, i)

#define MUL4x3 ROW3(0, 1, 2, 24, 0); ROW3(3, 4, 5, 24, 1); ROW3(6, 7, 8, 24, 2); ROW3(9, 10, 11, 24, 3)
#define MUL4x2 ROW2(0, 1, 24, 0); ROW2(2, 3, 24, 1); ROW2(4, 5, 24, 2); ROW2(6, 7, 24, 3)
#define MUL4x1 ROW1(0, 24, 0); ROW1(1, 24, 1); ROW1(2, 24, 2); ROW1(3, 24, 3)
#define MUL8x3 MUL4x3; ROW3(12, 13, 14, 25, 0); ROW3(15, 16, 17, 25, 1); ROW3(18, 19, 20, 25, 2); ROW3(21, 22, 23, 25, 3)
#define MUL8x2 MUL4x2; ROW2(8, 9, 25, 0); ROW2(10, 11, 25, 1); ROW2(12, 13, 25, 2); ROW2(14, 15, 25, 3)
#define MUL8x1 MUL4x1; ROW1(4, 25, 0); ROW1(5, 25, 1); ROW1(6, 25, 2); ROW1(7, 25, 3)

#define MUL1x3(a, b, c) FMLA(a, 26, 24); FMLA(b, 27, 24); FMLA(c, 28, 24)
#define MUL1x2(a, b) FMLA(a, 26, 24); FMLA(b, 27, 24)
#define MUL1x1(a) FMLA(a, 26, 24)

#define ZERO4(a, b, c, d) VEOR a.B16, a.B16, a.B16; VEOR b.B16, b.B16, b.B16; VEOR c.B16, c.B16, c.B16; VEOR d.B16, d.B16, d.B16
#define ZEROS \
	ZERO4(V0, V1, V2, V3)     \
	ZERO4(V4, V5, V6, V7)     \
	ZERO4(V8, V9, V10, V11)   \
	ZERO4(V12, V13, V14, V15) \
	ZERO4(V16, V17, V18, V19) \
	ZERO4(V20, V21, V22, V23)

#define BEGIN \
	MOVD t+0(FP), R0      \
	MOVD tile_k(R0), R1   \
	MOVD tile_a(R0), R2   \
	MOVD tile_astep(R0), R3 \
	MOVD tile_b(R0), R4   \
	MOVD tile_brows(R0), R6 \
	MOVD tile_c(R0), R8   \
	MOVD tile_ldc(R0), R9 \
	MOVD tile_rows(R0), R10 \
	MOVD tile_cols(R0), R15 \
	LSL  $2, R3           \
	LSL  $2, R9           \
	ZEROS

#define WIDE SUB $4, R15; LSL $2, R15; ADD R15, R4, R5
#define FEW \
	LSR $1, R15, R16 \
	SUB $1, R15      \
	LSL $2, R15, R17 \
	LSL $2, R16, R15 \
	MOVD R17, R16

// Two inner indices at a time.
#define LOOP2(loadA, loadB, mul) \
	LSR  $1, R1, R13 \
	CBZ  R13, rest   \
pair:                    \
	loadA            \
	loadB            \
	mul              \
	loadA            \
	loadB            \
	mul              \
	SUBS $1, R13     \
	BNE  pair        \
rest:                    \
	TBZ  $0, R1, end \
	loadA            \
	loadB            \
	mul              \
end:

// Four at a time, in sums of their own: a single row has too few to hide the
// latency of an FMLA.
#define LOOP4(loadB, mul0, mul1, mul2, mul3) \
	SUBS $4, R1      \
	BLT  rest        \
four:                    \
	LOADA1           \
	loadB            \
	mul0             \
	LOADA1           \
	loadB            \
	mul1             \
	LOADA1           \
	loadB            \
	mul2             \
	LOADA1           \
	loadB            \
	mul3             \
	SUBS $4, R1      \
	BGE  four        \
rest:                    \
	ADDS $4, R1      \
	BEQ  end         \
one:                     \
	LOADA1           \
	loadB            \
	mul0             \
	SUBS $1, R1      \
	BNE  one         \
end:

#define LOOP1x3(loadB) \
	LOOP4(loadB, MUL1x3(0, 1, 2), MUL1x3(3, 4, 5), MUL1x3(6, 7, 8), MUL1x3(9, 10, 11)) \
	FADD(0, 0, 6)    \
	FADD(1, 1, 7)    \
	FADD(2, 2, 8)    \
	FADD(3, 3, 9)    \
	FADD(4, 4, 10)   \
	FADD(5, 5, 11)   \
	FADD(0, 0, 3)    \
	FADD(1, 1, 4)    \
	FADD(2, 2, 5)

#define LOOP1x2(loadB) \
	LOOP4(loadB, MUL1x2(0, 1), MUL1x2(2, 3), MUL1x2(4, 5), MUL1x2(6, 7)) \
	FADD(0, 0, 4)    \
	FADD(1, 1, 5)    \
	FADD(2, 2, 6)    \
	FADD(3, 3, 7)    \
	FADD(0, 0, 2)    \
	FADD(1, 1, 3)

#define LOOP1x1(loadB) \
	LOOP4(loadB, MUL1x1(0), MUL1x1(1), MUL1x1(2), MUL1x1(3)) \
	FADD(0, 0, 2)    \
	FADD(1, 1, 3)    \
	FADD(0, 0, 1)

// ---- what becomes of the sums

// M for each row that the tile has. Kernels of 8 rows have at least 5, and those
// of 4 at least 2.
#define LESS(n, end) CMP $n, R10; BLT end
#define EACH8x3(M, end) M(0, 1, 2); M(3, 4, 5); M(6, 7, 8); M(9, 10, 11); M(12, 13, 14); LESS(6, end); M(15, 16, 17); LESS(7, end); M(18, 19, 20); LESS(8, end); M(21, 22, 23)
#define EACH8x2(M, end) M(0, 1); M(2, 3); M(4, 5); M(6, 7); M(8, 9); LESS(6, end); M(10, 11); LESS(7, end); M(12, 13); LESS(8, end); M(14, 15)
#define EACH8x1(M, end) M(0); M(1); M(2); M(3); M(4); LESS(6, end); M(5); LESS(7, end); M(6); LESS(8, end); M(7)
#define EACH4x3(M, end) M(0, 1, 2); M(3, 4, 5); LESS(3, end); M(6, 7, 8); LESS(4, end); M(9, 10, 11)
#define EACH4x2(M, end) M(0, 1); M(2, 3); LESS(3, end); M(4, 5); LESS(4, end); M(6, 7)
#define EACH4x1(M, end) M(0); M(1); LESS(3, end); M(2); LESS(4, end); M(3)
#define EACH1x3(M, end) M(0, 1, 2)
#define EACH1x2(M, end) M(0, 1)
#define EACH1x1(M, end) M(0)

// Of what R11 points to, the vectors of a row's columns, to V24 and on.
#define COLS3 FLDPQ (R11), (F24, F25); ADD R15, R11, R14; FMOVQ (R14), F26
#define COLS2 FMOVQ (R11), F24; ADD R15, R11, R14; FMOVQ (R14), F25
#define COLS1 FMOVQ (R11), F24

#define PLUS3(a, b, c) FADD(a, a, 24); FADD(b, b, 25); FADD(c, c, 26)
#define PLUS2(a, b) FADD(a, a, 24); FADD(b, b, 25)
#define PLUS1(a) FADD(a, a, 24)

#define ADD3(a, b, c) COLS3; PLUS3(a, b, c); ADD R12, R11
#define ADD2(a, b) COLS2; PLUS2(a, b); ADD R12, R11
#define ADD1(a) COLS1; PLUS1(a); ADD R12, R11

#define BIAS3(a, b, c) VLD1R.P 4(R11), [V24.S4]; FADD(a, a, 24); FADD(b, b, 24); FADD(c, c, 24)
#define BIAS2(a, b) VLD1R.P 4(R11), [V24.S4]; FADD(a, a, 24); FADD(b, b, 24)
#define BIAS1(a) VLD1R.P 4(R11), [V24.S4]; FADD(a, a, 24)

#define CLAMP1(a) FMAX(a, a, 24); FMIN(a, a, 25)
#define CLAMP2(a, b) CLAMP1(a); CLAMP1(b)
#define CLAMP3(a, b, c) CLAMP1(a); CLAMP1(b); CLAMP1(c)

#define SLOPE(a) FMUL(25, a, 24); FCMLTZ(26, a); BIT(a, 25, 26)
#define LEAKY1(a) VLD1R.P 4(R11), [V24.S4]; SLOPE(a)
#define LEAKY2(a, b) LEAKY1(a); SLOPE(b)
#define LEAKY3(a, b, c) LEAKY1(a); SLOPE(b); SLOPE(c)

#define STORE3(a, b, c) STPQ8(a, b); ADD R15, R8, R14; FMOVQ F(c), (R14); ADD R9, R8
#define STORE2(a, b) FMOVQ F(a), (R8); ADD R15, R8, R14; FMOVQ F(b), (R14); ADD R9, R8
#define STORE1(a) FMOVQ F(a), (R8); ADD R9, R8

#define FINISH(EACH, add, bias, cols, plus, clamps, leaky, store) \
	MOVD  tile_add(R0), R11      \
	CBZ   R11, noAdd             \
	MOVD  tile_ldadd(R0), R12    \
	LSL   $2, R12                \
	EACH(add, noAdd)             \
noAdd:                               \
	MOVD  tile_rowBias(R0), R11  \
	CBZ   R11, noRowBias         \
	EACH(bias, noRowBias)        \
noRowBias:                           \
	MOVD  tile_colBias(R0), R11  \
	CBZ   R11, noColBias         \
	cols                         \
	EACH(plus, noColBias)        \
noColBias:                           \
	MOVD  tile_clamp(R0), R11    \
	CBZ   R11, noClamp           \
	ADD   $tile_lo, R0, R11      \
	VLD1R.P 4(R11), [V24.S4]     \
	VLD1R (R11), [V25.S4]        \
	EACH(clamps, noClamp)        \
noClamp:                             \
	MOVD  tile_slope(R0), R11    \
	CBZ   R11, noSlope           \
	EACH(leaky, noSlope)         \
noSlope:                             \
	EACH(store, stored)          \
stored:                              \
	RET

#define FINISH3(EACH) FINISH(EACH, ADD3, BIAS3, COLS3, PLUS3, CLAMP3, LEAKY3, STORE3)
#define FINISH2(EACH) FINISH(EACH, ADD2, BIAS2, COLS2, PLUS2, CLAMP2, LEAKY2, STORE2)
#define FINISH1(EACH) FINISH(EACH, ADD1, BIAS1, COLS1, PLUS1, CLAMP1, LEAKY1, STORE1)

// If somebody wants the sums as they are, those of up to 8 rows.
#define SUMS \
	MOVD  sums+8(FP), R11        \
	CBZ   R11, whole             \
	FSTPQ (F0, F1), (R11)        \
	FSTPQ (F2, F3), 32(R11)      \
	FSTPQ (F4, F5), 64(R11)      \
	FSTPQ (F6, F7), 96(R11)      \
	RET                          \
whole:

// func micro8x3(t *tile, sums *neonSums)
TEXT ·micro8x3(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP2(LOADA8, PACKED3, MUL8x3)
	FINISH3(EACH8x3)

// func micro8x2(t *tile, sums *neonSums)
TEXT ·micro8x2(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP2(LOADA8, PACKED2, MUL8x2)
	FINISH2(EACH8x2)

// func micro8x1(t *tile, sums *neonSums)
TEXT ·micro8x1(SB), NOSPLIT, $0-16
	BEGIN
	LOOP2(LOADA8, PACKED1, MUL8x1)
	SUMS
	FINISH1(EACH8x1)

// func micro4x3(t *tile, sums *neonSums)
TEXT ·micro4x3(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP2(LOADA4, PACKED3, MUL4x3)
	FINISH3(EACH4x3)

// func micro4x2(t *tile, sums *neonSums)
TEXT ·micro4x2(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP2(LOADA4, PACKED2, MUL4x2)
	FINISH2(EACH4x2)

// func micro4x1(t *tile, sums *neonSums)
TEXT ·micro4x1(SB), NOSPLIT, $0-16
	BEGIN
	LOOP2(LOADA4, PACKED1, MUL4x1)
	SUMS
	FINISH1(EACH4x1)

// func micro1x3(t *tile, sums *neonSums)
TEXT ·micro1x3(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP1x3(PACKED3)
	FINISH3(EACH1x3)

// func micro1x2(t *tile, sums *neonSums)
TEXT ·micro1x2(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP1x2(PACKED2)
	FINISH2(EACH1x2)

// func micro1x1(t *tile, sums *neonSums)
TEXT ·micro1x1(SB), NOSPLIT, $0-16
	BEGIN
	LOOP1x1(PACKED1)
	SUMS
	FINISH1(EACH1x1)

// func direct8x3(t *tile, sums *neonSums)
TEXT ·direct8x3(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP2(LOADA8, DIRECT3, MUL8x3)
	FINISH3(EACH8x3)

// func direct8x2(t *tile, sums *neonSums)
TEXT ·direct8x2(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP2(LOADA8, DIRECT2, MUL8x2)
	FINISH2(EACH8x2)

// func direct8x1(t *tile, sums *neonSums)
TEXT ·direct8x1(SB), NOSPLIT, $0-16
	BEGIN
	LOOP2(LOADA8, DIRECT1, MUL8x1)
	FINISH1(EACH8x1)

// func direct4x3(t *tile, sums *neonSums)
TEXT ·direct4x3(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP2(LOADA4, DIRECT3, MUL4x3)
	FINISH3(EACH4x3)

// func direct4x2(t *tile, sums *neonSums)
TEXT ·direct4x2(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP2(LOADA4, DIRECT2, MUL4x2)
	FINISH2(EACH4x2)

// func direct4x1(t *tile, sums *neonSums)
TEXT ·direct4x1(SB), NOSPLIT, $0-16
	BEGIN
	LOOP2(LOADA4, DIRECT1, MUL4x1)
	FINISH1(EACH4x1)

// func direct1x3(t *tile, sums *neonSums)
TEXT ·direct1x3(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP1x3(DIRECT3)
	FINISH3(EACH1x3)

// func direct1x2(t *tile, sums *neonSums)
TEXT ·direct1x2(SB), NOSPLIT, $0-16
	BEGIN
	WIDE
	LOOP1x2(DIRECT2)
	FINISH2(EACH1x2)

// func direct1x1(t *tile, sums *neonSums)
TEXT ·direct1x1(SB), NOSPLIT, $0-16
	BEGIN
	LOOP1x1(DIRECT1)
	FINISH1(EACH1x1)

// func narrow8(t *tile, sums *neonSums)
TEXT ·narrow8(SB), NOSPLIT, $0-16
	BEGIN
	FEW
	LOOP2(LOADA8, NARROW1, MUL8x1)
	SUMS
	RET

// func narrow4(t *tile, sums *neonSums)
TEXT ·narrow4(SB), NOSPLIT, $0-16
	BEGIN
	FEW
	LOOP2(LOADA4, NARROW1, MUL4x1)
	SUMS
	RET

// func narrow1(t *tile, sums *neonSums)
TEXT ·narrow1(SB), NOSPLIT, $0-16
	BEGIN
	FEW
	LOOP1x1(NARROW1)
	SUMS
	RET

// ---- packing

// func packRunNEON(dst *float32, step int, src *float32, rows *int, n int)
TEXT ·packRunNEON(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD step+8(FP), R1
	MOVD src+16(FP), R2
	MOVD rows+24(FP), R3
	MOVD n+32(FP), R4
	LSL  $2, R1
	SUBS $2, R4
	BLT  last
pair:
	LDP.P 16(R3), (R5, R6)
	ADD   R5<<2, R2, R5
	ADD   R6<<2, R2, R6
	FMOVQ (R5), F0
	FMOVQ (R6), F1
	FMOVQ F0, (R0)
	ADD   R1, R0
	FMOVQ F1, (R0)
	ADD   R1, R0
	SUBS  $2, R4
	BGE   pair
last:
	TBZ   $0, R4, end
	MOVD  (R3), R5
	ADD   R5<<2, R2, R5
	FMOVQ (R5), F0
	FMOVQ F0, (R0)
end:
	RET

// func packLanesNEON(dst *float32, step int, src *float32, rows *int, n int, lanes *[neonLanes]int, mask *[neonLanes]uint32)
TEXT ·packLanesNEON(SB), NOSPLIT, $0-56
	MOVD  dst+0(FP), R0
	MOVD  step+8(FP), R1
	MOVD  src+16(FP), R2
	MOVD  rows+24(FP), R3
	MOVD  n+32(FP), R4
	MOVD  lanes+40(FP), R5
	MOVD  mask+48(FP), R6
	LSL   $2, R1
	FMOVQ (R6), F31
	LDP   (R5), (R7, R8)
	LDP   16(R5), (R9, R10)
	ADD   R7<<2, R2, R7
	ADD   R8<<2, R2, R8
	ADD   R9<<2, R2, R9
	ADD   R10<<2, R2, R10
loop:
	MOVD.P 8(R3), R5
	ADD   R5<<2, R7, R11
	VLD1  (R11), V0.S[0]
	ADD   R5<<2, R8, R11
	VLD1  (R11), V0.S[1]
	ADD   R5<<2, R9, R11
	VLD1  (R11), V0.S[2]
	ADD   R5<<2, R10, R11
	VLD1  (R11), V0.S[3]
	VAND  V31.B16, V0.B16, V0.B16
	FMOVQ F0, (R0)
	ADD   R1, R0
	SUBS  $1, R4
	BNE   loop
	RET
